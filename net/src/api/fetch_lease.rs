//! What a Fetch takes of its core's memory for answers before it reads. How much it will find is not known then: it takes a share, and what
//! it does not need goes back at once. Where readers that do not read have taken it all, one that holds nothing is begun with a
//! little of what is kept for small answers. Lives on the connection's core.

use std::rc::Rc;

use crate::{
    conn::{Budget, Holding, Permit},
    limits,
};

pub(super) struct Lease {
    memory: Rc<Budget>,
    permit: Permit,
}

/// Waits for memory, if there is none: for `wanted` bytes, or a share of them.
pub(super) async fn take(memory: &Rc<Budget>, wanted: usize, holding: Holding) -> Lease {
    let permit = match at_once(memory, wanted, holding) {
        Some(permit) => permit,
        None => memory.wait(share(memory, wanted).min(limits::LEASE_BYTES_MAX_MIN)).await,
    };
    Lease { memory: memory.clone(), permit }
}

fn share(memory: &Budget, wanted: usize) -> usize {
    let most = (memory.large_max() / limits::LEASE_DIVISOR).max(limits::LEASE_BYTES_MAX_MIN);
    wanted.clamp(limits::LEASE_BYTES_MIN, most)
}

fn at_once(memory: &Rc<Budget>, wanted: usize, holding: Holding) -> Option<Permit> {
    let bytes = share(memory, wanted).min(memory.room());
    if bytes >= limits::LEASE_BYTES_MIN {
        return memory.try_take(bytes);
    }
    let little = holding == Holding::Nothing && memory.has_spare();
    little.then(|| memory.take(limits::LEASE_BYTES_MIN))
}

impl Lease {
    /// What may be read.
    pub(super) fn bytes(&self) -> usize {
        self.permit.bytes()
    }

    /// So much was found. If there is no room for it, a place in the queue for as much.
    pub(super) fn settle(self, bytes: usize) -> Result<Permit, impl Future<Output = Permit>> {
        let Lease { memory, mut permit } = self;
        if permit.try_resize(bytes) {
            return Ok(permit);
        }
        drop(permit);
        Err(memory.wait(bytes.min(memory.large_max())))
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    fn taken(memory: &Rc<Budget>, wanted: usize, holding: Holding) -> Option<Lease> {
        block_on(poll_once(take(memory, wanted, holding)))
    }

    #[test]
    fn a_lease_is_what_is_wanted_within_a_share_and_what_is_found_stays() {
        let memory = Budget::new(16 << 20, 1 << 20);
        assert_eq!(taken(&memory, 1, Holding::Nothing).unwrap().bytes(), limits::LEASE_BYTES_MIN);
        let lease = taken(&memory, 50 << 20, Holding::Nothing).unwrap();
        assert_eq!(lease.bytes(), 2 << 20);
        let permit = lease.settle(100).ok().unwrap();
        assert_eq!((permit.bytes(), memory.used()), (100, 100));
    }

    #[test]
    fn where_all_is_taken_only_who_holds_nothing_is_begun_and_only_what_is_small_stays() {
        let memory = Budget::new(16 << 20, 1 << 20);
        let _unread = memory.try_take(16 << 20).unwrap();
        assert!(taken(&memory, 1 << 20, Holding::Answers).is_none());
        let small = taken(&memory, 1 << 20, Holding::Nothing).unwrap();
        assert!(small.settle(10_000).is_ok());
        let large = taken(&memory, 1 << 20, Holding::Nothing).unwrap();
        let waiting = large.settle(1_000_000).err().unwrap();
        assert!(block_on(poll_once(waiting)).is_none());
    }
}
