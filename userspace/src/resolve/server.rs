//! One configured server.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig as ClientConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::answer::{Outcome, ServiceHints};
use super::dnssec::Dnssec;
use super::records::{alias, read_answer, service_alias, written};
use super::resolver::ResolverError;
use super::settings::ResolverSettings;
use crate::config::NameServer;

/// Aliases that are followed one after the other. Reason: as many as the DNS library follows.
const ALIASES_MAX: usize = 8;

/// Whom to believe.
pub(super) struct Trust {
    tls: rustls::ClientConfig,
    anchors: Arc<TrustAnchors>,
}

impl Trust {
    /// Reads the files of `settings`.
    pub(super) fn load(settings: &ResolverSettings) -> Result<Self, ResolverError> {
        let unreadable = |reason| ResolverError::Authorities { path: settings.tls_ca.clone(), reason };
        let mut roots = RootCertStore::empty();
        if settings.servers.iter().any(|server| server.tls_name.is_some()) {
            let certificates = CertificateDer::pem_file_iter(&settings.tls_ca)
                .map_err(|error| unreadable(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                // A system's bundle may hold some of an old form, which nobody needs.
                drop(roots.add(certificate));
            }
            if roots.is_empty() {
                return Err(unreadable("there is none of an authority".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unreadable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let anchors = match &settings.trust_anchor {
            None => TrustAnchors::default(),
            Some(path) => TrustAnchors::from_file(path).map_err(|error| ResolverError::TrustAnchor {
                path: path.clone(),
                reason: error.to_string(),
            })?,
        };
        Ok(Self { tls, anchors: Arc::new(anchors) })
    }
}

/// Why a server's answer is of no use.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) error: String,
    /// It was an answer, but a forged one.
    pub(super) is_bogus: bool,
}

impl Unusable {
    fn failed(error: &impl ToString) -> Self {
        Self { error: error.to_string(), is_bogus: false }
    }
}

#[derive(Clone)]
pub(super) struct Server {
    listed: NameServer,
    plain: TokioResolver,
    validating: TokioResolver,
}

impl Server {
    pub(super) fn new(server: &NameServer, trust: &Trust, timeout: Duration) -> Result<Self, ResolverError> {
        let client = |anchors| {
            client(server, trust, anchors, timeout)
                .map_err(|source| ResolverError::Server { server: server.clone(), source: Box::new(source) })
        };
        Ok(Self {
            listed: server.clone(),
            plain: client(None)?,
            validating: client(Some(Arc::clone(&trust.anchors)))?,
        })
    }

    pub(super) const fn name(&self) -> &NameServer {
        &self.listed
    }

    /// Whether it gives an answer of any kind.
    pub(super) async fn probe(&self, timeout: Duration) -> Result<(), String> {
        match tokio::time::timeout(timeout, self.plain.lookup(Name::root(), RecordType::NS)).await {
            Ok(Ok(_) | Err(NetError::Dns(_))) => Ok(()),
            Ok(Err(error)) => Err(format!("{} ({error})", self.listed)),
            Err(_) => Err(format!("{} (no answer)", self.listed)),
        }
    }

    /// Asks for `name`, and waits no longer than `timeout`.
    pub(super) async fn ask(
        &self,
        name: &Name,
        record_type: RecordType,
        dnssec: Dnssec,
        timeout: Duration,
    ) -> Result<Outcome, Unusable> {
        let client = if dnssec == Dnssec::Off { &self.plain } else { &self.validating };
        let asked = async {
            if record_type == RecordType::HTTPS {
                ask_service(client, name).await
            } else {
                ask(client, name, record_type, dnssec != Dnssec::Off).await
            }
        };
        tokio::time::timeout(timeout, asked).await.map_err(|_| Unusable::failed(&"no answer in time"))?
    }
}

/// Asks for HTTPS records, and follows those in `AliasMode` (RFC 9460, section 3): a client would connect there, so what
/// that service says of itself is what counts.
async fn ask_service(client: &TokioResolver, name: &Name) -> Result<Outcome, Unusable> {
    let mut chain = vec![name.to_lowercase()];
    let mut shortest = Duration::MAX;
    while let Some(owner) = chain.last().filter(|_| chain.len() <= ALIASES_MAX) {
        let answer = match client.lookup(owner.clone(), RecordType::HTTPS).await {
            Ok(answer) => answer,
            // What an alias leads to need not have such records.
            Err(NetError::Dns(_)) if chain.len() > 1 => {
                return Ok(service_of(&chain, ServiceHints::default(), shortest));
            }
            Err(error) => return absent(client, name, error).await,
        };
        let Some((target, ttl)) = service_alias(owner, answer.answers()) else {
            return Ok(match read_answer(owner, answer.answers(), false) {
                Outcome::Service { hints, ttl } => service_of(&chain, hints, shortest.min(ttl)),
                outcome => outcome,
            });
        };
        shortest = shortest.min(ttl);
        // The root says that there is no such service (RFC 9460, section 2.5.1).
        if target.is_root() {
            return Ok(service_of(&chain, ServiceHints::default(), shortest));
        }
        let is_circle = chain.contains(&target);
        chain.push(target);
        if is_circle {
            break;
        }
    }
    let chain: Vec<String> = chain.iter().map(written).collect();
    Err(Unusable::failed(&format!("the aliases of the service do not end: {}", chain.join(" → "))))
}

fn service_of(chain: &[Name], hints: ServiceHints, ttl: Duration) -> Outcome {
    let aliases = chain.iter().skip(1).map(written).collect();
    Outcome::Service { hints: ServiceHints { aliases, ..hints }, ttl }
}

async fn ask(
    client: &TokioResolver,
    name: &Name,
    record_type: RecordType,
    is_validated: bool,
) -> Result<Outcome, Unusable> {
    match client.lookup(name.clone(), record_type).await {
        Ok(answer) => Ok(read_answer(name, answer.answers(), is_validated)),
        Err(error) => absent(client, name, error).await,
    }
}

/// What it means that there is no answer.
async fn absent(client: &TokioResolver, name: &Name, error: NetError) -> Result<Outcome, Unusable> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let exists = none.response_code != ResponseCode::NXDomain;
            // What is not there is answered with an SOA (RFC 2308, section 2); without, aliases may lead nowhere.
            if exists && none.soa.is_none() {
                check_aliases(client, name).await?;
            }
            Ok(Outcome::Empty { exists, ttl: negative_ttl(&none) })
        }
        // It could not be proven that there is none; nothing becomes free by that.
        NetError::Dns(DnsError::Nsec { response, .. }) => {
            Ok(Outcome::Empty { exists: response.response_code != ResponseCode::NXDomain, ttl: None })
        }
        NetError::Dns(DnsError::DnssecBogus) => {
            Err(Unusable { error: "the answer's signatures are bogus".to_owned(), is_bogus: true })
        }
        error => Err(Unusable::failed(&error)),
    }
}

fn negative_ttl(none: &NoRecords) -> Option<Duration> {
    none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()))
}

/// Whether the aliases of `name` come to an end.
async fn check_aliases(client: &TokioResolver, name: &Name) -> Result<(), Unusable> {
    let mut chain = vec![name.to_lowercase()];
    while let Some(owner) = chain.last() {
        // What cannot be asked is no circle; the first answer counts.
        let Ok(answer) = client.lookup(owner.clone(), RecordType::CNAME).await else { return Ok(()) };
        let Some((target, _)) = alias(owner, answer.answers()) else { return Ok(()) };
        let is_circle = chain.contains(&target);
        chain.push(target);
        if is_circle || chain.len() > ALIASES_MAX {
            let chain: Vec<String> = chain.iter().map(written).collect();
            let what = if is_circle { "lead in a circle" } else { "are too many" };
            return Err(Unusable::failed(&format!("the aliases {what}: {}", chain.join(" → "))));
        }
    }
    Ok(())
}

fn client(
    server: &NameServer,
    trust: &Trust,
    anchors: Option<Arc<TrustAnchors>>,
    timeout: Duration,
) -> Result<TokioResolver, NetError> {
    let mut connections = match &server.tls_name {
        Some(name) => vec![ConnectionConfig::tls(name.as_str().into())],
        None => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
    };
    for connection in &mut connections {
        connection.port = server.address.port();
    }
    let servers = vec![NameServerConfig::new(server.address.ip(), true, connections)];
    // One client a server, so that one that fails does not answer for the others.
    let config = ClientConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_tls_config(trust.tls.clone());
    set_options(builder.options_mut(), timeout);
    if let Some(anchors) = anchors {
        builder = builder.with_trust_anchor(anchors);
    }
    builder.build()
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
