//! A question, and what came back.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

use tollfree_core::address::Family;

/// The addresses of one name in one family: what one A or AAAA query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, as the policy lists it.
    pub name: String,
    /// A for IPv4, AAAA for IPv6.
    pub family: Family,
}

impl Question {
    /// The type of the query.
    pub const fn record_type(&self) -> &'static str {
        match self.family {
            Family::V4 => "A",
            Family::V6 => "AAAA",
        }
    }
}

impl Ord for Question {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.name, self.family as u8).cmp(&(&other.name, other.family as u8))
    }
}

impl PartialOrd for Question {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There are addresses. They are not yet checked.
    Addresses {
        /// In the order of the answer.
        addresses: Vec<IpAddr>,
        /// The shortest lifetime of the records that led to them.
        ttl: Duration,
        /// The aliases that were followed, in order; empty if the name has the addresses itself.
        aliases: Vec<String>,
    },
    /// A server said that there are none (RFC 2308: NXDOMAIN or NODATA).
    Empty {
        /// Whether the name exists, without records of this type.
        exists: bool,
        /// For how long that is good, if the server said so.
        ttl: Option<Duration>,
    },
    /// No server gave an answer that could be used.
    Failed {
        /// What each server did.
        error: String,
    },
}
