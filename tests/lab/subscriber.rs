//! What a subscriber does: looks names up, opens pages, downloads.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::address::{Family, RESOLVER, Site};
use crate::command;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::wait;
use crate::web::{ENDLESS, PAGE};

/// A page comes within moments; a gateway that loses packets is noticed by this.
const FETCH_LIMIT: Duration = Duration::from_mins(1);

/// A subscriber's telephone.
#[derive(Debug)]
pub struct Subscriber<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// The certificate it trusts.
    pub authority: &'a Path,
}

impl Subscriber<'_> {
    /// Asks the carrier's resolver, over IPv4, for the site's address.
    ///
    /// # Errors
    /// If dig fails or the answer is no address.
    pub fn resolve(&self, site: &Site, family: Family) -> Result<IpAddr> {
        let kind = match family {
            Family::V4 => "A",
            Family::V6 => "AAAA",
        };
        let mut dig = self.namespace.command("dig");
        dig.args(["+short", &format!("@{}", RESOLVER[0]), site.name, kind]);
        let answer = command::run(&mut dig, "")?;
        answer.trim().parse().with_context(|| format!("dig {} {kind} answered {answer:?}", site.name))
    }

    /// Looks the site up, then opens its page over HTTPS.
    ///
    /// # Errors
    /// If that fails, or takes long.
    pub fn browse(&self, site: &Site, family: Family) -> Result<()> {
        let address = self.resolve(site, family)?;
        let mut curl = self.curl(site, PAGE, address);
        curl.args(["--output", "/dev/null"]);
        let output = command::output(&mut curl, "", FETCH_LIMIT)?;
        ensure!(output.status.success(), "curl https://{}{PAGE}: {}", site.name, output.stderr.trim());
        Ok(())
    }

    /// Sends three echo requests to the site.
    ///
    /// # Errors
    /// If one is not answered.
    pub fn ping(&self, site: &Site, family: Family) -> Result<()> {
        let mut ping = self.namespace.command("ping");
        ping.args(["-n", "-q", "-c", "3", "-i", "0.2", "-W", "5", &site.address(family).to_string()]);
        command::run(&mut ping, "").map(drop)
    }

    /// Starts a download that lasts until it is stopped.
    ///
    /// # Errors
    /// If curl does not start.
    pub fn download(&self, site: &Site, family: Family, directory: &Path) -> Result<Download> {
        let address = self.resolve(site, family)?;
        let file = directory.join("download");
        let mut curl = self.curl(site, ENDLESS, address);
        curl.arg("--output").arg(&file).arg("--no-buffer");
        Ok(Download { process: Process::start("download", &mut curl, directory)?, file })
    }

    fn curl(&self, site: &Site, path: &str, address: IpAddr) -> std::process::Command {
        let mut curl = self.namespace.command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"]).arg(self.authority);
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        curl.args(["--resolve", &format!("{}:443:{host}", site.name)]);
        curl.arg(format!("https://{}{path}", site.name));
        curl
    }
}

/// A download under way. It ends when dropped.
#[derive(Debug)]
pub struct Download {
    process: Process,
    file: PathBuf,
}

impl Download {
    /// Waits until `octets` more have come.
    ///
    /// # Errors
    /// If the download ended, or `octets` do not come in time.
    pub fn advance(&mut self, octets: u64) -> Result<()> {
        let goal = self.octets() + octets;
        wait::until("the download", FETCH_LIMIT, || {
            self.process.expect_running()?;
            Ok((self.octets() >= goal).then_some(()))
        })
    }

    /// How much has come, in octets.
    pub fn octets(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |metadata| metadata.len())
    }

    /// Whether it goes on.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn running(&mut self) -> Result<bool> {
        self.process.running()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // The next one starts from nothing; without a file there is nothing to remove.
        let _ = fs::remove_file(&self.file);
    }
}
