//! Attacks that need no name: on what a packet is, where it comes from, and how many there are.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Context as _, Result, bail, ensure};
use etherparse::{IpNumber, PacketBuilder};

use super::names::right_name;
use super::{ACCOMPLICE, ATTACKER, HONEST_NAMES};
use crate::address::{FREE_SITE, Family, relay, resolver, socket, subscriber, wild};
use crate::ip;
use crate::network::Network;
use crate::packet_socket::PacketSocket;
use crate::page_server::PORT;
use crate::private_tunnel::{self, Kind};
use crate::question::Question;
use crate::stranger::{knock, send_datagrams};
use crate::topology::{CORE_LINK, ONLY_INTERFACE, mac};

/// Hops that are left.
const HOPS: u8 = 64;
/// A port at which nothing listens: discard (RFC 863).
const CLOSED_PORT: u16 = 9;
/// Generic Routing Encapsulation (RFC 2784).
const GRE: IpNumber = IpNumber(47);
/// RFC 2784, section 2: no checksum, version 0, IPv6 inside (RFC 7676).
const GRE_HEADER: [u8; 4] = [0, 0, 0x86, 0xdd];

/// Echo requests that are full of something.
pub(super) fn icmp_tunnel(network: &Network) -> Result<()> {
    let (_, right) = right_name(network)?;
    for address in [FREE_SITE.v4.into(), FREE_SITE.v6.into(), right] {
        let mut ping = network.topology.subscribers[usize::from(ATTACKER)].command("ping");
        ping.args(["-n", "-q", "-c", "5", "-i", "0.1", "-W", "5", "-s", "1200", &address.to_string()]);
        crate::command::run(&mut ping, "")?;
    }
    Ok(())
}

/// Packets to the free site inside others: to a relay of the attacker's; and, as no server takes them, to the site itself.
pub(super) fn own_tunnels(network: &Network) -> Result<()> {
    let namespaces = [&network.topology.subscribers[usize::from(ATTACKER)], &network.topology.internet];
    for outer in Family::ALL {
        let own = subscriber(ATTACKER, outer);
        for inner in Family::ALL {
            let inside = [subscriber(ATTACKER, inner), FREE_SITE.address(inner)];
            for kind in Kind::ALL {
                private_tunnel::exchange(namespaces, kind, [own, relay(outer)], inside)?;
            }
            private_tunnel::exchange(namespaces, Kind::IpInIp, [own, FREE_SITE.address(outer)], inside)?;
        }
    }
    gre(network)
}

fn gre(network: &Network) -> Result<()> {
    let (own, relay) = (v6(subscriber(ATTACKER, Family::V6))?, v6(relay(Family::V6))?);
    let inside = ip::datagram(own.into(), FREE_SITE.v6.into(), [40_000, 443], 1000).context("too long")?;
    let socket = access(network)?;
    for outside in [relay, FREE_SITE.v6] {
        let builder = PacketBuilder::ethernet2(mac(ATTACKER, 1), mac(ATTACKER, 2));
        let mut frame = Vec::new();
        builder.ipv6(own.octets(), outside.octets(), HOPS).write(
            &mut frame,
            GRE,
            &[&GRE_HEADER, &inside[..]].concat(),
        )?;
        socket.send(&frame)?;
    }
    Ok(())
}

/// From servers that are free, to somebody who asked for nothing.
pub(super) fn unsolicited(network: &Network) -> Result<()> {
    // The honest client has opened it: the gateway knows it.
    let (_, known) = wild(HONEST_NAMES[0]);
    let internet = &network.topology.internet;
    for from in [FREE_SITE.v4.into(), FREE_SITE.v6.into(), known] {
        let to = socket(subscriber(ACCOMPLICE, Family::of(&from)), CLOSED_PORT);
        send_datagrams(internet, socket(from, CLOSED_PORT), to, 20, 1000)?;
        knock(internet, socket(from, CLOSED_PORT), to, 2)?;
    }
    Ok(())
}

/// Sources that nobody can have where the packet comes from.
pub(super) fn spoofed_source(network: &Network) -> Result<()> {
    let stranger = Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0x66);
    let [attacker, accomplice] = [ATTACKER, ACCOMPLICE].map(|index| v6(subscriber(index, Family::V6)));
    let (attacker, accomplice) = (attacker?, accomplice?);
    let access = access(network)?;
    let core = PacketSocket::open(&network.topology.internet, ONLY_INTERFACE)?;
    let up = [mac(ATTACKER, 1), mac(ATTACKER, 2)];
    let down = [mac(CORE_LINK, 2), mac(CORE_LINK, 1)];
    for _ in 0..10 {
        access.send(&datagram(up, stranger, FREE_SITE.v6, CLOSED_PORT)?)?;
        core.send(&datagram(down, accomplice, attacker, CLOSED_PORT)?)?;
    }
    Ok(())
}

/// Questions to the carrier's resolver that carry something.
pub(super) fn dns_tunnel(network: &Network) -> Result<()> {
    network.topology.subscribers[usize::from(ATTACKER)].within(|| {
        for number in 0..50 {
            for family in Family::ALL {
                let name = format!("{number:060}.{}.{}", "c".repeat(60), FREE_SITE.name);
                let client = subscriber(ATTACKER, family);
                let question = Question::ask(client, resolver(family), &name, Family::V6)?;
                ensure!(question.answer()?.is_none(), "there is a {name}");
            }
        }
        Ok(())
    })
}

/// More flows than a subscriber may have, each of them to be looked into.
pub(super) fn flow_flood(network: &Network) -> Result<()> {
    /// Three times what one subscriber may have.
    const FLOWS: u16 = 3072;
    let (_, right) = right_name(network)?;
    let (own, right) = (v6(subscriber(ATTACKER, Family::V6))?, v6(right)?);
    let socket = access(network)?;
    let ends = [mac(ATTACKER, 1), mac(ATTACKER, 2)];
    (0..FLOWS).try_for_each(|number| socket.send(&datagram(ends, own, right, PORT + 1 + number)?))
}

fn v6(address: IpAddr) -> Result<Ipv6Addr> {
    match address {
        IpAddr::V6(v6) => Ok(v6),
        IpAddr::V4(v4) => bail!("{v4} is not of IPv6"),
    }
}

fn access(network: &Network) -> Result<PacketSocket> {
    PacketSocket::open(&network.topology.subscribers[usize::from(ATTACKER)], ONLY_INTERFACE)
}

fn datagram(ends: [[u8; 6]; 2], source: Ipv6Addr, destination: Ipv6Addr, port: u16) -> Result<Vec<u8>> {
    let builder = PacketBuilder::ethernet2(ends[0], ends[1])
        .ipv6(source.octets(), destination.octets(), HOPS)
        .udp(40_000, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[0x5a; 200])?;
    Ok(frame)
}
