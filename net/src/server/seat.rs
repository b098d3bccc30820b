//! A connection's place among all of the broker's: asked of core 0, given back when dropped.

use std::{net::IpAddr, rc::Rc, time::Duration};

use engine::{
    base::CoreId,
    quota::Admission,
    shard::command::{Command, Reply},
};
use glommio::timer::Timer;

use super::measure::{Limit, Measures};
use crate::{limits, node::Node};

/// Counts for all cores.
const KEEPER: CoreId = CoreId(0);

pub(super) struct Seat {
    node: Rc<Node>,
    /// None: another core gives it back.
    ip: Option<IpAddr>,
}

impl Seat {
    /// The place of a connection that comes from another core.
    pub(super) fn of(node: &Rc<Node>, ip: IpAddr) -> Seat {
        Seat { node: node.clone(), ip: Some(ip) }
    }

    /// The connection keeps it on another core.
    pub(super) fn pass_on(mut self) {
        self.ip = None;
    }

    /// A place for one more connection, waited for while the broker is full or connections come too fast; or why there is
    /// none.
    pub(super) async fn take(node: &Rc<Node>, ip: IpAddr, measures: &Measures) -> Result<Seat, String> {
        let mut waits = false;
        let mut wait = |limit| {
            if !std::mem::replace(&mut waits, true) {
                measures.held(limit);
            }
        };
        loop {
            let Reply::Admitted(admission) = node.call(KEEPER, Command::Admit(ip)).await else {
                unreachable!("an Admit is answered with Admitted")
            };
            let pause = match admission {
                Admission::Seated => return Ok(Seat::of(node, ip)),
                Admission::Full { .. } => {
                    wait(Limit::Connections);
                    Duration::from_millis(limits::SEAT_RETRY_MS)
                }
                Admission::TooFast { wait_ns } => {
                    wait(Limit::Rate);
                    Duration::from_nanos(wait_ns)
                }
                Admission::TooManyFromThere { count } => {
                    measures.held(Limit::PerIp);
                    return Err(format!("{count} connections from there are open (max.connections.per.ip)"));
                }
                Admission::NoDescriptors { count } => {
                    measures.held(Limit::Descriptors);
                    return Err(format!(
                        "{count} connections are open, as many as this process has descriptors for"
                    ));
                }
            };
            Timer::new(pause).await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(ip) = self.ip {
            self.node.tell(KEEPER, Command::Release(ip));
        }
    }
}
