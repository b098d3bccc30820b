//! What one core counts about one listener's connections. Lives on one core.

use std::{borrow::Cow, cell::Cell, rc::Rc};

use engine::{
    metrics::{Figures, Label},
    shard::measure::{MEMORY, MEMORY_LIMIT},
};

use super::Server;
use crate::{
    conn::{Ended, Shared},
    node::Node,
};

engine::metrics! {
    CONNECTIONS: "corelog_connections" Gauge One Core
        "Connections that are open, by listener.";
    OPENED: "corelog_connections_opened_total" Counter One Core
        "Connections that were accepted, by listener.";
    CAME: "corelog_connections_came_total" Counter One Core
        "Connections that came from another core, because most of their requests are for this one, by listener.";
    CLOSED: "corelog_connections_closed_total" Counter One Core
        "Connections that ended, by listener and by whom: peer, broker (a mistake of the peer, idleness, a bug), stop.";
    HELD: "corelog_connections_held_total" Counter One Core
        "Connections that a limit let wait or closed, by listener and limit.";
    ACCEPT_FAILURES: "corelog_accept_failures_total" Counter One Core
        "Connections that could not be accepted for want of descriptors or memory.";
}

/// Why a connection was let wait (`Connections`, `Rate`), or closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Connections,
    PerIp,
    Rate,
    Descriptors,
}

const LIMITS: [&str; 4] =
    ["max.connections", "max.connections.per.ip", "max.connection.creation.rate", "descriptors"];

#[derive(Debug, Default)]
pub struct Measures {
    opened: Cell<u64>,
    came: Cell<u64>,
    closed_by_peer: Cell<u64>,
    closed_by_broker: Cell<u64>,
    closed_by_stop: Cell<u64>,
    held: [Cell<u64>; LIMITS.len()],
    accept_failures: Cell<u64>,
}

fn raise(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Measures {
    pub fn opened(&self) {
        raise(&self.opened);
    }

    pub fn came(&self) {
        raise(&self.came);
    }

    pub fn closed(&self, ended: &Ended) {
        raise(match ended {
            Ended::ByPeer => &self.closed_by_peer,
            Ended::Refused(_) => &self.closed_by_broker,
            Ended::Finished => &self.closed_by_stop,
        });
    }

    pub fn held(&self, limit: Limit) {
        raise(&self.held[limit as usize]);
    }

    pub fn accept_failed(&self) {
        raise(&self.accept_failures);
    }
}

impl Server {
    /// Adds what this core knows of this listener.
    pub(super) fn measure(&self, out: &mut Figures) {
        let listener = || -> Label { ("listener", Cow::Owned(self.config.listener.clone())) };
        let measures = &self.measures;
        out.number(&CONNECTIONS, vec![listener()], self.registry.len() as u64);
        out.number(&OPENED, vec![listener()], measures.opened.get());
        out.number(&CAME, vec![listener()], measures.came.get());
        for (by, count) in [
            ("peer", &measures.closed_by_peer),
            ("broker", &measures.closed_by_broker),
            ("stop", &measures.closed_by_stop),
        ] {
            out.number(&CLOSED, vec![listener(), ("by", by.into())], count.get());
        }
        for (limit, count) in LIMITS.into_iter().zip(&measures.held) {
            out.number(&HELD, vec![listener(), ("limit", limit.into())], count.get());
        }
        out.number(&ACCEPT_FAILURES, vec![listener()], measures.accept_failures.get());
        self.api.measure(out);
    }
}

/// Has the node's figures tell what the core's connections hold, over all its listeners.
pub fn observe_memory(node: &Node, shared: Rc<Shared>) {
    node.observe(Box::new(move |figures| {
        for (of, budget) in
            [("requests", &shared.requests), ("decoded", &shared.decoded), ("unsent", &shared.answers)]
        {
            figures.number(&MEMORY, vec![("use", of.into())], budget.used() as u64);
            figures.number(&MEMORY_LIMIT, vec![("use", of.into())], budget.bytes_max() as u64);
        }
        let (held, limit) = shared.buffers.held_bytes();
        figures.number(&MEMORY, vec![("use", "receive_buffers".into())], held as u64);
        figures.number(&MEMORY_LIMIT, vec![("use", "receive_buffers".into())], limit as u64);
    }));
}
