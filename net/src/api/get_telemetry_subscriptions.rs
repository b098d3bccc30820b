//! GetTelemetrySubscriptions (71), version 0 (KIP-714): served, and told of, with `--client-telemetry` alone: clients begin to poll on
//! sight. A client without an instance id gets one.

use std::rc::Rc;

use engine::{base::ClientInstanceId, error::ErrorCode, telemetry::Request};

use super::{Api, clients::Asking};
use crate::wire::{
    Text,
    get_telemetry_subscriptions::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse},
};

/// zstd, lz4, gzip and snappy: the one that is liked best comes first.
const CODECS: [i8; 4] = [4, 3, 1, 2];

pub(super) async fn handle(
    api: Rc<Api>,
    request: GetTelemetrySubscriptionsRequest,
    asking: Asking,
) -> GetTelemetrySubscriptionsResponse {
    let id = match request.client_instance_id {
        ClientInstanceId::ZERO => ClientInstanceId(api.random_topic_id().0),
        id => id,
    };
    let subscription = asking.subscription(&api, id);
    let (told, interval_ms) = (subscription.id, subscription.interval_ms);
    let code = asking.ask(&api, id, Request::Get { id, subscription: told, interval_ms }).await;
    if code != ErrorCode::None {
        return GetTelemetrySubscriptionsResponse { error_code: code.code(), ..Default::default() };
    }
    GetTelemetrySubscriptionsResponse {
        client_instance_id: id,
        subscription_id: told,
        accepted_compression_types: CODECS.to_vec(),
        push_interval_ms: i32::try_from(interval_ms).unwrap_or(i32::MAX),
        telemetry_max_bytes: i32::try_from(api.broker.telemetry_bytes_max.unwrap_or(0)).unwrap_or(i32::MAX),
        // Cumulative sums need no memory of what was pushed before.
        delta_temporality: false,
        requested_metrics: subscription.metrics.into_iter().map(Text::from).collect(),
        ..Default::default()
    }
}
