//! Geneve (RFC 8926, section 3.4).

use super::super::trace::{Layer, Trace};
use super::super::{Place, Start};
use crate::bytes::Bytes;
use crate::reason::Reason;

const HEADER_OCTETS: usize = 8;
const OPTIONS_MASK: u8 = 0x3f;

#[inline(always)]
pub(super) fn enter<B: Bytes, L: Trace>(
    bytes: &B,
    offset: usize,
    end: usize,
    trace: &mut L,
) -> Result<Place, Reason> {
    let header: [u8; HEADER_OCTETS] = bytes.load(offset).ok_or(Reason::MalformedTunnel)?;
    if header[0] >> 6 != 0 {
        return Err(Reason::MalformedTunnel);
    }
    trace.layer(Layer::Geneve(u32::from_be_bytes([0, header[4], header[5], header[6]])));
    let offset = offset + HEADER_OCTETS + (header[0] & OPTIONS_MASK) as usize * 4;
    let start = Start::EtherType(u16::from_be_bytes([header[2], header[3]]));
    Ok(Place { start, offset, end })
}
