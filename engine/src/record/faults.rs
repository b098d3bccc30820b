//! The records that made a batch refused, each with its reason, as Kafka's `LogValidator` gathers them for the
//! `record_errors` of a Produce reply (KIP-467).

use std::fmt::{self, Write};

use crate::error::ErrorCode;
use crate::limits::RECORD_ERRORS_MAX;

/// One record at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFault {
    /// Its place in the batch, from 0.
    pub index: i32,
    pub message: String,
}

/// All of a batch, counted; the first of them, in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    count: u32,
    first: Vec<RecordFault>,
    /// One of them is about time, which gives the batch its code.
    of_time: bool,
}

impl Faults {
    pub fn push(&mut self, code: ErrorCode, index: i32, message: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        self.of_time |= code == ErrorCode::InvalidTimestamp;
        if self.first.len() < RECORD_ERRORS_MAX {
            self.first.push(RecordFault { index, message: message() });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn code(&self) -> ErrorCode {
        if self.of_time { ErrorCode::InvalidTimestamp } else { ErrorCode::InvalidRecord }
    }

    pub fn first(&self) -> &[RecordFault] {
        &self.first
    }

    pub fn into_first(self) -> Vec<RecordFault> {
        self.first
    }
}

/// Kafka's sentences: some clients show them to people.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of_time {
            return f.write_str("One or more records have been rejected due to invalid timestamp");
        }
        write!(
            f,
            "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [",
            self.count
        )?;
        for (number, fault) in self.first.iter().take(3).enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            let RecordFault { index, message } = fault;
            write!(f, "RecordError(batchIndex={index}, message='{message}')")?;
        }
        f.write_char(']')
    }
}
