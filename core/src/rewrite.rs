//! Writing a code point into IP headers.

use crate::address::Family;
use crate::bytes::OctetsMut;
use crate::packet::{Packet, checksum_after};
use crate::settings::Settings;

/// Octets of the IP header that are rewritten: up to and with the IPv4 checksum.
const REWRITTEN_OCTETS: usize = 12;

/// A 16-bit word as it was and as it is.
#[derive(Clone, Copy)]
struct Change {
    before: u16,
    after: u16,
}

impl Change {
    /// As a checksum sees it whose words begin one octet later than the header's (RFC 1071, section 2, part B).
    #[inline(always)]
    const fn swapped(self) -> Self {
        Self { before: self.before.swap_bytes(), after: self.after.swap_bytes() }
    }
}

/// Writes `dscp` (0 to 63) into the headers of `packet` that `headers` names, as [`Settings::dscp_at`] does, keeping the
/// congestion bits (RFC 3168, section 5), and every checksum right.
///
/// A change in an inner IPv4 header needs no other checksum mended: its own checksum makes up for it. IPv6 has none,
/// so the innermost tunnel's that covers it is mended; those further out then have nothing to make up for.
#[inline(always)]
pub(crate) fn dscp<M: OctetsMut + ?Sized>(frame: &mut M, packet: &Packet, headers: u32, dscp: u8) {
    if headers & Settings::INNER != 0 || packet.outer_ip_offset == packet.ip_offset {
        let change = write(frame, packet.ip_offset, packet.family, dscp);
        if let (Some(change), Family::V6) = (change, packet.family)
            && packet.covering_checksum_offset != 0
        {
            let checksum_offset = packet.covering_checksum_offset;
            // A compressed PPP protocol field in between is one octet.
            let is_odd = (packet.ip_offset ^ checksum_offset) & 1 == 1;
            mend(frame, checksum_offset, if is_odd { change.swapped() } else { change });
        }
    }
    if headers & Settings::OUTER != 0 && packet.outer_ip_offset != packet.ip_offset {
        write(frame, packet.outer_ip_offset, packet.outer_family, dscp);
    }
}

/// Writes one header; says how its first word changed, if it did.
#[inline(always)]
fn write<M: OctetsMut + ?Sized>(frame: &mut M, offset: usize, family: Family, dscp: u8) -> Option<Change> {
    let header = frame.octets_mut::<REWRITTEN_OCTETS>(offset)?;
    let before = u16::from_be_bytes([header[0], header[1]]);
    match family {
        Family::V4 => header[1] = dscp << 2 | header[1] & 0x03,
        Family::V6 => {
            header[0] = header[0] & 0xf0 | dscp >> 2;
            header[1] = (dscp & 0x03) << 6 | header[1] & 0x3f;
        }
    }
    let change = Change { before, after: u16::from_be_bytes([header[0], header[1]]) };
    if matches!(family, Family::V4) {
        let checksum = u16::from_be_bytes([header[10], header[11]]);
        let [high, low] = checksum_after(checksum, change.before, change.after).to_be_bytes();
        header[10] = high;
        header[11] = low;
    }
    Some(change)
}

/// Mends the checksum at `offset`. All zero would say that there is none, so its other form is written (RFC 768).
#[inline(always)]
fn mend<M: OctetsMut + ?Sized>(frame: &mut M, offset: usize, change: Change) {
    if let Some(field) = frame.octets_mut::<2>(offset) {
        let mended = checksum_after(u16::from_be_bytes(*field), change.before, change.after);
        *field = if mended == 0 { [0xff; 2] } else { mended.to_be_bytes() };
    }
}
