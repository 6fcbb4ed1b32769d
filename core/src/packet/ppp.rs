//! PPP (RFC 1661) and PPPoE sessions (RFC 2516).

use super::Network;
use super::trace::{Layer, Trace};
use crate::address::Family;
use crate::bytes::Bytes;
use crate::reason::Reason;

const PPPOE_HEADER_OCTETS: usize = 6;
/// Version 1, type 1, code 0: session data (RFC 2516, section 4).
const PPPOE_SESSION_DATA: [u8; 2] = [0x11, 0x00];
/// All stations, unnumbered information (RFC 1662, section 3.1).
const ADDRESS_AND_CONTROL: [u8; 2] = [0xff, 0x03];
const IPV4: u8 = 0x21;
const IPV6: u8 = 0x57;

/// Steps over a PPPoE header and the PPP protocol field in it.
#[inline(always)]
pub(super) fn parse_pppoe<B: Bytes, L: Trace>(
    bytes: &B,
    offset: usize,
    end: usize,
    trace: &mut L,
) -> Result<Network, Reason> {
    let header: [u8; PPPOE_HEADER_OCTETS] = bytes.load(offset).ok_or(Reason::MalformedPppoe)?;
    if [header[0], header[1]] != PPPOE_SESSION_DATA {
        return Err(Reason::MalformedPppoe);
    }
    trace.layer(Layer::Pppoe(u16::from_be_bytes([header[2], header[3]])));
    let offset = offset + PPPOE_HEADER_OCTETS;
    let payload_end = offset + u16::from_be_bytes([header[4], header[5]]) as usize;
    if payload_end > end {
        return Err(Reason::MalformedPppoe);
    }
    parse(bytes, offset, payload_end, trace)
}

/// Steps over the PPP protocol field, which may be compressed to one octet (RFC 1661, section 6.5).
#[inline(always)]
pub(super) fn parse<B: Bytes, L: Trace>(
    bytes: &B,
    mut offset: usize,
    end: usize,
    trace: &mut L,
) -> Result<Network, Reason> {
    trace.layer(Layer::Ppp);
    let mut field: [u8; 2] = bytes.load(offset).ok_or(Reason::MalformedPppoe)?;
    if field == ADDRESS_AND_CONTROL {
        offset += field.len();
        field = bytes.load(offset).ok_or(Reason::MalformedPppoe)?;
    }
    // An odd octet ends the field.
    let (protocol, octets) = if field[0] & 1 == 1 { (field[0], 1) } else { (field[1], 2) };
    if octets == 2 && field[0] != 0 {
        return Err(Reason::NotIp);
    }
    let offset = offset + octets;
    // What lies behind the enclosing header's length is padding.
    if offset > end {
        return Err(Reason::MalformedPppoe);
    }
    match protocol {
        IPV4 => Ok(Network { family: Family::V4, offset, end }),
        IPV6 => Ok(Network { family: Family::V6, offset, end }),
        _ => Err(Reason::NotIp),
    }
}
