//! What the connections of one core share. Lives on one core.

use std::{cell::RefCell, rc::Rc};

use super::{Budget, Buffers, Memory};
use crate::limits;

pub struct Shared {
    /// Borrowed within one poll only.
    pub scratch: RefCell<Box<[u8]>>,
    pub buffers: Buffers,
    /// Requests, from the moment a frame's length is known until its answer is made.
    pub requests: Rc<Budget>,
    /// What requests are decoded to, and what follows from that.
    pub decoded: Rc<Budget>,
    /// Answers, until their socket has taken them.
    pub answers: Rc<Budget>,
}

impl Shared {
    pub fn new(memory: &Memory) -> Shared {
        Shared {
            scratch: RefCell::new(vec![0; limits::SCRATCH_BYTES].into_boxed_slice()),
            buffers: Buffers::new(memory.kept_bytes),
            requests: memory.requests.clone(),
            decoded: memory.decoded.clone(),
            answers: memory.answers.clone(),
        }
    }
}
