//! How much of the broker its clients may have. Pure: time is an argument. Lives on the core that decides, core 0.

mod connections;

pub use connections::{Admission, ConnectionLimits, Connections};
