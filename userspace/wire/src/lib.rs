//! What subscribers' packets say of names: TLS, QUIC and HTTP requests, and answers of name servers.
//!
//! Readers of copied packets alone: pure, bounded, and without a panic whatever they are given.

pub mod dns;
pub mod http;
pub mod http2;
pub mod inspect;
pub mod ip;
pub mod quic;
mod share;
pub mod stream;
pub mod tls;

pub use share::Bound;
