//! Packets that nobody asked for, from an address that is on the whitelist.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context as _, Result, ensure};

use crate::command;
use crate::namespace::Namespace;

/// curl's exit code for a refused connection.
const CURL_REFUSED: i32 = 7;

/// Sends `count` datagrams of `octets` each.
///
/// # Errors
/// If the kernel refuses.
pub fn send_datagrams(
    internet: &Namespace,
    from: SocketAddr,
    to: SocketAddr,
    count: usize,
    octets: usize,
) -> Result<()> {
    internet.within(|| {
        let socket = UdpSocket::bind(from).with_context(|| format!("cannot send from {from}"))?;
        // Not connected: the subscriber's ICMP errors do not come back as errors of the next call.
        for _ in 0..count {
            socket.send_to(&vec![0; octets], to).with_context(|| format!("cannot send to {to}"))?;
        }
        Ok(())
    })
}

/// Tries `count` times to open the same connection to a port where nothing listens.
///
/// # Errors
/// If the connection does anything but be refused.
pub fn knock(internet: &Namespace, from: SocketAddr, to: SocketAddr, count: usize) -> Result<()> {
    for _ in 0..count {
        let mut curl = internet.command("curl");
        curl.args(["--silent", "--noproxy", "*", "--max-time", "10"]);
        curl.args(["--interface", &from.ip().to_string(), "--local-port", &from.port().to_string()]);
        let output = command::output(curl.arg(format!("http://{to}/")), "", command::QUICK)?;
        ensure!(output.status.code() == Some(CURL_REFUSED), "knocking at {to}: {}", output.status);
    }
    Ok(())
}
