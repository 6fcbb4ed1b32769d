//! unbound, as the carrier's resolver: it knows the lab's names, and nothing else exists.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::address::{Family, RESOLVER, SITES};
use crate::command;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::wait;

/// unbound listens after its root hints are read.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Of the lab's records, in seconds: no name is asked for again while something is measured.
const TTL_SECONDS: u32 = 3600;

/// A running resolver.
#[derive(Debug)]
pub struct NameServer {
    _process: Process,
}

impl NameServer {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// If unbound does not start.
    pub fn start(internet: &Namespace, directory: &Path) -> Result<Self> {
        let file = directory.join("unbound.conf");
        fs::write(&file, configuration())?;
        let mut process =
            Process::start("unbound", internet.command("unbound").args(["-d", "-c"]).arg(&file), directory)?;
        wait::until("unbound", START_LIMIT, || {
            process.expect_running()?;
            let mut dig = internet.command("dig");
            dig.args(["+short", "+tries=1", "+timeout=1", &format!("@{}", RESOLVER[0]), SITES[0].name, "A"]);
            let answer = command::output(&mut dig, "", command::QUICK)?;
            Ok((answer.stdout.trim() == SITES[0].v4.to_string()).then_some(()))
        })?;
        Ok(Self { _process: process })
    }
}

fn configuration() -> String {
    let mut lines = vec!["server:".to_owned()];
    lines.extend(RESOLVER.map(|address| format!("interface: {address}")));
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
            "local-zone: \".\" always_nxdomain",
            "local-zone: \"example.vn.\" static",
        ]
        .map(str::to_owned),
    );
    for site in SITES {
        for (kind, family) in [("A", Family::V4), ("AAAA", Family::V6)] {
            let address = site.address(family);
            lines.push(format!("local-data: \"{}. {TTL_SECONDS} IN {kind} {address}\"", site.name));
        }
    }
    lines.push("remote-control:\n    control-enable: no\n".to_owned());
    lines.join("\n    ").replace("    remote-control", "remote-control")
}
