//! IPv4 (RFC 791, section 3.1).

use tollfree_core::reason::Reason;

use super::datagram::{Datagram, Piece};
use super::ipv4_address;
use super::ipv6::Chain;
use super::view::{View, u8_at, u16_at};

/// # Errors
/// [`Reason::MalformedIpv4`]: cut, of another version, of fewer than five words, or longer than what is there.
pub(super) fn read(view: View<'_>) -> Result<Datagram<'_>, Reason> {
    datagram(view).ok_or(Reason::MalformedIpv4)
}

fn datagram(view: View<'_>) -> Option<Datagram<'_>> {
    let fixed = view.packet_octets_at(0, 12)?;
    let addresses = view.packet_octets_at(12, 8)?;
    let (version, words) = (u8_at(fixed, 0) >> 4, u8_at(fixed, 0) & 0xf);
    let header_octets = usize::from(words) * 4;
    let volume = usize::from(u16_at(fixed, 2));
    if version != 4 || words < 5 || header_octets > volume {
        return None;
    }
    let payload = view.first(volume)?.behind(header_octets);
    let flags_and_offset = u16_at(fixed, 6);
    let piece =
        Piece::new(u32::from(u16_at(fixed, 4)), flags_and_offset & 0x1fff, flags_and_offset & 0x2000 != 0);
    let later = piece.is_some_and(|piece| piece.offset_octets > 0);
    let chain = Chain::new(u8_at(fixed, 9), payload);
    // Of all extension headers, IPv4 has the Authentication Header alone (RFC 4302, section 3.1.1).
    let upper = if later { chain } else { chain.behind_all_of(&[51]) };
    Some(Datagram {
        source: ipv4_address(addresses),
        destination: ipv4_address(addresses.get(4..)?),
        protocol: upper.next,
        volume,
        piece,
        fault: upper.fault,
        payload: upper.view,
    })
}
