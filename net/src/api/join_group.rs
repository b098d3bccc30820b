//! JoinGroup (11), versions 0–9 (rebalance timeout from 1; a new member gets its id first: KIP-394, from 4; static members: KIP-345,
//! from 5; protocol type: KIP-559, from 7; reason: KIP-800, from 8; a leader that keeps the assignment: KIP-814, from 9).
//!
//! Answered when the members have come: it may wait as long as the longest rebalance timeout. Meanwhile the connection answers nothing
//! else, as Kafka's.

use std::rc::Rc;

use bytes::Bytes;
use engine::{
    error::ErrorCode,
    group::request::{Client, Join, Joined, MemberIds, Protocol, Reply, Request, SkipAssignment},
};

use super::{
    Api,
    groups::{ask, owned},
};
use crate::wire::{
    Text,
    join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember},
};

pub(super) async fn handle(
    api: Rc<Api>,
    request: JoinGroupRequest,
    version: i16,
    client: Client,
) -> JoinGroupResponse {
    let member = request.member_id.to_string();
    let join = join(&request, version, client, api.node.random());
    let group = join.group.clone();
    let joined = match ask(&api, &group, Request::Join(join)).await {
        Ok(Reply::Joined(joined)) => joined,
        Ok(_) => Joined::refused(member, ErrorCode::UnknownServerError),
        Err(error) => Joined::refused(member, error),
    };
    respond(joined, version)
}

fn join(request: &JoinGroupRequest, version: i16, client: Client, entropy: [u8; 16]) -> Join {
    let rebalance_timeout_ms =
        if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: protocol.name.as_str().into(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    Join {
        group: request.group_id.to_string(),
        member: request.member_id.to_string(),
        instance: owned(request.group_instance_id.as_ref()),
        client,
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols.collect(),
        reason: owned(request.reason.as_ref()),
        ids: if version >= 4 { MemberIds::Required } else { MemberIds::Given },
        skip_assignment: if version >= 9 { SkipAssignment::Understood } else { SkipAssignment::Unknown },
        entropy,
    }
}

fn respond(joined: Joined, version: i16) -> JoinGroupResponse {
    let text = |text: &str| Text::from(text);
    let members = joined.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: text(&member.id),
        group_instance_id: member.instance.as_deref().map(text),
        metadata: member.metadata,
    });
    JoinGroupResponse {
        error_code: joined.error.code(),
        generation_id: joined.generation,
        protocol_type: joined.protocol_type.as_deref().map(text),
        // Null only where the version knows it.
        protocol_name: joined.protocol.as_deref().map(text).or((version < 7).then(Text::default)),
        leader: text(&joined.leader),
        skip_assignment: joined.skip_assignment && version >= 9,
        member_id: text(&joined.member),
        members: members.collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_0_rebalances_within_the_session_and_later_ones_within_their_own_time() {
        let request =
            JoinGroupRequest { session_timeout_ms: 10, rebalance_timeout_ms: 20, ..Default::default() };
        let asked = |version| join(&request, version, Client::default(), [0; 16]).rebalance_timeout_ms;
        assert_eq!([asked(0), asked(1)], [10, 20]);
        assert_eq!(join(&request, 3, Client::default(), [0; 16]).ids, MemberIds::Given);
        assert_eq!(join(&request, 4, Client::default(), [0; 16]).ids, MemberIds::Required);
    }

    #[test]
    fn a_refusal_can_be_written_in_every_version() {
        for version in 0..=9 {
            let refused = respond(Joined::refused("m", ErrorCode::UnknownMemberId), version);
            assert_eq!((refused.error_code, refused.generation_id), (25, -1));
            assert!(crate::wire::response_frame(&refused, version, 1).is_ok(), "version {version}");
        }
    }
}
