//! Asking the configured servers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::task::JoinSet;
use tollfree_core::address::Family;

use super::answer::{Outcome, Question};

/// How names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverSettings {
    /// The trusted resolvers, in order of preference.
    pub servers: Vec<SocketAddr>,
    /// How long one server may take for one question, retransmissions and aliases included.
    pub timeout: Duration,
    /// Floor of an answer's lifetime.
    pub min_ttl: Duration,
    /// Cap of an answer's lifetime.
    pub max_ttl: Duration,
    /// How long an address stays in use past its lifetime.
    pub grace: Duration,
    /// Whether answers may hold private addresses.
    pub allow_private: bool,
}

/// Why a resolver cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// There is nobody to ask.
    #[error("no resolver is configured: list at least one address and port under `servers`")]
    NoServers,
    /// The DNS library refused a server.
    #[error("cannot use the resolver {server}: {source}")]
    Server {
        /// The server.
        server: SocketAddr,
        /// Why.
        source: NetError,
    },
}

/// Why no configured server is of use.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Not one gave an answer of any kind.
    #[error(
        "no resolver answers within {timeout:?}: {}; check their addresses and ports, the route to them, and that \
         they serve this gateway over UDP and TCP", tried.join(", ")
    )]
    Silent {
        /// How long each was given.
        timeout: Duration,
        /// Each server, and what became of the query.
        tried: Vec<String>,
    },
}

/// Asks the configured servers, and nothing else: no hosts file, no system configuration, no cache.
#[derive(Clone)]
pub struct Resolver {
    servers: Vec<Server>,
    timeout: Duration,
    /// Place of the server that answered last: while the first is down, not every question waits for it.
    preferred: std::sync::Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Server {
    address: SocketAddr,
    client: TokioResolver,
}

impl Resolver {
    /// A resolver that asks `settings.servers`. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ResolverError`].
    pub fn new(settings: &ResolverSettings) -> Result<Self, ResolverError> {
        if settings.servers.is_empty() {
            return Err(ResolverError::NoServers);
        }
        let servers = settings.servers.iter().map(|server| Server::new(*server, settings.timeout));
        Ok(Self {
            servers: servers.collect::<Result<_, _>>()?,
            timeout: settings.timeout,
            preferred: std::sync::Arc::default(),
        })
    }

    /// Asks one server after the other until one gives addresses or says that there are none.
    pub async fn lookup(&self, question: &Question) -> Outcome {
        let mut name = match Name::from_utf8(&question.name) {
            Ok(name) => name,
            Err(error) => return Outcome::Failed { error: format!("no domain name: {error}") },
        };
        name.set_fqdn(true);
        let record_type = match question.family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let mut errors = Vec::new();
        let preferred = self.preferred.load(Ordering::Relaxed);
        let indices = (0..self.servers.len()).map(|offset| (preferred + offset) % self.servers.len());
        for index in indices {
            let server = &self.servers[index];
            match server.ask(name.clone(), record_type, self.timeout).await {
                Ok(outcome) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return outcome;
                }
                Err(error) => errors.push(format!("{}: {error}", server.address)),
            }
        }
        Outcome::Failed { error: errors.join("; ") }
    }

    /// Whether any server answers at all; an error code is an answer.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Silent`], which names every server that was tried.
    pub async fn probe(&self) -> Result<(), ProbeError> {
        let mut probes: JoinSet<Result<(), String>> = JoinSet::new();
        for server in self.servers.clone() {
            let timeout = self.timeout;
            probes.spawn(async move {
                let answer =
                    tokio::time::timeout(timeout, server.client.lookup(Name::root(), RecordType::NS)).await;
                match answer {
                    Ok(Ok(_) | Err(NetError::Dns(_))) => Ok(()),
                    Ok(Err(error)) => Err(format!("{} ({error})", server.address)),
                    Err(_) => Err(format!("{} (no answer)", server.address)),
                }
            });
        }
        let mut tried = Vec::new();
        while let Some(probe) = probes.join_next().await {
            match probe {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => tried.push(error),
                Err(error) => tried.push(error.to_string()),
            }
        }
        tried.sort();
        Err(ProbeError::Silent { timeout: self.timeout, tried })
    }
}

impl Server {
    fn new(address: SocketAddr, timeout: Duration) -> Result<Self, ResolverError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = address.port();
            connection
        });
        let server = NameServerConfig::new(address.ip(), true, connections.into());
        // One client a server, so that one that fails does not answer for the others.
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        set_options(builder.options_mut(), timeout);
        let client = builder.build().map_err(|source| ResolverError::Server { server: address, source })?;
        Ok(Self { address, client })
    }

    async fn ask(&self, name: Name, record_type: RecordType, timeout: Duration) -> Result<Outcome, String> {
        let lookup = self.client.lookup(name.clone(), record_type);
        match tokio::time::timeout(timeout, lookup).await {
            Ok(Ok(answer)) => Ok(follow(&name, answer.answers())),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => Ok(Outcome::Empty {
                exists: none.response_code != ResponseCode::NXDomain,
                ttl: none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into())),
            }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

fn set_options(options: &mut ResolverOpts, timeout: Duration) {
    options.timeout = timeout;
    options.use_hosts_file = ResolveHosts::Never;
    // The schedule decides when a name is asked for again.
    options.cache_size = 0;
    // Case is one more thing that a forged answer has to guess.
    options.case_randomization = true;
    options.preserve_intermediates = true;
}

/// Takes from an answer what belongs to `name`: its addresses and those at the end of its aliases, in whatever order
/// the records are. Other names' addresses that a server adds are left.
fn follow(name: &Name, records: &[Record]) -> Outcome {
    let mut names = BTreeSet::from([name.to_lowercase()]);
    let mut aliases = Vec::new();
    let mut ttl = u32::MAX;
    let mut owner = name.to_lowercase();
    while let Some((target, seconds)) = alias(&owner, records) {
        // A loop ends where it began.
        if !names.insert(target.clone()) {
            break;
        }
        ttl = ttl.min(seconds);
        aliases.push(target.to_ascii().trim_end_matches('.').to_owned());
        owner = target;
    }
    let mut addresses = Vec::new();
    for record in records.iter().filter(|record| names.contains(&record.name.to_lowercase())) {
        let address: IpAddr = match &record.data {
            RData::A(a) => a.0.into(),
            RData::AAAA(aaaa) => aaaa.0.into(),
            _ => continue,
        };
        ttl = ttl.min(record.ttl);
        addresses.push(address);
    }
    if addresses.is_empty() {
        return Outcome::Empty { exists: true, ttl: None };
    }
    Outcome::Addresses { addresses, ttl: Duration::from_secs(ttl.into()), aliases }
}

fn alias(owner: &Name, records: &[Record]) -> Option<(Name, u32)> {
    records.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *owner => Some((target.0.to_lowercase(), record.ttl)),
        _ => None,
    })
}
