//! What an ICMP error quotes.

use std::net::IpAddr;

use super::datagram::Datagram;
use super::packet::Quote;
use super::view::{View, u8_at, u16_at};
use super::{ipv4_address, ipv6_address};

/// Octets of an ICMP header in front of a quote (RFC 792; RFC 4443, section 3).
const HEADER: usize = 8;

/// Octets that each error quotes behind the IP header at least (RFC 792).
const QUOTED: usize = 8;

/// Of an error whose quote is of the same IP version, and has ports right behind its IP header: neither a later fragment
/// nor, over IPv6, a packet with extension headers.
pub(super) fn quote(datagram: &Datagram<'_>) -> Option<Quote> {
    let kind = u8_at(datagram.payload.packet_octets_at(0, 1)?, 0);
    let is_error = match datagram.protocol {
        // RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem.
        1 => [3, 4, 5, 11, 12].contains(&kind),
        // RFC 4443, section 2.1: error messages have the high-order bit clear.
        58 => kind < 128,
        _ => false,
    };
    if !is_error {
        return None;
    }
    let quoted = datagram.payload.past(HEADER)?;
    if datagram.source.is_ipv4() { ipv4(quoted) } else { ipv6(quoted) }
}

/// RFC 791, section 3.1.
fn ipv4(view: View<'_>) -> Option<Quote> {
    view.first(20)?;
    let fixed = view.packet_octets_at(0, 10)?;
    let addresses = view.packet_octets_at(12, 8)?;
    let words = u8_at(fixed, 0) & 0xf;
    let is_later_fragment = u16_at(fixed, 6) & 0x1fff != 0;
    if u8_at(fixed, 0) >> 4 != 4 || words < 5 || is_later_fragment {
        return None;
    }
    let (source, destination) = (ipv4_address(addresses), ipv4_address(addresses.get(4..)?));
    upper(view.past(usize::from(words) * 4)?, u8_at(fixed, 9), source, destination)
}

/// RFC 8200, section 3.
fn ipv6(view: View<'_>) -> Option<Quote> {
    view.first(40)?;
    let fixed = view.packet_octets_at(0, 8)?;
    let (source, destination) = (view.packet_octets_at(8, 16)?, view.packet_octets_at(24, 16)?);
    if u8_at(fixed, 0) >> 4 != 6 {
        return None;
    }
    upper(view.past(40)?, u8_at(fixed, 6), ipv6_address(source), ipv6_address(destination))
}

/// RFC 9293, section 3.1 and RFC 768: both begin with the two ports.
fn upper(view: View<'_>, protocol: u8, source: IpAddr, destination: IpAddr) -> Option<Quote> {
    if ![6, 17].contains(&protocol) {
        return None;
    }
    view.first(QUOTED).filter(|_| view.is_within(QUOTED))?;
    let ports = view.packet_octets_at(0, 4)?;
    Some(Quote {
        source,
        destination,
        protocol,
        source_port: u16_at(ports, 0),
        destination_port: u16_at(ports, 2),
    })
}
