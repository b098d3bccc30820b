//! ConsumerGroupHeartbeat (68), versions 0–1 (KIP-848; regular expressions and member ids of the client's own: KIP-1082, from 1).
//!
//! Told of together with the finalized feature `group.version`: a client uses the protocol as soon as it sees it. Where that was taken
//! down to 0, members are refused with UNSUPPORTED_VERSION.

use std::rc::Rc;

use engine::{
    base::PartitionIndex,
    error::{ErrorCode, Refusal},
    group::{
        consumer::{ConsumerHeartbeat, ConsumerHeartbeatReply, Epoch},
        request::{Client, Reply, Request},
    },
};

use super::{
    Api,
    groups::{UNSUPPORTED, ask, owned, speaks_consumer},
};
use crate::wire::{
    Text,
    consumer_group_heartbeat::{
        Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
    },
};

pub(super) async fn handle(
    api: Rc<Api>,
    request: ConsumerGroupHeartbeatRequest,
    version: i16,
    client: Client,
) -> ConsumerGroupHeartbeatResponse {
    if !speaks_consumer(&api) {
        return respond(Err(Refusal::new(ErrorCode::UnsupportedVersion, UNSUPPORTED)));
    }
    let heartbeat = heartbeat(&request, version, client, api.node.random());
    let answer = ask(&api, &request.group_id, Request::ConsumerHeartbeat(Box::new(heartbeat))).await;
    respond(match answer {
        Ok(Reply::ConsumerHeartbeat(answer)) => answer,
        Ok(_) => Err(Refusal::new(ErrorCode::UnknownServerError, "")),
        Err(code) => Err(Refusal::new(code, "")),
    })
}

fn heartbeat(
    request: &ConsumerGroupHeartbeatRequest,
    version: i16,
    client: Client,
    entropy: [u8; 16],
) -> ConsumerHeartbeat {
    let topic = |topic: &TopicPartitions| {
        (topic.topic_id, topic.partitions.iter().copied().map(PartitionIndex).collect())
    };
    let names = |names: &Vec<Text>| names.iter().map(|name| name.to_string()).collect();
    ConsumerHeartbeat {
        group: request.group_id.to_string(),
        member: request.member_id.to_string(),
        epoch: Epoch(request.member_epoch),
        instance: owned(request.instance_id.as_ref()),
        rack: owned(request.rack_id.as_ref()),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        topics: request.subscribed_topic_names.as_ref().map(names),
        regex: owned(request.subscribed_topic_regex.as_ref()),
        assignor: owned(request.server_assignor.as_ref()),
        owned: request.topic_partitions.as_ref().map(|topics| topics.iter().map(topic).collect()),
        client_id: client.id,
        client_host: client.host,
        version,
        entropy,
    }
}

fn respond(answer: Result<ConsumerHeartbeatReply, Refusal>) -> ConsumerGroupHeartbeatResponse {
    let reply = match answer {
        Ok(reply) => reply,
        Err(Refusal { code, message }) => {
            return ConsumerGroupHeartbeatResponse {
                error_code: code.code(),
                error_message: Some(if message.is_empty() { code.to_string() } else { message }.into()),
                ..Default::default()
            };
        }
    };
    let topic = |(topic_id, partitions): (_, Vec<PartitionIndex>)| TopicPartitions {
        topic_id,
        partitions: partitions.into_iter().map(|partition| partition.0).collect(),
    };
    let assignment = reply
        .assignment
        .map(|topics| Assignment { topic_partitions: topics.into_iter().map(topic).collect() });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(Text::from(&*reply.member)),
        member_epoch: reply.epoch.0,
        heartbeat_interval_ms: reply.heartbeat_interval_ms,
        assignment,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client { id: "c".into(), host: "/127.0.0.1".into() }
    }

    #[test]
    fn what_a_request_leaves_out_stays_as_it_was() {
        let plain = ConsumerGroupHeartbeatRequest { member_epoch: 3, ..Default::default() };
        let heartbeat = heartbeat(&plain, 1, client(), [0; 16]);
        assert_eq!((heartbeat.epoch, heartbeat.rebalance_timeout_ms), (Epoch(3), -1));
        assert_eq!((heartbeat.topics, heartbeat.regex, heartbeat.owned), (None, None, None));
    }

    #[test]
    fn a_refusal_carries_its_sentence_and_nothing_else() {
        let refusal = Refusal::new(ErrorCode::FencedMemberEpoch, "rejoin");
        let response = respond(Err(refusal));
        assert_eq!((response.error_code, response.error_message.as_deref()), (110, Some("rejoin")));
        assert_eq!((response.member_id, response.assignment), (None, None));
    }
}
