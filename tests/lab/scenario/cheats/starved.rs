//! What happens while nobody reads copies: the controller is stopped or killed, the ring buffer fills up, and honest and
//! cheating flows go on.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use etherparse::PacketBuilder;

use super::client::{be_honest, look_up, open_http};
use super::decoys::{FIRST_PORT, request};
use super::handmade::{Connection, Flag, HOPS, HOPS_TO_GATEWAY, Segment};
use super::names::{self, right_name};
use super::row::Row;
use super::{ACCOMPLICE, ATTACKER, HONEST, HONEST_NAMES, RULE};
use crate::address::{Family, OPEN_SITE, OTHER_SITE, subscriber, wild};
use crate::capture::Point;
use crate::gateway::Snapshot;
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::packet::Packet;
use crate::packet_socket::PacketSocket;
use crate::page_server::PORT;
use crate::phase::Phase;
use crate::report::Report;
use crate::topology::{ONLY_INTERFACE, mac};
use crate::volume::Volume;
use crate::wait;

/// The rule that frees flows that hide their name.
const OPEN_RULE: &str = "open-site";
/// From the end of a pause until copies are read, on a busy machine.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// Why nobody reads copies.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// The controller is stopped, and goes on.
    Paused,
    /// It is killed, and another is started.
    Killed,
}

/// The site of which hidden names are free.
pub(super) fn policy() -> String {
    format!(
        r#"
[[site]]
id = "{OPEN_RULE}"
domains = ["{}"]
evidence = "name-and-address"
hidden_name = "free"
class = "free"
rating_group = 9006
"#,
        OPEN_SITE.0
    )
}

/// Runs it all.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<Vec<Row>> {
    let rows = vec![slow(lab, report)?, decoy(lab, report)?];
    for (number, outage) in (1..).zip([Outage::Paused, Outage::Killed]) {
        starve(lab, report, outage, number)?;
    }
    Ok(rows)
}

/// The controller rests, and the ring buffer keeps all copies: evidence comes late, and is the same.
fn slow(lab: &mut Laboratory, report: &mut Report) -> Result<Row> {
    let name = "slow-controller";
    let phase = crate::scenario::names::measure(lab, name, |lab| {
        lab.gateway.pause()?;
        names::wrong_sni(&lab.network)?;
        be_honest(&lab.network)?;
        lab.gateway.go_on()
    })?;
    Row::compare(report, name, &phase, Volume::default())
}

/// The right name is copied and does not get there; another's gets there, in its place, and is not copied, because the ring
/// buffer is full. What the server acknowledges later is copied again.
fn decoy(lab: &mut Laboratory, report: &mut Report) -> Result<Row> {
    let name = "full-ring-decoy";
    let phase = crate::scenario::names::measure(lab, name, |lab| {
        let (own, address) = right_name(&lab.network)?;
        lab.gateway.pause()?;
        let mut connection = Connection::open(&lab.network, FIRST_PORT + 90, (address, PORT))?;
        let right = request(&own);
        let payload = right.as_bytes();
        connection.send(Segment { payload, hops: HOPS_TO_GATEWAY, ..Segment::plain(Flag::None) })?;
        fill(&lab.network, 0)?;
        connection.say(request(&own.replace("moh", "bad")).as_bytes())?;
        connection.hear()?;
        lab.gateway.go_on()?;
        wait_for_reader(lab)?;
        // One octet again, so that the server acknowledges all it has.
        for _ in 0..3 {
            let payload = b"\n".as_slice();
            connection.send(Segment { payload, ahead: u32::MAX, ..Segment::plain(Flag::None) })?;
        }
        connection.end()?;
        be_honest(&lab.network)
    })?;
    Row::compare(report, name, &phase, Volume::default())
}

/// Copies are read again, so that there is room for others.
fn wait_for_reader(lab: &mut Laboratory) -> Result<()> {
    wait::until("copies that are read", READ_LIMIT, || {
        lab.gateway.expect_running()?;
        let json = lab.gateway.snapshot()?.json;
        let waiting = json["evidence"]["waiting"].as_u64().context("status tells nothing of evidence")?;
        Ok((waiting > 0).then_some(()))
    })
}

/// The ring buffer is full, so no flow shows its name: the rules' `hidden_name` decides, and what may be wrong is counted.
fn starve(lab: &mut Laboratory, report: &mut Report, outage: Outage, number: u16) -> Result<()> {
    let prefix = format!("cheats-full-ring-{}", format!("{outage:?}").to_lowercase());
    let phase = crate::scenario::names::measure(lab, &prefix, |lab| {
        let (_, right) = right_name(&lab.network)?;
        look_up(&lab.network, HONEST, OPEN_SITE.0, Family::V6)?;
        match outage {
            Outage::Paused => lab.gateway.pause()?,
            Outage::Killed => lab.gateway.kill()?,
        }
        fill(&lab.network, number)?;
        browse(&lab.network, right)?;
        match outage {
            Outage::Paused => lab.gateway.go_on(),
            Outage::Killed => lab.gateway.start(&lab.network.topology.gateway),
        }
    })?;
    let closed = captured(&phase, &[right_address(), wild(HONEST_NAMES[1]).1]);
    let open = captured(&phase, &[OPEN_SITE.1.into()]);
    report.check(format!("{prefix}-charged"), closed, counted(&phase, RULE, "undecided"));
    report.check(format!("{prefix}-free"), open, counted(&phase, OPEN_RULE, "undecided-free"));
    let at_risk = |outcome: &str| -> Result<Volume> {
        Ok(at_risk(&phase.after, outcome)? - at_risk(&phase.before, outcome)?)
    };
    report.check(format!("{prefix}-at-risk"), [closed, open], [at_risk("charged")?, at_risk("free")?]);
    report.check(format!("{prefix}-was-there"), true, open.octets > 0 && closed.octets > open.octets);
    Ok(())
}

/// The honest client opens a site of each rule; the cheat asks both servers for another's.
fn browse(network: &Network, right: IpAddr) -> Result<()> {
    let (own, address) = wild(HONEST_NAMES[1]);
    open_http(network, HONEST, &own, address)?;
    open_http(network, HONEST, OPEN_SITE.0, OPEN_SITE.1.into())?;
    open_http(network, ATTACKER, OTHER_SITE.name, right)?;
    open_http(network, ATTACKER, OTHER_SITE.name, OPEN_SITE.1.into())
}

/// Flows that are looked into and say nothing, until the ring buffer has no room for any copy: first with large datagrams,
/// then with small ones. `number` is another one each time, because flows that are decided are not copied.
fn fill(network: &Network, number: u16) -> Result<()> {
    /// Of each size: flows, datagrams in each, and octets that they carry. The first are more than the ring buffer's 16 MiB,
    /// and each flow less than is copied of one (128 KiB); the second are more than a large datagram's room, and no copy is
    /// smaller.
    const SIZES: [(u16, usize, usize); 2] = [(150, 90, 1400), (1, 200, 1)];
    let IpAddr::V6(own) = subscriber(ACCOMPLICE, Family::V6) else { bail!("not of IPv6") };
    let IpAddr::V6(right) = right_address() else { bail!("not of IPv6") };
    let socket = PacketSocket::open(&network.topology.subscribers[usize::from(ACCOMPLICE)], ONLY_INTERFACE)?;
    let mut port = 40_000 + number * 1000;
    for (flows, datagrams, octets) in SIZES {
        for _ in 0..flows {
            port += 1;
            let frame = frame(own, right, port, octets)?;
            (0..datagrams).try_for_each(|_| socket.send(&frame))?;
        }
    }
    Ok(())
}

fn frame(source: Ipv6Addr, destination: Ipv6Addr, port: u16, octets: usize) -> Result<Vec<u8>> {
    let ends = [mac(ACCOMPLICE, 1), mac(ACCOMPLICE, 2)];
    let builder = PacketBuilder::ethernet2(ends[0], ends[1])
        .ipv6(source.octets(), destination.octets(), HOPS)
        .udp(port, PORT);
    let mut frame = Vec::new();
    builder.write(&mut frame, &vec![0x5a; octets])?;
    Ok(frame)
}

fn right_address() -> IpAddr {
    wild(super::RIGHT_NAME).1
}

/// What went into the gateway to and from these servers.
fn captured(phase: &Phase, servers: &[IpAddr]) -> Volume {
    let is_theirs =
        |packet: &Packet| packet.has_ports() && servers.iter().any(|server| packet.touches(server));
    [Point::UplinkIn, Point::DownlinkIn].map(|point| phase.traffic.volume(point, is_theirs)).into_iter().sum()
}

fn counted(phase: &Phase, rule: &str, reason: &str) -> Volume {
    phase.counted(|counter| counter.rule_id == rule && counter.reason == reason).total()
}

/// What status says of volume that no evidence was there for.
fn at_risk(snapshot: &Snapshot, outcome: &str) -> Result<Volume> {
    let json = snapshot.json["at_risk"][outcome].clone();
    serde_json::from_value(json)
        .with_context(|| format!("status tells nothing of what is at risk and {outcome}"))
}
