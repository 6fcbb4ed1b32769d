//! What happened, one counter each; all only grow.

use super::fault::SipFault;
use super::media::Refusal;
use super::mismatch::Mismatch;

/// Counters since the tracker was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerStats {
    /// Datagrams given.
    pub messages: u64,
    /// Datagrams that are not read as SIP, by [`SipFault::number`].
    pub faults: [u64; SipFault::COUNT],
    /// Messages of no call that is followed: most of a carrier's signalling.
    pub untracked: u64,
    /// Messages that name a call but cannot be part of it, by [`Mismatch::number`].
    pub mismatches: [u64; Mismatch::COUNT],
    /// Messages seen before.
    pub retransmissions: u64,
    /// INVITEs to numbers that are no hotline's.
    pub not_hotline: u64,
    /// INVITEs to hotlines that are not followed, because as many calls as allowed are.
    pub full: u64,
    /// INVITEs to hotlines that are not followed, because the subscriber has as many calls as allowed.
    pub subscriber_full: u64,
    /// Text messages to numbers whose rule frees them.
    pub text_messages: u64,
    /// Calls gone on with that a controller before this one followed.
    pub restored: u64,
    /// Calls followed.
    pub invited: u64,
    /// Calls answered.
    pub answered: u64,
    /// Calls ended.
    pub ended: u64,
    /// Grants given.
    pub granted: u64,
    /// Grants revoked.
    pub revoked: u64,
    /// Streams and answers not granted, by [`Refusal::number`].
    pub refusals: [u64; Refusal::COUNT],
}
