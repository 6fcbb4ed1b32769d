//! Programs that run beside the lab: servers, captures, the gateway itself.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// How much of a program's log a message quotes, in lines.
const QUOTED_LINES: usize = 20;
/// A signal to stop arrives within moments.
const PAUSE_LIMIT: Duration = Duration::from_secs(20);

/// A program in the background; killed, by its process id, when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with its output appended to `NAME.log` in `directory`.
    ///
    /// # Errors
    /// If the program or the log file cannot be opened.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Sends it a signal; nothing if it has ended.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // While it has not been waited for, its process id cannot be another's.
        if self.child.try_wait()?.is_none() {
            let pid = i32::try_from(self.child.id()).context("process id out of range")?;
            kill(Pid::from_raw(pid), signal).with_context(|| format!("{signal} to {}", self.name))?;
        }
        Ok(())
    }

    /// Stops it, until [`Process::go_on`]: from then on it does nothing.
    ///
    /// # Errors
    /// If it does not stop.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        let file = format!("/proc/{}/stat", self.child.id());
        // The state stands behind the program's name in parentheses (proc(5)).
        wait::until(&format!("a pause of {}", self.name), PAUSE_LIMIT, || {
            let text = fs::read_to_string(&file).with_context(|| file.clone())?;
            let state = text.rsplit(") ").next().and_then(|rest| rest.chars().next());
            Ok((state == Some('T')).then_some(()))
        })
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn go_on(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Memory that it has now, in octets.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resident_octets(&self) -> Result<u64> {
        let file = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&file).with_context(|| file.clone())?;
        // `VmRSS:     1234 kB` (proc(5)).
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<u64>()? * 1024)
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// # Errors
    /// If it has ended, with the end of its log.
    pub fn expect_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}\n{}", self.name, self.log_end()),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until(&what, limit, || Ok(self.child.try_wait()?))
    }

    /// All it has written so far.
    ///
    /// # Errors
    /// If its log cannot be read.
    pub fn log(&self) -> Result<String> {
        let octets = fs::read(&self.log).with_context(|| self.log.display().to_string())?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// The last lines of its log, for a message.
    pub fn log_end(&self) -> String {
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error here means that it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
