//! ListGroups (16), versions 0–5 (states: KIP-518, from 4; types: KIP-848, from 5): the groups of all cores, each asked for a part of its
//! list at a time. While a core still reads its groups the list says COORDINATOR_LOAD_IN_PROGRESS.

use std::rc::Rc;

use engine::{
    base::CoreId,
    error::ErrorCode,
    group::request::{Filter, Listed, Reply, Request},
};

use super::{Api, groups::ask_core};
use crate::wire::{
    Text,
    list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup},
};

pub(super) async fn handle(api: Rc<Api>, request: ListGroupsRequest) -> ListGroupsResponse {
    let texts = |texts: &[Text]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    let filter =
        Filter { states: texts(&request.states_filter), types: texts(&request.types_filter), after: None };
    let cores = api.node.with_image(|image| image.broker(api.broker.node).map_or(1, |broker| broker.cores));
    let mut error = ErrorCode::None;
    let mut groups = Vec::new();
    for core in (0..cores).map(CoreId) {
        let mut filter = filter.clone();
        loop {
            let list = match ask_core(&api, core, Request::List(filter.clone())).await {
                Ok(Reply::Listed(list)) => list,
                Ok(_) => break error = ErrorCode::UnknownServerError,
                Err(code) => break error = code,
            };
            groups.extend(list.groups.into_iter().map(listed));
            if list.error != ErrorCode::None {
                error = list.error;
            }
            match list.more {
                Some(after) => filter.after = Some(after),
                None => break,
            }
        }
    }
    ListGroupsResponse { error_code: error.code(), groups, ..Default::default() }
}

fn listed(group: Listed) -> ListedGroup {
    ListedGroup {
        group_id: Text::from(&*group.group),
        protocol_type: Text::from(&*group.protocol_type),
        group_state: Text::from_static(group.state),
        group_type: Text::from_static(group.kind),
    }
}
