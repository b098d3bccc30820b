//! PushTelemetry (72), version 0 (KIP-714): a client's metrics, in OpenTelemetry's encoding.

use bytes::Bytes;
use engine::base::ClientInstanceId;

message! {
    pub struct PushTelemetryRequest: request(PushTelemetry, PushTelemetryResponse) {
        [0..] client_instance_id: ClientInstanceId,
        [0..] subscription_id: i32,
        [0..] terminating: bool,
        [0..] compression_type: i8,
        [0..] metrics: Bytes,
    }

    pub struct PushTelemetryResponse: response(PushTelemetry) {
        [0..] throttle_time_ms: i32,
        [0..] error_code: i16,
    }
}
