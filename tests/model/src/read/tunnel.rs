//! Tunnels: which a datagram is, and what is in it.

use tollfree_core::packet::tunnel::TunnelKind;
use tollfree_core::reason::Reason;

use super::datagram::Datagram;
use super::transport::udp_ports;
use super::view::{View, u8_at, u16_at};

/// GTP-U extension headers that are stepped over.
const GTPU_EXTENSIONS_MAX: usize = 4;

/// Octets of a UDP header (RFC 768). Its length field says nothing that the IP header has not said.
const UDP: usize = 8;

/// What is inside a tunnel.
pub(super) enum Inside<'a> {
    /// An Ethernet frame.
    Ethernet(View<'a>),
    /// An IP packet, of the version that it says.
    Ip(View<'a>),
    /// What this Ether type says (IANA: protocol types of GRE and Geneve are Ether types).
    EtherType(u16, View<'a>),
}

impl<'a> Inside<'a> {
    /// By the protocol type of GRE and Geneve, which have a number for Ethernet itself (RFC 8926, section 3.4).
    const fn of_type(kind: u16, view: View<'a>) -> Self {
        if kind == 0x6558 { Self::Ethernet(view) } else { Self::EtherType(kind, view) }
    }
}

/// The kinds of tunnels that an IP protocol may carry.
pub(super) fn kinds_of(protocol: u8) -> Vec<TunnelKind> {
    match protocol {
        4 | 41 => vec![TunnelKind::IpInIp],
        17 => vec![TunnelKind::Gtpu, TunnelKind::Vxlan, TunnelKind::Geneve],
        47 => vec![TunnelKind::Gre],
        _ => vec![],
    }
}

/// The kind of tunnel that the datagram is, if it is one of the carrier's. Not for later fragments.
pub(super) fn kind(datagram: &Datagram<'_>) -> Option<TunnelKind> {
    match datagram.protocol {
        // RFC 2003; RFC 4213, section 3.
        4 | 41 => Some(TunnelKind::IpInIp),
        // RFC 768: source port, destination port.
        17 => match u16_at(udp_ports(datagram.payload)?, 2) {
            // TS 29.281, section 4.4.2.
            2152 => Some(TunnelKind::Gtpu),
            // RFC 7348, section 5; 8472 is what Linux used before there was a number.
            4789 | 8472 => Some(TunnelKind::Vxlan),
            // RFC 8926, section 3.3.
            6081 => Some(TunnelKind::Geneve),
            _ => None,
        },
        // RFC 2784, section 2.3.1; of version 1 (RFC 2637) PPTP is the user, which is a subscriber's.
        47 => {
            let version = datagram.payload.header(4).map_or(0, |header| u8_at(header, 1) & 0x7);
            (version == 0).then_some(TunnelKind::Gre)
        }
        _ => None,
    }
}

/// What is in a tunnel of this kind.
///
/// # Errors
/// [`Reason::MalformedTunnel`]: its headers cannot be read. [`Reason::Own`]: it carries the endpoints' own messages.
pub(super) fn open<'a>(kind: TunnelKind, datagram: &Datagram<'a>) -> Result<Inside<'a>, Reason> {
    // The first of several fragments has the tunnel's headers; what they enclose ends in the others.
    let whole = datagram.payload;
    let payload = if datagram.is_first_fragment() { whole.reaching_past() } else { whole };
    match kind {
        TunnelKind::Gtpu => gtpu(payload.behind(UDP)),
        TunnelKind::IpInIp if datagram.protocol == 4 => Ok(Inside::EtherType(0x0800, payload)),
        TunnelKind::IpInIp => Ok(Inside::EtherType(0x86dd, payload)),
        TunnelKind::Gre => gre(payload),
        TunnelKind::Vxlan => vxlan(payload.behind(UDP)),
        TunnelKind::Geneve => geneve(payload.behind(UDP)),
    }
}

fn header(view: View<'_>, octets: usize) -> Result<&[u8], Reason> {
    view.header(octets).ok_or(Reason::MalformedTunnel)
}

/// TS 29.281, section 5.1: flags, message type, length, TEID; with any of E, S, PN, four octets more.
fn gtpu(view: View<'_>) -> Result<Inside<'_>, Reason> {
    let fixed = header(view, 8)?;
    let flags = u8_at(fixed, 0);
    // Version 1, protocol type GTP.
    if flags >> 4 != 0b0011 {
        return Err(Reason::MalformedTunnel);
    }
    // Section 6.1: 255 is G-PDU, the only message that carries a subscriber's packet.
    if u8_at(fixed, 1) != 255 {
        return Err(Reason::Own);
    }
    // The length counts what follows the first eight octets. Of a first fragment, it is not all here to be compared.
    let content = view.behind(8);
    let content =
        if content.is_bounded() { content.first(usize::from(u16_at(fixed, 2))) } else { Some(content) };
    let content = content.ok_or(Reason::MalformedTunnel)?;
    if flags & 0b0111 == 0 {
        return Ok(Inside::Ip(content));
    }
    // Sequence number, N-PDU number, next extension header type.
    let optional = header(content, 4)?;
    let next = if flags & 0b0100 == 0 { 0 } else { u8_at(optional, 3) };
    gtpu_extensions(content.behind(4), next, 0)
}

/// TS 29.281, section 5.2.1: length in four octets, content, next type; type 0 ends them.
fn gtpu_extensions(view: View<'_>, kind: u8, stepped: usize) -> Result<Inside<'_>, Reason> {
    if kind == 0 {
        return Ok(Inside::Ip(view));
    }
    let octets = usize::from(u8_at(header(view, 1)?, 0)) * 4;
    if octets == 0 || stepped == GTPU_EXTENSIONS_MAX {
        return Err(Reason::MalformedTunnel);
    }
    let next = view.octets_at(octets - 1, 1).ok_or(Reason::MalformedTunnel)?;
    gtpu_extensions(view.behind(octets), u8_at(next, 0), stepped + 1)
}

/// RFC 2784, section 2, with key and sequence number of RFC 2890, section 2.
fn gre(view: View<'_>) -> Result<Inside<'_>, Reason> {
    let fixed = header(view, 4)?;
    let flags = u16_at(fixed, 0);
    // RFC 2784, section 2.3: bits 1, 4 and 5 set belong to RFC 1701, and the packet must not be read.
    if flags & 0x4c00 != 0 {
        return Err(Reason::MalformedTunnel);
    }
    let options = [0x8000, 0x2000, 0x1000].into_iter().filter(|bit| flags & bit != 0).count();
    let payload = view.behind(4 + options * 4);
    match (u16_at(fixed, 2), flags & 0x1000 != 0) {
        // ERSPAN: type II has a header of its own and always a sequence number; type I has neither.
        (0x88be, true) => Ok(Inside::Ethernet(payload.behind(8))),
        (0x88be, false) => Ok(Inside::Ethernet(payload)),
        (kind, _) => Ok(Inside::of_type(kind, payload)),
    }
}

/// RFC 7348, section 5: flags, of which I must be set, VNI, reserved.
fn vxlan(view: View<'_>) -> Result<Inside<'_>, Reason> {
    if u8_at(header(view, 8)?, 0) & 0x08 == 0 {
        return Err(Reason::MalformedTunnel);
    }
    Ok(Inside::Ethernet(view.behind(8)))
}

/// RFC 8926, section 3.4: version, options' length in words, flags, protocol, VNI, reserved, options.
fn geneve(view: View<'_>) -> Result<Inside<'_>, Reason> {
    let fixed = header(view, 8)?;
    if u8_at(fixed, 0) >> 6 != 0 {
        return Err(Reason::MalformedTunnel);
    }
    let options = usize::from(u8_at(fixed, 0) & 0x3f) * 4;
    Ok(Inside::of_type(u16_at(fixed, 2), view.behind(8 + options)))
}
