//! Writing a code point into an IP header.

use aya_ebpf::programs::XdpContext;
use tollfree_core::address::Family;
use tollfree_core::limits::OFFSET_MAX;

use crate::xdp_bytes::opaque;

/// Octets of the IP header that are rewritten: up to and with the IPv4 checksum.
const REWRITTEN_OCTETS: usize = 12;

/// Writes `dscp` into the IP header at `offset`, keeping the congestion bits and, in IPv4, the checksum right
/// (RFC 1624).
#[inline(always)]
pub fn dscp(context: &XdpContext, offset: usize, family: Family, dscp: u8) {
    let offset = opaque(offset);
    if offset > OFFSET_MAX {
        return;
    }
    let start = context.data() + offset;
    if start + REWRITTEN_OCTETS > opaque(context.data_end()) {
        return;
    }
    // SAFETY: the octets lie inside the packet, as just compared; octets need no alignment. JUSTIFICATION: packet
    // memory can only be written through a pointer. This is the one place.
    let header = unsafe { &mut *(start as *mut [u8; REWRITTEN_OCTETS]) };
    match family {
        Family::V4 => {
            let before = u16::from_be_bytes([header[0], header[1]]);
            header[1] = dscp << 2 | header[1] & 0x03;
            let after = u16::from_be_bytes([header[0], header[1]]);
            let checksum = u16::from_be_bytes([header[10], header[11]]);
            let [high, low] = tollfree_core::packet::checksum_after(checksum, before, after).to_be_bytes();
            header[10] = high;
            header[11] = low;
        }
        Family::V6 => {
            header[0] = header[0] & 0xf0 | dscp >> 2;
            header[1] = (dscp & 0x03) << 6 | header[1] & 0x3f;
        }
    }
}
