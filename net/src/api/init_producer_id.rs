//! InitProducerId (22), versions 0–5 (KIP-98, KIP-360): an id for an idempotent producer.
//!
//! Ids come from a block that this core has been granted by the controller, durable before its first id is used. Without a
//! transactional id every request gets a new id, whatever id it names. Transactional ids are refused until transactions exist, with
//! an error that no client retries.

use std::rc::Rc;

use engine::{
    base::ProducerId,
    controller::{Instruction, Outcome},
    error::ErrorCode,
};

use super::Api;
use crate::wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

/// Ids that this core may still hand out: `next .. end`.
#[derive(Default)]
pub(super) struct ProducerIds {
    next: i64,
    end: i64,
}

impl ProducerIds {
    fn take(&mut self) -> Option<ProducerId> {
        let id = (self.next < self.end).then_some(ProducerId(self.next))?;
        self.next += 1;
        Some(id)
    }
}

pub(super) async fn handle(api: Rc<Api>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    if let Some(transactional_id) = &request.transactional_id {
        return failed(if transactional_id.is_empty() {
            ErrorCode::InvalidRequest
        } else {
            ErrorCode::TransactionalIdAuthorizationFailed
        });
    }
    if !names_both_or_neither(&request) {
        return failed(ErrorCode::InvalidRequest);
    }
    let at_hand = api.producer_ids.borrow_mut().take();
    let id = match at_hand {
        Some(id) => id,
        None => match api.control(Instruction::AllocateProducerIds).await {
            Outcome::ProducerIds(block) => {
                let mut ids = api.producer_ids.borrow_mut();
                let first = block.first;
                // Several requests may have found the block used up: the last grant stays, what it replaces is lost.
                *ids = ProducerIds { next: first.0 + 1, end: first.0.saturating_add(block.count) };
                first
            }
            Outcome::Refused(refusal) => return failed(refusal.code),
            _ => return failed(ErrorCode::UnknownServerError),
        },
    };
    InitProducerIdResponse { producer_id: id.0, producer_epoch: 0, ..Default::default() }
}

/// An id comes with its epoch (KIP-360).
fn names_both_or_neither(request: &InitProducerIdRequest) -> bool {
    (request.producer_id == -1) == (request.producer_epoch == -1)
}

fn failed(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_without_its_epoch_is_refused() {
        for (producer_id, producer_epoch, accepted) in
            [(-1, -1, true), (5, 0, true), (5, -1, false), (-1, 0, false)]
        {
            let request = InitProducerIdRequest { producer_id, producer_epoch, ..Default::default() };
            assert_eq!(names_both_or_neither(&request), accepted);
        }
    }

    #[test]
    fn a_block_gives_each_of_its_ids_once() {
        let mut ids = ProducerIds { next: 5, end: 7 };
        assert_eq!([ids.take(), ids.take(), ids.take()], [Some(ProducerId(5)), Some(ProducerId(6)), None]);
        assert_eq!(ProducerIds::default().take(), None);
    }
}
