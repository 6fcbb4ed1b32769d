//! Network namespaces.

use std::fs::File;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command;

/// What the names of all labs' namespaces start with.
const PREFIX: &str = "tf";

/// A network namespace with its loopback interface up. Removed on drop, with the processes in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace `role` of the lab `lab`.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn create(lab: &str, role: &str) -> Result<Self> {
        let name = format!("{}{role}", prefix(lab));
        command::run(Command::new("ip").args(["netns", "add", &name]), "")?;
        let namespace = Self { name };
        namespace.shell(QUIET_IPV6)?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Its name, for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs in it, with the machine's own mounts (so that bpf file systems are seen).
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }

    /// Runs lines of ip(8) in it.
    ///
    /// # Errors
    /// If one fails.
    pub fn ip(&self, lines: &str) -> Result<()> {
        command::run(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines).map(drop)
    }

    /// Runs a shell script in it.
    ///
    /// # Errors
    /// If it fails.
    pub fn shell(&self, script: &str) -> Result<String> {
        command::run(self.command("sh").args(["-e", "-s"]), script)
    }

    /// Runs `work` on a thread inside the namespace.
    ///
    /// # Errors
    /// Those of `work`, and if the namespace cannot be entered.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let file = File::open(format!("/run/netns/{}", self.name))?;
        thread::scope(|scope| {
            let entered = scope.spawn(|| {
                // Of this thread alone.
                setns(&file, CloneFlags::CLONE_NEWNET).context("cannot enter a namespace")?;
                work()
            });
            entered.join().map_err(|_| anyhow!("a thread in namespace {} panicked", self.name))?
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.name) {
            eprintln!("{}: {error:#}; the next lab tries again", self.name);
        }
    }
}

/// Makes IPv6 say nothing by itself, so that the interfaces' counters rest when the traffic does.
const QUIET_IPV6: &str = "
for scope in all default; do
    for setting in accept_dad accept_ra autoconf router_solicitations; do
        echo 0 > /proc/sys/net/ipv6/conf/$scope/$setting
    done
done
";

/// Removes the namespaces of the lab `lab`, with the processes in them.
///
/// # Errors
/// If the kernel refuses.
pub fn sweep(lab: &str) -> Result<()> {
    let list = command::run(Command::new("ip").args(["netns", "list"]), "")?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| name.starts_with(&prefix(lab))).try_for_each(remove)
}

fn prefix(lab: &str) -> String {
    format!("{PREFIX}{lab}-")
}

fn remove(name: &str) -> Result<()> {
    let processes = command::run(Command::new("ip").args(["netns", "pids", name]), "")?;
    for process in processes.split_whitespace() {
        // One that has ended meanwhile is as good.
        let _ = kill(Pid::from_raw(process.parse()?), Signal::SIGKILL);
    }
    command::run(Command::new("ip").args(["netns", "del", name]), "").map(drop)
}
