//! A free server that carries whatever its client wants: all that stops it is the rule's daily ceiling.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::ACCOMPLICE;
use super::row::Row;
use crate::address::{CAPPED, Family, socket, subscriber, subscriber_name};
use crate::capture::Point;
use crate::datagram;
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::packet::Packet;
use crate::phase::Phase;
use crate::report::Report;
use crate::volume::Volume;
use crate::wait;

/// The rule that has a ceiling.
const RULE: &str = "capped-site";
/// Where the proxy listens.
const PORT: u16 = 4433;
/// What the rule gives a subscriber in a day, in octets: 100 kB.
const CEILING_OCTETS: i64 = 100_000;
/// What a datagram carries, in octets: with IPv4's header and UDP's, 997. No number of those is the ceiling.
const PAYLOAD_OCTETS: usize = 969;
/// Questions, each with one answer: half as much again as the ceiling.
const QUESTIONS: usize = 75;
/// The gateway looks at ceilings every few seconds.
const REPORT_LIMIT: Duration = Duration::from_secs(30);

/// The site with a ceiling.
pub(super) fn policy() -> String {
    format!(
        r#"
[[site]]
id = "{RULE}"
networks = ["{CAPPED}/32"]
ports = ["udp/{PORT}"]
evidence = "address"
class = "free"
rating_group = 9005
daily_ceiling = "100 kB"
"#
    )
}

/// Tries it, beside the honest client, and compares.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<Row> {
    let name = "open-proxy";
    let phase = super::measure(lab, name, ask)?;
    let is_capped = |packet: &Packet| packet.has_ports() && packet.touches(&CAPPED);
    let [up, down] = [Point::UplinkIn, Point::DownlinkIn].map(|point| phase.traffic.volume(point, is_capped));
    // All of one size and strictly in turn: how many are within the ceiling does not depend on which they are.
    let all = up + down;
    let one = all.octets / all.packets;
    ensure!(up == down && one * all.packets == all.octets, "{up} up and {down} down are not of one size");
    let packets = all.packets.min(CEILING_OCTETS / one);
    let within = Volume { packets, octets: packets * one };
    let row = Row::compare(report, name, &phase, within)?;
    report.check("cheats-open-proxy-past-ceiling", all - within, charged(&phase));
    report.check("cheats-open-proxy-reported", 1, reported(lab)?);
    Ok(row)
}

/// What is past the ceiling.
fn charged(phase: &Phase) -> Volume {
    let of = subscriber_name(ACCOMPLICE, Family::V4);
    let counted = phase.counted(|counter| {
        counter.is_of(&of) && counter.rule_id == RULE && counter.reason == "daily-ceiling"
    });
    counted.total()
}

/// How many subscribers are past a ceiling, once any is.
fn reported(lab: &mut Laboratory) -> Result<u64> {
    wait::until("who is past a ceiling", REPORT_LIMIT, || {
        lab.gateway.expect_running()?;
        let json = lab.gateway.snapshot()?.json;
        let past = json["flows"]["past_ceiling"].as_u64().context("status tells nothing of ceilings")?;
        Ok((past > 0).then_some(past))
    })
}

/// Asks the proxy, and takes each answer before the next question.
fn ask(network: &Network) -> Result<()> {
    let topology = &network.topology;
    let server = socket(CAPPED, PORT);
    let client = socket(subscriber(ACCOMPLICE, Family::V4), 0);
    let asking = datagram::open(&topology.subscribers[usize::from(ACCOMPLICE)], client)?;
    let answering = datagram::open(&topology.internet, server)?;
    let mut octets = [0x5a; PAYLOAD_OCTETS];
    for _ in 0..QUESTIONS {
        asking.send_to(&octets, server)?;
        let (length, from) = answering.recv_from(&mut octets).context("no question came")?;
        answering.send_to(&octets[..length], from)?;
        asking.recv(&mut octets).context("no answer came")?;
    }
    Ok(())
}
