//! The innermost packet, whose volume is somebody's.

use std::net::IpAddr;

use tollfree_core::packet::tunnel::TunnelKind;
use tollfree_core::reason::Reason;

use super::Context;
use super::datagram::Datagram;
use super::{icmp, transport};

/// What is attributed, decided and billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Innermost {
    /// Source address; an IPv4 one is of an IPv4 packet.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Length in octets, by its own header.
    pub volume: usize,
    /// Which part of a datagram it is; `None`: it is whole.
    pub fragment: Option<Fragment>,
    /// What its transport header says; `None`: it has none, is a later fragment, or too short a first one.
    pub segment: Option<Segment>,
    /// The packet that it is an error about: of an ICMP error that is whole.
    pub quote: Option<Quote>,
    /// It is a later fragment of a datagram between two ends of the carrier's tunnels.
    pub is_tunnel_fragment: bool,
    /// What is wrong behind the IP header: whose it is and how long is known all the same.
    pub fault: Option<Reason>,
    /// The carrier's tunnel that it was in last.
    pub tunnel: Option<TunnelKind>,
}

/// A fragment's place in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// It begins the datagram, which this number identifies.
    First(u32),
    /// It begins the datagram, but is too short for its transport header.
    Tiny(u32),
    /// It begins so many octets into the datagram that this number identifies.
    Later(u32, usize),
}

/// The packet that an ICMP error is about, as far as the error quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol number: TCP's or UDP's.
    pub protocol: u8,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// What a TCP or UDP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "one for each bit of a header")]
pub struct Segment {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// TCP: the SYN bit.
    pub syn: bool,
    /// TCP: the ACK bit.
    pub ack: bool,
    /// TCP: the RST bit.
    pub rst: bool,
    /// TCP: the FIN bit.
    pub fin: bool,
    /// TCP: the sequence number.
    pub sequence: u32,
    /// Octets behind the header.
    pub payload: usize,
    /// UDP: version 2 of RTP or RTCP, and as long as RTCP at least (RFC 3550).
    pub is_rtp: bool,
}

/// The datagram as the innermost packet.
pub(super) fn innermost(context: &Context<'_>, datagram: &Datagram<'_>) -> Innermost {
    let mut packet = Innermost {
        source: datagram.source,
        destination: datagram.destination,
        protocol: datagram.protocol,
        volume: datagram.volume,
        fragment: None,
        segment: None,
        quote: None,
        is_tunnel_fragment: false,
        fault: datagram.fault,
        tunnel: context.tunnels.last().copied(),
    };
    if packet.fault.is_some() {
        return packet;
    }
    match (datagram.piece, transport::read(datagram)) {
        (Some(piece), _) if piece.offset_octets > 0 => {
            packet.fragment = Some(Fragment::Later(piece.identification, piece.offset_octets));
        }
        (Some(piece), Ok(segment)) => {
            packet.fragment = Some(Fragment::First(piece.identification));
            packet.segment = segment;
        }
        (Some(piece), Err(Reason::FragmentTiny)) => {
            packet.fragment = Some(Fragment::Tiny(piece.identification));
        }
        (None, Ok(segment)) => {
            packet.segment = segment;
            packet.quote = icmp::quote(datagram);
        }
        (_, Err(reason)) => packet.fault = Some(reason),
    }
    packet
}
