//! What cores send each other over the bus: what their shards say, and connections.

use engine::{base::CoreId, shard::command::Message};

use crate::conn::Moved;

#[expect(
    clippy::large_enum_variant,
    reason = "a box for each message would be an allocation for each request"
)]
pub enum Parcel {
    Shard(Message),
    Connection(Box<Handed>),
}

/// Takes the connections that other cores hand over to one listener.
pub type Door = Box<dyn Fn(Handed)>;

/// A connection that another core shall serve.
pub struct Handed {
    pub from: CoreId,
    /// Which of the core's listeners it belongs to, in the order in which they were told of to `Node::expect`.
    pub listener: usize,
    pub moved: Moved,
}
