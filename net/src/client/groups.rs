//! Groups as an administrator sees them: which there are, who is in them and reads what, and their end. A group is asked about at its
//! coordinator; all of them are asked for at every broker.

use std::collections::BTreeMap;

use engine::error::ErrorCode;

use super::cluster::{AutoCreation, Client, Topics};
use super::error::ClientError;
use crate::wire::consumer_group_describe::{self, ConsumerGroupDescribeRequest};
use crate::wire::consumer_protocol::Assignment;
use crate::wire::delete_groups::DeleteGroupsRequest;
use crate::wire::describe_groups::{self, DescribeGroupsRequest};
use crate::wire::find_coordinator::FindCoordinatorRequest;
use crate::wire::list_groups::ListGroupsRequest;
use crate::wire::{Request, Text};

/// The first version of FindCoordinator that takes many keys.
const COORDINATORS_OF_MANY: i16 = 4;

/// A group in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedGroup {
    pub name: String,
    /// `consumer`, `connect` and the like; empty: only offsets were committed.
    pub protocol_type: String,
    /// Empty from a broker that does not tell.
    pub state: String,
    /// `Classic`, `Consumer` and the like; empty from a broker that does not tell.
    pub kind: String,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub kind: GroupKind,
    pub state: String,
    pub protocol_type: String,
    /// Empty while there is none.
    pub assignor: String,
    /// The node that coordinates it.
    pub coordinator: i32,
    /// -1 in a classic group.
    pub epoch: i32,
    pub members: Vec<GroupMember>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    Classic,
    /// KIP-848.
    Consumer,
}

/// Partitions by topic.
pub type Partitions = BTreeMap<String, Vec<i32>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    pub id: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub host: String,
    /// -1 in a classic group.
    pub epoch: i32,
    /// What it reads now; empty too where its protocol is another one than consumers speak.
    pub assigned: Partitions,
    /// What it shall read, where the coordinator assigns.
    pub target: Option<Partitions>,
}

impl GroupKind {
    pub fn name(self) -> &'static str {
        match self {
            GroupKind::Classic => "Classic",
            GroupKind::Consumer => "Consumer",
        }
    }
}

impl Group {
    /// Nobody is in it, so that its offsets may be moved.
    pub fn is_without_members(&self) -> bool {
        self.members.is_empty() && matches!(self.state.as_str(), "Empty" | "Dead")
    }
}

impl Client {
    /// The node that coordinates a group.
    pub fn coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        self.retrying(|client| client.ask_coordinator(group))
    }

    pub(super) fn ask_coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        let is_one_of_many = self.any()?.version::<FindCoordinatorRequest>()? >= COORDINATORS_OF_MANY;
        let key = Text::from(group);
        let request = match is_one_of_many {
            true => FindCoordinatorRequest { coordinator_keys: vec![key], ..Default::default() },
            false => FindCoordinatorRequest { key, ..Default::default() },
        };
        let answer = self.call_any(&request)?;
        let what = || format!("asking for the coordinator of group {group}");
        if !is_one_of_many {
            ClientError::check(answer.error_code, answer.error_message.as_deref(), what)?;
            return Ok(answer.node_id);
        }
        let found = answer.coordinators.first().ok_or_else(|| missing("FindCoordinator", group))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), what)?;
        Ok(found.node_id)
    }

    /// Asks a group's coordinator once, in a version that is not above `at_most`.
    pub(super) fn call_coordinator<R: Request>(
        &mut self,
        group: &str,
        request: &R,
        at_most: i16,
    ) -> Result<R::Response, ClientError> {
        let node = self.ask_coordinator(group)?;
        let outcome = self.at(Some(node))?.call_at_most(request, at_most);
        self.noting(node, outcome)
    }

    /// The version in which a group's coordinator can be asked.
    pub(super) fn coordinator_version<R: Request>(
        &mut self,
        group: &str,
        at_most: i16,
    ) -> Result<i16, ClientError> {
        let node = self.ask_coordinator(group)?;
        Ok(self.at(Some(node))?.version::<R>()?.min(at_most))
    }

    /// The groups of all brokers, by name.
    pub fn groups(&mut self) -> Result<Vec<ListedGroup>, ClientError> {
        self.retrying(|client| {
            client.metadata(Topics::None, AutoCreation::Forbidden)?;
            let nodes: Vec<i32> = client.brokers().keys().copied().collect();
            let mut groups = Vec::new();
            for node in nodes {
                let answer = client.call(node, &ListGroupsRequest::default())?;
                ClientError::check(answer.error_code, None, || {
                    format!("listing the groups of broker {node}")
                })?;
                groups.extend(answer.groups.iter().map(|group| ListedGroup {
                    name: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    kind: group.group_type.to_string(),
                }));
            }
            groups.sort();
            Ok(groups)
        })
    }

    pub fn group(&mut self, name: &str) -> Result<Group, ClientError> {
        self.retrying(|client| match client.describe_consumer_group(name) {
            // A classic one, or a broker that knows no others.
            Err(ClientError::NoCommonVersion { .. }) => client.describe_classic_group(name),
            Err(error)
                if matches!(
                    error.code(),
                    Some(ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion)
                ) =>
            {
                client.describe_classic_group(name)
            }
            outcome => outcome,
        })
    }

    fn describe_consumer_group(&mut self, name: &str) -> Result<Group, ClientError> {
        let request =
            ConsumerGroupDescribeRequest { group_ids: vec![Text::from(name)], ..Default::default() };
        let coordinator = self.ask_coordinator(name)?;
        let answer = self.call_at(Some(coordinator), &request)?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| missing("ConsumerGroupDescribe", name))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), || describing(name))?;
        Ok(Group {
            name: name.to_owned(),
            kind: GroupKind::Consumer,
            state: found.group_state.to_string(),
            protocol_type: "consumer".to_owned(),
            assignor: found.assignor_name.to_string(),
            coordinator,
            epoch: found.group_epoch,
            members: found.members.iter().map(GroupMember::of_consumer).collect(),
        })
    }

    fn describe_classic_group(&mut self, name: &str) -> Result<Group, ClientError> {
        let request = DescribeGroupsRequest { groups: vec![Text::from(name)], ..Default::default() };
        let coordinator = self.ask_coordinator(name)?;
        let answer = self.call_at(Some(coordinator), &request)?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| missing("DescribeGroups", name))?;
        // Before version 6 a group that there is not is Dead.
        if found.error_code == ErrorCode::GroupIdNotFound.code() || &*found.group_state == "Dead" {
            return Err(ClientError::NoGroup(name.to_owned()));
        }
        ClientError::check(found.error_code, found.error_message.as_deref(), || describing(name))?;
        let speaks_consumer = &*found.protocol_type == "consumer";
        let members =
            found.members.into_iter().map(|member| GroupMember::of_classic(member, speaks_consumer));
        Ok(Group {
            name: name.to_owned(),
            kind: GroupKind::Classic,
            state: found.group_state.to_string(),
            protocol_type: found.protocol_type.to_string(),
            assignor: found.protocol_data.to_string(),
            coordinator,
            epoch: -1,
            members: members.collect(),
        })
    }

    /// Ends a group that has no members, and forgets its offsets.
    pub fn delete_group(&mut self, name: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest { groups_names: vec![Text::from(name)] };
        self.retrying(|client| {
            let answer = client.call_coordinator(name, &request, i16::MAX)?;
            let found = answer.results.first().ok_or_else(|| missing("DeleteGroups", name))?;
            match ErrorCode::from_code(found.error_code) {
                Some(ErrorCode::GroupIdNotFound) => Err(ClientError::NoGroup(name.to_owned())),
                _ => ClientError::check(found.error_code, None, || format!("deleting group {name}")),
            }
        })
    }
}

impl GroupMember {
    fn of_consumer(member: &consumer_group_describe::Member) -> GroupMember {
        let partitions = |assignment: &consumer_group_describe::Assignment| {
            let topics = assignment.topic_partitions.iter();
            topics.map(|topic| (topic.topic_name.to_string(), sorted(topic.partitions.clone()))).collect()
        };
        GroupMember {
            id: member.member_id.to_string(),
            instance: member.instance_id.as_ref().map(|instance| instance.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            epoch: member.member_epoch,
            assigned: partitions(&member.assignment),
            target: Some(partitions(&member.target_assignment)),
        }
    }

    fn of_classic(member: describe_groups::DescribedGroupMember, speaks_consumer: bool) -> GroupMember {
        let assignment = speaks_consumer.then(|| Assignment::read(member.member_assignment));
        let topics = assignment.and_then(Result::ok).unwrap_or_default().assigned_partitions.into_iter();
        GroupMember {
            id: member.member_id.to_string(),
            instance: member.group_instance_id.as_ref().map(|instance| instance.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            epoch: -1,
            assigned: topics.map(|topic| (topic.topic.to_string(), sorted(topic.partitions))).collect(),
            target: None,
        }
    }
}

fn sorted(mut partitions: Vec<i32>) -> Vec<i32> {
    partitions.sort_unstable();
    partitions
}

fn describing(group: &str) -> String {
    format!("describing group {group}")
}

pub(super) fn missing(operation: &'static str, group: &str) -> ClientError {
    ClientError::Incomplete { operation, what: format!("group {group}") }
}
