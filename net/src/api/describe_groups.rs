//! DescribeGroups (15), versions 0–6 (authorized operations: KIP-430, from 3; instance ids: KIP-345, from 4; from 6 a group that there is
//! not, or that is of another kind, is GROUP_ID_NOT_FOUND with a sentence: KIP-1043; before it is Dead without an error).

use std::rc::Rc;

use engine::{
    error::ErrorCode,
    group::request::{Described, DescribedMember, Reply, Request},
};

use super::{
    Api, OPERATIONS_UNASKED,
    groups::{GROUP_OPERATIONS, ask_each},
};
use crate::wire::{
    Text,
    describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember},
};

pub(super) async fn handle(
    api: Rc<Api>,
    request: DescribeGroupsRequest,
    version: i16,
) -> DescribeGroupsResponse {
    let operations =
        if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_UNASKED };
    let of = |reply| match reply {
        Reply::Described(groups) => Some(groups),
        _ => None,
    };
    let described = ask_each(&api, &request.groups, Request::Describe, of).await;
    let described = request.groups.iter().zip(described).map(|(group, described)| {
        let missing = || Described::refused(group.to_string(), ErrorCode::NotCoordinator);
        respond(described.unwrap_or_else(missing), operations, version)
    });
    DescribeGroupsResponse { groups: described.collect(), ..Default::default() }
}

fn respond(described: Described, operations: i32, version: i16) -> DescribedGroup {
    let mut group = DescribedGroup {
        error_code: described.error.code(),
        group_state: Text::from_static(described.state),
        protocol_type: Text::from(&*described.protocol_type),
        protocol_data: Text::from(&*described.protocol),
        members: described.members.into_iter().map(member).collect(),
        authorized_operations: if version >= 3 { operations } else { OPERATIONS_UNASKED },
        group_id: Text::from(described.group),
        ..Default::default()
    };
    if described.error == ErrorCode::GroupIdNotFound {
        group.group_state = Text::from_static("Dead");
        if version >= 6 {
            let is_what = if described.is_of_another_kind { "is not a classic group" } else { "not found" };
            group.error_message = Some(format!("Group {} {is_what}.", group.group_id).into());
        } else {
            group.error_code = ErrorCode::None.code();
        }
    }
    group
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: Text::from(&*member.id),
        group_instance_id: member.instance.as_deref().map(Text::from),
        client_id: Text::from(&*member.client.id),
        client_host: Text::from(&*member.client.host),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_there_is_not_is_dead_and_from_version_6_an_error() {
        let missing = || Described::refused("g".to_owned(), ErrorCode::GroupIdNotFound);
        let before = respond(missing(), OPERATIONS_UNASKED, 5);
        assert_eq!((before.error_code, &*before.group_state), (0, "Dead"));
        let since = respond(missing(), OPERATIONS_UNASKED, 6);
        assert_eq!((since.error_code, &*since.group_state), (69, "Dead"));
        assert_eq!(since.error_message.as_deref(), Some("Group g not found."));
        let other = Described { is_of_another_kind: true, ..missing() };
        let message = respond(other, OPERATIONS_UNASKED, 6).error_message;
        assert_eq!(message.as_deref(), Some("Group g is not a classic group."));
    }
}
