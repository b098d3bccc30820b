//! One core's listener and its connections. Every core listens on the same address with SO_REUSEPORT: the kernel spreads
//! the connections, and each stays on its core. Must never take a connection beyond the limits.

mod listener;
pub mod measure;
mod places;

pub use listener::{bind, is_taken};
pub use places::{Places, Seat};

use std::{future::poll_fn, rc::Rc, sync::Arc, task::Poll, time::Duration};

use futures_lite::future;
use glommio::{net::TcpListener, timer::Timer};

use measure::Measures;

use crate::{
    api::Api,
    conn::{Complaints, Connection, Registry, Shared, Wish},
    limits,
};

/// What binds the connections of one core.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The listener's name.
    pub listener: String,
    /// The largest request (`socket.request.max.bytes`).
    pub request_bytes_max: usize,
    /// `connections.max.idle.ms`; none: never.
    pub idle_ms_max: Option<u64>,
    /// This core's part of `--memory`.
    pub memory_bytes: u64,
}

/// One core's server; `accept` and `sweep` run until they are dropped, then `drain` ends the connections.
pub struct Server {
    api: Rc<Api>,
    config: ServerConfig,
    places: Arc<Places>,
    registry: Rc<Registry>,
    shared: Rc<Shared>,
    complaints: Rc<Complaints>,
    measures: Measures,
}

impl Server {
    pub fn new(api: Rc<Api>, config: ServerConfig, places: Arc<Places>) -> Rc<Server> {
        let node = api.node().clone();
        let part =
            usize::try_from(config.memory_bytes).unwrap_or(usize::MAX) / limits::REQUEST_MEMORY_DIVISOR;
        let server = Rc::new(Server {
            api,
            config,
            places,
            registry: Rc::default(),
            shared: Rc::new(Shared::new(part.max(limits::REQUEST_MEMORY_MIN))),
            complaints: Rc::default(),
            measures: Measures::default(),
        });
        let counting = Rc::downgrade(&server);
        node.observe(Box::new(move |figures| {
            if let Some(server) = counting.upgrade() {
                server.measure(figures);
            }
        }));
        server
    }

    /// Takes connections until the future is dropped.
    pub async fn accept(self: Rc<Self>, listener: TcpListener) {
        let mut failing = false;
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                // The peer gave up before it was accepted.
                Err(error) if listener::is_passing(&error) => continue,
                Err(error) => {
                    self.measures.accept_failed();
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(
                            "cannot accept connections: {error}; raise the limit of open files (ulimit -n)"
                        );
                    }
                    Timer::new(Duration::from_millis(limits::ACCEPT_BACKOFF_MS)).await;
                    continue;
                }
            };
            failing = false;
            let Ok(peer) = stream.peer_addr() else { continue };
            let now_ns = self.api.look_at_clock();
            let seat = match self.places.sit(peer.ip()) {
                Ok(seat) => seat,
                Err((limit, reason)) => {
                    self.measures.refused(limit);
                    self.complaints.closed(now_ns, peer, &reason);
                    continue;
                }
            };
            // Answers are gathered already; to wait for more would only delay them. Fails on a connection that is gone.
            let _ = stream.set_nodelay(true);
            let connection = Connection::new(
                stream,
                self.registry.enter(peer, now_ns),
                self.shared.clone(),
                self.complaints.clone(),
                self.api.clone(),
                self.config.request_bytes_max,
            );
            self.measures.opened();
            let server = self.clone();
            let serving = async move {
                let ended = connection.run().await;
                server.measures.closed(&ended);
                drop(seat);
            };
            glommio::spawn_local(serving).detach();
        }
    }

    /// Ends idle and stalled connections until the future is dropped.
    pub async fn sweep(self: Rc<Self>) {
        loop {
            Timer::new(Duration::from_millis(limits::SWEEP_MS)).await;
            self.registry.sweep(self.api.look_at_clock(), self.config.idle_ms_max.unwrap_or(u64::MAX));
        }
    }

    /// Answers what was read and ends all connections; those that take too long end without an answer. To be called when
    /// nothing is accepted any more.
    pub async fn drain(&self) {
        self.registry.want(Wish::Finish);
        let vacant = async {
            self.vacated().await;
            true
        };
        let late = async {
            Timer::new(Duration::from_millis(limits::DRAIN_MS)).await;
            false
        };
        if !future::or(vacant, late).await {
            tracing::warn!("{} connections did not end in time and are cut", self.registry.len());
            self.registry.want(Wish::End("the broker stops"));
            self.vacated().await;
        }
    }

    async fn vacated(&self) {
        poll_fn(|cx| match self.registry.is_vacant(cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await
    }
}
