//! A question, and what came back.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tollfree_core::address::Family;

use super::dnssec::Security;

/// The type of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// What a site says of its service (RFC 9460).
    Https,
}

impl Kind {
    /// All that is asked of a name.
    pub const ALL: [Self; 3] = [Self::A, Self::Aaaa, Self::Https];

    /// The record's type, as in zone files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Https => "HTTPS",
        }
    }

    /// The query for addresses of `family`.
    pub const fn of(family: Family) -> Self {
        match family {
            Family::V4 => Self::A,
            Family::V6 => Self::Aaaa,
        }
    }

    /// The family of the addresses that are asked for; `None`: no addresses are.
    pub const fn family(self) -> Option<Family> {
        match self {
            Self::A => Some(Family::V4),
            Self::Aaaa => Some(Family::V6),
            Self::Https => None,
        }
    }
}

/// What one query asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The name, as the policy lists it.
    pub name: String,
    /// What of it.
    pub kind: Kind,
}

/// What a site says of its service (RFC 9460): hints, never evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceHints {
    /// Whether it offers Encrypted `ClientHello`, so that the name on the wire may be hidden (RFC 9848).
    pub ech: bool,
    /// `ipv4hint` and `ipv6hint` (RFC 9460, section 7.3); not checked.
    pub addresses: BTreeSet<IpAddr>,
    /// Where `AliasMode` records led, in order (RFC 9460, section 2.4.2).
    pub aliases: Vec<String>,
}

/// What became of a question, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What became of it.
    pub outcome: Outcome,
    /// The server whose answer it is; `None` if none answered.
    pub resolver: Option<IpAddr>,
}

impl From<Outcome> for Answered {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, resolver: None }
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
        /// What validation said of all the records that led to them.
        security: Security,
    },
    /// There are records of type HTTPS.
    Service {
        /// What they say together.
        hints: ServiceHints,
        /// Their shortest lifetime.
        ttl: Duration,
    },
    /// A server said that there are none (RFC 2308: NXDOMAIN or NODATA).
    Empty {
        /// Whether the name exists, without records of this type.
        exists: bool,
        /// For how long that is good, if the server said so.
        ttl: Option<Duration>,
    },
    /// The answer is forged, or its zone is broken: a signature that should be there is not, or is wrong.
    Bogus {
        /// Which server gave it, and what is wrong.
        error: String,
    },
    /// No server gave an answer that could be used.
    Failed {
        /// What each server did.
        error: String,
    },
}
