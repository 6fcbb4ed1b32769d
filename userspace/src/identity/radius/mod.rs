//! RADIUS accounting (RFC 2866): access servers tell of sessions.
//!
//! A datagram becomes a [`Packet`] if its lengths agree, a [`Verified`](authenticator::Verified) one if its sender knows
//! the secret, and then an [`Event`](super::Event). A [`Listener`] answers it once its receiver has room for it; what is
//! not answered is sent again.
//!
//! The parser is this project's own: the crates there are either read no Message-Authenticator, compare digests in
//! variable time, or leave authentication to their user.

pub mod accounting;
mod answered;
pub mod attribute;
pub mod authenticator;
pub mod client;
mod counters;
pub mod listener;
pub mod packet;
pub mod secret;

pub use client::Clients;
pub use counters::RadiusCounters;
pub use listener::{ListenError, Listener, Received};
pub use packet::{Packet, PacketFault};
pub use secret::{Secret, SecretError};

#[cfg(test)]
mod tests;
