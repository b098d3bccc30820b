//! The operator's HTTP: `/metrics`, `/healthz`, `/readyz`. Lives on core 0; every other core is asked over the bus. One request
//! a connection; what comes in is bounded in bytes, headers, connections and time. Must never hold up a core: long answers
//! are written piece by piece.

mod exposition;
mod gather;
mod groups;
mod http;
mod partitions;
mod process;

pub use exposition::{Text, metrics};

use std::{cell::Cell, rc::Rc, time::Duration};

use futures_lite::future;
use glommio::{
    net::{TcpListener, TcpStream},
    timer::Timer,
};

use crate::{
    limits,
    node::{Node, steps::Task},
};
use http::{Method, Received};

/// What the exposition says about the process itself.
#[derive(Clone, Debug)]
pub struct About {
    pub version: &'static str,
    pub node: String,
    pub cluster_id: String,
    pub cores: u16,
}

pub struct Admin {
    node: Rc<Node>,
    about: About,
    connections: Cell<usize>,
}

impl Admin {
    pub fn new(node: Rc<Node>, about: About) -> Rc<Admin> {
        Rc::new(Admin { node, about, connections: Cell::new(0) })
    }

    /// Takes connections until the future is dropped.
    pub async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            let Ok(stream) = listener.accept().await else {
                // Out of descriptors: the other listeners say so.
                Timer::new(Duration::from_millis(limits::ACCEPT_BACKOFF_MS)).await;
                continue;
            };
            if self.connections.get() >= limits::ADMIN_CONNECTIONS_MAX {
                continue;
            }
            let seat = Seat::take(self.clone());
            let serving = async move { seat.0.serve(stream).await };
            glommio::spawn_local(self.node.timed(Task::Operator, serving)).detach();
        }
    }

    async fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let whole = async {
            let answer = match http::receive(&mut stream).await {
                Ok(received) => self.answer(received).await,
                Err(refusal) => refusal,
            };
            // The peer may be gone: there is nobody to tell.
            let _ = answer.send(&mut stream).await;
        };
        let late = async {
            Timer::new(Duration::from_millis(limits::ADMIN_REQUEST_MS_MAX)).await;
        };
        future::or(whole, late).await;
    }

    async fn answer(&self, received: Received) -> http::Answer {
        let Received { method, path } = received;
        let answer = match path.as_str() {
            "/metrics" => match self.metrics().await {
                Some(text) => http::Answer::metrics(text),
                None => http::Answer::unavailable("a core gave no figures in time\n"),
            },
            "/healthz" => http::Answer::text("ok\n"),
            "/readyz" => match self.is_ready().await {
                true => http::Answer::text("ready\n"),
                false => http::Answer::unavailable("a core does not answer\n"),
            },
            "/" => http::Answer::text("Corelog: /metrics /healthz /readyz\n"),
            _ => http::Answer::not_found(),
        };
        if method == Method::Head { answer.without_body() } else { answer }
    }
}

/// A connection's place among the few.
struct Seat(Rc<Admin>);

impl Seat {
    fn take(admin: Rc<Admin>) -> Seat {
        admin.connections.set(admin.connections.get() + 1);
        Seat(admin)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
    }
}
