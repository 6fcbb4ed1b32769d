//! A signed root zone: names whose answers can be proven, and one that was changed since it was signed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::address::{FORGED_PROVEN, FORGED_PROVEN_SIGNED, PROVEN_NAMES, forged_proven_name, proven};
use crate::command;

/// Of the zone's records, in seconds.
const TTL_SECONDS: u32 = 3600;

/// The zone's file.
pub fn file(directory: &Path) -> PathBuf {
    directory.join("root.zone")
}

/// The key that proves it.
pub fn anchor(directory: &Path) -> PathBuf {
    directory.join("root.key")
}

/// Makes both.
///
/// # Errors
/// If a file cannot be written, or ldns is not installed.
pub fn write(directory: &Path) -> Result<()> {
    let plain = directory.join("plain.zone");
    fs::write(&plain, records()?)?;
    let ldns = |program: &str, arguments: &[&str]| {
        command::run(Command::new(program).args(arguments).current_dir(directory), "")
    };
    let key = ldns("ldns-keygen", &["-a", "ECDSAP256SHA256", "-k", "."])?;
    let key = key.trim();
    ldns("ldns-signzone", &["-o", ".", "-f", "signed.zone", "plain.zone", key])?;
    let signed = fs::read_to_string(directory.join("signed.zone"))?;
    let forged = signed.replace(&FORGED_PROVEN_SIGNED.to_string(), &FORGED_PROVEN.to_string());
    ensure!(signed != forged, "the zone has no record that could be forged");
    fs::write(file(directory), forged)?;
    fs::copy(directory.join(format!("{key}.key")), anchor(directory))?;
    Ok(())
}

fn records() -> Result<String> {
    let mut zone = format!(
        "$ORIGIN .\n. {TTL_SECONDS} IN SOA ns.example. root.example. 1 3600 600 86400 120\n\
         . {TTL_SECONDS} IN NS ns.example.\nns.example. {TTL_SECONDS} IN A 192.0.2.53\n\
         {}. {TTL_SECONDS} IN A {FORGED_PROVEN_SIGNED}\n",
        forged_proven_name()
    );
    for (name, address) in (0..PROVEN_NAMES).map(proven) {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        writeln!(zone, "{name}. {TTL_SECONDS} IN {kind} {address}")?;
    }
    Ok(zone)
}
