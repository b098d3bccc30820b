//! One core's listener and its connections. Every core listens on the same address with SO_REUSEPORT: the kernel spreads
//! the connections. One whose requests are for another core's partitions moves there between two of them, if that core has time for it
//! (`conn/traffic.rs`, `node/load.rs`). Must never take a connection beyond the limits.

mod listener;
pub mod measure;
mod seat;

pub use listener::{bind, is_taken};
pub use measure::observe_memory;

use std::{
    future::poll_fn,
    net::SocketAddr,
    rc::{Rc, Weak},
    task::Poll,
    time::Duration,
};

use engine::io::socket;
use futures_lite::future;
use glommio::{net::TcpListener, timer::Timer};

use listener::Reserve;
use measure::{Limit, Measures};
use seat::Seat;

use crate::{
    api::Api,
    conn::{Arrival, Complaints, Connection, Left, Moved, Registry, Serve, Shared, Traffic, Wish},
    limits,
    node::{parcel::Handed, steps::Task},
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
    /// From how many bytes on answers are sent without a copy; none: never.
    pub lent_bytes_min: Option<usize>,
}

/// One core's server; `accept` and `sweep` run until they are dropped, then `drain` ends the connections.
pub struct Server {
    /// Which of its core's listeners it is.
    number: usize,
    api: Rc<Api>,
    config: ServerConfig,
    registry: Rc<Registry>,
    shared: Rc<Shared>,
    complaints: Rc<Complaints>,
    measures: Measures,
}

impl Server {
    /// `shared`: the core's, for all its listeners.
    pub fn new(api: Rc<Api>, config: ServerConfig, shared: Rc<Shared>) -> Rc<Server> {
        let node = api.node().clone();
        let server = Rc::new_cyclic(|server: &Weak<Server>| Server {
            number: node.expect({
                let server = server.clone();
                Box::new(move |handed| {
                    if let Some(server) = server.upgrade() {
                        server.arrive(handed);
                    }
                })
            }),
            api,
            config,
            registry: Rc::default(),
            shared,
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
        let mut reserve = Reserve::take();
        let mut complained_ns = None;
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                // The peer gave up before it was accepted.
                Err(error) if listener::is_passing(&error) => continue,
                Err(error) => {
                    self.measures.accept_failed();
                    let now_ns = self.api.look_at_clock();
                    let silence_ns = limits::ACCEPT_COMPLAINT_MS * 1_000_000;
                    if complained_ns.is_none_or(|then| now_ns - then >= silence_ns) {
                        complained_ns = Some(now_ns);
                        tracing::error!(
                            "cannot accept connections: {error}; those that are open go on. Raise the limit of open \
                             files (LimitNOFILE, ulimit -n)"
                        );
                    }
                    // With the reserve given up the next one is accepted, to be closed: better than no answer.
                    if !(listener::is_out_of_descriptors(&error) && reserve.give_up()) {
                        Timer::new(Duration::from_millis(limits::ACCEPT_BACKOFF_MS)).await;
                    }
                    continue;
                }
            };
            if !reserve.restore() {
                self.measures.held(Limit::Descriptors);
                drop(stream);
                continue;
            }
            let Ok(peer) = stream.peer_addr() else { continue };
            let seat = match Seat::take(self.api.node(), peer.ip(), &self.measures).await {
                Ok(seat) => seat,
                Err(reason) => {
                    self.complaints.closed(self.api.look_at_clock(), peer, &reason);
                    continue;
                }
            };
            // Answers are gathered already; to wait for more would only delay them. Fails on a connection that is gone.
            let _ = stream.set_nodelay(true);
            self.measures.opened();
            self.serve(stream.into(), peer, seat);
        }
    }

    /// Serves a connection in a task of its own, until it ends or another core has it.
    fn serve(self: &Rc<Self>, arrival: Arrival, peer: SocketAddr, seat: Seat) {
        let connection = Connection::new(
            arrival,
            self.registry.enter(peer, self.api.look_at_clock()),
            self.shared.clone(),
            self.complaints.clone(),
            self.api.clone(),
            self.config.request_bytes_max,
            self.config.lent_bytes_min,
        );
        let server = self.clone();
        let serving = async move {
            match connection.run().await {
                Left::Ended(ended) => server.measures.closed(&ended),
                Left::Moved(moved) => {
                    seat.pass_on();
                    let node = server.api.node();
                    node.hand_over(moved.to, Handed { from: node.core(), listener: server.number, moved });
                }
            }
        };
        glommio::spawn_local(self.api.node().timed(Task::Connection, serving)).detach();
    }

    /// Another core hands a connection over, or gives one back that it has no time for.
    fn arrive(self: &Rc<Self>, handed: Handed) {
        let node = self.api.node();
        let traffic = if handed.from == node.core() {
            Traffic::resting()
        } else if node.takes_connection() {
            self.measures.came();
            Traffic::default()
        } else {
            return node.hand_over(handed.from, handed);
        };
        let Moved { peer, socket, head, known, .. } = handed.moved;
        self.api.met(peer, known);
        let arrival = Arrival { stream: socket::adopt(socket), head, traffic };
        self.serve(arrival, peer, Seat::of(node, peer.ip()));
    }

    /// Ends idle and stalled connections until the future is dropped.
    pub async fn sweep(self: Rc<Self>) {
        for look in 1u64.. {
            Timer::new(Duration::from_millis(limits::RELIEF_MS)).await;
            let now_ns = self.api.look_at_clock();
            if look.is_multiple_of(limits::SWEEP_MS / limits::RELIEF_MS) {
                self.registry.sweep(now_ns, self.config.idle_ms_max.unwrap_or(u64::MAX));
            }
            self.registry.relieve(now_ns, &self.shared.answers, &self.shared.requests);
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
