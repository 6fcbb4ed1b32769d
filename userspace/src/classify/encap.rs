//! What stands in front of the innermost IP header, as text.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr};

use tollfree_core::address::{Address, Family};
use tollfree_core::packet::trace::{Layer, Trace};

/// Stands for no header at all.
const BARE: &str = "-";

/// The headers of one packet, the outermost first, parted by `/`.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    text: String,
}

impl Stack {
    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    /// The headers; `-` where there are none.
    pub(super) fn text(&self) -> &str {
        if self.text.is_empty() { BARE } else { &self.text }
    }

    pub(super) fn push(&mut self, part: fmt::Arguments<'_>) {
        if !self.text.is_empty() {
            self.text.push('/');
        }
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(part);
    }
}

impl Trace for Stack {
    fn layer(&mut self, layer: Layer) {
        match layer {
            Layer::Ethernet => self.push(format_args!("eth")),
            Layer::Vlan(id) => self.push(format_args!("vlan:{id}")),
            Layer::Mpls(label) => self.push(format_args!("mpls:{label}")),
            Layer::Pppoe(session) => self.push(format_args!("pppoe:{session}")),
            Layer::Ppp => self.push(format_args!("ppp")),
            Layer::Ip { family, source, destination } => {
                let (version, source) = (version(family), ip(&source, family));
                self.push(format_args!("ip{version}:{source}>{}", ip(&destination, family)));
            }
            Layer::Udp { source_port, destination_port } => {
                self.push(format_args!("udp:{source_port}>{destination_port}"));
            }
            Layer::Gtpu { teid, extension: 0 } => self.push(format_args!("gtp:{teid:#010x}")),
            Layer::Gtpu { teid, extension } => self.push(format_args!("gtp:{teid:#010x}+{extension:#04x}")),
            Layer::Gre => self.push(format_args!("gre")),
            Layer::Erspan => self.push(format_args!("erspan")),
            Layer::Vxlan(id) => self.push(format_args!("vxlan:{id}")),
            Layer::Geneve(id) => self.push(format_args!("geneve:{id}")),
        }
    }
}

/// The number that a packet's first four bits say.
pub(super) const fn version(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

/// An address in the standard library's terms. Unlike [`Address::to_ip`], it leaves an IPv4-mapped address of an IPv6
/// packet what it is.
pub(super) fn ip(address: &Address, family: Family) -> IpAddr {
    match family {
        Family::V4 => address.to_ip(),
        Family::V6 => Ipv6Addr::from(address.octets()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(layers: &[Layer]) -> String {
        let mut stack = Stack::default();
        for layer in layers {
            stack.layer(*layer);
        }
        stack.text().to_owned()
    }

    #[test]
    fn headers_are_written_as_the_corpus_writes_them() {
        let v4 = |ip: [u8; 4]| Address::from(IpAddr::from(ip));
        let outer =
            Layer::Ip { family: Family::V4, source: v4([192, 0, 2, 1]), destination: v4([192, 0, 2, 2]) };
        let gtp = Layer::Udp { source_port: 2152, destination_port: 2152 };
        assert_eq!(stack(&[]), "-");
        assert_eq!(
            stack(&[Layer::Ethernet, Layer::Vlan(100), outer, gtp, Layer::Gtpu { teid: 1, extension: 0 }]),
            "eth/vlan:100/ip4:192.0.2.1>192.0.2.2/udp:2152>2152/gtp:0x00000001"
        );
        assert_eq!(stack(&[Layer::Gtpu { teid: 0xbe51, extension: 0x85 }]), "gtp:0x0000be51+0x85");
        assert_eq!(stack(&[Layer::Mpls(29), Layer::Pppoe(45), Layer::Ppp]), "mpls:29/pppoe:45/ppp");
        assert_eq!(stack(&[Layer::Gre, Layer::Erspan, Layer::Ethernet]), "gre/erspan/eth");
        assert_eq!(stack(&[Layer::Vxlan(1111), Layer::Geneve(786_734)]), "vxlan:1111/geneve:786734");
    }

    #[test]
    fn an_ipv6_packets_address_stays_ipv6() {
        let mapped: Address = IpAddr::from([192, 0, 2, 1]).into();
        assert_eq!(ip(&mapped, Family::V4).to_string(), "192.0.2.1");
        assert_eq!(ip(&mapped, Family::V6).to_string(), "::ffff:192.0.2.1");
    }
}
