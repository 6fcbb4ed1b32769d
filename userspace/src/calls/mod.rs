//! Following calls to hotlines in the signalling that the kernel copies: which media stream is free, and
//! until when.
//!
//! Nothing here reads a socket, a map or a clock. [`Tracker::message`] takes a message and what it came
//! with, and says what to grant and revoke; the caller does it. Signalling itself stays charged.
//!
//! Read: SIP ([`sip`], RFC 3261), the number in its Request-URI ([`dialled`], RFC 3966), offers and answers ([`sdp`],
//! RFC 8866; [`media`], RFC 3264), in early dialogs too (RFC 3262, RFC 3311), and session timers (RFC 4028). What each
//! dialog negotiates is on its own, however an INVITE is forked. Where signalling cannot be seen, calls are opened and
//! closed by whoever sees it ([`told`]). A call goes on over a restart ([`saved`]).

mod active;
mod call;
mod class_number;
pub mod connections;
pub mod dialled;
pub mod fault;
pub mod frame;
mod framing;
pub mod header;
pub mod hotline;
mod key;
mod leg;
mod limits;
pub mod media;
mod media_usage;
mod mismatch;
pub mod multipart;
pub mod record;
pub mod saved;
pub mod sdp;
pub mod sip;
pub mod stats;
pub mod stream;
pub mod told;
pub mod tracker;

pub use active::ActiveCall;
pub use dialled::{DialledNumber, request_number};
pub use fault::SipFault;
pub use hotline::{HotlineMatch, Hotlines};
pub use limits::TrackerLimits;
pub use media::Refusal;
pub use media_usage::MediaUsage;
pub use mismatch::Mismatch;
pub use record::{CallRecord, Cause};
pub use saved::SavedCall;
pub use stats::TrackerStats;
pub use stream::{Grant, Stream, StreamKind};
pub use told::{ToldCall, ToldFault, ToldMedia};
pub use tracker::{Action, At, Direction, Tracker};

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod differential_tests;
#[cfg(test)]
mod torture_tests;
