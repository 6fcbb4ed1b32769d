//! What an access server says.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::person::Identity;

/// One accounting message, as far as it tells who has an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A session has begun or goes on: Start and Interim-Update. The two are one, because either may be lost.
    Alive(Report),
    /// A session has ended: Stop.
    Ended(Report),
    /// An access server has begun or ended its service, so that none of its sessions lives: Accounting-On,
    /// Accounting-Off (RFC 2866, section 5.1).
    Reset {
        /// Which.
        nas: Nas,
        /// When.
        moment: Moment,
    },
}

/// What is said of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which session.
    pub session: SessionKey,
    /// Whose session; `None` if the message does not say.
    pub identity: Option<Identity>,
    /// All addresses that the session has in the families of which it names any; it may name none.
    pub blocks: Vec<Block>,
    /// When this was so.
    pub moment: Moment,
}

/// A session's name: unique until its access server starts anew (RFC 2866, section 5.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionKey {
    /// Who gave the name.
    pub nas: Nas,
    /// Acct-Session-Id.
    pub id: Box<str>,
}

/// An access server, by what it calls itself. Whoever relays its messages is no part of it, because a message may come
/// by another relay than the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Nas {
    /// NAS-IP-Address or NAS-IPv6-Address; where it says neither these nor an identifier, where its messages come from.
    pub address: Option<IpAddr>,
    /// NAS-Identifier.
    pub identifier: Option<Box<str>>,
}

impl Nas {
    /// Whether `other` may be this access server, as far as this one is described.
    pub(super) fn describes(&self, other: &Self) -> bool {
        let agrees = self.address.is_none() || self.address == other.address;
        agrees && (self.identifier.is_none() || self.identifier == other.identifier)
    }
}

/// When something happened, by this gateway's clock and, if it says so, by the access server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When the message arrived, less Acct-Delay-Time (RFC 2866, section 5.2).
    occurred: Timestamp,
    /// Whether the message says that it is late.
    is_late: bool,
    /// Event-Timestamp (RFC 2869, section 5.3), in seconds since the Unix epoch.
    stamped: Option<u32>,
}

impl Moment {
    /// What was told at `at`, and is `delay_s` seconds old; `stamped` by the access server's own clock.
    pub fn new(at: Timestamp, delay_s: u32, stamped: Option<u32>) -> Self {
        let occurred = at.checked_sub(SignedDuration::from_secs(delay_s.into())).unwrap_or(at);
        Self { occurred, is_late: delay_s > 0, stamped }
    }

    /// Whether this was before `other`, which arrived earlier.
    ///
    /// The access server's own clock is better, because a message that is sent again may not say how late it is; but
    /// clocks of two access servers cannot be compared. A message that says nothing of the kind is taken for what is so
    /// now, lest a step of this gateway's clock makes everything late.
    pub(super) fn is_before(&self, other: &Self, same_clock: bool) -> bool {
        match (self.stamped, other.stamped) {
            (Some(this), Some(other)) if same_clock => this < other,
            _ => self.is_late && self.occurred < other.occurred,
        }
    }
}
