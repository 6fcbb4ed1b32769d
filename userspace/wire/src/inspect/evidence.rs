//! What a flow's first octets say.

use super::name::{HostName, NameError};

/// Where a name stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Via {
    /// Server name of a TLS ClientHello over TCP.
    Tls,
    /// The same in QUIC's CRYPTO frames.
    Quic,
    /// Host of an HTTP/1 request.
    Http,
    /// `:authority` of an HTTP/2 request in clear text.
    Http2,
}

impl Via {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tls, Self::Quic, Self::Http, Self::Http2];

    /// The word in status, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Http => "http",
            Self::Http2 => "http2",
        }
    }
}

/// Why a flow has no name that counts. The rule's `hidden_name` decides what that means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hidden {
    /// It asks for none, or for an IP address.
    NoName,
    /// Encrypted Client Hello (RFC 9849), or the encrypted server name that came before it. Browsers send an ECH extension
    /// of random octets where a site has none ("GREASE", section 6.2), with the true name outside: nobody on the way can
    /// tell the two apart. Whether the name outside counts all the same is for who knows the server's address.
    Ech {
        /// The name that everybody can read; none with an encrypted server name.
        outer: Option<HostName>,
    },
    /// Two names, or one named twice: which of them the server follows is its own affair.
    ConflictingHosts,
    /// Octets were sent twice with different content: which of them the server got cannot be known.
    Overlap,
    /// Neither TLS, QUIC nor HTTP, or faulty.
    NotRecognised,
    /// The name did not come within the limits.
    TooLong,
    /// What stands in the name's place is no host's name.
    InvalidName,
    /// A CONNECT request: what the proxy connects to comes later, and is not the proxy's name.
    Connect,
    /// TCP's urgent data, which servers take out of the stream or leave in it.
    Urgent,
    /// The SYN-ACK does not acknowledge the SYN alone, or there were several SYNs: where the stream begins is not sure.
    Handshake,
}

impl Hidden {
    /// The word in status, records and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoName => "no-name",
            Self::Ech { .. } => "ech",
            Self::ConflictingHosts => "conflicting-hosts",
            Self::Overlap => "overlap",
            Self::NotRecognised => "not-recognised",
            Self::TooLong => "too-long",
            Self::InvalidName => "invalid-name",
            Self::Connect => "connect",
            Self::Urgent => "urgent",
            Self::Handshake => "handshake",
        }
    }
}

impl Hidden {
    /// Whether a name can be read all the same: then it is told once the server has it, as any other is.
    pub(super) const fn shows_name(&self) -> bool {
        matches!(self, Self::Ech { outer: Some(_) })
    }
}

impl From<NameError> for Hidden {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Address => Self::NoName,
            NameError::Invalid => Self::InvalidName,
        }
    }
}

/// Why nothing was found out about a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Undecided {
    /// It took longer than [`super::Limits::age_ns`].
    TooOld,
    /// There was no room left, and of all flows it was the oldest.
    Evicted,
    /// It had more packets than [`super::Limits::flow_packets`].
    TooManyPackets,
    /// A copy was lost or cut: the server has octets that were not seen.
    CopiesLost,
}

impl Undecided {
    /// The word in status, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooOld => "too-old",
            Self::Evicted => "evicted",
            Self::TooManyPackets => "too-many-packets",
            Self::CopiesLost => "copies-lost",
        }
    }
}

/// What is known of a flow, for good.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// It asks for this name.
    Name {
        /// The name.
        name: HostName,
        /// Where it stood.
        via: Via,
    },
    /// Its name does not count.
    Hidden {
        /// Why.
        why: Hidden,
    },
    /// Nothing was found out.
    Undecided {
        /// Why.
        why: Undecided,
    },
}

impl Evidence {
    /// What a flow's first octets say.
    pub(super) fn of_said(said: &Result<HostName, Hidden>, via: Via) -> Self {
        match said {
            Ok(name) => Self::Name { name: name.clone(), via },
            Err(why) => Self::Hidden { why: why.clone() },
        }
    }
}

/// What was found out about one flow. There is one for each flow at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The flow's number.
    pub flow: u64,
    /// When its first uplink payload was copied, in nanoseconds of the copies' clock; `None` if there was none.
    pub first_payload_ns: Option<u64>,
    /// What the flow was recognised as, if it was; of a flow that is hidden too.
    pub via: Option<Via>,
    /// What was found out.
    pub evidence: Evidence,
}

/// What a reader makes of the first octets of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// More are needed.
    Incomplete,
    /// All is said.
    Complete {
        /// How many octets from the first on say it: the server must have these.
        octets: usize,
        /// The name, or why it does not count.
        said: Result<HostName, Hidden>,
    },
}

impl Reading {
    /// Nothing that follows can make it better.
    pub(crate) const fn hidden(octets: usize, why: Hidden) -> Self {
        Self::Complete { octets, said: Err(why) }
    }
}
