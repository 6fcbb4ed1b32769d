//! VXLAN (RFC 7348, section 5).

use super::super::trace::{Layer, Trace};
use super::super::{Place, Start};
use crate::bytes::Bytes;
use crate::reason::Reason;

const HEADER_OCTETS: usize = 8;
/// The network identifier is there.
const IDENTIFIER_FLAG: u8 = 0x08;

#[inline(always)]
pub(super) fn enter<B: Bytes, L: Trace>(
    bytes: &B,
    offset: usize,
    end: usize,
    trace: &mut L,
) -> Result<Place, Reason> {
    let header: [u8; HEADER_OCTETS] = bytes.load(offset).ok_or(Reason::MalformedTunnel)?;
    if header[0] & IDENTIFIER_FLAG == 0 {
        return Err(Reason::MalformedTunnel);
    }
    trace.layer(Layer::Vxlan(u32::from_be_bytes([0, header[4], header[5], header[6]])));
    Ok(Place { start: Start::Ethernet, offset: offset + HEADER_OCTETS, end })
}
