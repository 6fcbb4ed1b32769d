//! What is kept of a call that is over.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use tollfree_core::flow::FlowKey;

use super::media::Refusal;
use super::tracker::Direction;

/// Characters of [`CallRecord::caller`]. Reason: a name, a number and a domain; the rest is a stranger's free
/// text.
pub const CALLER_CHARACTERS_MAX: usize = 128;

/// A call to a hotline, from INVITE to end. The caller adds the epoch, and the volume of `media` from the
/// kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// `Call-ID`.
    pub call_id: String,
    /// The hotline's rule, by its permanent number.
    pub rule: u32,
    /// The hotline's number in its national form.
    pub number: String,
    /// `From` as the subscriber sent it: his claim, not proven. Blanks replace control characters; at
    /// most [`CALLER_CHARACTERS_MAX`].
    pub caller: String,
    /// Whose call it was.
    pub subscriber: IpAddr,
    /// The signalling proxy.
    pub proxy: SocketAddr,
    /// When the first INVITE was seen.
    pub invited: Timestamp,
    /// When the 200 was seen, if it was.
    pub answered: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
    /// Why it ended.
    pub cause: Cause,
    /// Every stream that was free at some time, in order of their grants, each once.
    pub media: Vec<FlowKey>,
    /// Why streams were not free, each once.
    pub refusals: Vec<Refusal>,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// BYE.
    Hangup {
        /// Uplink: the subscriber hung up.
        by: Direction,
    },
    /// CANCEL, before an answer.
    Cancelled,
    /// 3xx: whatever is dialled next is another call.
    Redirected {
        /// 300 to 399.
        status: u16,
    },
    /// 4xx to 6xx, other than a request for credentials.
    Rejected {
        /// 400 to 699.
        status: u16,
    },
    /// No answer in time.
    Unanswered,
    /// No BYE within the longest duration allowed.
    MaxDuration,
    /// The same subscriber's later call negotiated the same stream.
    Superseded,
    /// Before the answer, the same call was sent to another number.
    Redialled,
    /// The policy no longer lists the number, or the stream's remote address.
    PolicyEnded,
}

impl Cause {
    /// The word in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hangup { by: Direction::Uplink } => "hangup-subscriber",
            Self::Hangup { by: Direction::Downlink } => "hangup-remote",
            Self::Cancelled => "cancelled",
            Self::Redirected { .. } => "redirected",
            Self::Rejected { .. } => "rejected",
            Self::Unanswered => "unanswered",
            Self::MaxDuration => "max-duration",
            Self::Superseded => "superseded",
            Self::Redialled => "redialled",
            Self::PolicyEnded => "policy-ended",
        }
    }
}

/// The bounded form of a `From` value.
pub(super) fn caller(from: &str) -> String {
    let plain = from.chars().map(|character| if character.is_control() { ' ' } else { character });
    plain.take(CALLER_CHARACTERS_MAX).collect()
}
