//! What addresses on the subscribers' side are: pools, and what is the gateway's own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aya::maps::LpmTrie;
use aya::maps::lpm_trie::Key;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nix::ifaddrs::getifaddrs;
use tollfree_core::plan::Local;

use super::{Dataplane, DataplaneError};
use crate::memory::inherited;

/// Prefixes whose traffic is between neighbours, never a subscriber's: unspecified, loopback, link-local, multicast
/// and broadcast (RFC 6890).
pub const NEIGHBOURS: [&str; 9] = [
    "0.0.0.0/32",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
];

/// A map's key: prefix length, and the octets as they lie in memory.
fn v4_key(net: Ipv4Net) -> Key<u32> {
    Key::new(u32::from(net.prefix_len()), u32::from_ne_bytes(net.network().octets()))
}

/// See [`v4_key`].
fn v6_key(net: Ipv6Net) -> Key<[u8; 16]> {
    Key::new(u32::from(net.prefix_len()), net.network().octets())
}

impl Dataplane {
    /// Makes the kernel know the pools, and the addresses that this namespace's interfaces have now.
    pub fn set_locals(&mut self, pools: &[IpNet]) -> Result<(), DataplaneError> {
        let wanted = local_prefixes(pools)?.into_iter().map(|(net, local)| (net, local as u32)).collect();
        self.set_prefixes("LOCAL_V4", "LOCAL_V6", &wanted)
    }

    /// Makes the kernel know the ends of the carrier's tunnels, each with the kinds that end there.
    pub fn set_transports(&mut self, transports: &BTreeMap<IpNet, u32>) -> Result<(), DataplaneError> {
        self.set_prefixes("TRANSPORTS_V4", "TRANSPORTS_V6", &inherited(transports))
    }

    /// Makes a pair of maps hold exactly these prefixes.
    fn set_prefixes(
        &mut self,
        v4_name: &str,
        v6_name: &str,
        wanted: &BTreeMap<IpNet, u32>,
    ) -> Result<(), DataplaneError> {
        let mut v4 = BTreeMap::new();
        let mut v6 = BTreeMap::new();
        for (net, value) in wanted {
            match net {
                IpNet::V4(net) => {
                    let key = v4_key(*net);
                    v4.insert((key.prefix_len(), key.data()), *value);
                }
                IpNet::V6(net) => {
                    let key = v6_key(*net);
                    v6.insert((key.prefix_len(), key.data()), *value);
                }
            }
        }
        sync(&mut self.typed_mut::<LpmTrie<_, u32, u32>>(v4_name)?, &v4, v4_name)?;
        sync(&mut self.typed_mut::<LpmTrie<_, [u8; 16], u32>>(v6_name)?, &v6, v6_name)
    }
}

/// What each prefix on the subscribers' side is: pools, neighbours, and the addresses that this namespace's interfaces
/// have now. An own address inside a pool is the gateway's: the longer prefix wins.
///
/// # Errors
/// [`DataplaneError::Io`] if the kernel does not tell its addresses.
pub fn local_prefixes(pools: &[IpNet]) -> Result<BTreeMap<IpNet, Local>, DataplaneError> {
    let mut wanted: BTreeMap<IpNet, Local> = pools.iter().map(|pool| (*pool, Local::Subscriber)).collect();
    for prefix in NEIGHBOURS {
        if let Ok(net) = prefix.parse::<IpNet>() {
            wanted.insert(net, Local::Own);
        }
    }
    let interfaces =
        getifaddrs().map_err(|errno| DataplaneError::io("listing own addresses")(errno.into()))?;
    for address in interfaces.filter_map(|interface| interface.address) {
        let ip = if let Some(v4) = address.as_sockaddr_in() {
            IpAddr::V4(v4.ip())
        } else if let Some(v6) = address.as_sockaddr_in6() {
            IpAddr::V6(v6.ip())
        } else {
            continue;
        };
        wanted.insert(IpNet::from(ip), Local::Own);
    }
    Ok(wanted)
}

fn sync<K: aya::Pod + Ord>(
    map: &mut LpmTrie<&mut aya::maps::MapData, K, u32>,
    wanted: &BTreeMap<(u32, K), u32>,
    name: &str,
) -> Result<(), DataplaneError> {
    let mut present = BTreeMap::new();
    for entry in map.iter() {
        let (key, value) = entry.map_err(DataplaneError::map(name))?;
        present.insert((key.prefix_len(), key.data()), value);
    }
    for ((length, data), value) in wanted {
        if present.get(&(*length, *data)) != Some(value) {
            map.insert(&Key::new(*length, *data), value, 0).map_err(DataplaneError::map(name))?;
        }
    }
    for (length, data) in present.keys() {
        if !wanted.contains_key(&(*length, *data)) {
            map.remove(&Key::new(*length, *data)).map_err(DataplaneError::map(name))?;
        }
    }
    Ok(())
}
