//! `tollfree observe`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use super::fail;
use crate::classify::Tunnels;
use crate::config::defaults::SIP_PORT;
use crate::config::{
    Config, LimitsConfig, NameServer, ResolverConfig, SettingError, SignallingConfig, parse_name_server,
    parse_pool,
};
use crate::diagnostic::Diagnostics;
use crate::exit::Exit;
use crate::memory::MemoryTransports;
use crate::observe::{self, Answering, Limits, Settings, Showing, Side};
use crate::policy;

/// The word for all tunnels, in place of a configuration.
const ALL: &str = "all";

#[derive(Debug, Args)]
pub(super) struct ObserveArguments {
    /// The interface whose frames are counted; those that this machine sends there are not
    #[arg(long, value_name = "INTERFACE")]
    interface: String,
    /// What arrives there: "access" is uplink alone, "core" downlink alone, "mirror" both
    ///
    /// In a mirror, the subscriber's side tells the direction: a packet from a pool is its sender's uplink, also where it
    /// goes to another subscriber, and every other packet is downlink.
    #[arg(long, value_name = "access|core|mirror", default_value = "mirror")]
    role: Side,
    /// A gateway's configuration: its policies, pools, tunnels, proxies, resolvers and limits
    #[arg(
        long,
        value_name = "FILE",
        env = "TOLLFREE_CONFIG",
        required_unless_present_all = ["policy", "subscribers"]
    )]
    config: Option<PathBuf>,
    /// Decide by the policies of this directory, which is read once
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Subscribers' networks, parted by commas
    #[arg(long, value_name = "PREFIXES", value_delimiter = ',', value_parser = pool)]
    subscribers: Vec<IpNet>,
    /// Which tunnels are looked into: "all", or those of a gateway's configuration [default: that of --config, else all]
    #[arg(long, value_name = "all|CONFIG")]
    transport: Option<PathBuf>,
    /// Trusted name servers, parted by commas; without any, names have no addresses, and only networks are listed
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', value_parser = name_server)]
    resolver: Vec<NameServer>,
    /// Write the account every so many seconds, not only at the end
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    duration: Option<u64>,
    /// End after so many frames
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    packets: Option<u64>,
    /// Write JSON, one document a line
    #[arg(long)]
    json: bool,
    /// Answer `tollfree status` and Prometheus where the configuration says, as `tollfree run` does
    #[arg(long, requires = "config")]
    serve: bool,
}

/// How long `--duration` may be, in seconds. Reason: a year, as good as no end.
const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

fn pool(text: &str) -> Result<IpNet, SettingError> {
    parse_pool(text)
}

fn name_server(text: &str) -> Result<NameServer, SettingError> {
    parse_name_server(text)
}

pub(super) fn run(arguments: &ObserveArguments) -> Exit {
    let settings = match settings(arguments) {
        Ok(settings) => settings,
        Err((faults, exit)) => return fail(&faults, exit),
    };
    match observe::run(&settings, &mut io::stdout().lock()) {
        Ok(()) => Exit::Success,
        Err(error) => fail(&error, error.exit()),
    }
}

/// What the command line and the files that it names say together.
fn settings(arguments: &ObserveArguments) -> Result<Settings, (Diagnostics, Exit)> {
    let load = |path: &Path| Config::load(path).map_err(|faults| (faults, Exit::Config));
    let config = arguments.config.as_deref().map(load).transpose()?;
    let config = config.as_ref();
    let tunnels = match arguments.transport.as_deref() {
        Some(path) if path == Path::new(ALL) => Tunnels::All,
        Some(path) => tunnels_of(&load(path)?),
        None => config.map_or(Tunnels::All, tunnels_of),
    };
    // The command line has one of the two: an empty path is never read.
    let directory = arguments.policy.as_deref().or(config.map(|config| config.policy_directory.as_path()));
    let policies =
        policy::load(directory.unwrap_or(Path::new(""))).map_err(|faults| (faults, Exit::Policy))?;
    let mut resolver = config.map_or_else(ResolverConfig::default, |config| config.resolver.clone());
    if !arguments.resolver.is_empty() {
        resolver.servers.clone_from(&arguments.resolver);
    }
    let mut pools = arguments.subscribers.clone();
    if pools.is_empty() {
        pools.extend(config.iter().flat_map(|config| &config.pools));
    }
    let signalling = config.map(|config| config.signalling.clone());
    let (proxies, sip_port) =
        signalling.map_or((Vec::new(), SIP_PORT), |SignallingConfig { proxies, port, .. }| (proxies, port));
    Ok(Settings {
        interface: arguments.interface.clone(),
        side: arguments.role,
        gateway_id: config.map_or_else(String::new, |config| config.gateway.id.clone()),
        region: config.and_then(|config| config.gateway.region.clone()),
        policies,
        pools,
        tunnels,
        proxies,
        sip_port,
        resolver,
        room: config.map_or_else(LimitsConfig::default, |config| config.limits),
        limits: Limits { duration: arguments.duration.map(Duration::from_secs), frames: arguments.packets },
        showing: Showing { every: arguments.every.map(Duration::from_secs), json: arguments.json },
        answering: config.filter(|_| arguments.serve).map(Answering::of),
    })
}

fn tunnels_of(config: &Config) -> Tunnels {
    Tunnels::Listed(MemoryTransports::new(&config.transports))
}
