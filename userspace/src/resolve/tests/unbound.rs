//! A real server: over UDP, TCP and TLS, with and without signatures.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use tempfile::TempDir;

use super::super::answer::ServiceHints;
use super::super::resolver::{Resolver, ResolverError};
use super::zones::{write_certificate, write_plain, write_signed};
use super::*;
use crate::config::NameServer;

/// Serves zones and refuses the rest.
struct Unbound {
    child: Child,
    /// Kept open: a server that cannot log ends.
    log: BufReader<ChildStderr>,
    address: SocketAddr,
    directory: TempDir,
}

impl Drop for Unbound {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to do about it then.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Unbound {
    /// With `zones`: each a name and a file in `directory`. `None` if it is not installed.
    fn start(
        directory: TempDir,
        server: &str,
        zones: &[(&str, &str)],
    ) -> Result<Option<Self>, Box<dyn Error>> {
        let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let config = directory.path().join("unbound.conf");
        fs::write(&config, unbound_config(directory.path(), address, server, zones))?;
        let spawned = Command::new("unbound").arg("-d").arg("-c").arg(&config).stderr(Stdio::piped()).spawn();
        let mut child = match spawned {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: unbound is not installed (apt-get install unbound)");
                return Ok(None);
            }
            spawned => spawned?,
        };
        let log = BufReader::new(child.stderr.take().ok_or("no log")?);
        let mut server = Self { child, log, address, directory };
        let mut seen = String::new();
        while server.log.read_line(&mut seen)? > 0 {
            if seen.contains("start of service") {
                return Ok(Some(server));
            }
        }
        Err(format!("unbound did not start:\n{seen}").into())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }
}

fn unbound_config(directory: &Path, address: SocketAddr, server: &str, zones: &[(&str, &str)]) -> String {
    let (directory, ip, port) = (directory.display(), address.ip(), address.port());
    let zone = |(name, file): &(&str, &str)| {
        format!(
            "auth-zone:\n name: \"{name}\"\n zonefile: \"{file}\"\n for-downstream: yes\n for-upstream: yes\n"
        )
    };
    let zones = zones.iter().map(zone).collect::<Vec<_>>().concat();
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
            {server}
        remote-control:
            control-enable: no
{zones}"#
    )
}

const ONLY_GOV: &str = "local-zone: \".\" refuse\n local-zone: \"gov.example.\" transparent";

#[tokio::test]
async fn a_real_server_is_understood() -> Outcomes {
    let directory = tempfile::tempdir()?;
    write_plain(directory.path())?;
    let Some(server) = Unbound::start(directory, ONLY_GOV, &[("gov.example.", "zone")])? else {
        return Ok(());
    };
    let silent = UdpSocket::bind("127.0.0.1:0")?;
    let servers = vec![silent.local_addr()?.into(), server.address.into()];
    let resolver = Resolver::new(&ResolverSettings { servers, ..settings() })?;
    // The root is refused, which is an answer.
    resolver.probe().await?;

    let ask = async |name: &str, kind| resolver.lookup(&question(name, kind), Dnssec::Off).await;
    assert_eq!(ask("moh.gov.example", Kind::A).await, found(&[1], 300, &[]));
    let v6 = Outcome::Addresses {
        addresses: vec!["2001:db8::1".parse()?],
        ttl: Duration::from_mins(5),
        aliases: Vec::new(),
        security: Security::Unchecked,
    };
    assert_eq!(ask("moh.gov.example", Kind::Aaaa).await, v6);
    let hints = ServiceHints { ech: true, addresses: ["203.0.113.9".parse()?].into(), aliases: Vec::new() };
    let service = Outcome::Service { hints, ttl: Duration::from_secs(90) };
    assert_eq!(ask("moh.gov.example", Kind::Https).await, service);
    let aliases = ["edge.gov.example", "moh.gov.example"];
    assert_eq!(ask("www.gov.example", Kind::A).await, found(&[1], 45, &aliases));
    // The SOA's minimum is 120 s (RFC 2308, section 5).
    let minimum = Some(Duration::from_mins(2));
    let none = Outcome::Empty { exists: true, ttl: minimum };
    assert_eq!(ask("only4.gov.example", Kind::Aaaa).await, none);
    assert_eq!(ask("only4.gov.example", Kind::Https).await, none);
    let absent = Outcome::Empty { exists: false, ttl: minimum };
    assert_eq!(ask("absent.gov.example", Kind::A).await, absent);
    assert!(matches!(
        ask("many.gov.example", Kind::A).await,
        Outcome::Addresses { addresses, .. } if addresses.len() == 100
    ));
    let refused = ask("bank.example", Kind::A).await;
    assert!(matches!(refused, Outcome::Failed { error } if error.contains(&server.address.to_string())));
    Ok(())
}

#[tokio::test]
async fn signatures_are_validated_up_to_the_anchor() -> Outcomes {
    let directory = tempfile::tempdir()?;
    if !write_signed(directory.path())? {
        eprintln!("skipped: ldns is not installed (apt-get install ldnsutils)");
        return Ok(());
    }
    let zones = [(".", "root"), ("unsigned.example.", "unsigned")];
    let Some(server) = Unbound::start(directory, "", &zones)? else { return Ok(()) };
    let settings = ResolverSettings {
        servers: vec![server.address.into()],
        trust_anchor: Some(server.path("anchor")),
        ..settings()
    };
    let resolver = Resolver::new(&settings)?;
    let ask = async |name: &str, dnssec| resolver.lookup(&question(name, Kind::A), dnssec).await;
    for dnssec in [Dnssec::Opportunistic, Dnssec::Required] {
        for (name, expected) in [
            ("signed.example", Security::Secure),
            ("www.example", Security::Secure),
            ("host.unsigned.example", Security::Insecure),
            ("half.example", Security::Insecure),
        ] {
            let outcome = ask(name, dnssec).await;
            assert!(
                matches!(outcome, Outcome::Addresses { security, .. } if security == expected),
                "{name}, {dnssec:?}: {outcome:?}"
            );
        }
        let forged = ask("forged.example", dnssec).await;
        assert!(matches!(forged, Outcome::Bogus { .. }), "{dnssec:?}: {forged:?}");
        let absent = ask("absent.example", dnssec).await;
        assert!(matches!(absent, Outcome::Empty { exists: false, .. }), "{dnssec:?}: {absent:?}");
    }
    assert_eq!(ask("forged.example", Dnssec::Off).await, found(&[66], 300, &[]), "nobody looked");

    // The keys of the real root have not signed any of that.
    let resolver = Resolver::new(&ResolverSettings { trust_anchor: None, ..settings.clone() })?;
    let outcome = resolver.lookup(&question("signed.example", Kind::A), Dnssec::Required).await;
    assert!(matches!(outcome, Outcome::Bogus { .. }), "{outcome:?}");
    let unreadable = ResolverSettings { trust_anchor: Some(server.path("absent")), ..settings };
    assert!(matches!(Resolver::new(&unreadable), Err(ResolverError::TrustAnchor { .. })));
    Ok(())
}

#[tokio::test]
async fn a_server_is_asked_by_tls_only_if_it_is_who_it_should_be() -> Outcomes {
    let directory = tempfile::tempdir()?;
    write_plain(directory.path())?;
    if !write_certificate(directory.path())? {
        eprintln!("skipped: openssl is not installed (apt-get install openssl)");
        return Ok(());
    }
    // All of its sockets at the port are of TLS.
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let tls = format!(
        "{ONLY_GOV}\n interface: 127.0.0.1@{port}\n tls-port: {port}\n tls-service-key: \"key.pem\"\n \
         tls-service-pem: \"cert.pem\""
    );
    let Some(server) = Unbound::start(directory, &tls, &[("gov.example.", "zone")])? else { return Ok(()) };
    let asking = |name: &str, tls_ca| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let servers = vec![NameServer { address, tls_name: Some(name.to_owned()) }];
        ResolverSettings { servers, tls_ca, ..settings() }
    };
    let resolver = Resolver::new(&asking("dns.example", server.path("cert.pem")))?;
    resolver.probe().await?;
    let moh = question("moh.gov.example", Kind::A);
    assert_eq!(resolver.lookup(&moh, Dnssec::Off).await, found(&[1], 300, &[]));
    let many = resolver.lookup(&question("many.gov.example", Kind::A), Dnssec::Off).await;
    assert!(matches!(many, Outcome::Addresses { addresses, .. } if addresses.len() == 100));

    let stranger = Resolver::new(&asking("other.example", server.path("cert.pem")))?;
    let outcome = stranger.lookup(&moh, Dnssec::Off).await;
    assert!(matches!(&outcome, Outcome::Failed { error } if error.contains("tls://")), "{outcome:?}");
    let nobody = Resolver::new(&asking("dns.example", server.path("key.pem")));
    assert!(matches!(nobody, Err(ResolverError::Authorities { .. })), "a key is no certificate");
    let absent = Resolver::new(&asking("dns.example", server.path("absent")));
    assert!(matches!(absent, Err(ResolverError::Authorities { .. })));
    Ok(())
}
