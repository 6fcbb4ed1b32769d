//! Following calls to hotlines in the signalling that the kernel copies: which media stream is free, and
//! until when.
//!
//! Nothing here reads a socket, a map or a clock. [`Tracker::message`] takes a datagram and what it came
//! with, and says what to grant and revoke; the caller does it. Signalling itself stays charged.
//!
//! Read: SIP over UDP ([`sip`], RFC 3261), the number in its Request-URI ([`dialled`], RFC 3966), offers and
//! answers ([`sdp`], RFC 8866; [`media`], RFC 3264). Not yet: SIP over TCP, early media and answers in
//! reliable provisional responses (RFC 3262), session timers (RFC 4028).

mod call;
pub mod dialled;
pub mod fault;
pub mod header;
pub mod hotline;
pub mod media;
pub mod record;
pub mod sdp;
pub mod sip;
pub mod stats;
pub mod tracker;

pub use call::Mismatch;
pub use dialled::{DialledNumber, request_number};
pub use fault::SipFault;
pub use hotline::{HotlineMatch, Hotlines};
pub use media::Refusal;
pub use record::{CallRecord, Cause};
pub use stats::TrackerStats;
pub use tracker::{Action, ActiveCall, At, Direction, Tracker, TrackerLimits};

#[cfg(test)]
mod corpus_tests;
