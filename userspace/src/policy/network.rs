//! Networks that rules list.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::diagnostic::Explain;

/// Shortest IPv4 prefix a rule may list, in bits. Reason: registries handed out nothing larger than a /8.
pub const IPV4_PREFIX_MIN: u8 = 8;

/// Shortest IPv6 prefix a rule may list, in bits. Reason: the largest blocks that carriers hold are /19.
pub const IPV6_PREFIX_MIN: u8 = 19;

/// Addresses that are never a remote site's or a subscriber's.
const SPECIAL_V4: [(Ipv4Net, &str); 5] = [
    (Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8), "unspecified addresses (RFC 1122, section 3.2.1.3)"),
    (Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8), "loopback addresses (RFC 1122, section 3.2.1.3)"),
    (Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16), "link-local addresses (RFC 3927)"),
    (Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4), "multicast addresses (RFC 5771)"),
    (Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32), "the broadcast address (RFC 919)"),
];

const SPECIAL_V6: [(Ipv6Net, &str); 5] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "the unspecified address (RFC 4291, section 2.5.2)"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "the loopback address (RFC 4291, section 2.5.3)"),
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        "IPv4-mapped addresses (RFC 4291, section 2.5.5.2)",
    ),
    (Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10), "link-local addresses (RFC 4291)"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8), "multicast addresses (RFC 4291)"),
];

/// Text that is no network, or one that no rule may list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not `address/length`.
    #[error("this is not a network")]
    Syntax,
    /// Bits past the prefix length, so that it is unclear what is meant.
    #[error("bits past the prefix length are set")]
    HostBits {
        /// The network that it is in.
        network: IpNet,
    },
    /// So broad that it cannot be anyone's own.
    #[error("the network is broader than /{min}")]
    TooBroad {
        /// Shortest prefix length, in bits.
        min: u8,
    },
    /// Addresses with another meaning.
    #[error("the network has {kind} in it")]
    Special {
        /// Which.
        kind: &'static str,
    },
}

impl Explain for NetworkError {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Syntax => {
                "write address/length, as in 203.0.113.0/24, 203.0.113.7/32 or 2001:db8::/32".into()
            }
            Self::HostBits { network } => {
                let single = if matches!(network, IpNet::V4(_)) { 32 } else { 128 };
                format!("write {network}, or /{single} if one address is meant").into()
            }
            Self::TooBroad { min } => {
                format!("list the networks that are meant, each /{min} or longer").into()
            }
            Self::Special { .. } => "list only the networks of the site itself".into(),
        }
    }
}

/// The network that `text` writes, host bits zero and without special addresses; of any breadth.
pub(crate) fn parse_network(text: &str) -> Result<IpNet, NetworkError> {
    let network: IpNet = text.parse().map_err(|_| NetworkError::Syntax)?;
    if network.trunc() != network {
        return Err(NetworkError::HostBits { network: network.trunc() });
    }
    match special(&network) {
        Some(kind) => Err(NetworkError::Special { kind }),
        None => Ok(network),
    }
}

/// The network that `text` writes, if a rule may list it.
pub(crate) fn parse_listed_network(text: &str) -> Result<IpNet, NetworkError> {
    let network = parse_network(text)?;
    let min = if matches!(network, IpNet::V4(_)) { IPV4_PREFIX_MIN } else { IPV6_PREFIX_MIN };
    if network.prefix_len() < min { Err(NetworkError::TooBroad { min }) } else { Ok(network) }
}

/// What special addresses `network` touches.
pub(crate) fn special(network: &IpNet) -> Option<&'static str> {
    match network {
        IpNet::V4(network) => SPECIAL_V4
            .iter()
            .find(|(block, _)| block.contains(network) || network.contains(block))
            .map(|s| s.1),
        IpNet::V6(network) => SPECIAL_V6
            .iter()
            .find(|(block, _)| block.contains(network) || network.contains(block))
            .map(|s| s.1),
    }
}

/// Whether one of the two networks is inside the other.
pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// The one address `ip`, as a network.
pub(crate) fn single(ip: IpAddr) -> IpNet {
    IpNet::from(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_of_sites_are_accepted() {
        for text in [
            "203.0.113.0/24",
            "203.0.113.7/32",
            "10.0.0.0/8",
            "192.168.1.0/24",
            "100.64.0.0/10",
            "2001:db8:6000::/48",
            "2001:db8::1/128",
            "fd00::/19",
            "2400::/19",
        ] {
            assert_eq!(parse_listed_network(text).map(|n| n.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn special_addresses_are_refused_also_inside_broader_networks() {
        for text in [
            "0.0.0.0/0",
            "0.0.0.0/32",
            "127.0.0.1/32",
            "169.254.1.0/24",
            "169.0.0.0/8",
            "224.0.0.1/32",
            "239.0.0.0/8",
            "255.255.255.255/32",
            "240.0.0.0/4",
            "::/0",
            "::/128",
            "::1/128",
            "::/19",
            "fe80::/64",
            "ff02::1/128",
            "::ffff:203.0.113.0/120",
        ] {
            assert!(matches!(parse_listed_network(text), Err(NetworkError::Special { .. })), "{text}");
        }
    }

    #[test]
    fn broad_and_unclear_networks_are_refused() {
        assert_eq!(parse_listed_network("8.0.0.0/7"), Err(NetworkError::TooBroad { min: 8 }));
        assert_eq!(parse_listed_network("2400::/18"), Err(NetworkError::TooBroad { min: 19 }));
        let network = "203.0.113.0/24".parse().expect("a network");
        assert_eq!(parse_listed_network("203.0.113.7/24"), Err(NetworkError::HostBits { network }));
        for text in
            ["", "203.0.113.7", "203.0.113.0/33", "2001:db8::/129", "203.0.113/24", "moh.gov.vn", "1.2.3.4/"]
        {
            assert_eq!(parse_listed_network(text), Err(NetworkError::Syntax), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_network_with_its_bounds(
            text in "\\PC{0,20}|[0-9./]{7,18}|[0-9a-f:/]{2,40}",
        ) {
            if let Ok(network) = parse_listed_network(&text) {
                prop_assert_eq!(network.trunc(), network);
                let min = if network.addr().is_ipv4() { 8 } else { 19 };
                prop_assert!(network.prefix_len() >= min);
                prop_assert!(!network.addr().is_loopback() && !network.addr().is_multicast());
            }
        }
    }
}
