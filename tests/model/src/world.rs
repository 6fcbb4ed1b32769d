//! What the gateway is told: whose traffic it sees, which tunnels are the carrier's, and what is promised.

use std::net::IpAddr;

use ipnet::IpNet;
use tollfree_core::packet::tunnel::TunnelKind;
use tollfree_core::plan::{Evidence, RuleClass};

/// The carrier's own tunnels of one kind; one of each kind at most.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Which kind.
    pub kind: TunnelKind,
    /// Both outer addresses must be in these.
    pub endpoints: Vec<IpNet>,
}

/// Remote ports of one protocol.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// IP protocol number: 6 or 17.
    pub protocol: u8,
    /// First port, inclusive.
    pub first: u16,
    /// Last port, inclusive.
    pub last: u16,
}

/// What is promised for some remote networks.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its permanent number.
    pub number: u32,
    /// What it gives.
    pub class: RuleClass,
    /// Where.
    pub networks: Vec<IpNet>,
    /// On which ports; empty: every port of TCP and UDP.
    pub ports: Vec<Ports>,
    /// From this instant on it holds no longer, in nanoseconds.
    pub ends_ns: Option<u64>,
    /// What must agree.
    pub evidence: Evidence,
    /// What a subscriber gets of it in a day, in octets of volume.
    pub ceiling_octets: Option<u64>,
}

/// One call's media stream.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The subscriber's address and UDP port.
    pub subscriber: (IpAddr, u16),
    /// The other side's.
    pub remote: (IpAddr, u16),
    /// The hotline's rule.
    pub rule: u32,
    /// From this instant on it holds no longer, in nanoseconds.
    pub ends_ns: u64,
    /// From this instant on the gateway knows nothing of it, in nanoseconds.
    pub gone_ns: u64,
}

/// All that the gateway is told.
#[derive(Clone, Debug)]
pub struct World {
    /// The carrier's tunnels.
    pub transports: Vec<Transport>,
    /// Subscribers' addresses.
    pub pools: Vec<IpNet>,
    /// The gateway's own addresses, link-local and multicast ones.
    pub own: Vec<IpNet>,
    /// The policy in force.
    pub rules: Vec<Rule>,
    /// Signalling proxies.
    pub proxies: Vec<IpAddr>,
    /// UDP port of SIP on the proxies.
    pub sip_port: u16,
    /// Where media of free calls may go.
    pub media: Vec<IpNet>,
    /// Streams of free calls.
    pub grants: Vec<Grant>,
    /// Flows for which there is room. Nobody sweeps here, so one that is over keeps its place until its conversation
    /// begins anew.
    pub flows_max: usize,
    /// Of them, those that one subscriber may have; a call's is not refused, but is one of them.
    pub flows_per_subscriber: u32,
    /// Subscribers and rules for which a daily ceiling can be kept.
    pub quotas_max: usize,
    /// The end of some day, in nanoseconds.
    pub day_ends_ns: u64,
}

impl World {
    /// Whether a tunnel of this kind between these is the carrier's own.
    pub fn is_transport(&self, kind: TunnelKind, source: IpAddr, destination: IpAddr) -> bool {
        self.transports.iter().any(|transport| {
            transport.kind == kind
                && contains(&transport.endpoints, source)
                && contains(&transport.endpoints, destination)
        })
    }
}

/// Whether one of the networks holds the address; one of another family never does.
pub fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}
