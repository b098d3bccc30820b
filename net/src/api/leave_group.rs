//! LeaveGroup (13), versions 0–5 (many members, by id or instance id: KIP-345, from 3; reasons: KIP-800, from 5). Below 3 the one member's
//! error is the answer's.

use std::rc::Rc;

use engine::{
    error::ErrorCode,
    group::request::{Leave, Leaving, Left, Reply, Request},
};

use super::{
    Api,
    groups::{ask, owned},
};
use crate::wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};

pub(super) async fn handle(api: Rc<Api>, request: LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
    let leave = Leave { group: request.group_id.to_string(), members: leaving(&request, version) };
    let left = match ask(&api, &request.group_id, Request::Leave(leave)).await {
        Ok(Reply::Left(left)) => left,
        Ok(_) => Left { error: ErrorCode::UnknownServerError, members: Vec::new() },
        Err(error) => Left { error, members: Vec::new() },
    };
    respond(request.members, left, version)
}

fn leaving(request: &LeaveGroupRequest, version: i16) -> Vec<Leaving> {
    if version < 3 {
        return vec![Leaving { member: request.member_id.to_string(), instance: None, reason: None }];
    }
    let leaving = |member: &MemberIdentity| Leaving {
        member: member.member_id.to_string(),
        instance: owned(member.group_instance_id.as_ref()),
        reason: owned(member.reason.as_ref()),
    };
    request.members.iter().map(leaving).collect()
}

fn respond(asked: Vec<MemberIdentity>, left: Left, version: i16) -> LeaveGroupResponse {
    if version < 3 {
        let of_member = left.members.first().copied().unwrap_or(ErrorCode::None);
        let error = if left.error == ErrorCode::None { of_member } else { left.error };
        return LeaveGroupResponse { error_code: error.code(), ..Default::default() };
    }
    let members = asked.into_iter().zip(left.members).map(|(member, error)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: error.code(),
    });
    LeaveGroupResponse { error_code: left.error.code(), members: members.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_version_3_the_members_error_is_the_answers() {
        let left = Left { error: ErrorCode::None, members: vec![ErrorCode::UnknownMemberId] };
        assert_eq!(respond(Vec::new(), left.clone(), 2).error_code, 25);
        let answer = respond(vec![MemberIdentity::default()], left, 3);
        assert_eq!((answer.error_code, answer.members[0].error_code), (0, 25));
    }
}
