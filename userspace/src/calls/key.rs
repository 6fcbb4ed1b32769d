//! What names a call, and its dialogs.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::sip::Message;
use super::tracker::{At, Direction};

/// Octets of a digest that name a call. Reason: 128 bits do not meet by chance.
const UID_OCTETS: usize = 16;

/// What names a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct CallKey {
    /// `Call-ID`, or the id that the API was given.
    pub(super) call_id: String,
    /// The tag of the subscriber's end; `None`: the API opened the call.
    pub(super) local_tag: Option<String>,
}

impl CallKey {
    /// A name for a call that began at `at`, which no other has: one `Call-ID` and tag may come again, but not at the
    /// same instant.
    pub(super) fn uid(&self, at: At) -> String {
        let mut digest = Sha256::new();
        for part in [&self.call_id, self.local_tag.as_deref().unwrap_or_default(), &at.wall.to_string()] {
            digest.update(part);
            digest.update([0]);
        }
        HEXLOWER.encode(&digest.finalize()[..UID_OCTETS])
    }
}

/// The tag of the far end: a request's sender is `From`, and a response keeps its request's `From`.
pub(super) fn remote_tag<'a>(
    direction: Direction,
    is_request: bool,
    message: &Message<'a>,
) -> Option<&'a str> {
    if is_subscriber_from(direction, is_request) { message.to.tag } else { message.from.tag }
}

/// The tag of the subscriber's end.
pub(super) fn local_tag<'a>(
    direction: Direction,
    is_request: bool,
    message: &Message<'a>,
) -> Option<&'a str> {
    if is_subscriber_from(direction, is_request) { message.from.tag } else { message.to.tag }
}

const fn is_subscriber_from(direction: Direction, is_request: bool) -> bool {
    matches!((direction, is_request), (Direction::Uplink, true) | (Direction::Downlink, false))
}
