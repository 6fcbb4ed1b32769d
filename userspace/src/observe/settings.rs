//! What is observed, and what of it is told.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::side::Side;
use crate::classify::Tunnels;
use crate::config::{Config, LimitsConfig, ResolverConfig};
use crate::policy::PolicySet;

/// What is observed, for whom, and by which policies.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As the kernel calls it.
    pub interface: String,
    /// What arrives there.
    pub side: Side,
    /// The gateway that policies may be for; empty: only policies for all gateways are in force.
    pub gateway_id: String,
    /// The region that policies may be for.
    pub region: Option<String>,
    /// What decides, as it was read.
    pub policies: PolicySet,
    /// Subscribers' addresses; as in [`Config::pools`].
    pub pools: Vec<IpNet>,
    /// Which tunnels are looked into.
    pub tunnels: Tunnels,
    /// Signalling proxies.
    pub proxies: Vec<IpAddr>,
    /// Their UDP port.
    pub sip_port: u16,
    /// How names are resolved; without servers, names have no addresses.
    pub resolver: ResolverConfig,
    /// How much room the account has.
    pub room: LimitsConfig,
    /// When it ends by itself.
    pub limits: Limits,
    /// How the account is written.
    pub showing: Showing,
    /// Where it is answered, too.
    pub answering: Option<Answering>,
}

/// When observing ends by itself: at whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// After so long.
    pub duration: Option<Duration>,
    /// After so many frames.
    pub frames: Option<u64>,
}

/// How the account is written; always at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Showing {
    /// So often before.
    pub every: Option<Duration>,
    /// One JSON document a line, in place of a table.
    pub json: bool,
}

/// Where the account is answered as the controller answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// Directory of socket and lock.
    pub run_dir: PathBuf,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
}

impl Answering {
    /// As a gateway's configuration has it.
    pub fn of(config: &Config) -> Self {
        Self { run_dir: config.gateway.run_dir.clone(), metrics: config.export.prometheus_listen }
    }
}
