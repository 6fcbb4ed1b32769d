//! Traffic of one interface, accounted for without XDP: mirror ports, and trying Tollfree out.
//!
//! The same core that the kernel runs reads, decides and counts each frame here, out of an `AF_PACKET` socket; the account
//! is the same [`Status`](crate::status::Status) that a gateway gives. Nothing is tagged, recorded or logged, and no call
//! is followed. [`run`] observes until it is told to end; [`Observer`] is the account by itself, of frames from anywhere.

mod account;
mod answer;
mod book;
mod error;
mod interface;
mod link;
mod observer;
mod session;
mod settings;
mod side;
#[cfg(test)]
mod tests;
mod tunnel_fragments;

pub use account::Account;
pub use error::ObserveError;
pub use observer::{Frames, Observer};
pub use session::run;
pub use settings::{Answering, Limits, Settings, Showing};
pub use side::{Side, SideError};
