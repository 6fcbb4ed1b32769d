//! Tunnels that a subscriber builds himself, to make what he pays for look like something free.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::address::{Family, socket};
use crate::datagram;
use crate::encapsulation::{GTPU_PORT, GtpuOption};
use crate::ip;
use crate::namespace::Namespace;
use crate::topology::Side;

/// IPv4 in IP (RFC 2003, section 3.1).
const IPV4_IN_IP: i32 = 4;
/// IPv6 in IP (RFC 2473, section 4; RFC 4213, section 3).
const IPV6_IN_IP: i32 = 41;
/// Ports of the packet inside; the site's is one that its rule makes free.
const INNER_PORTS: [u16; 2] = [40_000, 443];
/// Payload of the packet inside, in octets: the packet outside is not fragmented.
const INNER_OCTETS: usize = 1000;
/// A packet crosses the lab within moments.
const LIMIT: Duration = Duration::from_secs(20);
/// Larger than any packet sent here.
const OCTETS_MAX: usize = 2048;

/// What kind of tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One IP packet in another.
    IpInIp,
    /// The carrier's own protocol.
    Gtpu,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 2] = [Self::IpInIp, Self::Gtpu];
}

/// The two ends of something: the subscriber's, and the other.
pub type Ends = [IpAddr; 2];

/// Sends one packet each way between the tunnel's ends `outer`, with a packet between `inner` inside.
///
/// # Errors
/// If one does not arrive.
pub fn exchange([subscriber, internet]: [&Namespace; 2], kind: Kind, outer: Ends, inner: Ends) -> Result<()> {
    let ours = open(subscriber, kind, outer, Family::of(&inner[0]))?;
    let theirs = open(internet, kind, [outer[1], outer[0]], Family::of(&inner[0]))?;
    let [site_port, port] = [INNER_PORTS[1], INNER_PORTS[0]];
    let up = content(kind, inner, [port, site_port], Side::Access)?;
    let down = content(kind, [inner[1], inner[0]], [site_port, port], Side::Core)?;
    for (from, to, octets) in [(&ours, &theirs, up), (&theirs, &ours, down)] {
        (&*from).write_all(&octets).context("cannot send into a tunnel")?;
        let arrived = (&*to).read(&mut [0; OCTETS_MAX]);
        arrived.with_context(|| format!("nothing came out of a tunnel: {kind:?} {outer:?} {inner:?}"))?;
    }
    Ok(())
}

/// Sends a packet as a tunnel's own end would, to `end`, which is not the subscriber's.
///
/// # Errors
/// If the kernel refuses.
pub fn imitate(subscriber: &Namespace, own: IpAddr, end: IpAddr, inner: Ends) -> Result<()> {
    let socket = open(subscriber, Kind::Gtpu, [own, end], Family::of(&inner[0]))?;
    let octets = content(Kind::Gtpu, inner, INNER_PORTS, Side::Access)?;
    (&socket).write_all(&octets).context("cannot send into a tunnel")
}

fn content(kind: Kind, [source, destination]: Ends, ports: [u16; 2], side: Side) -> Result<Vec<u8>> {
    let packet = ip::datagram(source, destination, ports, INNER_OCTETS);
    let packet = packet.context("two addresses of different IP versions")?;
    match kind {
        Kind::IpInIp => Ok(packet),
        Kind::Gtpu => GtpuOption::None.wrap(&packet, side).context("too long for GTP-U"),
    }
}

fn open(namespace: &Namespace, kind: Kind, [own, peer]: Ends, inner: Family) -> Result<Socket> {
    let (opened, port) = match kind {
        Kind::Gtpu => (datagram::open(namespace, socket(own, GTPU_PORT))?.into(), GTPU_PORT),
        Kind::IpInIp => (namespace.within(|| open_raw(own, inner))?, 0),
    };
    opened.connect(&socket(peer, port).into()).with_context(|| format!("cannot reach {peer}"))?;
    Ok(opened)
}

/// The kernel puts the outer header in front of what is sent.
fn open_raw(own: IpAddr, inner: Family) -> Result<Socket> {
    let protocol = match inner {
        Family::V4 => IPV4_IN_IP,
        Family::V6 => IPV6_IN_IP,
    };
    let address = socket(own, 0);
    let opened = Socket::new(Domain::for_address(address), Type::RAW, Some(Protocol::from(protocol)))
        .context("cannot open a tunnel's end")?;
    opened.bind(&address.into()).with_context(|| format!("cannot bind {own}"))?;
    opened.set_read_timeout(Some(LIMIT))?;
    Ok(opened)
}
