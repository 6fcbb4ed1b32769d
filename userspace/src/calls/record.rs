//! What is kept of a call that is over.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::media::Refusal;
use super::stream::Stream;
use super::tracker::Direction;

/// Characters of [`CallRecord::caller`]. Reason: a name, a number and a domain; the rest is a stranger's free
/// text.
pub const CALLER_CHARACTERS_MAX: usize = 128;

/// A call to a hotline, from INVITE to end. The follower adds the epoch, and the volume of `media` from the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Names this call among all of this gateway's: 32 hexadecimal digits.
    pub uid: String,
    /// `Call-ID`, or the id that the API was given.
    pub call_id: String,
    /// The hotline's rule, by its permanent number.
    pub rule: u32,
    /// The hotline's number in its national form.
    pub number: String,
    /// `P-Asserted-Identity`, where the operator's own equipment sent it; else `From`: the subscriber's claim, not
    /// proven. Blanks replace control characters; at most [`CALLER_CHARACTERS_MAX`].
    pub caller: String,
    /// Whether `caller` is asserted by the operator (RFC 3325).
    pub is_caller_asserted: bool,
    /// `icid-value` (RFC 7315, section 5.6), which the operator's other records of the call have too.
    pub charging_id: Option<String>,
    /// Whose call it was.
    pub subscriber: IpAddr,
    /// The signalling proxy; `None`: the API opened the call.
    pub proxy: Option<SocketAddr>,
    /// When the first INVITE was seen.
    pub invited: Timestamp,
    /// When the 200 was seen, if it was.
    pub answered: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
    /// Why it ended.
    pub cause: Cause,
    /// Every stream that was free at some time, in order of their grants, each once.
    pub media: Vec<Stream>,
    /// Why streams were not free, each once.
    pub refusals: Vec<Refusal>,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Nobody responded to the INVITE (timer B, RFC 3261, section 17.1.1.2).
    NoResponse,
    /// A request within the dialog met 408 or 481: the other end no longer knows it (RFC 3261, section 12.2.1.2).
    DialogLost {
        /// 408 or 481.
        status: u16,
    },
    /// Nobody refreshed the session in time (RFC 4028, section 10).
    SessionExpired,
    /// No media passed for so long that the call must be over.
    Silence,
    /// The controller ended while it went on, and no end was seen after: as far as it is known.
    Partial,
    /// The API closed it, or did not keep it open.
    Closed,
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
            Self::NoResponse => "no-response",
            Self::DialogLost { .. } => "dialog-lost",
            Self::SessionExpired => "session-expired",
            Self::Silence => "silence",
            Self::Partial => "partial",
            Self::Closed => "closed",
            Self::MaxDuration => "max-duration",
            Self::Superseded => "superseded",
            Self::Redialled => "redialled",
            Self::PolicyEnded => "policy-ended",
        }
    }
}

/// The bounded form of a `From` or `P-Asserted-Identity` value.
pub(super) fn caller(from: &str) -> String {
    let plain = from.chars().map(|character| if character.is_control() { ' ' } else { character });
    plain.take(CALLER_CHARACTERS_MAX).collect()
}
