//! Bytes ↔ messages: the bounded codec of Kafka's protocol, for the broker and for our own client.
//!
//! One `message!` definition per message names each field with the versions that carry it; reading and writing follow
//! from it. Runs on whichever core owns the connection; holds no state. It must never panic on bytes from the wire,
//! never allocate from a count that the rest of the frame cannot hold, and never copy records.
//!
//! A request's way in: `frame::next` cuts a frame from the receive buffer, `RequestHeader::decode` says which API and
//! version follow, `Message::decode` reads the body. A response's way out: `response_frame` gives the chunks of one
//! gathering write.

pub mod api;
pub mod error;
pub mod field;
pub mod frame;
pub mod header;
pub mod limits;
#[macro_use]
mod message;
pub mod messages;
pub mod reader;
pub mod records;
#[cfg(test)]
mod tests;
pub mod text;
pub mod writer;

pub use api::ApiKey;
pub use error::WireError;
pub use frame::{request_frame, response_frame, told_frame};
pub use header::{RequestHeader, ResponseHeader};
pub use message::{Message, Request};
pub use messages::*;
pub use reader::Reader;
pub use records::Records;
pub use text::Text;
pub use writer::{Chunk, Errors, Writer};
