//! Data in segments that look as if they were sent again.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};

use super::decoys::{FIRST_PORT, request};
use super::handmade::{Connection, Flag, Segment};
use super::names::right_name;
use super::{HONEST_NAMES, RIGHT_NAME, RULE};
use crate::address::wild;
use crate::capture::Point;
use crate::gateway::Snapshot;
use crate::network::Network;
use crate::packet::Packet;
use crate::page_server::PORT;
use crate::phase::Phase;
use crate::report::Report;

/// Segments of each kind.
const SEGMENTS: usize = 20;
/// Of those far behind, in octets.
const PAYLOAD_OCTETS: usize = 1000;
/// Farther behind than any server's window, in octets.
const FAR_BEHIND: u32 = 1 << 30;

/// A connection that is free; then segments with other content, in the place of the request and far before the connection's
/// first octet. The server drops them, and whoever listens on the way does not.
pub(super) fn attempt(network: &Network) -> Result<()> {
    let (name, address) = right_name(network)?;
    let mut connection = Connection::open(network, FIRST_PORT + 70, (address, PORT))?;
    let right = request(&name);
    connection.say(right.as_bytes())?;
    ensure!(connection.hear()? > 0, "no page came");
    let behind = u32::try_from(right.len())?;
    let other = vec![0x5a; right.len()];
    let far = [0xa5; PAYLOAD_OCTETS];
    for (behind, payload) in [(behind, &other[..]), (FAR_BEHIND, &far)] {
        for _ in 0..SEGMENTS {
            connection.send(Segment {
                ahead: behind.wrapping_neg(),
                payload,
                ..Segment::plain(Flag::None)
            })?;
        }
    }
    connection.end()
}

/// Compares what was counted as sent again, by the rule, with the captures.
pub(super) fn check(report: &mut Report, phase: &Phase) -> Result<()> {
    let [before, after] = [counted(&phase.before)?, counted(&phase.after)?];
    let measured = [after[0] - before[0], after[1] - before[1]];
    let expected = [Point::UplinkIn, Point::DownlinkIn].map(|point| {
        sent_again(phase.traffic.packets(point).map(|(_, packet)| packet).filter(|packet| is_of_rule(packet)))
    });
    report.check("cheats-sent-again-counted-apart", expected, measured);
    let sent = SEGMENTS * PAYLOAD_OCTETS;
    report.check("cheats-sent-again-was-there", true, usize::try_from(expected[0])? > sent);
    Ok(())
}

/// What the gateway counted as sent again under the rule: from subscribers and to them.
fn counted(snapshot: &Snapshot) -> Result<[i64; 2]> {
    let rows =
        snapshot.json["sent_again"].as_array().context("status tells nothing of what was sent again")?;
    let octets = |column: &str| {
        let of_rule = rows.iter().filter(|row| row["rule_id"] == RULE);
        of_rule.map(|row| row[column].as_i64()).sum::<Option<i64>>().with_context(|| format!("no {column}"))
    };
    Ok([octets("uplink_octets")?, octets("downlink_octets")?])
}

fn is_of_rule(packet: &Packet) -> bool {
    [RIGHT_NAME, HONEST_NAMES[0], HONEST_NAMES[1]].iter().any(|number| packet.touches(&wild(*number).1))
}

/// Octets of payload below the highest sequence number that their stream had reached (RFC 9293, section 3.4).
fn sent_again<'a>(packets: impl Iterator<Item = &'a Packet>) -> i64 {
    let mut streams = HashMap::new();
    let mut sum = 0;
    for packet in packets {
        let Some(segment) = packet.segment.filter(|segment| segment.payload > 0) else { continue };
        let end = segment.sequence.wrapping_add(segment.payload.into());
        let reached =
            streams.entry((packet.source, packet.destination, packet.ports)).or_insert(segment.sequence);
        let behind = reached.wrapping_sub(segment.sequence).cast_signed();
        sum += i64::from(behind.clamp(0, segment.payload.into()));
        if end.wrapping_sub(*reached).cast_signed() > 0 {
            *reached = end;
        }
    }
    sum
}
