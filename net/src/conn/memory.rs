//! How one core's part of `--memory` is spent on connections: what they share of it. Lives on one core. The rest is the shard's
//! (`engine::shard::settings::Budget`); both together are the whole.

use std::rc::Rc;

use super::Budget;
use crate::limits;

/// Thirty-seconds of a core's memory: requests 3 and 1 for small ones, buffers kept for them 1, what they are decoded to 1, answers 3
/// and 1 for small ones. The shard has 21, fetch sessions 1. What has come of large requests before they wait is half a part more.
const PARTS: usize = 32;

#[derive(Clone)]
pub struct Memory {
    pub requests: Rc<Budget>,
    pub decoded: Rc<Budget>,
    pub answers: Rc<Budget>,
    /// Receive buffers kept for reuse.
    pub kept_bytes: usize,
    /// What the arrays of one request may be decoded to.
    pub decoded_bytes_max: usize,
}

impl Memory {
    /// Of a core that has `bytes`.
    pub fn of(bytes: u64) -> Memory {
        let part = usize::try_from(bytes).unwrap_or(usize::MAX) / PARTS;
        let large = (3 * part).max(limits::LARGE_BYTES_MIN);
        let small = part.max(limits::SMALL_BYTES_MIN);
        Memory {
            requests: Budget::new(large, small),
            decoded: Budget::new(0, small),
            answers: Budget::new(large, small),
            kept_bytes: part,
            decoded_bytes_max: small / limits::DECODED_COST,
        }
    }

    /// What one connection may hold of answers before it is no longer read.
    pub fn answer_bytes_queued_max(answers: &Budget) -> usize {
        (answers.large_max() / 4).clamp(limits::RESPONSE_BYTES_QUEUED_MIN, limits::RESPONSE_BYTES_QUEUED_MAX)
    }
}
