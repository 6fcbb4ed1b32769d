//! Segments for the gateway's eyes: they name what is free, and the server never gets them.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};

use super::handmade::{Connection, Flag, HOPS_TO_GATEWAY, Segment};
use super::hello::client_hello;
use super::names::right_name;
use crate::address::{FREE_SITE, OTHER_SITE};
use crate::network::Network;
use crate::page_server::PORT;

/// The first of the attacker's ports: each connection has one of its own.
pub(super) const FIRST_PORT: u16 = 30_000;
/// Of every page, in octets: less would be no page.
const PAGE_OCTETS_MIN: usize = 5000;
/// Farther ahead than any server's window, in octets.
const OUT_OF_WINDOW: u32 = 1 << 30;

/// Shows a ClientHello with the right name to the gateway, and somebody else's name to the right server: with too few hops,
/// with a wrong checksum, out of the window. And one that is never acknowledged, with nothing behind it.
pub(super) fn decoys(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    let server = (address, PORT);
    let hello = client_hello(&name).context("too long a name")?;
    let decoy = Segment { payload: &hello, ..Segment::plain(Flag::None) };
    let low = Segment { hops: HOPS_TO_GATEWAY, ..decoy };
    let kinds =
        [low, Segment { has_right_checksum: false, ..decoy }, Segment { ahead: OUT_OF_WINDOW, ..decoy }];
    for (port, kind) in (FIRST_PORT..).zip(kinds) {
        let connection = Connection::open(network, port, server)?;
        connection.send(kind)?;
        finish(connection, request(OTHER_SITE.name).as_bytes())
            .with_context(|| format!("behind {kind:?}"))?;
    }
    let unanswered = Connection::open(network, FIRST_PORT + 10, server)?;
    unanswered.send(low)?;
    unanswered.end()
}

/// A request for `name`, no cheat, in segments of one octet.
pub(super) fn one_octet_each(network: &Network, name: &str, address: IpAddr) -> Result<()> {
    let mut connection = Connection::open(network, FIRST_PORT + 60, (address, PORT))?;
    let said = request(name);
    let (last, first) = said.as_bytes().split_last().context("an empty request")?;
    first.iter().try_for_each(|octet| connection.say(&[*octet]))?;
    finish(connection, &[*last])
}

/// Two names in one request, the right one first: which of them the server follows is its own affair.
pub(super) fn two_hosts(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    let said = format!("GET / HTTP/1.1\r\nHost: {name}\r\nHost: {}\r\n\r\n", OTHER_SITE.name);
    converse(network, FIRST_PORT + 30, address, said.as_bytes())
}

/// The right name out of order, and then another in its place.
pub(super) fn overlap(network: &Network) -> Result<()> {
    /// Of the request: so much is missing at first.
    const MISSING: u8 = 4;
    let (name, address) = right_name(network)?;
    let connection = Connection::open(network, FIRST_PORT + 40, (address, PORT))?;
    let right = request(&name);
    let payload = right.as_bytes().get(usize::from(MISSING)..).unwrap_or_default();
    connection.send(Segment { ahead: MISSING.into(), payload, ..Segment::plain(Flag::None) })?;
    // As long as the right one.
    let wrong = request(&name.replace("moh", "bad"));
    finish(connection, wrong.as_bytes())
}

/// The port that two connections have, one after the other.
const TWICE_PORT: u16 = FIRST_PORT + 50;

/// No cheat yet: a connection that is free.
pub(super) fn first_on_a_port(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    converse(network, TWICE_PORT, address, request(&name).as_bytes())
}

/// Another connection between the same ports, with another name.
pub(super) fn second_on_a_port(network: &Network) -> Result<()> {
    let (_, address) = right_name(network)?;
    converse(network, TWICE_PORT, address, request(OTHER_SITE.name).as_bytes())
}

/// A connection in which the client says one thing.
pub(super) fn converse(network: &Network, port: u16, address: IpAddr, said: &[u8]) -> Result<()> {
    finish(Connection::open(network, port, (address, PORT))?, said)
}

pub(super) fn finish(mut connection: Connection, said: &[u8]) -> Result<()> {
    connection.say(said)?;
    let heard = connection.hear()?;
    ensure!(heard > PAGE_OCTETS_MIN, "only {heard} octets came");
    connection.end()
}

/// Payload where no server looks for it: at an address that is free by itself, and before the name at one that is not.
pub(super) fn payload_in_syn_and_rst(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    let hello = client_hello(&name).context("too long a name")?;
    let free_site = (FREE_SITE.v6.into(), PORT);
    for (port, server) in (FIRST_PORT + 20..).zip([free_site, (address, PORT)]) {
        for flag in [Flag::Syn, Flag::Rst] {
            let connection = Connection::prepare(network, port, server)?;
            connection.send(Segment { payload: &hello, ..Segment::plain(flag) })?;
        }
    }
    Ok(())
}

/// RFC 9112, section 3.
pub(super) fn request(name: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
}
