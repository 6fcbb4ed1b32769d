//! Asking the configured servers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig as ClientConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::task::JoinSet;
use tollfree_core::address::Family;

use super::answer::{Outcome, Question};
use crate::config::ResolverConfig;

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

impl From<&ResolverConfig> for ResolverSettings {
    fn from(config: &ResolverConfig) -> Self {
        Self {
            servers: config.servers.clone(),
            timeout: config.timeout,
            min_ttl: config.min_ttl,
            max_ttl: config.max_ttl,
            grace: config.grace,
            // Sites on private addresses are listed by network: an answer must not lead there.
            allow_private: false,
        }
    }
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
        let config = ClientConfig::from_parts(None, Vec::new(), vec![server]);
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

/// Takes from an answer what belongs to `name`: its addresses and those at the end of its aliases, in
/// whatever order the records are. Other names' addresses that a server adds are left.
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

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt::Write as _;
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::net::UdpSocket;
    use std::process::{Child, ChildStderr, Command, Stdio};

    use hickory_resolver::proto::rr::rdata::{A, CNAME};
    use tempfile::TempDir;

    use super::*;

    type Outcomes = Result<(), Box<dyn Error>>;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    fn cname(owner: &str, ttl: u32, target: &str) -> Record {
        Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
    }

    fn a(owner: &str, ttl: u32, last: u8) -> Record {
        Record::from_rdata(name(owner), ttl, RData::A(A::new(203, 0, 113, last)))
    }

    fn found(last: &[u8], ttl: u64, aliases: &[&str]) -> Outcome {
        Outcome::Addresses {
            addresses: last.iter().map(|last| [203, 0, 113, *last].into()).collect(),
            ttl: Duration::from_secs(ttl),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_belongs_to_the_name_is_taken() {
        let none = Outcome::Empty { exists: true, ttl: None };
        for (records, expected) in [
            (vec![a("moh.example.", 300, 1), a("moh.example.", 200, 2)], found(&[1, 2], 200, &[])),
            (vec![a("MOH.Example.", 300, 1)], found(&[1], 300, &[])),
            // A chain in the wrong order; the alias lives shortest.
            (
                vec![
                    a("c.example.", 300, 3),
                    cname("b.example.", 60, "c.example."),
                    cname("moh.example.", 90, "B.example."),
                ],
                found(&[3], 60, &["b.example", "c.example"]),
            ),
            // An address that nobody asked for.
            (vec![a("moh.example.", 300, 1), a("bank.example.", 5, 9)], found(&[1], 300, &[])),
            (vec![a("bank.example.", 5, 9)], none.clone()),
            (vec![cname("moh.example.", 90, "b.example.")], none.clone()),
            (vec![cname("moh.example.", 90, "b.example."), cname("b.example.", 90, "moh.example.")], none),
        ] {
            assert_eq!(follow(&name("moh.example."), &records), expected, "{records:?}");
        }
    }

    fn settings(servers: Vec<SocketAddr>, timeout: Duration) -> ResolverSettings {
        ResolverSettings {
            servers,
            timeout,
            min_ttl: Duration::from_secs(30),
            max_ttl: Duration::from_hours(1),
            grace: Duration::from_mins(10),
            allow_private: false,
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_named() -> Outcomes {
        assert!(matches!(
            Resolver::new(&settings(Vec::new(), Duration::ZERO)),
            Err(ResolverError::NoServers)
        ));
        let silent = UdpSocket::bind("127.0.0.1:0")?;
        let server = silent.local_addr()?;
        let resolver = Resolver::new(&settings(vec![server], Duration::from_millis(200)))?;
        let error = resolver.probe().await.expect_err("nobody answers").to_string();
        assert!(error.contains(&server.to_string()) && error.contains("check their addresses"), "{error}");
        let question = Question { name: "moh.example".into(), family: Family::V4 };
        let outcome = resolver.lookup(&question).await;
        assert!(matches!(outcome, Outcome::Failed { error } if error.contains(&server.to_string())));
        Ok(())
    }

    #[tokio::test]
    async fn what_is_no_name_is_not_asked() -> Outcomes {
        let nobody = "127.0.0.1:1".parse()?;
        let resolver = Resolver::new(&settings(vec![nobody], Duration::from_secs(1)))?;
        for name in ["a..example", &"a".repeat(64), &"a.".repeat(128)] {
            let outcome = resolver.lookup(&Question { name: name.into(), family: Family::V4 }).await;
            assert!(
                matches!(outcome, Outcome::Failed { error } if error.contains("no domain name")),
                "{name}"
            );
        }
        Ok(())
    }

    /// A real DNS server that serves one zone and refuses the rest.
    struct Unbound {
        child: Child,
        /// Kept open: a server that cannot log ends.
        log: BufReader<ChildStderr>,
        address: SocketAddr,
        _directory: TempDir,
    }

    impl Drop for Unbound {
        fn drop(&mut self) {
            // It may have ended already; there is nothing to do about it then.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }

    impl Unbound {
        /// `None` if it is not installed.
        fn start() -> Result<Option<Self>, Box<dyn Error>> {
            let directory = tempfile::tempdir()?;
            let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
            fs::write(directory.path().join("zone"), zone()?)?;
            let config = directory.path().join("unbound.conf");
            fs::write(&config, unbound_config(directory.path(), address))?;
            let spawned =
                Command::new("unbound").arg("-d").arg("-c").arg(&config).stderr(Stdio::piped()).spawn();
            let mut child = match spawned {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                spawned => spawned?,
            };
            let log = BufReader::new(child.stderr.take().ok_or("no log")?);
            let mut server = Self { child, log, address, _directory: directory };
            let mut seen = String::new();
            while server.log.read_line(&mut seen)? > 0 {
                if seen.contains("start of service") {
                    return Ok(Some(server));
                }
            }
            Err(format!("unbound did not start:\n{seen}").into())
        }
    }

    fn unbound_config(directory: &std::path::Path, address: SocketAddr) -> String {
        let (directory, ip, port) = (directory.display(), address.ip(), address.port());
        format!(
            r#"
            server:
                directory: "{directory}"
                chroot: ""
                username: ""
                pidfile: ""
                use-syslog: no
                logfile: ""
                do-daemonize: no
                interface: {ip}@{port}
                module-config: "iterator"
                local-zone: "." refuse
                local-zone: "gov.example." transparent
            remote-control:
                control-enable: no
            auth-zone:
                name: "gov.example."
                zonefile: "zone"
                for-downstream: yes
                for-upstream: yes
            "#
        )
    }

    fn zone() -> Result<String, std::fmt::Error> {
        let mut zone = "$ORIGIN gov.example.\n\
             @ 3600 IN SOA ns.gov.example. root.gov.example. 1 3600 600 86400 120\n\
             @ 3600 IN NS ns.gov.example.\n\
             ns 3600 IN A 203.0.113.53\n\
             moh 300 IN A 203.0.113.1\n\
             moh 300 IN AAAA 2001:db8::1\n\
             www 60 IN CNAME edge\n\
             edge 45 IN CNAME moh\n\
             only4 200 IN A 203.0.113.4\n"
            .to_owned();
        // 100 records do not fit into a datagram of 1232 octets: the answer is cut, and comes over TCP.
        for last in 1..=100 {
            writeln!(zone, "many 300 IN A 198.51.100.{last}")?;
        }
        Ok(zone)
    }

    #[tokio::test]
    async fn a_real_server_is_understood() -> Outcomes {
        let Some(server) = Unbound::start()? else {
            eprintln!("skipped: unbound is not installed (apt-get install unbound)");
            return Ok(());
        };
        let silent = UdpSocket::bind("127.0.0.1:0")?;
        let servers = vec![silent.local_addr()?, server.address];
        let resolver = Resolver::new(&settings(servers, Duration::from_secs(2)))?;
        // The root is refused, which is an answer.
        resolver.probe().await?;

        let ask = async |name: &str, family| resolver.lookup(&Question { name: name.into(), family }).await;
        assert_eq!(ask("moh.gov.example", Family::V4).await, found(&[1], 300, &[]));
        let v6 = Outcome::Addresses {
            addresses: vec!["2001:db8::1".parse()?],
            ttl: Duration::from_mins(5),
            aliases: Vec::new(),
        };
        assert_eq!(ask("moh.gov.example", Family::V6).await, v6);
        let aliases = ["edge.gov.example", "moh.gov.example"];
        assert_eq!(ask("www.gov.example", Family::V4).await, found(&[1], 45, &aliases));
        // The SOA's minimum is 120 s (RFC 2308, section 5).
        let minimum = Some(Duration::from_mins(2));
        assert_eq!(ask("only4.gov.example", Family::V6).await, Outcome::Empty { exists: true, ttl: minimum });
        assert_eq!(
            ask("absent.gov.example", Family::V4).await,
            Outcome::Empty { exists: false, ttl: minimum }
        );
        assert!(matches!(
            ask("many.gov.example", Family::V4).await,
            Outcome::Addresses { addresses, .. } if addresses.len() == 100
        ));
        let refused = ask("bank.example", Family::V4).await;
        assert!(matches!(refused, Outcome::Failed { error } if error.contains(&server.address.to_string())));
        Ok(())
    }
}
