//! Asking the configured servers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::task::JoinSet;

use super::answer::{Answered, Kind, Outcome, Question};
use super::dnssec::Dnssec;
use super::server::{Server, Trust};
use super::settings::ResolverSettings;
use crate::config::NameServer;

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
        server: NameServer,
        /// Why.
        source: Box<NetError>,
    },
    /// The file of authorities cannot be read.
    #[error("cannot read the certificates in {path}: {reason}; check `tls_ca`", path = path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file of trusted keys cannot be read.
    #[error("cannot read the DNSKEY records in {path}: {reason}; check `trust_anchor`", path = path.display())]
    TrustAnchor {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Why no configured server is of use.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Not one gave an answer of any kind.
    #[error(
        "no resolver answers within {timeout:?}: {}; check their addresses and ports, the route to them, and \
         that they serve this gateway over UDP and TCP",
        tried.join(", ")
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
    preferred: Arc<AtomicUsize>,
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
        let trust = Trust::load(settings)?;
        let servers = settings.servers.iter().map(|server| Server::new(server, &trust, settings.timeout));
        Ok(Self {
            servers: servers.collect::<Result<_, _>>()?,
            timeout: settings.timeout,
            preferred: Arc::default(),
        })
    }

    /// Asks one server after the other until one gives what is asked for or says that there is none. With `dnssec`,
    /// answers are validated; whether what came of it suffices is for the caller to say, but a bogus answer is none.
    pub async fn ask(&self, question: &Question, dnssec: Dnssec) -> Answered {
        let mut name = match Name::from_utf8(&question.name) {
            Ok(name) => name,
            Err(error) => return Outcome::Failed { error: format!("no domain name: {error}") }.into(),
        };
        name.set_fqdn(true);
        let record_type = match question.kind {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Https => RecordType::HTTPS,
        };
        let mut errors = Vec::new();
        let mut is_bogus = false;
        let preferred = self.preferred.load(Ordering::Relaxed);
        let indices = (0..self.servers.len()).map(|offset| (preferred + offset) % self.servers.len());
        for index in indices {
            let server = &self.servers[index];
            match server.ask(&name, record_type, dnssec, self.timeout).await {
                Ok(outcome) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Answered { outcome, resolver: Some(server.name().address.ip()) };
                }
                Err(unusable) => {
                    is_bogus |= unusable.is_bogus;
                    errors.push(format!("{}: {}", server.name(), unusable.error));
                }
            }
        }
        let error = errors.join("; ");
        if is_bogus { Outcome::Bogus { error }.into() } else { Outcome::Failed { error }.into() }
    }

    /// What [`Resolver::ask`] gives, whoever answered.
    pub async fn lookup(&self, question: &Question, dnssec: Dnssec) -> Outcome {
        self.ask(question, dnssec).await.outcome
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
            probes.spawn(async move { server.probe(timeout).await });
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
