//! Answers of name servers, as subscribers see them.
//!
//! [`Listener`] hears what passes between subscribers and trusted resolvers, and says which address a name was given.
//! It believes an answer only if the subscriber asked that question, of that resolver, from that port, under that
//! message id, a short while ago (RFC 5452, section 9.1). What it refuses, it counts by [`Refusal`].
//!
//! An answer that somebody else forges with the resolver's own address, and with everything that the question had,
//! cannot be told from the resolver's: a carrier keeps its resolvers' addresses from being spoofed at its borders
//! (RFC 2827), and the policy asks for the name on the wire besides.

mod alias;
mod asked;
mod connections;
mod direction;
mod lesson;
pub mod limits;
mod listener;
mod message;
mod name;
mod pointers;
mod reader;
mod refusal;
mod stats;
#[cfg(test)]
mod tests;

pub use direction::Direction;
pub use lesson::{Hint, Lesson};
pub use limits::Limits;
pub use listener::Listener;
pub use message::{MessageError, RECORDS_MAX, decode};
pub use name::{as_sent, presentation};
pub use reader::{Checksums, Letter, Reader, Transport};
pub use refusal::Refusal;
pub use stats::Stats;

/// Where name servers listen, UDP and TCP (RFC 1035, section 4.2).
pub const PORT: u16 = 53;
