//! DeleteTopics (20), versions 0–6 (sentences from 5; by id: KIP-516, from 6). The controller decides; the answer comes when
//! every core has let the topics go, so the timeout has nothing to bound. `delete.topic.enable=false` refuses all.

use std::rc::Rc;

use engine::{
    base::TopicId,
    controller::{DoomedTopic, Instruction, Outcome},
    error::{ErrorCode, Refusal},
};

use super::Api;
use crate::wire::{
    Text,
    delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse},
};

pub(super) async fn handle(api: Rc<Api>, request: DeleteTopicsRequest, version: i16) -> DeleteTopicsResponse {
    let doomed = doomed(request, version);
    let outcome = if api.broker.delete_topics {
        api.control(Instruction::DeleteTopics(doomed.clone())).await
    } else {
        // The code came with version 3.
        let code = if version >= 3 { ErrorCode::TopicDeletionDisabled } else { ErrorCode::InvalidRequest };
        Outcome::Refused(Refusal::new(code, "Topics cannot be deleted here: delete.topic.enable is false."))
    };
    DeleteTopicsResponse { responses: respond(doomed, outcome, version), ..Default::default() }
}

fn doomed(request: DeleteTopicsRequest, version: i16) -> Vec<DoomedTopic> {
    if version < 6 {
        let by_name = |name: Text| DoomedTopic { name: Some(name.into()), id: TopicId::ZERO };
        return request.topic_names.into_iter().map(by_name).collect();
    }
    let topics = request.topics.into_iter();
    topics.map(|topic| DoomedTopic { name: topic.name.map(String::from), id: topic.topic_id }).collect()
}

fn respond(doomed: Vec<DoomedTopic>, outcome: Outcome, version: i16) -> Vec<DeletableTopicResult> {
    let failed = |refusal: Refusal| {
        let topics = doomed.into_iter();
        topics.map(|topic| result(topic.name, topic.id, Err(refusal.clone()), version)).collect()
    };
    match outcome {
        Outcome::TopicsDeleted(deleted) => {
            deleted.into_iter().map(|topic| result(topic.name, topic.id, topic.result, version)).collect()
        }
        Outcome::Refused(refusal) => failed(refusal),
        _ => failed(Refusal::new(ErrorCode::UnknownServerError, "The controller gave another answer.")),
    }
}

fn result(
    name: Option<String>,
    topic_id: TopicId,
    result: Result<(), Refusal>,
    version: i16,
) -> DeletableTopicResult {
    let (error_code, error_message) = match result {
        Ok(()) => (0, None),
        Err(refusal) => (refusal.code.code(), Some(refusal.message.into())),
    };
    // Before version 6 a name cannot be null.
    let name = name.or((version < 6).then(String::new)).map(Text::from);
    DeletableTopicResult { name, topic_id, error_code, error_message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::delete_topics::DeleteTopicState;

    #[test]
    fn topics_are_named_by_name_or_by_id() {
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { name: None, topic_id: TopicId([7; 16]) }],
            topic_names: vec!["a".into()],
            timeout_ms: 0,
        };
        assert_eq!(doomed(request.clone(), 5), [DoomedTopic { name: Some("a".into()), id: TopicId::ZERO }]);
        assert_eq!(doomed(request, 6), [DoomedTopic { name: None, id: TopicId([7; 16]) }]);
    }

    #[test]
    fn a_refusal_of_the_whole_is_told_for_each_topic() {
        let topics = vec![DoomedTopic { name: None, id: TopicId([7; 16]) }];
        let refusal = Refusal::new(ErrorCode::TopicDeletionDisabled, "no");
        let results = respond(topics, Outcome::Refused(refusal), 6);
        assert_eq!((results[0].error_code, results[0].topic_id), (73, TopicId([7; 16])));
    }
}
