//! How much is kept of flows that are looked into.

use crate::{Bound, stream};

/// Bounds of an [`super::Inspector`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Flows at once, those included that are decided and not yet forgotten. With more, the oldest go.
    pub flows: usize,
    /// Octets held of all flows together. With more, the oldest go.
    pub octets: usize,
    /// Packets looked at of one flow.
    pub flow_packets: u32,
    /// How long a flow may take from its first packet on, in nanoseconds.
    pub age_ns: u64,
}

impl Limits {
    /// Flows at once. Reason: a million flows a minute of two seconds each are some 33,000 at once; twice that.
    pub const FLOWS: usize = 1 << 16;
    /// Octets of all flows. Reason: 64 MiB are 1 KiB for each of [`Limits::FLOWS`], a common ClientHello and more; a
    /// controller can spare them.
    pub const OCTETS: usize = 64 << 20;
    /// Packets of a flow. Reason: a ClientHello of 1,800 octets (post-quantum key share) in segments of one octet, and as
    /// many acknowledgements.
    pub const FLOW_PACKETS: u32 = 4096;
    /// Age of a flow, in nanoseconds. Reason: a server answers within a round trip; ten seconds outlast three
    /// retransmissions of a lost ClientHello (1, 2 and 4 s; RFC 6298), and end before the kernel's own bound for evidence.
    pub const AGE_NS: u64 = 10_000_000_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: Self::FLOWS,
            octets: Self::OCTETS,
            flow_packets: Self::FLOW_PACKETS,
            age_ns: Self::AGE_NS,
        }
    }
}

/// What is held of a TCP flow's uplink. Octets: the longest hello or head (16 KiB), and what records, settings or fields
/// add to it. Pieces: losses in one window of 20 segments are seldom more than every second.
pub(super) const STREAM: stream::Limits = stream::Limits { octets: 24 << 10, pieces: 32 };

/// What is held of the CRYPTO stream of one attempt of a QUIC flow. Octets: the longest hello (16 KiB) and its header.
/// Pieces: some clients cut their hello into dozens of frames and mix them, so that nobody relies on their order.
pub(super) const CRYPTO: stream::Limits = stream::Limits { octets: (16 << 10) + 4, pieces: 64 };

/// What is held of an IP datagram in fragments. Octets: the longest datagram that carries a hello over UDP or TCP on common
/// links, several times over. Pieces: fragments of as many octets as IPv6 must carry whole.
pub(super) const DATAGRAM: stream::Limits = stream::Limits { octets: 16 << 10, pieces: 16 };

/// Datagrams in fragments of one flow at once, for as long as it is looked into. Reason: a client that sends fragments
/// sends one datagram after another.
pub(super) const DATAGRAMS: Bound = Bound { total: 4, per_subscriber: 4, lifetime_ns: u64::MAX };

/// Attempts of a QUIC flow: Initial packets under keys of their own. Reason: the first, one after Retry, one after Version
/// Negotiation, and one to spare.
pub(super) const ATTEMPTS: usize = 4;

/// What the keys of an attempt are counted as, in octets. Reason: two AES-128-GCM keys and two for header protection, each
/// with its schedule of 11 round keys and GCM's table of 256 octets, in boxes of their own.
pub(super) const KEYS_OCTETS: usize = 2048;
