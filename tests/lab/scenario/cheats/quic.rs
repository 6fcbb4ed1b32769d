//! QUIC: the right name, another's, and first packets for the gateway's eyes.

use anyhow::{Context as _, Result};

use super::ATTACKER;
use super::handmade::{HOPS, HOPS_TO_GATEWAY};
use super::names::right_name;
use crate::address::{Family, OTHER_SITE, socket, subscriber};
use crate::network::Network;
use crate::quic::QuicClient;

/// Where the server listens: HTTP/3's usual port.
pub(super) const PORT: u16 = 443;
/// The first of the client's ports: each attempt has one of its own.
const FIRST_PORT: u16 = 31_000;

/// A first packet that names what is free, and does not begin what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decoy {
    /// It goes no further than the gateway, and what follows has another connection id.
    OtherId,
    /// It goes no further, and what follows has the same id, so the same keys.
    SameId,
    /// It gets there, and its authentication tag is wrong.
    Broken,
}

/// No cheat: the right name, acknowledged by a handshake.
pub(super) fn right(network: &Network) -> Result<()> {
    let (name, mut client) = open(network, FIRST_PORT)?;
    client.fetch(&name)
}

/// Another's name, asked of the right server.
pub(super) fn wrong(network: &Network) -> Result<()> {
    let (_, mut client) = open(network, FIRST_PORT + 1)?;
    client.fetch(OTHER_SITE.name)
}

/// A decoy with the right name, and then another's between the same ports.
pub(super) fn decoys(network: &Network) -> Result<()> {
    for (port, decoy) in (FIRST_PORT + 10..).zip([Decoy::OtherId, Decoy::SameId, Decoy::Broken]) {
        let (name, mut client) = open(network, port)?;
        if decoy == Decoy::SameId {
            client.begin_with(*b"one id!!");
        }
        let mut first = client.initial(&name)?;
        if decoy == Decoy::Broken {
            // The tag is what the packet ends with (RFC 9001, section 5.3), and the packet fills its datagram.
            *first.last_mut().context("an empty packet")? ^= 1;
            client.send(&first, HOPS)?;
        } else {
            client.send(&first, HOPS_TO_GATEWAY)?;
        }
        client.fetch(OTHER_SITE.name).with_context(|| format!("behind {decoy:?}"))?;
    }
    Ok(())
}

/// A client, and the name that is right.
fn open(network: &Network, port: u16) -> Result<(String, QuicClient)> {
    let (name, address) = right_name(network)?;
    let client = network.topology.subscribers[usize::from(ATTACKER)].within(|| {
        let own = socket(subscriber(ATTACKER, Family::V6), port);
        QuicClient::open(own, socket(address, PORT), network.web.authority())
    })?;
    Ok((name, client))
}
