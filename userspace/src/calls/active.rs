//! Calls as they go on, for whoever asks.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::stream::Stream;

/// A call that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveCall<'a> {
    /// See [`CallRecord::uid`](super::CallRecord::uid).
    pub uid: &'a str,
    /// `Call-ID`, or the id that the API was given.
    pub call_id: &'a str,
    /// The hotline's rule, by its permanent number.
    pub rule: u32,
    /// The hotline's number in its national form.
    pub number: &'a str,
    /// Where the subscriber's signalling comes from.
    pub subscriber: SocketAddr,
    /// The signalling proxy; `None`: the API opened the call.
    pub proxy: Option<SocketAddr>,
    /// When the first INVITE was seen.
    pub invited: Timestamp,
    /// When the 200 was seen, if it was.
    pub answered: Option<Timestamp>,
    /// What is free now.
    pub streams: Vec<Stream>,
    /// Every stream that was free at some time.
    pub media: &'a [Stream],
}
