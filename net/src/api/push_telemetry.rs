//! PushTelemetry (72), version 0 (KIP-714): what a client pushed is told among the broker's own metrics until it is silent or ends.

use std::rc::Rc;

use engine::{
    base::ClientInstanceId,
    error::ErrorCode,
    telemetry::{Push, Request},
};

use super::{Api, clients::Asking};
use crate::wire::push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};

pub(super) async fn handle(
    api: Rc<Api>,
    request: PushTelemetryRequest,
    asking: Asking,
) -> PushTelemetryResponse {
    let id = request.client_instance_id;
    let code = match id {
        ClientInstanceId::ZERO => ErrorCode::InvalidRequest,
        id => {
            let subscription = asking.subscription(&api, id);
            let push = Push {
                id,
                client_id: asking.client_id(),
                subscription: subscription.id,
                interval_ms: subscription.interval_ms,
                told: request.subscription_id,
                is_last: request.terminating,
                codec: request.compression_type,
                payload: request.metrics,
                bytes_max: api.broker.telemetry_bytes_max.unwrap_or(0),
            };
            asking.ask(&api, id, Request::Push(push)).await
        }
    };
    PushTelemetryResponse { error_code: code.code(), ..Default::default() }
}
