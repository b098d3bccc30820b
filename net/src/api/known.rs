//! What this core knows of a connection beyond its bytes, and what goes along when the connection moves to another core.

use std::{any::Any, net::SocketAddr};

use super::{Api, clients::Software, fetch_sessions::Session};

struct Known {
    software: Option<Software>,
    sessions: Vec<(i32, Session)>,
}

impl Api {
    /// It leaves this core.
    pub(super) fn take_known(&self, peer: SocketAddr) -> Box<dyn Any + Send> {
        let sessions = self.sessions.borrow_mut().take_of(peer);
        Box::new(Known { software: self.clients.gone(peer), sessions })
    }

    /// It comes to this core, with what another core's `take_known` gave.
    pub(super) fn put_known(&self, peer: SocketAddr, known: Box<dyn Any + Send>) {
        let Ok(known) = known.downcast::<Known>() else { return };
        let Known { software, sessions } = *known;
        if let Some(software) = software {
            self.clients.came(peer, software);
        }
        self.sessions.borrow_mut().put(sessions);
    }
}
