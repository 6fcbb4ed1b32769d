//! Subscriber pools.

use ipnet::{IpNet, Ipv6Net};
use toml::Spanned;

use super::defaults::POOLS_MAX;
use super::fault::ConfigFault;
use crate::document::report::Report;
use crate::policy::network::{overlap, parse_network};

/// Longest IPv6 pool, in bits. Reason: an IPv6 subscriber is a /64.
const IPV6_PREFIX_MAX: u8 = 64;

/// IPv6 block reserved by IANA. Reason: subscriber ids in it stand for IPv4 addresses.
const RESERVED: Ipv6Net = Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 8);

/// One pool.
pub(super) fn pool(text: &str) -> Result<IpNet, ConfigFault> {
    if let Ok(IpNet::V6(network)) = text.parse::<IpNet>()
        && overlap(&network.into(), &RESERVED.into())
    {
        return Err(ConfigFault::Reserved);
    }
    let network = parse_network(text).map_err(ConfigFault::Network)?;
    if matches!(network, IpNet::V6(_)) && network.prefix_len() > IPV6_PREFIX_MAX {
        return Err(ConfigFault::LongerThanSubscriber);
    }
    Ok(network)
}

/// The pools together.
pub(super) fn check_pools(pools: Vec<Spanned<IpNet>>, report: &mut Report<'_>) -> Vec<IpNet> {
    if let Some(surplus) = pools.get(POOLS_MAX) {
        report.fault(&surplus.span(), &ConfigFault::TooManyPools);
        return Vec::new();
    }
    for (index, pool) in pools.iter().enumerate() {
        let earlier = pools.iter().take(index).find(|earlier| overlap(earlier.get_ref(), pool.get_ref()));
        if let Some(earlier) = earlier {
            report.fault(&pool.span(), &ConfigFault::PoolOverlap { other: *earlier.get_ref() });
        }
    }
    pools.into_iter().map(Spanned::into_inner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::network::NetworkError;

    #[test]
    fn carriers_pools_are_accepted() {
        for text in ["10.20.0.0/16", "100.64.0.0/10", "203.0.113.7/32", "2001:db8:20::/48", "2001:db8::/64"] {
            assert_eq!(pool(text).map(|pool| pool.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn pools_whose_subscribers_could_not_be_told_apart_are_refused() {
        for text in ["::/0", "::/8", "0:1::/32", "ff::/16", "::ffff:10.0.0.0/104"] {
            assert_eq!(pool(text), Err(ConfigFault::Reserved), "{text}");
        }
        assert_eq!(pool("2001:db8::/65"), Err(ConfigFault::LongerThanSubscriber));
        assert!(matches!(pool("10.20.0.1/16"), Err(ConfigFault::Network(NetworkError::HostBits { .. }))));
        assert!(matches!(pool("0.0.0.0/0"), Err(ConfigFault::Network(NetworkError::Special { .. }))));
        assert_eq!(pool("10.20.0.0"), Err(ConfigFault::Network(NetworkError::Syntax)));
    }
}
