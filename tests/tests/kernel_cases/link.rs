//! Ethernet and VLAN tags (IEEE 802.3, 802.1Q).

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, built, changed, charged, cut, free, unattributed};
use crate::world::{SITE, SITE_RULE, SITE_V6, STRANGER, SUBSCRIBER, SUBSCRIBER_V6, at};

const DOT1Q: u16 = 0x8100;
const DOT1AD: u16 = 0x88a8;

pub(crate) fn cases() -> Vec<Case> {
    let stranger = || FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER));
    let site = || FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn();
    let site_v6 = || FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn();
    let mut cases = vec![
        Case::uplink("no tag", &stranger(), charged(Reason::NotListed, 40)),
        Case::uplink("802.1Q", &site().vlan(DOT1Q), free(SITE_RULE, 40)),
        Case::uplink("802.1ad", &site().vlan(DOT1AD), free(SITE_RULE, 40)),
        Case::uplink("QinQ", &site().vlan(DOT1AD).vlan(DOT1Q), free(SITE_RULE, 40)),
        Case::uplink("QinQ, old style", &site().vlan(DOT1Q).vlan(DOT1Q), free(SITE_RULE, 40)),
        Case::uplink("a stacked tag from before 802.1ad", &site().vlan(0x9100), free(SITE_RULE, 40)),
        Case::uplink("another", &site().vlan(0x9200).vlan(DOT1Q), free(SITE_RULE, 40)),
        Case::uplink("two of them, IPv6", &site_v6().vlan(0x9100).vlan(0x9100), free(SITE_RULE, 60).v6()),
        Case::uplink("QinQ, IPv6", &site_v6().vlan(DOT1AD).vlan(DOT1Q), free(SITE_RULE, 60).v6()),
        Case::uplink(
            "three tags",
            &site().vlan(DOT1AD).vlan(DOT1Q).vlan(DOT1Q),
            unattributed(Reason::VlanTooDeep, 0),
        ),
        Case::uplink(
            "three tags from before 802.1ad",
            &site().vlan(0x9100).vlan(0x9100).vlan(0x9100),
            unattributed(Reason::VlanTooDeep, 0),
        ),
    ];
    let octets = |name, frame, reason| Case::octets(name, Role::Access, frame, unattributed(reason, 0));
    let tagged = site().vlan(DOT1AD).vlan(DOT1Q);
    cases.extend([
        octets("ARP", changed(&stranger(), 12, &[0x08, 0x06]), Reason::NotIp),
        octets("a length in place of a type", changed(&stranger(), 12, &[0, 38]), Reason::NotIp),
        octets("ARP in a VLAN", changed(&site().vlan(DOT1Q), 16, &[0x08, 0x06]), Reason::NotIp),
        octets("a tag, cut before it", cut(&tagged, 14), Reason::MalformedEthernet),
        octets("a tag, cut in it", cut(&tagged, 16), Reason::MalformedEthernet),
        octets("a second tag, cut in it", cut(&tagged, 20), Reason::MalformedEthernet),
        octets("IPv4 called IPv6", changed(&stranger(), 12, &[0x86, 0xdd]), Reason::MalformedIpv6),
        octets("IPv6 called IPv4", changed(&site_v6(), 12, &[0x08, 0x00]), Reason::MalformedIpv4),
        octets("nothing behind the header", built(&stranger())[..14].to_vec(), Reason::MalformedIpv4),
    ]);
    cases
}
