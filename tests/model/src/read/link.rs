//! The link layer: Ethernet II and what stands between it and IP.

use tollfree_core::reason::Reason;

use super::packet::Innermost;
use super::view::{View, u8_at, u16_at};
use super::{Context, by_version, ipv4, ipv6};

/// VLAN tags that are stepped over (IEEE 802.1ad: one for the service, one for the customer).
const TAGS_MAX: usize = 2;

/// MPLS labels that are stepped over.
const LABELS_MAX: usize = 4;

/// Octets of addresses and Ether type.
const ETHERNET: usize = 14;

/// An Ethernet II frame (IEEE 802.3, clause 3.2).
pub(super) fn ethernet(context: &Context<'_>, view: View<'_>) -> Result<Innermost, Reason> {
    let kind = view.octets_at(12, 2).ok_or(Reason::MalformedEthernet)?;
    ether_type(context, u16_at(kind, 0), view.behind(ETHERNET))
}

/// What an Ether type says follows.
pub(super) fn ether_type(context: &Context<'_>, kind: u16, view: View<'_>) -> Result<Innermost, Reason> {
    tagged(context, kind, view, 0)
}

/// The same, behind some VLAN tags.
fn tagged(context: &Context<'_>, kind: u16, view: View<'_>, tags: usize) -> Result<Innermost, Reason> {
    match kind {
        0x8100 | 0x88a8 | 0x9100 | 0x9200 if tags == TAGS_MAX => Err(Reason::VlanTooDeep),
        // IEEE 802.1Q, clause 9.6: two octets of tag control, then the next Ether type.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            let tag = view.header(4).ok_or(Reason::MalformedEthernet)?;
            tagged(context, u16_at(tag, 2), view.behind(4), tags + 1)
        }
        0x8847 | 0x8848 => mpls(context, view, 0),
        0x8864 => pppoe(context, view),
        0x880b => ppp(context, view),
        0x0800 => ipv4(context, view),
        0x86dd => ipv6(context, view),
        _ => Err(Reason::NotIp),
    }
}

/// A label stack (RFC 3032, section 2.1): label, traffic class, bottom of stack, time to live.
fn mpls(context: &Context<'_>, view: View<'_>, labels: usize) -> Result<Innermost, Reason> {
    if labels == LABELS_MAX {
        return Err(Reason::MplsTooDeep);
    }
    let entry = view.header(4).ok_or(Reason::MalformedMpls)?;
    let bottom = u8_at(entry, 2) & 1 != 0;
    // RFC 4928, section 3: what follows tells its version by its first four bits.
    if bottom { by_version(context, view.behind(4)) } else { mpls(context, view.behind(4), labels + 1) }
}

/// A `PPPoE` session packet (RFC 2516, section 4): version and type, code, session, length.
fn pppoe(context: &Context<'_>, view: View<'_>) -> Result<Innermost, Reason> {
    let header = view.header(6).ok_or(Reason::MalformedPppoe)?;
    if u16_at(header, 0) != 0x1100 {
        return Err(Reason::MalformedPppoe);
    }
    let payload = view.behind(6).first(usize::from(u16_at(header, 4)));
    ppp(context, payload.ok_or(Reason::MalformedPppoe)?)
}

/// A PPP frame, with address and control in front or without (RFC 1662, sections 3.1 and 3.2).
pub(super) fn ppp(context: &Context<'_>, view: View<'_>) -> Result<Innermost, Reason> {
    let header = view.header(2).ok_or(Reason::MalformedPppoe)?;
    if header == [0xff, 0x03] {
        return protocol_field(context, view.behind(2));
    }
    protocol_field(context, view)
}

/// A PPP protocol field and what it says follows (RFC 1332 and RFC 5072; compressed: RFC 1661, section 6.5).
fn protocol_field(context: &Context<'_>, view: View<'_>) -> Result<Innermost, Reason> {
    let header = view.header(2).ok_or(Reason::MalformedPppoe)?;
    let first = u8_at(header, 0);
    // The lowest bit is set in the last octet of a protocol field only (RFC 1661, section 2).
    let (protocol, octets) = if first & 1 != 0 { (u16::from(first), 1) } else { (u16_at(header, 0), 2) };
    // Of IP and its like in PPP, the first octet of two is zero.
    if protocol > 0xff {
        return Err(Reason::NotIp);
    }
    let behind = view.past(octets).ok_or(Reason::MalformedPppoe)?;
    match protocol {
        0x0021 => ipv4(context, behind),
        0x0057 => ipv6(context, behind),
        _ => Err(Reason::NotIp),
    }
}
