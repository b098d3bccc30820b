//! SyncGroup (14), versions 0–5 (static members: KIP-345, from 3; the protocol on both sides: KIP-559, from 5).
//!
//! A follower waits for the leader; all are answered when the assignment is durable.

use std::rc::Rc;

use bytes::Bytes;
use engine::{
    error::ErrorCode,
    group::request::{Reply, Request, Sync, Synced},
};

use super::{
    Api,
    groups::{ask, owned},
};
use crate::wire::{
    Text,
    sync_group::{SyncGroupRequest, SyncGroupResponse},
};

pub(super) async fn handle(api: Rc<Api>, request: SyncGroupRequest, version: i16) -> SyncGroupResponse {
    // From 5 on the protocol is not optional (KIP-559).
    if version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return respond(Synced::refused(ErrorCode::InconsistentGroupProtocol));
    }
    let assignments = request
        .assignments
        .iter()
        .map(|assignment| (assignment.member_id.to_string(), Bytes::copy_from_slice(&assignment.assignment)));
    let sync = Sync {
        group: request.group_id.to_string(),
        generation: request.generation_id,
        member: request.member_id.to_string(),
        instance: owned(request.group_instance_id.as_ref()),
        protocol_type: owned(request.protocol_type.as_ref()),
        protocol: owned(request.protocol_name.as_ref()),
        assignments: assignments.collect(),
    };
    respond(match ask(&api, &request.group_id, Request::Sync(sync)).await {
        Ok(Reply::Synced(synced)) => synced,
        Ok(_) => Synced::refused(ErrorCode::UnknownServerError),
        Err(error) => Synced::refused(error),
    })
}

fn respond(synced: Synced) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: synced.error.code(),
        protocol_type: synced.protocol_type.as_deref().map(Text::from),
        protocol_name: synced.protocol.as_deref().map(Text::from),
        assignment: synced.assignment,
        ..Default::default()
    }
}
