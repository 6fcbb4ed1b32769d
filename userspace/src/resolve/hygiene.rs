//! Which addresses an answer may bring in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address in an answer is not used. Such an answer is a mistake or an attack: the address is not a
/// public server's, and making it free would give away something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// `0.0.0.0/8` or `::` (RFC 6890).
    Unspecified,
    /// `127.0.0.0/8` or `::1`.
    Loopback,
    /// `169.254.0.0/16` or `fe80::/10`.
    LinkLocal,
    /// `224.0.0.0/4` or `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `240.0.0.0/4`, reserved (RFC 1112, section 4).
    Reserved,
    /// An IPv4 address in IPv6 form: `::ffff:0:0/96` or `::/96` (RFC 4291, section 2.5.5). No packet carries
    /// it.
    EmbeddedV4,
    /// RFC 1918, RFC 6598 (shared by carrier NAT), unique local (RFC 4193) or site-local; allowed if
    /// configured.
    Private,
    /// In a subscriber pool, or the end of one of the carrier's tunnels.
    Carrier,
    /// An address of the gateway itself.
    Gateway,
    /// The name has as many addresses as are kept.
    TooMany,
    /// The name had as many new addresses lately as it may have.
    TooFast,
}

impl Refusal {
    /// The words in status and log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Reserved => "reserved",
            Self::EmbeddedV4 => "embedded IPv4",
            Self::Private => "private",
            Self::Carrier => "carrier's own",
            Self::Gateway => "gateway's own",
            Self::TooMany => "too many",
            Self::TooFast => "too fast",
        }
    }
}

const fn v4(a: u8, b: u8, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), length))
}

const fn v6(bits: u128, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length))
}

/// Networks with the reason to refuse them; the first that holds the address decides. Documentation networks
/// are not among them: they are unused in the public network, and laboratories run on them.
const REFUSED: [(IpNet, Refusal); 18] = [
    (v4(0, 0, 8), Refusal::Unspecified),
    (v4(127, 0, 8), Refusal::Loopback),
    (v4(169, 254, 16), Refusal::LinkLocal),
    (v4(224, 0, 4), Refusal::Multicast),
    (IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32)), Refusal::Broadcast),
    (v4(240, 0, 4), Refusal::Reserved),
    (v4(10, 0, 8), Refusal::Private),
    (v4(172, 16, 12), Refusal::Private),
    (v4(192, 168, 16), Refusal::Private),
    (v4(100, 64, 10), Refusal::Private),
    (v6(0, 128), Refusal::Unspecified),
    (v6(1, 128), Refusal::Loopback),
    (v6(0, 96), Refusal::EmbeddedV4),
    (v6(0xffff_0000_0000, 96), Refusal::EmbeddedV4),
    (v6(0xfe80 << 112, 10), Refusal::LinkLocal),
    (v6(0xff00 << 112, 8), Refusal::Multicast),
    (v6(0xfc00 << 112, 7), Refusal::Private),
    (v6(0xfec0 << 112, 10), Refusal::Private),
];

/// Which addresses answers may bring in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hygiene {
    /// Whether [`Refusal::Private`] ones are used after all.
    pub allow_private: bool,
    /// What the carrier and the gateway have themselves, with the reason to refuse it. Reason: such a name would make
    /// traffic between subscribers, or with the gateway, free.
    pub own: Vec<(IpNet, Refusal)>,
}

impl Hygiene {
    /// Whether an answer may bring in `address`.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        let listed = REFUSED.iter().find(|(network, _)| network.contains(&address));
        match listed {
            Some((_, Refusal::Private)) if self.allow_private => {}
            Some((_, refusal)) => return Err(*refusal),
            None => {}
        }
        match self.own.iter().find(|(network, _)| network.contains(&address)) {
            Some((_, refusal)) => Err(*refusal),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address() -> Result<(), std::net::AddrParseError> {
        for (address, expected) in [
            ("203.0.113.7", Ok(())),
            ("198.51.100.1", Ok(())),
            ("2001:db8::7", Ok(())),
            ("2606:4700::1111", Ok(())),
            // NAT64 (RFC 6052): what subscribers of an IPv6-only access network use.
            ("64:ff9b::203.0.113.7", Ok(())),
            ("9.255.255.255", Ok(())),
            ("11.0.0.0", Ok(())),
            ("172.15.255.255", Ok(())),
            ("172.32.0.0", Ok(())),
            ("100.63.255.255", Ok(())),
            ("100.128.0.0", Ok(())),
            ("223.255.255.255", Ok(())),
            ("0.0.0.0", Err(Refusal::Unspecified)),
            ("0.1.2.3", Err(Refusal::Unspecified)),
            ("::", Err(Refusal::Unspecified)),
            ("127.0.0.1", Err(Refusal::Loopback)),
            ("127.255.255.254", Err(Refusal::Loopback)),
            ("::1", Err(Refusal::Loopback)),
            ("169.254.169.254", Err(Refusal::LinkLocal)),
            ("fe80::1", Err(Refusal::LinkLocal)),
            ("febf::1", Err(Refusal::LinkLocal)),
            ("224.0.0.1", Err(Refusal::Multicast)),
            ("239.255.255.255", Err(Refusal::Multicast)),
            ("ff02::1", Err(Refusal::Multicast)),
            ("255.255.255.255", Err(Refusal::Broadcast)),
            ("240.0.0.1", Err(Refusal::Reserved)),
            ("::ffff:203.0.113.7", Err(Refusal::EmbeddedV4)),
            ("::ffff:127.0.0.1", Err(Refusal::EmbeddedV4)),
            ("::203.0.113.7", Err(Refusal::EmbeddedV4)),
            ("10.0.0.1", Err(Refusal::Private)),
            ("172.16.0.1", Err(Refusal::Private)),
            ("172.31.255.255", Err(Refusal::Private)),
            ("192.168.1.1", Err(Refusal::Private)),
            ("100.64.0.1", Err(Refusal::Private)),
            ("fd00::1", Err(Refusal::Private)),
            ("fec0::1", Err(Refusal::Private)),
        ] {
            let strict = Hygiene::default();
            assert_eq!(strict.check(address.parse()?), expected, "{address}");
            let allowed = if expected == Err(Refusal::Private) { Ok(()) } else { expected };
            let lenient = Hygiene { allow_private: true, ..strict };
            assert_eq!(lenient.check(address.parse()?), allowed, "{address} with private ones allowed");
        }
        Ok(())
    }

    #[test]
    fn what_is_the_carriers_own_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let own = vec![
            ("10.20.0.0/16".parse()?, Refusal::Carrier),
            ("2001:db8:20::/48".parse()?, Refusal::Carrier),
            ("203.0.113.254/32".parse()?, Refusal::Gateway),
        ];
        let hygiene = Hygiene { allow_private: true, own };
        for (address, expected) in [
            ("10.20.255.1", Err(Refusal::Carrier)),
            ("10.21.0.1", Ok(())),
            ("2001:db8:20:ffff::1", Err(Refusal::Carrier)),
            ("2001:db8:21::1", Ok(())),
            ("203.0.113.254", Err(Refusal::Gateway)),
            ("203.0.113.253", Ok(())),
        ] {
            assert_eq!(hygiene.check(address.parse()?), expected, "{address}");
        }
        Ok(())
    }
}
