//! unbound, as a resolver: it knows some names, and nothing else exists.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::address::{
    self, ENCRYPTING_WILD, FOREIGN_RESOLVER, Family, HOSTED, OPEN_SITE, RESOLVER, SITES, STRANGER_NAME,
    WILD_NAMES, stranger_address,
};
use crate::command;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::signed_zone;
use crate::wait;

/// unbound listens after its root hints are read.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Of the lab's records, in seconds: no name is asked for again while something is measured.
const TTL_SECONDS: u32 = 3600;

/// A list of one configuration, in base64 (RFC 9849, section 4): version fe0d, cut to what resolvers look at.
const ECH_CONFIG_LIST: &str = "AEX+DQBBAAAgACAAAAA=";

/// What a resolver knows.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The program's name in its log.
    name: &'static str,
    /// Where it listens, on port 53.
    addresses: Vec<IpAddr>,
    /// Each name with an address. Never empty.
    records: Vec<(String, IpAddr)>,
    /// What else exists is in the [signed root](signed_zone); else nothing does.
    has_root: bool,
    /// Names that publish keys for Encrypted Client Hellos.
    encrypting: Vec<String>,
}

impl Zone {
    /// What the carrier's resolver knows: the lab's sites, and names below the free one's.
    pub fn carrier() -> Self {
        let sites = SITES
            .iter()
            .chain(&HOSTED)
            .flat_map(|site| Family::ALL.map(|family| (site.name.to_owned(), site.address(family))));
        let stranger = Family::ALL.map(|family| (STRANGER_NAME.to_owned(), stranger_address(family)));
        let open = (OPEN_SITE.0.to_owned(), OPEN_SITE.1.into());
        let records = sites.chain((0..WILD_NAMES).map(address::wild)).chain(stranger).chain([open]).collect();
        let encrypting = vec![address::wild(ENCRYPTING_WILD).0];
        Self { name: "unbound", addresses: RESOLVER.to_vec(), records, has_root: true, encrypting }
    }

    /// What an attacker's resolver says: that this name has this address.
    pub fn foreign(name: String, address: IpAddr) -> Self {
        Self {
            name: "unbound-foreign",
            addresses: vec![FOREIGN_RESOLVER],
            records: vec![(name, address)],
            has_root: false,
            encrypting: Vec::new(),
        }
    }
}

/// A running resolver.
#[derive(Debug)]
pub struct NameServer {
    process: Process,
}

impl NameServer {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// If unbound does not start, or ldns is not installed.
    pub fn start(internet: &Namespace, directory: &Path, zone: &Zone) -> Result<Self> {
        let file = directory.join(format!("{}.conf", zone.name));
        if zone.has_root {
            signed_zone::write(directory)?;
        }
        fs::write(&file, configuration(zone, directory))?;
        let mut process =
            Process::start(zone.name, internet.command("unbound").args(["-d", "-c"]).arg(&file), directory)?;
        let (server, (name, address)) = (zone.addresses[0], &zone.records[0]);
        wait::until("unbound", START_LIMIT, || {
            process.expect_running()?;
            let mut dig = internet.command("dig");
            dig.args(["+short", "+tries=1", "+timeout=1", &format!("@{server}"), name, kind(address)]);
            let answer = command::output(&mut dig, "", command::QUICK)?;
            Ok((answer.stdout.trim() == address.to_string()).then_some(()))
        })?;
        Ok(Self { process })
    }

    /// Lets it answer nothing, until [`NameServer::go_on`].
    ///
    /// # Errors
    /// If it does not stop.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// Lets it answer again, also what was asked meanwhile.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn go_on(&mut self) -> Result<()> {
        self.process.go_on()
    }
}

const fn kind(address: &IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "A",
        IpAddr::V6(_) => "AAAA",
    }
}

fn configuration(zone: &Zone, directory: &Path) -> String {
    let mut lines = vec!["server:".to_owned()];
    lines.extend(zone.addresses.iter().map(|address| format!("interface: {address}")));
    lines.extend(
        [
            "access-control: 0.0.0.0/0 allow",
            "access-control: ::/0 allow",
            "chroot: \"\"",
            "username: \"\"",
            "pidfile: \"\"",
            "use-syslog: no",
            "do-daemonize: no",
            "num-threads: 1",
            "module-config: \"iterator\"",
            "local-zone: \"example.vn.\" static",
            "local-zone: \"stranger.example.\" static",
        ]
        .map(str::to_owned),
    );
    for (name, address) in &zone.records {
        lines.push(format!("local-data: \"{name}. {TTL_SECONDS} IN {} {address}\"", kind(address)));
    }
    for name in &zone.encrypting {
        lines.push(format!("local-data: \"{name}. {TTL_SECONDS} IN HTTPS 1 . ech={ECH_CONFIG_LIST}\""));
    }
    if !zone.has_root {
        lines.push("local-zone: \".\" always_nxdomain".to_owned());
    }
    let mut text = lines.join("\n    ");
    text.push_str("\nremote-control:\n    control-enable: no\n");
    if zone.has_root {
        let file = signed_zone::file(directory);
        let root = format!("auth-zone:\n    name: \".\"\n    zonefile: \"{}\"\n", file.display());
        // Not to subscribers: there, the names above are in front of it.
        text.push_str(&root);
        text.push_str("    for-downstream: no\n    for-upstream: yes\n");
    }
    text
}
