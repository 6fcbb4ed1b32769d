//! Which way a packet goes.

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the subscriber: questions, requests.
    Uplink,
    /// To the subscriber: answers.
    Downlink,
}
