//! The carrier's own tunnels.

mod geneve;
mod gre;
mod gtpu;
mod vxlan;

use super::trace::{Layer, Trace};
use super::{Packet, Place, Start, protocol, trace_ip};
use crate::address::{Address, Family};
use crate::bytes::Bytes;
use crate::reason::Reason;

/// Kinds of tunnel that are looked into. Numbers are permanent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum TunnelKind {
    /// GTP-U (TS 29.281).
    Gtpu = 0,
    /// IP in IP, in all four pairs of families (RFC 2003, RFC 2473, RFC 4213).
    IpInIp = 1,
    /// GRE (RFC 2784, RFC 2890).
    Gre = 2,
    /// VXLAN (RFC 7348).
    Vxlan = 3,
    /// Geneve (RFC 8926).
    Geneve = 4,
}

impl TunnelKind {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Gtpu, Self::IpInIp, Self::Gre, Self::Vxlan, Self::Geneve];

    /// Its bit in the value of `TRANSPORTS_V4` and `TRANSPORTS_V6`.
    #[inline(always)]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The word in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gtpu => "gtpu",
            Self::IpInIp => "ipip",
            Self::Gre => "gre",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
        }
    }
}

/// Which tunnels are the carrier's own.
pub trait Transports {
    /// The kinds, as [`TunnelKind::bit`]s, of which both addresses are ends.
    fn kinds(&self, family: Family, source: &Address, destination: &Address) -> u32;
}

/// Every tunnel is: for captures that say nothing of their carrier.
#[derive(Clone, Copy, Debug)]
pub struct AllTransports;

impl Transports for AllTransports {
    fn kinds(&self, _family: Family, _source: &Address, _destination: &Address) -> u32 {
        u32::MAX
    }
}

const GTPU_PORT: u16 = 2152;
const VXLAN_PORT: u16 = 4789;
/// What Linux used before the registration.
const VXLAN_PORT_OLD: u16 = 8472;
const GENEVE_PORT: u16 = 6081;
const UDP_HEADER_OCTETS: usize = 8;
const UDP_CHECKSUM_OFFSET: usize = 6;

/// Steps into the tunnel that `packet` is, if it is one of the carrier's.
#[inline(always)]
pub(super) fn enter<B: Bytes, T: Transports, L: Trace>(
    bytes: &B,
    packet: &mut Packet,
    transports: &T,
    trace: &mut L,
) -> Result<Option<Place>, Reason> {
    let candidates = candidates(packet);
    // In the user plane even the addresses of tunnel ends are only what a subscriber wrote.
    if candidates == 0 || packet.user_plane || !packet.fault.is_none() {
        return Ok(None);
    }
    let kinds = candidates & transports.kinds(packet.family, &packet.source, &packet.destination);
    if kinds == 0 {
        return Ok(None);
    }
    if packet.later_fragment {
        packet.tunnel_fragment = true;
        return Ok(None);
    }
    if packet.tiny_fragment {
        return Err(Reason::MalformedTunnel);
    }
    if packet.more_fragments && packet.end() < packet.held_end {
        packet.held_end = packet.end();
    }
    if packet.protocol == protocol::UDP {
        return enter_udp(bytes, packet, kinds, trace).map(Some);
    }
    if kinds & TunnelKind::Gre.bit() != 0 {
        return gre::enter(bytes, packet, trace);
    }
    trace_ip(packet, trace);
    let start = Start::EtherType(if packet.protocol == protocol::IPV4 {
        super::ether::IPV4
    } else {
        super::ether::IPV6
    });
    Ok(Some(Place { start, offset: packet.transport_offset, end: inner_end(packet) }))
}

/// The kinds of tunnel that a packet may be, by its protocol and port. The port of a fragment that does not hold its
/// UDP header is not known.
#[inline(always)]
const fn candidates(packet: &Packet) -> u32 {
    match packet.protocol {
        protocol::UDP if packet.later_fragment || packet.tiny_fragment => {
            TunnelKind::Gtpu.bit() | TunnelKind::Vxlan.bit() | TunnelKind::Geneve.bit()
        }
        protocol::UDP => match packet.destination_port {
            GTPU_PORT => TunnelKind::Gtpu.bit(),
            VXLAN_PORT | VXLAN_PORT_OLD => TunnelKind::Vxlan.bit(),
            GENEVE_PORT => TunnelKind::Geneve.bit(),
            _ => 0,
        },
        protocol::IPV4 | protocol::IPV6 => TunnelKind::IpInIp.bit(),
        protocol::GRE => TunnelKind::Gre.bit(),
        _ => 0,
    }
}

/// Steps into a tunnel over UDP.
#[inline(always)]
fn enter_udp<B: Bytes, L: Trace>(
    bytes: &B,
    packet: &mut Packet,
    kinds: u32,
    trace: &mut L,
) -> Result<Place, Reason> {
    trace_ip(packet, trace);
    trace.layer(Layer::Udp { source_port: packet.source_port, destination_port: packet.destination_port });
    let offset = packet.transport_offset + UDP_HEADER_OCTETS;
    let end = inner_end(packet);
    let place = if kinds & TunnelKind::Gtpu.bit() != 0 {
        packet.user_plane = true;
        gtpu::enter(bytes, offset, end, trace)?
    } else if kinds & TunnelKind::Vxlan.bit() != 0 {
        vxlan::enter(bytes, offset, end, trace)?
    } else {
        geneve::enter(bytes, offset, end, trace)?
    };
    let checksum_offset = packet.transport_offset + UDP_CHECKSUM_OFFSET;
    let checksum: [u8; 2] = bytes.load(checksum_offset).ok_or(Reason::MalformedTunnel)?;
    // All zero: none was computed (RFC 768).
    if checksum != [0, 0] {
        packet.covering_checksum_offset = checksum_offset;
    }
    Ok(place)
}

/// Where the inside ends: with the outer packet, unless that is only the first fragment of it.
#[inline(always)]
const fn inner_end(packet: &Packet) -> usize {
    if packet.more_fragments { usize::MAX } else { packet.end() }
}
