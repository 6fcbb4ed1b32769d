//! Ethernet II and its VLAN tags (IEEE 802.3, 802.1Q).

use super::Network;
use crate::bytes::Bytes;
use crate::limits::VLAN_TAGS_MAX;
use crate::reason::Reason;

const HEADER_OCTETS: usize = 14;
const TYPE_OFFSET: usize = 12;
const VLAN_TAG_OCTETS: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const DOT1Q: u16 = 0x8100;
const DOT1AD: u16 = 0x88a8;

#[inline(always)]
pub(super) fn parse<B: Bytes>(bytes: &B) -> Result<Network, Reason> {
    let mut ether_type = load_type(bytes, TYPE_OFFSET)?;
    let mut offset = HEADER_OCTETS;
    for _ in 0..VLAN_TAGS_MAX {
        if !is_vlan(ether_type) {
            break;
        }
        // Tag control information first, then the type of what follows.
        ether_type = load_type(bytes, offset + 2)?;
        offset += VLAN_TAG_OCTETS;
    }
    match ether_type {
        IPV4 => Ok(Network::V4(offset)),
        IPV6 => Ok(Network::V6(offset)),
        DOT1Q | DOT1AD => Err(Reason::VlanTooDeep),
        _ => Err(Reason::NotIp),
    }
}

#[inline(always)]
const fn is_vlan(ether_type: u16) -> bool {
    matches!(ether_type, DOT1Q | DOT1AD)
}

#[inline(always)]
fn load_type<B: Bytes>(bytes: &B, offset: usize) -> Result<u16, Reason> {
    bytes.load(offset).map(u16::from_be_bytes).ok_or(Reason::MalformedEthernet)
}
