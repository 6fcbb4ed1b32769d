//! Which way a packet goes.

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the subscriber to the resolver: questions.
    Uplink,
    /// From the resolver to the subscriber: answers.
    Downlink,
}
