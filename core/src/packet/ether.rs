//! Ethernet II and what may stand between it and IP (IEEE 802.3, 802.1Q).

use super::trace::{Layer, Trace};
use super::{Network, Place, Start, mpls, ppp};
use crate::address::Family;
use crate::bytes::Bytes;
use crate::limits::VLAN_TAGS_MAX;
use crate::reason::Reason;

const HEADER_OCTETS: usize = 14;
const TYPE_OFFSET: usize = 12;
const VLAN_TAG_OCTETS: usize = 4;
const VLAN_ID_MASK: u16 = 0x0fff;

/// Ether types (IEEE registration authority).
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const PPP: u16 = 0x880b;
/// Ethernet in GRE and Geneve (RFC 1701, RFC 8926).
const BRIDGED: u16 = 0x6558;

/// Steps over the link layer at `place`.
#[inline(always)]
pub(super) fn parse<B: Bytes, L: Trace>(bytes: &B, place: Place, trace: &mut L) -> Result<Network, Reason> {
    let Place { start, mut offset, end } = place;
    let mut ether_type = match start {
        Start::Ip => return version(bytes, offset, end),
        Start::Ppp => PPP,
        Start::EtherType(ether_type) if ether_type != BRIDGED => ether_type,
        Start::Ethernet | Start::EtherType(_) => {
            trace.layer(Layer::Ethernet);
            let ether_type = load_type(bytes, offset + TYPE_OFFSET)?;
            offset += HEADER_OCTETS;
            ether_type
        }
    };
    for _ in 0..VLAN_TAGS_MAX {
        if !is_vlan(ether_type) {
            break;
        }
        // Tag control information first, then the type of what follows.
        trace.layer(Layer::Vlan(load_type(bytes, offset)? & VLAN_ID_MASK));
        ether_type = load_type(bytes, offset + 2)?;
        offset += VLAN_TAG_OCTETS;
    }
    match ether_type {
        IPV4 => Ok(Network { family: Family::V4, offset, end }),
        IPV6 => Ok(Network { family: Family::V6, offset, end }),
        MPLS | MPLS_MULTICAST => mpls::parse(bytes, offset, end, trace),
        PPPOE_SESSION => ppp::parse_pppoe(bytes, offset, end, trace),
        PPP => ppp::parse(bytes, offset, end, trace),
        other if is_vlan(other) => Err(Reason::VlanTooDeep),
        _ => Err(Reason::NotIp),
    }
}

/// IP of the version that its first four bits say.
#[inline(always)]
pub(super) fn version<B: Bytes>(bytes: &B, offset: usize, end: usize) -> Result<Network, Reason> {
    let [first] = bytes.load(offset).ok_or(Reason::NotIp)?;
    match first >> 4 {
        4 => Ok(Network { family: Family::V4, offset, end }),
        6 => Ok(Network { family: Family::V6, offset, end }),
        _ => Err(Reason::NotIp),
    }
}

/// 802.1Q, 802.1ad, and the types used for stacked tags before it.
#[inline(always)]
const fn is_vlan(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
}

#[inline(always)]
fn load_type<B: Bytes>(bytes: &B, offset: usize) -> Result<u16, Reason> {
    bytes.load(offset).map(u16::from_be_bytes).ok_or(Reason::MalformedEthernet)
}
