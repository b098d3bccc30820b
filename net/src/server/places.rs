//! How many connections the broker has, in all and per address: `max.connections`, `max.connections.per.ip` and its
//! overrides. Shared by all cores; touched once when a connection opens and once when it closes.

use super::measure::Limit;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

pub struct Places {
    connections_max: usize,
    per_ip_max: usize,
    per_ip_overrides: HashMap<IpAddr, usize>,
    // A lock, against the rule: it is taken twice in a connection's life, and never while anything waits.
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    per_ip: HashMap<IpAddr, usize>,
}

/// A connection's place, given back when dropped.
pub struct Seat {
    places: Arc<Places>,
    ip: IpAddr,
}

impl Places {
    pub fn new(
        connections_max: usize,
        per_ip_max: usize,
        per_ip_overrides: HashMap<IpAddr, usize>,
    ) -> Arc<Places> {
        Arc::new(Places { connections_max, per_ip_max, per_ip_overrides, taken: Mutex::default() })
    }

    /// A place for one more connection, or why there is none.
    pub fn sit(self: &Arc<Places>, ip: IpAddr) -> Result<Seat, (Limit, String)> {
        // ::ffff:a.b.c.d of a listener on [::] is the address a.b.c.d.
        let ip = ip.to_canonical();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.connections_max {
            let reason = format!("{} connections are open (max.connections)", taken.all);
            return Err((Limit::Connections, reason));
        }
        let per_ip_max = self.per_ip_overrides.get(&ip).copied().unwrap_or(self.per_ip_max);
        let from_there = taken.per_ip.get(&ip).copied().unwrap_or(0);
        if from_there >= per_ip_max {
            let reason = format!("{from_there} connections from there are open (max.connections.per.ip)");
            return Err((Limit::PerIp, reason));
        }
        taken.all += 1;
        taken.per_ip.insert(ip, from_there + 1);
        Ok(Seat { places: self.clone(), ip })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(count) = taken.per_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                taken.per_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_in_all_and_per_address_and_places_come_back() {
        let [one, two, three] = [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last]));
        let places = Places::new(4, 2, HashMap::from([(two, 1), (three, 0)]));
        let first = places.sit(one);
        let second = places.sit(one);
        assert!(places.sit(one).is_err());
        let other = places.sit(two);
        assert!(places.sit(two).is_err());
        assert!(places.sit(three).is_err());
        drop(first);
        let again = places.sit(one);
        let more = places.sit(IpAddr::from([10, 0, 0, 9]));
        assert!(second.is_ok() && other.is_ok() && again.is_ok() && more.is_ok());
        assert!(places.sit(IpAddr::from([10, 0, 0, 8])).is_err());
        drop((second, other, again, more));
        assert!(places.taken.lock().unwrap().per_ip.is_empty());
    }

    #[test]
    fn a_mapped_address_counts_as_the_one_it_maps() {
        let places = Places::new(10, 1, HashMap::new());
        let _seat = places.sit("::ffff:10.0.0.1".parse().unwrap());
        assert!(places.sit("10.0.0.1".parse().unwrap()).is_err());
    }
}
