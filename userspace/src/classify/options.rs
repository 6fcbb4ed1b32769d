//! How captures are to be taken.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use tollfree_core::address::{Address, Family};
use tollfree_core::packet::tunnel::{AllTransports, Transports};

use crate::memory::MemoryTransports;
use crate::policy::PolicySet;

/// What to do with captures.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Which tunnels are looked into.
    pub tunnels: &'a Tunnels,
    /// Whose packets are decided.
    pub subscribers: Subscribers,
    /// What decides; `None`: nothing is decided. Names have no addresses: only networks are listed.
    pub policies: Option<&'a PolicySet>,
    /// The gateway that policies may be for; empty: only policies for all gateways are in force.
    pub gateway_id: &'a str,
    /// The region that policies may be for.
    pub region: Option<&'a str>,
}

/// Which tunnels are the carrier's own, and so looked into.
#[derive(Clone, Debug)]
pub enum Tunnels {
    /// All: a capture does not say whose they are.
    All,
    /// Those that a gateway's configuration lists.
    Listed(MemoryTransports),
}

impl Transports for Tunnels {
    fn kinds(&self, family: Family, source: &Address, destination: &Address) -> u32 {
        match self {
            Self::All => AllTransports.kinds(family, source, destination),
            Self::Listed(listed) => listed.kinds(family, source, destination),
        }
    }
}

/// Who the subscribers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subscribers {
    /// Whoever began a flow is its subscriber.
    #[default]
    Initiator,
    /// The addresses in these networks.
    Prefixes(Vec<IpNet>),
}

/// Text that names no subscribers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is neither an address nor a network with its host bits zero; write \"initiator\", or networks parted by \
     commas, as in 10.20.0.0/16,2001:db8:20::/48"
)]
pub struct SubscribersError {
    /// What could not be read.
    pub text: String,
}

impl FromStr for Subscribers {
    type Err = SubscribersError;

    fn from_str(text: &str) -> Result<Self, SubscribersError> {
        if text == "initiator" {
            return Ok(Self::Initiator);
        }
        let network = |text: &str| {
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
            network
                .filter(|network| *network == network.trunc())
                .ok_or_else(|| SubscribersError { text: text.to_owned() })
        };
        text.split(',').map(network).collect::<Result<_, _>>().map(Self::Prefixes)
    }
}

impl Subscribers {
    /// Whether `ip` is in one of the networks.
    pub(super) fn contain(&self, ip: &IpAddr) -> bool {
        match self {
            Self::Initiator => false,
            Self::Prefixes(networks) => networks.iter().any(|network| network.contains(ip)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_the_initiator_or_networks() {
        assert_eq!("initiator".parse(), Ok(Subscribers::Initiator));
        let networks =
            ["10.20.0.0/16", "192.0.2.1/32", "2001:db8::/32"].map(|text| text.parse().expect("a network"));
        assert_eq!(
            "10.20.0.0/16,192.0.2.1,2001:db8::/32".parse(),
            Ok(Subscribers::Prefixes(networks.to_vec()))
        );
        for text in ["", "initiators", "10.20.0.1/16", "10.20.0.0/16,", "10.20.0.0/33"] {
            assert!(text.parse::<Subscribers>().is_err(), "{text}");
        }
    }
}
