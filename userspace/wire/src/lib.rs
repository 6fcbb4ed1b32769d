//! What subscribers' packets say of names: TLS, QUIC and HTTP requests, and answers of name servers.
//!
//! Readers of copied packets alone: pure, bounded, and without a panic whatever they are given.

pub mod dns;
pub mod stream;
