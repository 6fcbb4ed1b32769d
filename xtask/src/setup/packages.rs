//! Debian packages.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step;

/// What bpf-linker is built with, and what the lab runs.
pub(super) const ALWAYS: &[&str] = &[
    "bind9-dnsutils",
    "curl",
    "ethtool",
    "freeradius-utils",
    "iproute2",
    "iputils-ping",
    "kamailio",
    "kamailio-extra-modules",
    "kamailio-utils-modules",
    "ldnsutils",
    "libpolly-22-dev",
    "llvm-22-dev",
    "nftables",
    "nginx-light",
    "openssl",
    "prometheus",
    "sip-tester",
    "sqlite3",
    "tcpdump",
    "unbound",
];

/// Asked by Debian's invoke-rc.d before a package's scripts start a service; exit code 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const FORBID: &str = "#!/bin/sh\nexit 101\n";

/// Installs those that are missing, without starting the services in them.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    let _policy = ServicePolicy::forbid()?;
    refresh()?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args([
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
    ]);
    step::run(&format!("install {}", missing.join(" ")), install.args(&missing))
}

/// Fetches what packages there are now.
pub(crate) fn refresh() -> Result<()> {
    let mut update = Command::new("apt-get");
    step::run("refresh Debian's package lists", update.args(["update", "--quiet"]))
}

fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Abbrev} ${binary:Package}\n"]).args(packages);
    // It fails if one is unknown, and lists the others all the same.
    let output = query.output().context("cannot run dpkg-query: set-up knows Debian only")?;
    let installed = installed(&String::from_utf8_lossy(&output.stdout));
    Ok(packages.iter().copied().filter(|package| !installed.contains(*package)).collect())
}

/// The names on lines like `ii  llvm-22-dev:amd64`.
fn installed(list: &str) -> BTreeSet<String> {
    let lines = list.lines().filter_map(|line| line.strip_prefix("ii"));
    lines.filter_map(|line| line.trim().split(':').next()).map(str::to_owned).collect()
}

/// Keeps services from being started while it lives. One that the machine already has is left alone.
struct ServicePolicy {
    ours: bool,
}

impl ServicePolicy {
    fn forbid() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        let policy = Self { ours: true };
        fs::write(POLICY, FORBID).context(POLICY)?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)).context(POLICY)?;
        Ok(policy)
    }
}

impl Drop for ServicePolicy {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("{POLICY}: {error}: remove it, or no service will be started by a package");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wholly_installed_counts() {
        let list = "ii  curl\nii  llvm-22-dev:amd64\nrc  unbound\niU  nftables\nun  nginx-light\n";
        let expected = ["curl", "llvm-22-dev"].map(str::to_owned);
        assert_eq!(installed(list), BTreeSet::from(expected));
    }
}
