//! GTP-U (TS 29.281, clause 5).

use super::super::trace::{Layer, Trace};
use super::super::{Place, Start};
use crate::bytes::Bytes;
use crate::limits::GTPU_EXTENSIONS_MAX;
use crate::reason::Reason;

const HEADER_OCTETS: usize = 8;
const OPTIONAL_OCTETS: usize = 4;
/// Version 1, protocol type GTP.
const VERSION_MASK: u8 = 0xf0;
const VERSION: u8 = 0x30;
/// E, S and PN: if any is set, all four optional octets are there.
const OPTIONAL_FLAGS: u8 = 0x07;
const EXTENSION_FLAG: u8 = 0x04;
/// Message type of a user's packet.
const T_PDU: u8 = 255;

#[inline(always)]
pub(super) fn enter<B: Bytes, L: Trace>(
    bytes: &B,
    offset: usize,
    end: usize,
    trace: &mut L,
) -> Result<Place, Reason> {
    let header: [u8; HEADER_OCTETS] = bytes.load(offset).ok_or(Reason::MalformedTunnel)?;
    if header[0] & VERSION_MASK != VERSION {
        return Err(Reason::MalformedTunnel);
    }
    if header[1] != T_PDU {
        // Echo, error indication, end marker: between the gateways themselves.
        return Err(Reason::Own);
    }
    let mut offset = offset + HEADER_OCTETS;
    let payload_end = offset + u16::from_be_bytes([header[2], header[3]]) as usize;
    if payload_end > end {
        return Err(Reason::MalformedTunnel);
    }
    let mut extension = 0;
    if header[0] & OPTIONAL_FLAGS != 0 {
        let optional: [u8; OPTIONAL_OCTETS] = bytes.load(offset).ok_or(Reason::MalformedTunnel)?;
        offset += OPTIONAL_OCTETS;
        if header[0] & EXTENSION_FLAG != 0 {
            extension = optional[3];
            offset = extensions(bytes, offset, extension)?;
        }
    }
    trace.layer(Layer::Gtpu {
        teid: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        extension,
    });
    // A first fragment's length field reaches past the frame: then the inner header alone bounds the inside.
    let end = if end == usize::MAX { end } else { payload_end };
    Ok(Place { start: Start::Ip, offset, end })
}

/// Steps over the extension headers, of which the first has type `next`; 0: there is none.
#[inline(always)]
fn extensions<B: Bytes>(bytes: &B, mut offset: usize, mut next: u8) -> Result<usize, Reason> {
    for _ in 0..GTPU_EXTENSIONS_MAX {
        if next == 0 {
            return Ok(offset);
        }
        let [units] = bytes.load(offset).ok_or(Reason::MalformedTunnel)?;
        if units == 0 {
            return Err(Reason::MalformedTunnel);
        }
        offset += units as usize * 4;
        [next] = bytes.load(offset - 1).ok_or(Reason::MalformedTunnel)?;
    }
    if next == 0 { Ok(offset) } else { Err(Reason::MalformedTunnel) }
}
