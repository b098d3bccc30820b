//! DeleteGroups (42), versions 0–2 (KIP-229): groups without members go, with their offsets. Answered when durable.

use std::rc::Rc;

use engine::{
    error::ErrorCode,
    group::request::{Reply, Request},
};

use super::{
    Api,
    groups::{ask_core, core_of},
    split::Split,
};
use crate::wire::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

pub(super) async fn handle(api: Rc<Api>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut split = Split::default();
    api.node.with_image(|image| {
        for group in &request.groups_names {
            match core_of(image, group) {
                Some(core) => split.push(core, group.to_string()),
                None => split.skip(),
            }
        }
    });
    let (parts, order) = split.take();
    let mut deleted = Vec::with_capacity(parts.len());
    for (core, groups) in parts {
        deleted.push(match ask_core(&api, core, Request::Delete(groups)).await {
            Ok(Reply::Deleted(codes)) => codes,
            _ => Vec::new(),
        });
    }
    let results = request.groups_names.into_iter().zip(order.restore(deleted)).map(|(group_id, code)| {
        DeletableGroupResult { group_id, error_code: code.unwrap_or(ErrorCode::NotCoordinator).code() }
    });
    DeleteGroupsResponse { results: results.collect(), ..Default::default() }
}
