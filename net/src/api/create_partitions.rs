//! CreatePartitions (37), versions 0–3: more partitions for topics, placed by the controller or by hand. The answer comes
//! when every core knows them, so the timeout has nothing to bound.

use std::rc::Rc;

use engine::{
    base::NodeId,
    controller::{GrownTopic, Instruction, Mode, Outcome, TopicGrown},
    error::{ErrorCode, Refusal},
};

use super::Api;
use crate::wire::{
    Text,
    create_partitions::{
        CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
    },
};

pub(super) async fn handle(api: Rc<Api>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mode = Mode::of(request.validate_only);
    let names: Vec<Text> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let topics = request.topics.into_iter().map(grown).collect();
    let outcome = api.control(Instruction::CreatePartitions { topics, mode }).await;
    CreatePartitionsResponse { results: respond(names, outcome), ..Default::default() }
}

fn grown(topic: CreatePartitionsTopic) -> GrownTopic {
    let replicas = |ids: Vec<i32>| ids.into_iter().map(NodeId).collect();
    let assignments = topic.assignments.map(|assignments| {
        assignments.into_iter().map(|assignment| replicas(assignment.broker_ids)).collect()
    });
    GrownTopic { name: topic.name.into(), count: topic.count, assignments }
}

fn respond(names: Vec<Text>, outcome: Outcome) -> Vec<CreatePartitionsTopicResult> {
    let refused = |refusal: Refusal| {
        let results = names.into_iter();
        results.map(|name| result(name, Err(refusal.clone()))).collect()
    };
    match outcome {
        Outcome::PartitionsCreated(grown) => {
            grown.into_iter().map(|TopicGrown { name, result: grown }| result(name.into(), grown)).collect()
        }
        Outcome::Refused(refusal) => refused(refusal),
        _ => refused(Refusal::new(ErrorCode::UnknownServerError, "The controller gave another answer.")),
    }
}

fn result(name: Text, result: Result<(), Refusal>) -> CreatePartitionsTopicResult {
    let (error_code, error_message) = match result {
        Ok(()) => (0, None),
        Err(refusal) => (refusal.code.code(), Some(refusal.message.into())),
    };
    CreatePartitionsTopicResult { name, error_code, error_message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::create_partitions::CreatePartitionsAssignment;

    #[test]
    fn an_absent_assignment_leaves_the_placing_to_the_controller() {
        let mut topic = CreatePartitionsTopic { name: "orders".into(), count: 3, assignments: None };
        assert_eq!(grown(topic.clone()).assignments, None);
        topic.assignments = Some(vec![CreatePartitionsAssignment { broker_ids: vec![1, 2] }]);
        assert_eq!(grown(topic).assignments, Some(vec![vec![NodeId(1), NodeId(2)]]));
    }

    #[test]
    fn a_refusal_of_the_whole_is_told_for_each_topic() {
        let refusal = Refusal::new(ErrorCode::NotController, "no");
        let results = respond(vec!["a".into(), "b".into()], Outcome::Refused(refusal));
        let codes: Vec<(&str, i16)> = results.iter().map(|r| (r.name.as_str(), r.error_code)).collect();
        assert_eq!(codes, [("a", 41), ("b", 41)]);
    }
}
