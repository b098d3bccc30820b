//! GetTelemetrySubscriptions (71), version 0 (KIP-714): which of its metrics a client shall push, and how often.

use engine::base::ClientInstanceId;

use crate::wire::Text;

message! {
    pub struct GetTelemetrySubscriptionsRequest: request(GetTelemetrySubscriptions, GetTelemetrySubscriptionsResponse) {
        [0..] client_instance_id: ClientInstanceId,
    }

    pub struct GetTelemetrySubscriptionsResponse: response(GetTelemetrySubscriptions) {
        [0..] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..] client_instance_id: ClientInstanceId,
        [0..] subscription_id: i32,
        [0..] accepted_compression_types: Vec<i8>,
        [0..] push_interval_ms: i32,
        [0..] telemetry_max_bytes: i32,
        [0..] delta_temporality: bool,
        [0..] requested_metrics: Vec<Text>,
    }
}
