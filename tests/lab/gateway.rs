//! Tollfree in the gateway's namespace: its configuration, its policies, its life and death.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde::Deserialize as _;
use serde_json::Value;

use crate::accounting;
use crate::address::{
    FREE_SITE, Family, MEDIA_NETWORKS, POOLS, PROXIES, RESOLVER, SIP_PORT, TUNNEL_NETWORKS,
};
use crate::call::{LiveCall, PastCall};
use crate::command;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::signed_zone;
use crate::status::Status;
use crate::topology::{ACCESS_INTERFACE, CORE_INTERFACE, Crossing, stop_merging};
use crate::wait;

/// The gateway's name on its records.
pub const GATEWAY_ID: &str = "lab-gw";
/// DSCP of what is free: AF11 (RFC 2597).
pub const FREE_DSCP: u8 = 10;
/// skb mark of what is free.
pub const FREE_MARK: u32 = 0x10;
/// The free site's rule in the lab's policy.
pub const SITE_RULE: &str = "free-site";
/// The hotline's rule in the lab's policy.
pub const HOTLINE_RULE: &str = "moh-hotline";
/// Where the Prometheus metrics are, inside the gateway's namespace.
pub const METRICS: &str = "127.0.0.1:9469";

/// Where the numbers that are free to call are told, toward the internet's side; only where the gateway is a router.
pub const API: &str = "10.40.0.1:9470";

/// From start to the first policy in force, on a busy machine and with an unoptimised build.
const START_LIMIT: Duration = Duration::from_mins(1);
/// From SIGTERM to the last file written.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// From a changed file to the policy in force.
const ACTIVATION_LIMIT: Duration = Duration::from_secs(30);

/// Tollfree, running or not.
#[derive(Debug)]
pub struct Gateway {
    binary: PathBuf,
    directory: PathBuf,
    process: Option<Process>,
}

/// What the gateway says of itself: as the lab reads it, and whole.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the lab reads.
    pub status: Status,
    /// All of it.
    pub json: Value,
}

impl Snapshot {
    /// Streams of free calls that waited for their calls to be read.
    pub fn early_media(&self) -> i64 {
        self.json["calls"]["stats"]["early-media"].as_i64().unwrap_or_default()
    }
}

impl Gateway {
    /// Writes configuration and policies: the lab's own, and those in `policies` (a directory that need not exist).
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn configure(binary: &Path, policies: &Path, scratch: &Scratch, crossing: Crossing) -> Result<Self> {
        let directory = scratch.path().to_owned();
        let gateway = Self { binary: binary.to_owned(), directory, process: None };
        for made in ["policies", "state", "run", "export"] {
            fs::create_dir(gateway.directory.join(made))?;
        }
        let identity = accounting::tables(&gateway.directory)?;
        let configuration = gateway.configuration(&scratch.bpffs(), crossing);
        fs::write(gateway.config(), format!("{configuration}{identity}"))?;
        for file in fs::read_dir(policies).into_iter().flatten() {
            let file = file?.path();
            if let Some(name) = file.file_name().filter(|_| file.extension().is_some_and(|e| e == "toml")) {
                fs::copy(&file, gateway.directory.join("policies").join(name))?;
            }
        }
        gateway.write_policy("")?;
        Ok(gateway)
    }

    /// Starts `tollfree run` and waits until the policy is in force and its names are resolved.
    ///
    /// # Errors
    /// If it ends, or does not come that far in time.
    pub fn start(&mut self, namespace: &Namespace) -> Result<()> {
        let mut command = namespace.command(&self.binary);
        command.args(["run", "--config"]).arg(self.config()).env("RUST_LOG", "info");
        self.process = Some(Process::start("tollfree", &mut command, &self.directory)?);
        let free = Family::ALL.map(|family| FREE_SITE.address(family));
        let mut last = String::new();
        let ready = wait::until("tollfree's first policy in force", START_LIMIT, || {
            self.expect_running()?;
            let snapshot = match self.snapshot() {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    last = format!("{error:#}");
                    return Ok(None);
                }
            };
            let known = snapshot.status.addresses(FREE_SITE.name);
            last = format!("epoch {}, names {:?}", snapshot.status.epoch, snapshot.status.names);
            Ok((snapshot.status.epoch > 0 && free.iter().all(|address| known.contains(address)))
                .then_some(()))
        });
        ready.with_context(|| format!("last answer: {last}\n{}", self.log_end()))?;
        [ACCESS_INTERFACE, CORE_INTERFACE].iter().try_for_each(|interface| stop_merging(namespace, interface))
    }

    /// Kills it, without a chance to do anything.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGKILL)?;
            process.wait(STOP_LIMIT)?;
        }
        Ok(())
    }

    /// Lets it do nothing, until [`Gateway::go_on`]: the data plane goes on.
    ///
    /// # Errors
    /// If it does not run, or does not stop.
    pub fn pause(&mut self) -> Result<()> {
        self.process.as_mut().context("tollfree does not run")?.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If it does not run, or the kernel refuses.
    pub fn go_on(&mut self) -> Result<()> {
        self.process.as_mut().context("tollfree does not run")?.go_on()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// If it does not run, does not end in time, or reports a failure.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("tollfree does not run")?;
        process.signal(Signal::SIGTERM)?;
        let status = process.wait(STOP_LIMIT)?;
        ensure!(status.success(), "tollfree ended with {status} on SIGTERM\n{}", process.log_end());
        Ok(())
    }

    /// # Errors
    /// If it does not run; with the end of its log.
    pub fn expect_running(&mut self) -> Result<()> {
        self.process.as_mut().context("tollfree does not run")?.expect_running()
    }

    /// Memory that it has now, in octets.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resident_octets(&self) -> Result<u64> {
        self.process.as_ref().context("tollfree does not run")?.resident_octets()
    }

    /// Asks it for its status.
    ///
    /// # Errors
    /// If it does not answer, or the answer is not understood.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let answer = command::run(self.command(&["status", "--json", "--config"]).arg(self.config()), "")?;
        let json: Value = serde_json::from_str(&answer).context("tollfree status --json")?;
        let status = Status::deserialize(&json).context("tollfree status --json")?;
        Ok(Snapshot { status, json })
    }

    /// Asks it for the calls that go on.
    ///
    /// # Errors
    /// If it does not answer, or the answer is not understood.
    pub fn live_calls(&self) -> Result<Vec<LiveCall>> {
        self.calls(&["calls", "--json", "--config"])
    }

    /// The calls that are in the ledger, the latest first; it need not run.
    ///
    /// # Errors
    /// If the answer is not understood.
    pub fn past_calls(&self) -> Result<Vec<PastCall>> {
        self.calls(&["calls", "--past", "--count", "100000", "--json", "--config"])
    }

    fn calls<T: serde::de::DeserializeOwned>(&self, arguments: &[&str]) -> Result<Vec<T>> {
        let answer = command::run(self.command(arguments).arg(self.config()), "")?;
        serde_json::from_str(&answer).context("tollfree calls --json")
    }

    /// Replaces the lab's policy, by rename, with the same rules, a comment, and `sites` appended.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_policy(&self, sites: &str) -> Result<()> {
        let directory = self.directory.join("policies");
        let temporary = directory.join(".lab.toml.new");
        fs::write(&temporary, format!("{}{sites}", policy()))?;
        fs::rename(&temporary, directory.join("lab.toml")).context("cannot replace lab.toml")
    }

    /// Replaces the lab's policy and waits until the new one is in force; returns its epoch.
    ///
    /// # Errors
    /// If that takes too long.
    pub fn activate(&mut self, sites: &str) -> Result<u32> {
        let before = self.snapshot()?.status;
        self.write_policy(sites)?;
        wait::until("the changed policy in force", ACTIVATION_LIMIT, || {
            self.expect_running()?;
            let now = self.snapshot()?.status;
            Ok((now.policy_digest != before.policy_digest).then_some(now.epoch))
        })
        .with_context(|| self.log_end())
    }

    /// A `tollfree` command.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments);
        command
    }

    /// Where the published audit log is.
    pub fn audit_directory(&self) -> PathBuf {
        self.directory.join("state/audit")
    }

    /// Where the CSV files are.
    pub fn export_directory(&self) -> PathBuf {
        self.directory.join("export")
    }

    fn config(&self) -> PathBuf {
        self.directory.join("gateway.toml")
    }

    fn log_end(&self) -> String {
        self.process.as_ref().map(Process::log_end).unwrap_or_default()
    }

    fn configuration(&self, bpffs: &Path, crossing: Crossing) -> String {
        let (dscp_at, more) = match crossing {
            Crossing::Routed => ("inner", format!("\n[api]\nlisten = \"{API}\"\n")),
            Crossing::Carried => ("both", transport()),
        };
        let home = self.directory.display();
        let [v4_resolver, v6_resolver] = RESOLVER;
        let anchor = signed_zone::anchor(&self.directory);
        let anchor = anchor.display();
        let proxies = PROXIES.map(|proxy| format!("\"{proxy}\"")).join(", ");
        format!(
            r#"{}
[resolver]
servers = ["{v4_resolver}", "[{v6_resolver}]:53"]
trust_anchor = "{anchor}"

[signalling]
proxies = [{proxies}]
port = {SIP_PORT}

[tag]
dscp_at = "{dscp_at}"

[tag.free]
dscp = {FREE_DSCP}
mark = {FREE_MARK:#x}

[ledger]
interval = "5s"

[export.csv]
directory = "{home}/export"

[export.prometheus]
listen = "{METRICS}"

[limits]
counters = 4096
flows = 4096
{more}"#,
            common_tables(&format!("id = \"{GATEWAY_ID}\"\nregion = \"lab\""), &self.directory, bpffs)
        )
    }
}

/// The tables that every gateway of the lab has: where its files are, its interfaces, its subscribers. `own` is what
/// `[gateway]` has beside them.
pub fn common_tables(own: &str, home: &Path, bpffs: &Path) -> String {
    let (home, bpffs) = (home.display(), bpffs.display());
    let [v4_pool, v6_pool] = POOLS;
    format!(
        r#"[gateway]
{own}
state_dir = "{home}/state"
run_dir = "{home}/run"
bpffs = "{bpffs}"

[policy]
directory = "{home}/policies"

[[interface]]
name = "{ACCESS_INTERFACE}"
role = "access"

[[interface]]
name = "{CORE_INTERFACE}"
role = "core"

[subscribers]
pools = ["{v4_pool}", "{v6_pool}"]
"#
    )
}

/// The part of the configuration that says which tunnels are the carrier's own.
fn transport() -> String {
    let [v4, v6] = TUNNEL_NETWORKS;
    format!("\n[[transport]]\ntype = \"gtpu\"\nendpoints = [\"{v4}\", \"{v6}\"]\n")
}

fn policy() -> String {
    let [v4_media, v6_media] = MEDIA_NETWORKS;
    format!(
        r#"[policy]
id = "lab"
legal_basis = "the lab's order"
authority = "the lab"
valid_from = 2020-01-01T00:00:00+07:00
valid_until = 2100-01-01T00:00:00+07:00

[[hotline]]
id = "{HOTLINE_RULE}"
country = "VN"
numbers = ["19003228", "19009095"]
media_networks = ["{v4_media}", "{v6_media}"]
rating_group = 9100

[[site]]
id = "{SITE_RULE}"
domains = ["{}"]
evidence = "address"
class = "free"
rating_group = 9001
"#,
        FREE_SITE.name
    )
}
