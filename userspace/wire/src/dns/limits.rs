//! How much a [`Listener`](super::Listener) remembers.

use crate::ip::DATAGRAM_OCTETS_MAX;
use crate::{Bound, stream};

/// Questions that await their answers, of all subscribers. Reason: a hundred thousand subscribers ask some ten
/// thousand questions a second, most of which are answered within a second; about 200 octets each.
pub const QUESTIONS_MAX: usize = 65_536;

/// Questions that await their answers, of one subscriber. Reason: a household's devices ask some dozens at once.
pub const QUESTIONS_PER_SUBSCRIBER_MAX: usize = 256;

/// How long a question awaits its answer, in nanoseconds. Reason: resolver libraries ask again after five seconds, and
/// no longer wait for the first answer after twice that.
pub const QUESTION_LIFETIME_NS: u64 = 10 * 1_000_000_000;

/// Datagrams of which some fragments are there, of all subscribers. Reason: 64 KiB each at most, so 16 MiB.
pub const FRAGMENTED_MAX: usize = 256;

/// Datagrams of which some fragments are there, of one subscriber. Reason: few answers exceed a packet.
pub const FRAGMENTED_PER_SUBSCRIBER_MAX: usize = 8;

/// What is held of each of them. Pieces: 64 KiB in fragments of the smallest packet that every IPv6 link carries are 53,
/// and few are out of order.
pub(super) const FRAGMENTED: stream::Limits = stream::Limits { octets: DATAGRAM_OCTETS_MAX, pieces: 16 };

/// TCP connections that are followed, of all subscribers. Reason: at most 128 KiB each while messages are incomplete,
/// so 128 MiB if everybody attacks; some hundred octets each otherwise.
pub const CONNECTIONS_MAX: usize = 1024;

/// TCP connections that are followed, of one subscriber. Reason: RFC 7766, section 6.2.2 asks clients for one.
pub const CONNECTIONS_PER_SUBSCRIBER_MAX: usize = 8;

/// How much a [`Listener`](super::Listener) remembers; [`Default`] has the constants of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Questions that await their answers.
    pub questions: Bound,
    /// Datagrams of which some fragments are there.
    pub fragmented: Bound,
    /// TCP connections.
    pub connections: Bound,
}

impl Default for Limits {
    fn default() -> Self {
        let bound =
            |total, per_subscriber| Bound { total, per_subscriber, lifetime_ns: QUESTION_LIFETIME_NS };
        Self {
            questions: bound(QUESTIONS_MAX, QUESTIONS_PER_SUBSCRIBER_MAX),
            fragmented: bound(FRAGMENTED_MAX, FRAGMENTED_PER_SUBSCRIBER_MAX),
            connections: bound(CONNECTIONS_MAX, CONNECTIONS_PER_SUBSCRIBER_MAX),
        }
    }
}
