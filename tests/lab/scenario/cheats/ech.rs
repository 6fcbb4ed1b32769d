//! Hellos with an Encrypted Client Hello: for show, as browsers send them everywhere, or with another name inside.
//! Nobody on the way can tell, so each of these hellos is both.

use std::net::IpAddr;

use anyhow::{Context as _, Result};

use super::ATTACKER;
use super::client::look_up;
use super::decoys::{FIRST_PORT, converse, finish, request};
use super::handmade::{Connection, Flag, HOPS_TO_GATEWAY, Segment};
use super::hello::encrypted_client_hello;
use super::names::right_name;
use crate::address::{ENCRYPTING_WILD, FREE_SITE, Family, OTHER_SITE, wild};
use crate::network::Network;
use crate::page_server;

/// The first port of these connections.
const PORT: u16 = FIRST_PORT + 80;

/// No cheat: the right name outside, at an address that nobody else has.
pub(super) fn own_name(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    ask(network, PORT, address, &name)
}

/// Another's name outside, at the right address.
pub(super) fn other_name(network: &Network) -> Result<()> {
    let (_, address) = right_name(network)?;
    ask(network, PORT + 1, address, OTHER_SITE.name)
}

/// The right name outside a hello that goes no further than the gateway, and then another's in its place.
pub(super) fn decoy(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    let hello = encrypted_client_hello(&name).context("too long a name")?;
    let connection = Connection::open(network, PORT + 4, (address, page_server::PORT))?;
    connection.send(Segment { payload: &hello, hops: HOPS_TO_GATEWAY, ..Segment::plain(Flag::None) })?;
    finish(connection, request(OTHER_SITE.name).as_bytes())
}

/// A name of the rule's outside, at an address that a stranger has too: the name inside may be the stranger's.
pub(super) fn shared(network: &Network) -> Result<()> {
    ask(network, PORT + 2, FREE_SITE.v6.into(), FREE_SITE.name)
}

/// A name of the rule's outside whose HTTPS record has keys: its server takes encrypted hellos, for whatever name.
pub(super) fn published(network: &Network) -> Result<()> {
    let (name, address) = wild(ENCRYPTING_WILD);
    look_up(network, ATTACKER, &name, Family::of(&address))?;
    ask(network, PORT + 3, address, &name)
}

/// Opens a connection and says the hello, and then what the lab's server waits for: it gives its page to everybody.
fn ask(network: &Network, port: u16, address: IpAddr, outer: &str) -> Result<()> {
    let mut said = encrypted_client_hello(outer).context("too long a name")?;
    said.extend(b"\r\n\r\n");
    converse(network, port, address, &said)
}
