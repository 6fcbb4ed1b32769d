//! What an access server tells the gateway of a subscriber, by RADIUS accounting (RFC 2866).

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::address::{self, Family};
use crate::command;
use crate::namespace::Namespace;

/// Where the gateway listens, inside its namespace.
const LISTEN: &str = "127.0.0.1:1813";
/// What both know.
const SECRET: &str = "a secret of the lab";

/// The gateway's tables for the listener; writes the secret into `directory`.
///
/// # Errors
/// If it cannot be written.
pub fn tables(directory: &Path) -> Result<String> {
    let secret = secret_file(directory);
    fs::write(&secret, SECRET)?;
    // Others must not read it.
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let secret = secret.display();
    Ok(format!(
        r#"
[identity.radius]
listen = ["{LISTEN}"]

[[identity.radius_client]]
address = "127.0.0.1"
secret_file = "{secret}"
"#
    ))
}

/// Tells that a session begins which has the subscriber's address of one family, with `radclient`; waits for the answer.
///
/// # Errors
/// If there is none, or not a signed one.
pub fn start(gateway: &Namespace, directory: &Path, index: u8, family: Family, msisdn: &str) -> Result<()> {
    let address = match address::subscriber(index, family) {
        IpAddr::V4(address) => format!("Framed-IP-Address = {address}"),
        IpAddr::V6(_) => format!("Framed-IPv6-Prefix = {}", address::subscriber_name(index, family)),
    };
    let request = format!(
        "Acct-Status-Type = Start\nAcct-Session-Id = \"{index}-{family:?}\"\nNAS-Identifier = \"bng1\"\n\
         Calling-Station-Id = \"{msisdn}\"\n{address}\n"
    );
    let mut radclient = gateway.command("radclient");
    radclient.args(["-t", "10", "-S"]).arg(secret_file(directory)).args([LISTEN, "acct"]);
    command::run(&mut radclient, &request).map(drop).context("an access server's message")
}

fn secret_file(directory: &Path) -> PathBuf {
    directory.join("radius.secret")
}
