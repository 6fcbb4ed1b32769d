//! From a copied frame to what it carries of signalling.

use std::borrow::Cow;
use std::net::SocketAddr;

use tollfree_core::address::SubscriberId;
use tollfree_core::bytes::Frame;
use tollfree_core::interface::Role;
use tollfree_core::limits::FRAGMENT_LIFETIME_NS;
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::packet::{self, Start, protocol};
use tollfree_wire::Bound;
use tollfree_wire::ip::{self, DATAGRAM_OCTETS_MAX, Fragments, Packet};
use tollfree_wire::stream::Limits;

use super::connections::Segment;
use super::tracker::Direction;

/// Datagrams that are put together at once, of all subscribers or of one. Reason: signalling is seldom fragmented, and its
/// fragments follow each other; past this, the oldest is given up.
const DATAGRAMS_MAX: usize = 256;
/// How many datagrams in fragments are waited for, and for how long. Reason: as long as the kernel holds them, whose bound
/// is the first moment at which it no longer does.
const DATAGRAMS: Bound =
    Bound { total: DATAGRAMS_MAX, per_subscriber: DATAGRAMS_MAX, lifetime_ns: FRAGMENT_LIFETIME_NS - 1 };
/// What is held of a datagram in fragments. Gaps: 64 KiB in fragments of the least size that IPv6 carries, every other one
/// of which is missing.
const DATAGRAM: Limits = Limits { octets: DATAGRAM_OCTETS_MAX, pieces: 32 };

/// What a frame carries.
#[derive(Debug)]
pub enum Carried<'a> {
    /// A UDP datagram, whole.
    Datagram {
        /// The subscriber's end.
        subscriber: SocketAddr,
        /// The proxy's end.
        proxy: SocketAddr,
        /// Which way it goes.
        direction: Direction,
        /// Its payload.
        payload: Cow<'a, [u8]>,
    },
    /// A TCP segment.
    Segment(Segment<'a>),
    /// A fragment of a datagram that is not whole yet.
    Fragment,
}

/// Whose frame it is that came on an interface of `role`; `None` where it cannot be read.
pub fn subscriber<T: Transports>(role: Role, octets: &[u8], transports: &T) -> Option<SubscriberId> {
    let packet = packet::parse(&Frame::new(octets), Start::Ethernet, 0, transports, &mut ()).ok()?;
    let ours = match role {
        Role::Access => &packet.source,
        Role::Core => &packet.destination,
    };
    Some(SubscriberId::of(ours, packet.family))
}

/// Reads frames, and keeps fragments until their datagrams are whole.
#[derive(Debug)]
pub struct FrameReader {
    fragments: Fragments,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self { fragments: Fragments::new(DATAGRAMS, DATAGRAM) }
    }
}

impl FrameReader {
    /// Reads a frame that came at `now_ns` on an interface of `role`; `None` where it is neither UDP nor TCP, or cut.
    pub fn read<'a, T: Transports>(
        &mut self,
        now_ns: u64,
        role: Role,
        octets: &'a [u8],
        transports: &T,
    ) -> Option<Carried<'a>> {
        let parsed = packet::parse(&Frame::new(octets), Start::Ethernet, 0, transports, &mut ()).ok()?;
        let end = parsed.ip_offset + parsed.volume_octets as usize;
        let packet = Packet::read(octets.get(parsed.ip_offset..end)?)?;
        let Some(part) = packet.part else {
            return parsed.fault.is_none().then(|| carried(role, &packet)).flatten();
        };
        if parsed.protocol != protocol::UDP {
            return None;
        }
        let subscriber = match role {
            Role::Access => packet.source,
            Role::Core => packet.destination,
        };
        match self.fragments.take(subscriber, &packet, part, now_ns).map(|taken| taken.datagram) {
            Ok(Some(whole)) => match carried(role, &Packet { payload: &whole, ..packet })? {
                Carried::Datagram { subscriber, proxy, direction, payload } => {
                    let payload = Cow::Owned(payload.into_owned());
                    Some(Carried::Datagram { subscriber, proxy, direction, payload })
                }
                Carried::Segment(_) | Carried::Fragment => None,
            },
            // Fragments that say different things of the same octets are an attempt to show the receiver another
            // datagram.
            Ok(None) | Err(_) => Some(Carried::Fragment),
        }
    }
}

/// What a packet of an interface of this role carries, and between whom.
fn carried<'a>(role: Role, packet: &Packet<'a>) -> Option<Carried<'a>> {
    let carried = packet.carried()?;
    let (source, destination) = packet.ends(&carried);
    let (subscriber, proxy, direction) = match role {
        Role::Access => (source, destination, Direction::Uplink),
        Role::Core => (destination, source, Direction::Downlink),
    };
    Some(match carried {
        ip::Carried::Udp(udp) => {
            Carried::Datagram { subscriber, proxy, direction, payload: udp.payload().into() }
        }
        ip::Carried::Tcp(tcp) => Carried::Segment(Segment {
            subscriber,
            proxy,
            direction,
            // A SYN takes the first number, its payload those that follow (RFC 9293, section 3.4).
            sequence: tcp.sequence_number().wrapping_add(tcp.syn().into()),
            is_syn: tcp.syn(),
            is_end: tcp.fin() || tcp.rst(),
            payload: if tcp.syn() || tcp.rst() { &[] } else { tcp.payload() },
        }),
    })
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
