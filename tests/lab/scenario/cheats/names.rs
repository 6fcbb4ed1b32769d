//! Names that are right, and names that are not.

use std::net::IpAddr;

use anyhow::{Result, ensure};

use super::client::{look_up, open_http, open_tls, open_tls_through, open_tls_without_name};
use super::decoys;
use super::trickle::Trickle;
use super::{ACCOMPLICE, ATTACKER, HONEST_NAMES, RIGHT_NAME};
use crate::address::{
    FREE_SITE, Family, OTHER_SITE, SHARED_WILD, STRANGER_NAME, socket, stranger_address, subscriber, wild,
};
use crate::network::Network;
use crate::packet::Packet;
use crate::web::EVERYWHERE_PORT;

/// Looked up by the attacker, so that it is known to the gateway.
pub(super) fn right_name(network: &Network) -> Result<(String, IpAddr)> {
    let (name, expected) = wild(RIGHT_NAME);
    let address = look_up(network, ATTACKER, &name, Family::of(&expected))?;
    ensure!(address == expected, "{name} is at {address}, not {expected}");
    Ok((name, address))
}

/// No cheat at all.
pub(super) fn right_tls(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    open_tls(network, ATTACKER, &name, address)
}

/// No cheat at all.
pub(super) fn right_http(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    open_http(network, ATTACKER, &name, address)
}

/// No cheat either: the name is spread over hundreds of segments.
pub(super) fn one_octet_segments(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    let subscriber = &network.topology.subscribers[usize::from(ATTACKER)];
    let trickle = Trickle::start(subscriber, socket(address, EVERYWHERE_PORT))?;
    open_tls_through(network, ATTACKER, &name, trickle.port())?;
    trickle.finish()?;
    // The relay's system may join octets that wait for acknowledgements; nobody joins these.
    decoys::one_octet_each(network, &name, address)
}

/// The right name, asked of somebody else's server.
pub(super) fn forged_sni(network: &Network) -> Result<()> {
    let (name, _) = right_name(network)?;
    Family::ALL
        .into_iter()
        .try_for_each(|family| open_tls(network, ATTACKER, &name, OTHER_SITE.address(family)))
}

/// Somebody else's name, asked of the right server.
pub(super) fn wrong_sni(network: &Network) -> Result<()> {
    let (_, address) = right_name(network)?;
    open_tls(network, ATTACKER, OTHER_SITE.name, address)?;
    open_http(network, ATTACKER, OTHER_SITE.name, address)
}

/// No name at all: curl sends none for an address.
pub(super) fn no_sni(network: &Network) -> Result<()> {
    let (_, address) = right_name(network)?;
    open_tls_without_name(network, ATTACKER, address)
}

/// The right name in a request to somebody else's server; and to one whose address is the rule's by another name.
pub(super) fn forged_host(network: &Network) -> Result<()> {
    let (name, _) = right_name(network)?;
    Family::ALL
        .into_iter()
        .try_for_each(|family| open_http(network, ATTACKER, &name, OTHER_SITE.address(family)))?;
    let known = wild(HONEST_NAMES[1]);
    open_http(network, ATTACKER, &name, known.1)
}

/// A stranger's site has the address of one of the rule's names. The name itself is free there, and the stranger's is not.
pub(super) fn shared_by_name(network: &Network) -> Result<()> {
    let (own, expected) = wild(SHARED_WILD);
    let address = look_up(network, ACCOMPLICE, &own, Family::V4)?;
    ensure!(address == expected, "{own} is at {address}, not {expected}");
    for family in Family::ALL {
        let address = look_up(network, ATTACKER, STRANGER_NAME, family)?;
        ensure!(address == stranger_address(family), "the stranger is at {address}");
    }
    open_tls(network, ATTACKER, STRANGER_NAME, address)?;
    open_http(network, ATTACKER, STRANGER_NAME, address)?;
    open_tls(network, ACCOMPLICE, &own, address)
}

/// The same where the rule asks for the address alone. That the address is shared was heard in
/// [`shared_by_name`]: a connection that overtakes the first news of it is judged by the address.
pub(super) fn shared_by_address(network: &Network) -> Result<()> {
    let address = stranger_address(Family::V6);
    open_tls(network, ATTACKER, STRANGER_NAME, address)?;
    open_http(network, ATTACKER, STRANGER_NAME, address)?;
    open_tls(network, ACCOMPLICE, FREE_SITE.name, address)
}

/// Whether a packet is of those that ask for the rule's own name at an address that a stranger has too.
pub(super) fn is_own_of_shared(packet: &Packet) -> bool {
    packet.has_ports()
        && Family::ALL.iter().any(|family| {
            packet.touches(&subscriber(ACCOMPLICE, *family)) && packet.touches(&stranger_address(*family))
        })
}
