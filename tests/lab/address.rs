//! Who has which address in the lab. All from the documentation ranges (RFC 5737, RFC 3849) or private (RFC 1918).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use crate::topology::Side;

/// How many subscribers there are.
pub const SUBSCRIBERS: u8 = 3;
/// The last octet of the first subscriber's address.
const FIRST_SUBSCRIBER: u8 = 11;

/// The pools that the subscribers are in.
pub const POOLS: [&str; 2] = ["10.20.0.0/16", "2001:db8:20::/48"];

/// The recursive resolver, on port 53.
pub const RESOLVER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, 0x53)),
];

/// The resolver's address of this version.
pub const fn resolver(family: Family) -> IpAddr {
    match family {
        Family::V4 => RESOLVER[0],
        Family::V6 => RESOLVER[1],
    }
}

/// The SIP proxy, with the hotline's media behind the same address.
pub const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10));
/// The port that the proxy listens on.
pub const SIP_PORT: u16 = 5060;
/// Where a free call's media may go.
pub const MEDIA_NETWORK: &str = "198.51.100.0/25";

/// The address of a tunnel server of a subscriber's own, on no whitelist.
pub const fn relay(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 200)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0x1)),
    }
}

/// The prefixes that the ends of the carrier's own tunnels are in.
pub const TUNNEL_NETWORKS: [&str; 2] = ["192.0.2.100/31", "2001:db8:e::/64"];

/// The address of the carrier's tunnel end on this side of the gateway.
pub const fn tunnel_end(side: Side, family: Family) -> IpAddr {
    let number = match side {
        Side::Access => 0,
        Side::Core => 1,
    };
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100 + number)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 0x100 + number as u16)),
    }
}

/// Whether the address is one of the carrier's tunnel ends.
pub fn is_tunnel_end(address: &IpAddr) -> bool {
    Side::ALL.iter().any(|side| Family::ALL.iter().any(|family| tunnel_end(*side, *family) == *address))
}

/// An internet protocol version, as the lab's tables name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// `ipv4` or `ipv6`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// Whether the address is of this version.
    pub const fn has(self, address: &IpAddr) -> bool {
        matches!((self, address), (Self::V4, IpAddr::V4(_)) | (Self::V6, IpAddr::V6(_)))
    }
}

/// A web site: a name with one address of each version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its domain name.
    pub name: &'static str,
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// Its IPv6 address.
    pub v6: Ipv6Addr,
}

/// The site that the lab's policy makes free.
pub const FREE_SITE: Site = Site {
    name: "moh.example.vn",
    v4: Ipv4Addr::new(203, 0, 113, 10),
    v6: Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 0x10),
};

/// A site that no policy lists.
pub const OTHER_SITE: Site = Site {
    name: "shop.example.vn",
    v4: Ipv4Addr::new(203, 0, 113, 20),
    v6: Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 0x20),
};

/// All sites.
pub const SITES: [Site; 2] = [FREE_SITE, OTHER_SITE];

/// How many names below the free site's the resolver knows, each with one address of its own.
pub const WILD_NAMES: u16 = 1020;
/// Every so many of them has an IPv4 address. Reason: of the documentation range, two hundred are left.
const WILD_STEP: u16 = 6;
/// The first of their IPv4 addresses.
const WILD_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 32);
/// The /64 of their IPv6 addresses.
const WILD_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 1, 0, 0, 0, 0);

/// A name below the free site's, by its number below [`WILD_NAMES`], and its only address.
pub fn wild(number: u16) -> (String, IpAddr) {
    let address = if number.is_multiple_of(WILD_STEP) {
        Ipv4Addr::from_bits(WILD_V4.to_bits() + u32::from(number / WILD_STEP)).into()
    } else {
        Ipv6Addr::from_bits(WILD_V6.to_bits() + u128::from(number)).into()
    };
    (format!("x{number}.{}", FREE_SITE.name), address)
}

/// The addresses of some of those names, by their numbers.
pub fn wild_addresses(numbers: Range<u16>) -> BTreeSet<IpAddr> {
    numbers.map(|number| wild(number).1).collect()
}

/// Below it are names whose answers are signed.
pub const PROVEN_DOMAIN: &str = "proven.example";
/// How many.
pub const PROVEN_NAMES: u16 = 20;
/// The first of their IPv4 addresses, behind those of [`wild`].
const PROVEN_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 208);
/// The first of their IPv6 addresses, likewise.
const PROVEN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 1, 0, 0, 1, 0);

/// A name whose answer is signed, by its number below [`PROVEN_NAMES`], and its only address.
pub fn proven(number: u16) -> (String, IpAddr) {
    let address = if number.is_multiple_of(2) {
        Ipv4Addr::from_bits(PROVEN_V4.to_bits() + u32::from(number)).into()
    } else {
        Ipv6Addr::from_bits(PROVEN_V6.to_bits() + u128::from(number)).into()
    };
    (format!("p{number}.{PROVEN_DOMAIN}"), address)
}

/// A name whose answer was changed after it was signed.
pub fn forged_proven_name() -> String {
    format!("forged.{PROVEN_DOMAIN}")
}
/// What was signed, and what the answer says.
pub const FORGED_PROVEN_SIGNED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 240);
/// See [`FORGED_PROVEN_SIGNED`].
pub const FORGED_PROVEN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 241);

/// Number of a name below the free site's that shares its address with a stranger's.
pub const SHARED_WILD: u16 = 12;
/// A stranger's name, of another owner. Nobody but the scenario of cheats asks for it.
pub const STRANGER_NAME: &str = "stranger.example";

/// The stranger's address of this version: over IPv4 that of [`SHARED_WILD`], over IPv6 that of [`FREE_SITE`].
pub fn stranger_address(family: Family) -> IpAddr {
    match family {
        Family::V4 => wild(SHARED_WILD).1,
        Family::V6 => FREE_SITE.v6.into(),
    }
}

/// An attacker's resolver.
pub const FOREIGN_RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 250));

/// Addresses of an attacker's servers, by their numbers below 16.
pub const fn foreign(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 225 + number % 16))
}

/// A name below the free site's that the carrier's resolver does not know.
pub fn unknown_name() -> String {
    format!("unknown.{}", FREE_SITE.name)
}

impl Site {
    /// Its address of this version.
    pub const fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4),
            Family::V6 => IpAddr::V6(self.v6),
        }
    }

    /// Whether the address is one of its own.
    pub fn has(&self, address: &IpAddr) -> bool {
        *address == self.v4 || *address == self.v6
    }
}

/// The address of subscriber `index` (from 0); of an IPv6 one, the only address used in its /64.
pub const fn subscriber(index: u8, family: Family) -> IpAddr {
    let last = FIRST_SUBSCRIBER + index;
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 20, 0, last)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x20, subscriber_group(last), 0, 0, 0, 1)),
    }
}

/// The group of the /64 that reads like `last`: 11 becomes 0x11.
const fn subscriber_group(last: u8) -> u16 {
    (last / 10 * 16 + last % 10) as u16
}

/// How Tollfree names the subscriber: the IPv4 address as a /32, or the IPv6 /64.
pub fn subscriber_name(index: u8, family: Family) -> String {
    match subscriber(index, family) {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// An address and port, with brackets around an IPv6 address.
pub fn socket(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_have_the_names_that_operators_read() {
        assert_eq!(subscriber_name(0, Family::V4), "10.20.0.11/32");
        assert_eq!(subscriber_name(2, Family::V6), "2001:db8:20:13::/64");
        assert_eq!(subscriber(1, Family::V6).to_string(), "2001:db8:20:12::1");
    }

    #[test]
    fn each_wild_name_has_an_address_of_its_own() {
        let addresses = wild_addresses(0..WILD_NAMES);
        assert_eq!(addresses.len(), usize::from(WILD_NAMES));
        let in_range = |address: &IpAddr| match address {
            IpAddr::V4(v4) => v4.octets()[..3] == [203, 0, 113] && v4.octets()[3] >= 32,
            IpAddr::V6(v6) => v6.segments()[..4] == [0x2001, 0xdb8, 0xf, 1],
        };
        assert!(addresses.iter().all(in_range));
        assert_eq!(wild(7).0, "x7.moh.example.vn");
    }
}
