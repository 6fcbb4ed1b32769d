//! Clients that look names up and open pages: curl over TLS 1.3, and the lab's own over HTTP.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{HONEST, HONEST_NAMES};
use crate::address::{Family, resolver, subscriber, wild};
use crate::command;
use crate::network::Network;
use crate::page_server::fetch;
use crate::question::Question;
use crate::web::{EVERYWHERE_PORT, PAGE};

/// A page comes within moments.
const LIMIT: Duration = Duration::from_mins(1);

/// Subscriber `index` asks the carrier's resolver.
pub(super) fn look_up(network: &Network, index: u8, name: &str, family: Family) -> Result<IpAddr> {
    network.topology.subscribers[usize::from(index)].within(|| {
        let question = Question::ask(subscriber(index, family), resolver(family), name, family)?;
        question.answer()?.with_context(|| format!("no answer about {name}"))
    })
}

/// Subscriber `index` opens `address` and asks for `name` over TLS.
pub(super) fn open_tls(network: &Network, index: u8, name: &str, address: IpAddr) -> Result<()> {
    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    let mut curl = curl(network, index, name);
    run(curl.args(["--resolve", &format!("{name}:{EVERYWHERE_PORT}:{host}")]))
}

/// Subscriber `index` opens `address`, which is of IPv6, and asks for no name.
pub(super) fn open_tls_without_name(network: &Network, index: u8, address: IpAddr) -> Result<()> {
    run(&mut curl(network, index, &format!("[{address}]")))
}

/// The same as [`open_tls`], by way of a relay at `port` on the subscriber's own host.
pub(super) fn open_tls_through(network: &Network, index: u8, name: &str, port: u16) -> Result<()> {
    let mut curl = curl(network, index, name);
    run(curl.args(["--connect-to", &format!("{name}:{EVERYWHERE_PORT}:127.0.0.1:{port}")]))
}

/// Subscriber `index` opens `address` and asks for `name` over HTTP.
pub(super) fn open_http(network: &Network, index: u8, name: &str, address: IpAddr) -> Result<()> {
    network.topology.subscribers[usize::from(index)].within(|| fetch(name, address))
}

/// The honest client looks up and opens its sites, over TLS and HTTP.
pub(super) fn be_honest(network: &Network) -> Result<()> {
    for number in HONEST_NAMES {
        let (name, expected) = wild(number);
        let address = look_up(network, HONEST, &name, Family::of(&expected))?;
        ensure!(address == expected, "{name} is at {address}, not {expected}");
        open_tls(network, HONEST, &name, address)?;
        open_http(network, HONEST, &name, address)?;
    }
    Ok(())
}

fn curl(network: &Network, index: u8, name: &str) -> Command {
    let mut curl = network.topology.subscribers[usize::from(index)].command("curl");
    // What is asked for is looked at, not whether the server may answer: no certificate has all names.
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--insecure", "--tlsv1.3"]);
    curl.args(["--output", "/dev/null", &format!("https://{name}:{EVERYWHERE_PORT}{PAGE}")]);
    curl
}

fn run(curl: &mut Command) -> Result<()> {
    let output = command::output(curl, "", LIMIT)?;
    ensure!(output.status.success(), "curl: {}", output.stderr.trim());
    Ok(())
}
