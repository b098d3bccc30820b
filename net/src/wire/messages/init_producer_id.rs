//! InitProducerId (22), versions 0–5: an id for an idempotent or transactional producer.
//!
//! 3 lets a producer raise its epoch (KIP-360), 4 and 5 change error codes only. 6 is not stable and not served.

use crate::wire::Text;

message! {
    pub struct InitProducerIdRequest: request(InitProducerId, InitProducerIdResponse) {
        [0..; null(0..)] transactional_id: Option<Text> = Some(Text::default()),
        [0..] transaction_timeout_ms: i32,
        [3..] producer_id: i64 = -1,
        [3..] producer_epoch: i16 = -1,
    }

    pub struct InitProducerIdResponse: response(InitProducerId) {
        [0..; ignorable] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..] producer_id: i64 = -1,
        [0..] producer_epoch: i16,
    }
}
