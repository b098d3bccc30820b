//! Heartbeat (12), versions 0–4 (static members: KIP-345, from 3).

use std::rc::Rc;

use engine::{
    error::ErrorCode,
    group::request::{Heartbeat, Reply, Request},
};

use super::{
    Api,
    groups::{ask, owned},
};
use crate::wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};

pub(super) async fn handle(api: Rc<Api>, request: HeartbeatRequest) -> HeartbeatResponse {
    let heartbeat = Heartbeat {
        group: request.group_id.to_string(),
        generation: request.generation_id,
        member: request.member_id.to_string(),
        instance: owned(request.group_instance_id.as_ref()),
    };
    let error = match ask(&api, &request.group_id, Request::Heartbeat(heartbeat)).await {
        Ok(Reply::Heartbeat(error)) | Err(error) => error,
        Ok(_) => ErrorCode::UnknownServerError,
    };
    HeartbeatResponse { error_code: error.code(), ..Default::default() }
}
