//! Segments for the gateway's eyes: they name what is free, and the server never gets them.

use anyhow::{Context as _, Result, ensure};

use super::handmade::{Connection, Flag, HOPS_TO_GATEWAY, Segment};
use super::hello::client_hello;
use super::names::right_name;
use crate::address::{FREE_SITE, OTHER_SITE};
use crate::network::Network;
use crate::page_server::PORT;

/// The first of the attacker's ports: each connection has one of its own.
const FIRST_PORT: u16 = 30_000;
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
        let mut connection = Connection::open(network, port, server)?;
        connection.send(kind)?;
        connection.say(request(OTHER_SITE.name).as_bytes())?;
        let heard = connection.hear()?;
        ensure!(heard > 1000, "only {heard} octets came behind {kind:?}");
        connection.end()?;
    }
    let unanswered = Connection::open(network, FIRST_PORT + 10, server)?;
    unanswered.send(low)?;
    unanswered.end()
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
fn request(name: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
}
