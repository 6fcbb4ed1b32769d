//! What the policy says of one remote address.

use std::cmp::Reverse;
use std::net::IpAddr;

use crate::world::{Ports, Rule, World, contains};

/// All that lists an address.
pub(super) struct Listing<'a> {
    pub(super) is_proxy: bool,
    pub(super) is_media: bool,
    /// Rules in the order in which they are tried, once for each network of theirs that holds the address.
    pub(super) rules: Vec<&'a Rule>,
}

/// Docs: policies, "Where rules meet": the longest prefix first; for one prefix the lower number first.
pub(super) fn listing(world: &World, remote: IpAddr) -> Listing<'_> {
    let mut found = Vec::new();
    for rule in &world.rules {
        for network in rule.networks.iter().filter(|network| network.contains(&remote)) {
            found.push((Reverse(network.prefix_len()), rule.number, rule));
        }
    }
    found.sort_by_key(|(length, number, _)| (*length, *number));
    Listing {
        is_proxy: world.proxies.contains(&remote),
        is_media: contains(&world.media, remote),
        rules: found.into_iter().map(|(_, _, rule)| rule).collect(),
    }
}

impl<'a> Listing<'a> {
    pub(super) fn is_nothing(&self) -> bool {
        !self.is_proxy && !self.is_media && self.rules.is_empty()
    }

    /// The first rule whose ports match; no ports are all of TCP and UDP.
    pub(super) fn rule_for(&self, protocol: u8, port: u16) -> Option<&'a Rule> {
        let matches =
            |ports: &Ports| ports.protocol == protocol && (ports.first..=ports.last).contains(&port);
        self.rules.iter().copied().find(|rule| rule.ports.is_empty() || rule.ports.iter().any(matches))
    }
}
