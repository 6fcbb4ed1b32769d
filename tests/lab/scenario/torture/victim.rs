//! The daemon that is tortured.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde::Deserialize as _;
use serde_json::Value;

use crate::address::{PROXY, RESOLVER, SIP_PORT, TUNNEL_NETWORKS};
use crate::command;
use crate::gateway::{Snapshot, common_tables};
use crate::namespace::Namespace;
use crate::process::Process;
use crate::status::Status;
use crate::topology::{ACCESS_INTERFACE, CORE_INTERFACE, stop_merging};
use crate::wait;

use super::hands::{self, ACCESS_SERVER, PORT as RADIUS_PORT};
use super::junk::GATEWAY;

/// The gateway's name on its records.
pub(super) const GATEWAY_ID: &str = "torture-gw";
/// From start to the first answer, on a busy machine and with an unoptimised build.
const START_LIMIT: Duration = Duration::from_mins(2);
/// From SIGTERM to the last record written.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// The access server's secret.
const SECRET_FILE: &str = "radius.secret";
/// Kinds of tunnels that are the carrier's.
const TUNNELS: [&str; 5] = ["gtpu", "ipip", "gre", "vxlan", "geneve"];

/// Tollfree with tables as small as can be, running or not.
#[derive(Debug)]
pub(super) struct Victim<'a> {
    binary: &'a Path,
    namespace: &'a Namespace,
    directory: PathBuf,
    process: Option<Process>,
}

impl<'a> Victim<'a> {
    /// Writes its configuration into `directory`, which has the directories `policies`, `state` and `run`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn configure(
        binary: &'a Path,
        namespace: &'a Namespace,
        directory: &Path,
        bpffs: &Path,
    ) -> Result<Self> {
        let victim = Self { binary, namespace, directory: directory.to_owned(), process: None };
        fs::write(victim.config(), configuration(directory, bpffs))?;
        let secret = directory.join(SECRET_FILE);
        fs::write(&secret, hands::SECRET)?;
        // Others must not read it.
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        Ok(victim)
    }

    /// Starts it, and does not wait for anything.
    ///
    /// # Errors
    /// If the program cannot be run.
    pub(super) fn start(&mut self) -> Result<()> {
        let mut command = self.namespace.command(self.binary);
        command.args(["run", "--config"]).arg(self.config()).env("RUST_LOG", "info");
        self.process = Some(Process::start("tollfree", &mut command, &self.directory)?);
        Ok(())
    }

    /// Waits until it answers; says how long that took.
    ///
    /// # Errors
    /// If it ends, or does not answer in time.
    pub(super) fn wait_until_ready(&mut self) -> Result<Duration> {
        let start = Instant::now();
        let ready = wait::until("an answer of the daemon", START_LIMIT, || {
            self.process.as_mut().context("tollfree does not run")?.expect_running()?;
            Ok(self.snapshot().ok())
        });
        ready.with_context(|| self.log_end())?;
        for interface in [ACCESS_INTERFACE, CORE_INTERFACE] {
            stop_merging(self.namespace, interface)?;
        }
        Ok(start.elapsed())
    }

    /// How it ended, if it ended by itself.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(process) = &mut self.process else { return Ok(None) };
        if process.running()? {
            return Ok(None);
        }
        let status = process.wait(STOP_LIMIT)?;
        self.process = None;
        Ok(Some(status))
    }

    /// Kills it, without a chance to do anything.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGKILL)?;
            process.wait(STOP_LIMIT)?;
        }
        Ok(())
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// If it does not run, does not end in time, or reports a failure.
    pub(super) fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("tollfree does not run")?;
        process.signal(Signal::SIGTERM)?;
        let status = process.wait(STOP_LIMIT)?;
        ensure!(status.success(), "tollfree ended with {status} on SIGTERM\n{}", process.log_end());
        Ok(())
    }

    /// Takes its programs and maps out of the kernel, as `tollfree detach` does.
    ///
    /// # Errors
    /// If that fails.
    pub(super) fn detach(&self) -> Result<()> {
        let mut detach = self.namespace.command(self.binary);
        command::run(detach.args(["detach", "--config"]).arg(self.config()), "").map(drop)
    }

    /// Asks it for its status.
    ///
    /// # Errors
    /// If it does not answer, or the answer is not understood.
    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        let answer = command::run(self.command(&["status", "--json", "--config"]).arg(self.config()), "")?;
        let json: Value = serde_json::from_str(&answer).context("tollfree status --json")?;
        let status = Status::deserialize(&json).context("tollfree status --json")?;
        Ok(Snapshot { status, json })
    }

    /// A `tollfree` command.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.binary);
        command.args(arguments);
        command
    }

    /// Where it keeps what it knows.
    pub(super) fn state_directory(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// All that it has said in all its lives.
    ///
    /// # Errors
    /// If its log cannot be read.
    pub(super) fn log(&self) -> Result<String> {
        let octets = fs::read(self.directory.join("tollfree.log")).context("tollfree.log")?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    fn log_end(&self) -> String {
        self.process.as_ref().map(Process::log_end).unwrap_or_default()
    }

    fn config(&self) -> PathBuf {
        self.directory.join("gateway.toml")
    }
}

fn configuration(home: &Path, bpffs: &Path) -> String {
    let tables = common_tables(&format!("id = \"{GATEWAY_ID}\""), home, bpffs);
    let home = home.display();
    let [v4_ends, v6_ends] = TUNNEL_NETWORKS;
    let transports = TUNNELS
        .map(|kind| format!("[[transport]]\ntype = \"{kind}\"\nendpoints = [\"{v4_ends}\", \"{v6_ends}\"]\n"))
        .concat();
    format!(
        r#"{tables}
[resolver]
servers = ["{}"]

[signalling]
proxies = ["{PROXY}"]
port = {SIP_PORT}

[tag]
dscp_at = "both"

[tag.free]
dscp = 10
mark = 0x10

[tag.free-priority]
dscp = 46
mark = 0x11

[ledger]
interval = "1s"

[limits]
counters = 1024
flows = 1024
pending = 1024
quotas = 1024
flows_per_subscriber = 16

[identity.radius]
listen = ["{GATEWAY}:{RADIUS_PORT}"]

[[identity.radius_client]]
address = "{ACCESS_SERVER}"
secret_file = "{home}/{SECRET_FILE}"

{transports}"#,
        RESOLVER[0]
    )
}
