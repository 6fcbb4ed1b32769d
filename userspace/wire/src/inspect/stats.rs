//! What an inspector did, counted.

use super::evidence::{Evidence, Hidden, Undecided, Via};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What is counted apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Count { $($(#[$doc])* $name,)* }

        impl Count {
            /// All, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word in status and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

counts! {
    /// Packets taken.
    Packets = "packets";
    /// Packets of flows that were decided before.
    Late = "late";
    /// Packets passed over: not IP, or neither TCP nor UDP, or headers that are cut or wrong.
    Malformed = "malformed";
    /// Uplink packets passed over: a wrong checksum, so no server takes them.
    Checksum = "checksum";
    /// TCP segments whose payload was passed over: it came in a SYN or RST.
    ControlPayload = "control-payload";
    /// TCP segments and CRYPTO frames passed over: too far from what is expected.
    OutOfWindow = "out-of-window";
    /// QUIC Initial packets passed over: no key opens them.
    NotOpened = "not-opened";
    /// Findings: a name from a TLS ClientHello.
    NameTls = "name-tls";
    /// Findings: a name from a QUIC ClientHello.
    NameQuic = "name-quic";
    /// Findings: a name from an HTTP/1 request.
    NameHttp = "name-http";
    /// Findings: a name from an HTTP/2 request.
    NameHttp2 = "name-http2";
    /// Findings: hidden, no name.
    HiddenNoName = "hidden-no-name";
    /// Findings: hidden, Encrypted Client Hello.
    HiddenEch = "hidden-ech";
    /// Findings: hidden, several names.
    HiddenConflictingHosts = "hidden-conflicting-hosts";
    /// Findings: hidden, different content in one place.
    HiddenOverlap = "hidden-overlap";
    /// Findings: hidden, another protocol.
    HiddenNotRecognised = "hidden-not-recognised";
    /// Findings: hidden, over the limits.
    HiddenTooLong = "hidden-too-long";
    /// Findings: hidden, no host's name.
    HiddenInvalidName = "hidden-invalid-name";
    /// Findings: hidden, CONNECT.
    HiddenConnect = "hidden-connect";
    /// Findings: hidden, urgent data.
    HiddenUrgent = "hidden-urgent";
    /// Findings: hidden, handshake.
    HiddenHandshake = "hidden-handshake";
    /// Findings: undecided, too old.
    TooOld = "undecided-too-old";
    /// Findings: undecided, evicted.
    Evicted = "undecided-evicted";
    /// Findings: undecided, too many packets.
    TooManyPackets = "undecided-too-many-packets";
    /// Findings: undecided, lost copies.
    CopiesLost = "undecided-copies-lost";
}

impl Count {
    /// How many there are.
    const COUNT: usize = Self::ALL.len();

    /// What a finding is counted as.
    pub(super) const fn of(evidence: &Evidence) -> Self {
        match evidence {
            Evidence::Name { via, .. } => match via {
                Via::Tls => Self::NameTls,
                Via::Quic => Self::NameQuic,
                Via::Http => Self::NameHttp,
                Via::Http2 => Self::NameHttp2,
            },
            Evidence::Hidden { why } => match why {
                Hidden::NoName => Self::HiddenNoName,
                Hidden::Ech { .. } => Self::HiddenEch,
                Hidden::ConflictingHosts => Self::HiddenConflictingHosts,
                Hidden::Overlap => Self::HiddenOverlap,
                Hidden::NotRecognised => Self::HiddenNotRecognised,
                Hidden::TooLong => Self::HiddenTooLong,
                Hidden::InvalidName => Self::HiddenInvalidName,
                Hidden::Connect => Self::HiddenConnect,
                Hidden::Urgent => Self::HiddenUrgent,
                Hidden::Handshake => Self::HiddenHandshake,
            },
            Evidence::Undecided { why } => match why {
                Undecided::TooOld => Self::TooOld,
                Undecided::Evicted => Self::Evicted,
                Undecided::TooManyPackets => Self::TooManyPackets,
                Undecided::CopiesLost => Self::CopiesLost,
            },
        }
    }
}

/// How often each thing happened since the inspector was made. They only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    counts: [u64; Count::COUNT],
}

impl Default for Stats {
    fn default() -> Self {
        Self { counts: [0; Count::COUNT] }
    }
}

impl Stats {
    /// How often it happened.
    pub const fn get(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Count::ALL.iter().map(|count| (count.name(), self.get(*count)))
    }

    pub(super) const fn add(&mut self, count: Count) {
        self.counts[count as usize] += 1;
    }
}
