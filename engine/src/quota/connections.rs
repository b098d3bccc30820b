//! How many connections the broker has, in all and per address, and how fast new ones come: `max.connections`,
//! `max.connections.per.ip` with its overrides, `max.connection.creation.rate`, and what the host has descriptors for. As in
//! Kafka, a full or too fast broker lets new connections wait, and closes those of an address that has too many.
//!
//! One machine counts for all cores, so the limits hold exactly and not by shares. Its state is bounded by the connections
//! that it has admitted.

use std::{collections::HashMap, net::IpAddr};

use crate::base::Now;

/// The options' numbers for "no limit".
const UNLIMITED: usize = i32::MAX as usize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `max.connections`
    pub all: usize,
    /// What the process has descriptors for.
    pub by_host: usize,
    pub per_ip: usize,
    pub per_ip_overrides: HashMap<IpAddr, usize>,
    /// `max.connection.creation.rate`: over all listeners, with bursts of one second's worth.
    pub per_second: usize,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            all: UNLIMITED,
            by_host: UNLIMITED,
            per_ip: UNLIMITED,
            per_ip_overrides: HashMap::new(),
            per_second: UNLIMITED,
        }
    }
}

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has a place, until that is given back.
    Seated,
    /// `max.connections` are open: ask again.
    Full { all: usize },
    /// Connections come too fast: ask again after so many nanoseconds.
    TooFast { wait_ns: u64 },
    /// Close it: its address has this many.
    TooManyFromThere { count: usize },
    /// Close it: more descriptors are not to be had.
    NoDescriptors { count: usize },
}

#[derive(Debug, Default)]
pub struct Connections {
    limits: ConnectionLimits,
    all: usize,
    per_ip: HashMap<IpAddr, usize>,
    /// When the next connection is due at the given rate, if the burst before it is used up.
    next_ns: u64,
}

impl Connections {
    /// Other limits from now on; those who are there stay.
    pub fn set_limits(&mut self, limits: ConnectionLimits) {
        if limits.per_second != self.limits.per_second {
            self.next_ns = 0;
        }
        self.limits = limits;
    }

    pub fn admit(&mut self, now: Now, ip: IpAddr) -> Admission {
        // ::ffff:a.b.c.d of a listener on [::] is the address a.b.c.d.
        let ip = ip.to_canonical();
        let limits = &self.limits;
        let from_there = self.per_ip.get(&ip).copied().unwrap_or(0);
        if from_there >= limits.per_ip_overrides.get(&ip).copied().unwrap_or(limits.per_ip) {
            return Admission::TooManyFromThere { count: from_there };
        }
        if self.all >= limits.by_host {
            return Admission::NoDescriptors { count: self.all };
        }
        if self.all >= limits.all {
            return Admission::Full { all: self.all };
        }
        if limits.per_second < UNLIMITED {
            const SECOND_NS: u64 = 1_000_000_000;
            let interval_ns = SECOND_NS / (limits.per_second as u64).max(1);
            // A second's worth may come at once.
            let due_ns = self.next_ns.max(now.mono_ns.saturating_sub(SECOND_NS - interval_ns));
            if due_ns > now.mono_ns {
                return Admission::TooFast { wait_ns: due_ns - now.mono_ns };
            }
            self.next_ns = due_ns + interval_ns;
        }
        self.all += 1;
        self.per_ip.insert(ip, from_there + 1);
        Admission::Seated
    }

    /// A place is given back.
    pub fn release(&mut self, ip: IpAddr) {
        let ip = ip.to_canonical();
        let Some(count) = self.per_ip.get_mut(&ip) else { return };
        self.all -= 1;
        *count -= 1;
        if *count == 0 {
            self.per_ip.remove(&ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn at_ms(ms: u64) -> Now {
        Now { mono_ns: ms * 1_000_000, wall: Timestamp(0) }
    }

    fn with(limits: ConnectionLimits) -> Connections {
        let mut connections = Connections::default();
        connections.set_limits(limits);
        connections
    }

    #[test]
    fn limits_hold_in_all_and_per_address_and_places_come_back() {
        let per_ip_overrides = HashMap::from([(ip(2), 1), (ip(3), 0)]);
        let mut connections =
            with(ConnectionLimits { all: 4, per_ip: 2, per_ip_overrides, ..Default::default() });
        let now = at_ms(0);
        assert_eq!(connections.admit(now, ip(1)), Admission::Seated);
        assert_eq!(connections.admit(now, ip(1)), Admission::Seated);
        assert_eq!(connections.admit(now, ip(1)), Admission::TooManyFromThere { count: 2 });
        assert_eq!(connections.admit(now, ip(2)), Admission::Seated);
        assert_eq!(connections.admit(now, ip(2)), Admission::TooManyFromThere { count: 1 });
        assert_eq!(connections.admit(now, ip(3)), Admission::TooManyFromThere { count: 0 });
        assert_eq!(connections.admit(now, ip(9)), Admission::Seated);
        assert_eq!(connections.admit(now, ip(8)), Admission::Full { all: 4 });
        connections.release(ip(1));
        assert_eq!(connections.admit(now, ip(8)), Admission::Seated);
        for last in [1, 2, 9, 8] {
            connections.release(ip(last));
        }
        assert_eq!((connections.all, connections.per_ip.len()), (0, 0));
    }

    #[test]
    fn a_mapped_address_counts_as_the_one_it_maps() {
        let mut connections = with(ConnectionLimits { per_ip: 1, ..Default::default() });
        assert_eq!(connections.admit(at_ms(0), "::ffff:10.0.0.1".parse().unwrap()), Admission::Seated);
        assert_eq!(connections.admit(at_ms(0), ip(1)), Admission::TooManyFromThere { count: 1 });
    }

    #[test]
    fn a_rate_allows_a_seconds_worth_at_once_and_then_one_an_interval() {
        let mut connections = with(ConnectionLimits { per_second: 10, ..Default::default() });
        let start = 5_000;
        for _ in 0..10 {
            assert_eq!(connections.admit(at_ms(start), ip(1)), Admission::Seated);
        }
        let wait_ns = 100_000_000;
        assert_eq!(connections.admit(at_ms(start), ip(1)), Admission::TooFast { wait_ns });
        let seated = (1..=1000u64)
            .filter(|ms| connections.admit(at_ms(start + ms), ip(1)) == Admission::Seated)
            .count();
        assert_eq!(seated, 10);
    }

    #[test]
    fn a_raised_limit_counts_at_once_and_a_lowered_one_ends_nobody() {
        let mut connections = with(ConnectionLimits { all: 1, ..Default::default() });
        assert_eq!(connections.admit(at_ms(0), ip(1)), Admission::Seated);
        assert_eq!(connections.admit(at_ms(0), ip(1)), Admission::Full { all: 1 });
        connections.set_limits(ConnectionLimits { all: 2, ..Default::default() });
        assert_eq!(connections.admit(at_ms(0), ip(1)), Admission::Seated);
        connections.set_limits(ConnectionLimits { all: 1, ..Default::default() });
        connections.release(ip(1));
        assert_eq!(connections.admit(at_ms(0), ip(1)), Admission::Full { all: 1 });
        connections.release(ip(1));
        assert_eq!(connections.admit(at_ms(0), ip(1)), Admission::Seated);
    }

    #[test]
    fn what_the_host_has_no_descriptors_for_is_closed() {
        let mut connections = with(ConnectionLimits { by_host: 1, ..Default::default() });
        assert_eq!(connections.admit(at_ms(0), ip(1)), Admission::Seated);
        assert_eq!(connections.admit(at_ms(0), ip(2)), Admission::NoDescriptors { count: 1 });
    }
}
