//! How this gateway runs: `gateway.toml`.
//!
//! [`Config::load`] reads and checks the whole file, and tells every fault in it. A [`Config`] holds only
//! what was checked; what the file leaves out has the value of a constant in [`defaults`].

pub mod defaults;
mod fault;
mod identity;
mod name_server;
mod pool;
mod read;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use tollfree_core::interface::Role;
use tollfree_core::limits::{
    COUNTERS_DEFAULT, FLOWS_DEFAULT, FLOWS_PER_SUBSCRIBER_DEFAULT, PENDING_DEFAULT, QUOTAS_DEFAULT,
};
use tollfree_core::plan::RuleClass;
use tollfree_core::settings::{Settings, Tag};

use crate::config::fault::ConfigFault;
pub use crate::config::name_server::NameServer;
use crate::diagnostic::{Diagnostics, Explain as _};
use crate::document::file;
use crate::policy::DomainName;
use crate::resolve::Dnssec;

/// A gateway's checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who it is, and where it keeps what it knows.
    pub gateway: GatewayConfig,
    /// The directory of the policies.
    pub policy_directory: PathBuf,
    /// Interfaces that are counted; at least one, at most [`tollfree_core::limits::INTERFACES_MAX`], names
    /// unique.
    pub interfaces: Vec<InterfaceConfig>,
    /// Subscribers' addresses; at least one, host bits zero, no overlaps, IPv6 at most /64 long and not in
    /// `::/8`.
    pub pools: Vec<IpNet>,
    /// How names are resolved.
    pub resolver: ResolverConfig,
    /// Ends of the carrier's own tunnels, each with the kinds that end there, as
    /// [`TunnelKind::bit`](tollfree_core::packet::tunnel::TunnelKind::bit)s.
    pub transports: BTreeMap<IpNet, u32>,
    /// Whose signalling is followed; no proxies if it is not configured.
    pub signalling: SignallingConfig,
    /// How traffic is tagged, by [`RuleClass`].
    pub tags: [Tag; RuleClass::COUNT],
    /// Which headers of a tunnelled packet carry the code point: [`Settings::INNER`](tollfree_core::settings::Settings),
    /// `OUTER` or both.
    pub dscp_at: u32,
    /// Who subscribers are.
    pub identity: IdentityConfig,
    /// How counters become records.
    pub ledger: LedgerConfig,
    /// Where records go.
    pub export: ExportConfig,
    /// Where free numbers and calls are served over the network.
    pub api: ApiConfig,
    /// The carrier's domain, in the audit log's name for ever: `domain/gateway id`.
    pub audit_domain: Option<DomainName>,
    /// How much room the kernel gets.
    pub limits: LimitsConfig,
}

/// `[gateway]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// On every record; `[a-z0-9-]{1,63}`.
    pub id: String,
    /// Policies may be for some regions only; `[a-z0-9-]{1,63}`.
    pub region: Option<String>,
    /// Ledger, audit log and key; absolute.
    pub state_dir: PathBuf,
    /// API socket and lock; absolute.
    pub run_dir: PathBuf,
    /// A directory on a BPF file system; absolute.
    pub bpffs: PathBuf,
}

/// One `[[interface]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// As the kernel calls it.
    pub name: String,
    /// Which way the traffic that arrives there goes.
    pub role: Role,
}

/// `[resolver]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverConfig {
    /// Servers that are trusted; none if no policy has domains.
    pub servers: Vec<NameServer>,
    /// Resolvers that subscribers ask, and whose answers to them are learned from.
    pub trusted: Vec<IpAddr>,
    /// PEM file of the authorities that may sign for servers that are asked by TLS; absolute.
    pub tls_ca: PathBuf,
    /// How long one query may take.
    pub timeout: Duration,
    /// Shorter times to live are taken for this one.
    pub min_ttl: Duration,
    /// Longer times to live are taken for this one; not shorter than `min_ttl`.
    pub max_ttl: Duration,
    /// How long an address stays past its time to live.
    pub grace: Duration,
    /// How long an address stays past its time to live while no server gives an answer.
    pub stale: Duration,
    /// Questions a second, at most.
    pub rate: u32,
    /// What is asked of the signatures of names whose sites do not say.
    pub dnssec: Dnssec,
    /// File of DNSKEY records that are trusted; absolute; `None`: the keys of the root.
    pub trust_anchor: Option<PathBuf>,
}

/// `[signalling]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignallingConfig {
    /// Whose SIP is followed.
    pub proxies: Vec<IpAddr>,
    /// Domains that the proxies serve themselves: a number at another domain may reach anybody. A number at a proxy's
    /// own address, and one with no domain, need no mention.
    pub domains: Vec<DomainName>,
    /// Their UDP port.
    pub port: u16,
}

impl SignallingConfig {
    /// Whether a number at `domain` (host of a `sip:` URI, or `phone-context`) is one of this network's.
    pub fn serves(&self, domain: &str) -> bool {
        let literal = domain.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            Ok(address) => self.proxies.contains(&address),
            Err(_) => domain.parse::<DomainName>().is_ok_and(|domain| self.domains.contains(&domain)),
        }
    }
}

/// `[identity]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityConfig {
    /// The file of addresses that do not change hands; absolute.
    pub file: Option<PathBuf>,
    /// `[identity.radius]`: how access servers tell of sessions.
    pub radius: Option<RadiusConfig>,
}

/// `[identity.radius]` and `[[identity.radius_client]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusConfig {
    /// Where Accounting-Requests arrive; at least one, at most [`defaults::RADIUS_LISTEN_MAX`].
    pub listen: Vec<SocketAddr>,
    /// How long a session may be silent before it is taken for dead.
    pub session_timeout: Duration,
    /// Who may send them; at least one, at most [`defaults::RADIUS_CLIENTS_MAX`], networks unique.
    pub clients: Vec<RadiusClientConfig>,
}

/// One `[[identity.radius_client]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusClientConfig {
    /// Where its requests come from.
    pub address: IpNet,
    /// The file of the secret that it shares with this gateway; absolute.
    pub secret_file: PathBuf,
}

/// `[ledger]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// From one closing of the accounts to the next.
    pub interval: Duration,
}

/// `[export]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportConfig {
    /// `[export.csv]`: the directory that files are put into; absolute.
    pub csv_directory: Option<PathBuf>,
    /// `[export.prometheus]`: where metrics are served.
    pub prometheus_listen: Option<SocketAddr>,
}

/// `[api]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiConfig {
    /// Where it is served; `None`: on the controller's own socket alone.
    pub listen: Option<SocketAddr>,
    /// The file of the token that whoever asks or tells of calls must have; absolute; `None`: nobody may.
    pub token_file: Option<PathBuf>,
}

/// `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Entries of one counter bank.
    pub counters: u32,
    /// Flows to candidate addresses.
    pub flows: u32,
    /// Flows to candidate addresses that one subscriber may have.
    pub flows_per_subscriber: u32,
    /// Entries of one bank of flows that await evidence.
    pub pending: u32,
    /// Subscribers and rules with a daily ceiling.
    pub quotas: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            counters: COUNTERS_DEFAULT,
            flows: FLOWS_DEFAULT,
            flows_per_subscriber: FLOWS_PER_SUBSCRIBER_DEFAULT,
            pending: PENDING_DEFAULT,
            quotas: QUOTAS_DEFAULT,
        }
    }
}

/// Text that names no subscriber pool, or no name server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {message}; {help}")]
pub struct SettingError {
    /// What could not be read.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl SettingError {
    fn of(text: &str) -> impl Fn(ConfigFault) -> Self + '_ {
        |fault| Self { text: text.into(), message: fault.to_string(), help: fault.help().into_owned() }
    }
}

/// One of `subscribers.pools`, as the command line has it.
///
/// # Errors
/// [`SettingError`], as of the file.
pub fn parse_pool(text: &str) -> Result<IpNet, SettingError> {
    pool::pool(text).map_err(SettingError::of(text))
}

/// One of `resolver.servers`, as the command line has it.
///
/// # Errors
/// [`SettingError`], as of the file.
pub fn parse_name_server(text: &str) -> Result<NameServer, SettingError> {
    name_server::name_server(text).map_err(SettingError::of(text))
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            servers: Vec::new(),
            tls_ca: defaults::TLS_CA.into(),
            timeout: defaults::RESOLVER_TIMEOUT,
            min_ttl: defaults::MIN_TTL,
            max_ttl: defaults::MAX_TTL,
            grace: defaults::GRACE,
            stale: defaults::STALE,
            rate: defaults::RESOLVER_RATE,
            dnssec: Dnssec::Off,
            trust_anchor: None,
        }
    }
}

impl Config {
    /// What the program of an interface of `role`, in `slot`, is told.
    pub fn settings(&self, slot: u32, role: Role) -> Settings {
        Settings {
            interface_slot: slot,
            role: role as u32,
            sip_port: u32::from(self.signalling.port),
            dscp_at: self.dscp_at,
            flows_per_subscriber: self.limits.flows_per_subscriber,
            tags: self.tags,
        }
    }

    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// All faults of the file.
    pub fn load(path: &Path) -> Result<Self, Diagnostics> {
        let octets = file::read(path).map_err(|fault| Diagnostics::new(vec![fault]))?;
        Self::parse(&path.to_string_lossy(), &octets)
    }

    /// Checks the content of a file; faults are told as being in `file`.
    ///
    /// # Errors
    ///
    /// All faults of the content.
    pub fn parse(file: &str, octets: &[u8]) -> Result<Self, Diagnostics> {
        read::read(file, octets).map_err(Diagnostics::new)
    }
}
