//! CRYPTO frames of QUIC Initial packets, version 1 (RFC 9000, RFC 9001) and 2 (RFC 9369), opened with the keys that anyone
//! on the path can derive from the client's first Destination Connection ID.

mod cursor;
mod frame;
mod keys;
mod packet;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub use frame::{CryptoFrame, FrameError, crypto_frames};
pub use keys::{InitialKeys, Sender};
pub use packet::{ConnectionId, Initial, Packet, Packets, Version};
