//! What people try in order to have a data pipe free that is called a call: each alone, with an honest call beside it.

use std::thread;

use anyhow::Result;
use serde::Serialize;

use super::HOTLINE;
use super::phone::{Call, DESK_PORT, Line, Office, VOICE_OCTETS, heard, media_port, messages, talked};
use crate::address::{DESK, FOREIGN_PROXY, Family, relay, socket, subscriber};
use crate::capture::Point;
use crate::gateway::HOTLINE_RULE;
use crate::laboratory::Laboratory;
use crate::packet::{Packet, UDP};
use crate::phase::Phase;
use crate::report::Report;
use crate::volume::{Usage, Volume};

/// Who is honest, while others are not.
const HONEST: u8 = 0;
/// Who is not.
const ATTACKER: u8 = 1;
/// Whose call somebody wants to end.
const VICTIM: u8 = 2;
/// Who floods a call of his own.
const FLOODER: u8 = VICTIM;
/// Telephones of this part.
const PLACE: u16 = 1;
/// Packets each way of an honest call, and of an attack.
const HONEST_PACKETS: u16 = 10;
const PACKETS: u16 = 100;
/// Octets of an attack's RTP packets, from RTP's header on: a pipe wants large ones.
const LARGE_OCTETS: usize = 1000;
/// Packets each way of a flood: eight times what a stream may be ahead of its rate.
const FLOOD_PACKETS: u16 = 500;
/// What a voice stream may carry each way in a second, in octets, and be ahead of it (docs/policies.md, `rate`).
const RATE_OCTETS: u64 = 16_000;
const BURST_OCTETS: u64 = 65_536;
/// How much later or earlier than tcpdump the gateway may see a packet, in microseconds.
const SLACK_US: u64 = 50_000;
/// INVITEs that nobody answers.
const HALF_OPEN: u32 = 100_000;
/// Calls of one subscriber that are followed at once (docs/policies.md, `calls_per_subscriber`).
const FOLLOWED: usize = 4;
/// What the daemon may grow by meanwhile, in octets. Reason: its queue holds 1024 copies of 2 KiB, and as much again is
/// the allocator's.
const GROWTH_OCTETS: u64 = 16 << 20;

/// What an attack stands on.
struct Ground<'a> {
    lab: &'a Laboratory,
    office: &'a Office,
}

/// An attack.
struct Cheat {
    name: &'static str,
    /// Packets of it that may be free.
    may_be_free: fn(&Packet) -> bool,
    attempt: fn(&Ground<'_>) -> Result<()>,
}

const ALL: [Cheat; 7] = [
    Cheat { name: "outside-address", may_be_free: nothing, attempt: outside_address },
    Cheat { name: "foreign-proxy", may_be_free: nothing, attempt: foreign_proxy },
    Cheat { name: "near-numbers", may_be_free: nothing, attempt: near_numbers },
    Cheat { name: "hasty-near-number", may_be_free: nothing, attempt: hasty_near_number },
    Cheat { name: "signalled-pipe", may_be_free: nothing, attempt: signalled_pipe },
    Cheat { name: "after-bye", may_be_free: is_voice, attempt: after_bye },
    Cheat { name: "spoofed-bye", may_be_free: is_voice, attempt: spoofed_bye },
];

/// What came of an attack, in octets of IP packets of both directions.
#[derive(Clone, Debug, Serialize)]
struct Row {
    attack: &'static str,
    octets_tried: i64,
    octets_free: i64,
    octets_allowed: i64,
    honest_call_intact: bool,
}

/// Runs it all.
pub(super) fn run(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    for cheat in &ALL {
        let phase = measure(lab, office, cheat.name, cheat.attempt)?;
        rows.push(check(report, cheat, &phase)?);
    }
    rows.push(half_open(lab, office, report)?);
    rows.push(flood(lab, office, report)?);
    print(&rows);
    report.figure("table", rows);
    Ok(())
}

/// Free of an attack is what captures say may be.
fn check(report: &mut Report, cheat: &Cheat, phase: &Phase) -> Result<Row> {
    let allowed = attacked(phase, cheat.may_be_free);
    report.check(format!("calls-5-{}-free", cheat.name), allowed, free_of_attack(phase));
    row(report, cheat.name, phase, allowed.octets)
}

/// The attack, and then an honest call.
fn measure(
    lab: &mut Laboratory,
    office: &Office,
    name: &str,
    attempt: impl FnOnce(&Ground<'_>) -> Result<()>,
) -> Result<Phase> {
    lab.measure(name, |lab| {
        attempt(&Ground { lab, office })?;
        let line = office.line(&lab.network.topology, HONEST, PLACE)?;
        let call = line.call(&format!("honest-{name}"), HOTLINE)?;
        line.answer(&lab.gateway, &call)?;
        line.talk(HONEST_PACKETS, VOICE_OCTETS)?;
        line.hang_up(&lab.gateway, &call)
    })
}

impl Ground<'_> {
    /// A telephone of subscriber `index`.
    fn line(&self, index: u8) -> Result<Line> {
        self.office.line(&self.lab.network.topology, index, PLACE)
    }

    /// Has a call answered, waits until the gateway has read all of it, and sends what a pipe would.
    fn try_pipe(&self, line: &Line, call: &Call) -> Result<()> {
        let before = messages(&self.lab.gateway)?;
        line.answer_charged(call)?;
        // INVITE, 200 and ACK.
        heard(&self.lab.gateway, before, 3)?;
        line.talk(PACKETS, LARGE_OCTETS)
    }
}

/// Both ends describe media outside the media networks.
fn outside_address(ground: &Ground<'_>) -> Result<()> {
    let topology = &ground.lab.network.topology;
    let office = ground.office.with_desk(topology, socket(relay(Family::V4), DESK_PORT))?;
    let line = office.line(topology, ATTACKER, PLACE)?;
    ground.try_pipe(&line, &line.call("outside", HOTLINE)?)
}

/// The call goes by a proxy that is not listed; its media goes where a free call's might.
fn foreign_proxy(ground: &Ground<'_>) -> Result<()> {
    let topology = &ground.lab.network.topology;
    let office = Office::at(topology, FOREIGN_PROXY, socket(DESK[0], DESK_PORT + 2))?;
    let line = office.line(topology, ATTACKER, PLACE)?;
    // The gateway reads none of it.
    line.answer_charged(&line.call("foreign", HOTLINE)?)?;
    line.talk(PACKETS, LARGE_OCTETS)
}

/// Numbers that begin like the hotline's, or that it begins like.
fn near_numbers(ground: &Ground<'_>) -> Result<()> {
    let line = ground.line(ATTACKER)?;
    ["1900322", "190032280"]
        .into_iter()
        .try_for_each(|number| ground.try_pipe(&line, &line.call(&format!("near-{number}"), number)?))
}

/// The same at once, while the gateway still reads the answer: media that waits for a call.
fn hasty_near_number(ground: &Ground<'_>) -> Result<()> {
    let line = ground.line(ATTACKER)?;
    line.answer_charged(&line.call("hasty-near", "1900322")?)?;
    line.talk(PACKETS, LARGE_OCTETS)
}

/// No call at all: messages that make the gateway wait with what looks like media, and a pipe behind each.
fn signalled_pipe(ground: &Ground<'_>) -> Result<()> {
    let line = ground.line(ATTACKER)?;
    (1..=5).try_for_each(|sequence| {
        line.up(&line.call("no-call", HOTLINE)?.request("OPTIONS", sequence))?;
        line.talk(PACKETS, LARGE_OCTETS)
    })
}

/// A call, and a pipe on its ports once it is over.
fn after_bye(ground: &Ground<'_>) -> Result<()> {
    let line = ground.line(ATTACKER)?;
    let call = line.call("after-bye", HOTLINE)?;
    line.answer(&ground.lab.gateway, &call)?;
    line.talk(HONEST_PACKETS, VOICE_OCTETS)?;
    line.hang_up(&ground.lab.gateway, &call)?;
    line.talk(PACKETS, LARGE_OCTETS)
}

/// Others want to end a call, with tags that are not its, and from where it is not.
fn spoofed_bye(ground: &Ground<'_>) -> Result<()> {
    let gateway = &ground.lab.gateway;
    let (line, other) = (ground.line(VICTIM)?, ground.line(ATTACKER)?);
    let call = line.call("victim", HOTLINE)?;
    line.answer(gateway, &call)?;
    let before = messages(gateway)?;
    line.up(&call.request_tagged("BYE", 2, "forged"))?;
    line.down(&call.request_down("BYE", 1, "forged"))?;
    other.up(&call.request("BYE", 2))?;
    other.up(&call.request_tagged("BYE", 2, "forged"))?;
    heard(gateway, before, 4)?;
    line.talk(HONEST_PACKETS, VOICE_OCTETS)?;
    line.hang_up(gateway, &call)
}

/// INVITEs to the hotline that nobody answers, many thousands a second; meanwhile somebody calls.
fn pour_invites(ground: &Ground<'_>) -> Result<()> {
    let line = ground.line(ATTACKER)?;
    let network = &ground.lab.network;
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            (0..HALF_OPEN)
                .try_for_each(|number| line.up(&line.call(&format!("half-open-{number}"), HOTLINE)?.invite()))
        });
        let called = network.callee.call(&network.topology, HONEST, HOTLINE);
        flood.join().map_err(|_| anyhow::anyhow!("the flood panicked"))?.and(called)
    })
}

/// No packet may be free.
const fn nothing(_: &Packet) -> bool {
    false
}

/// Whether a packet is media of a call by hand, and as small as voice is.
fn is_voice(packet: &Packet) -> bool {
    let octets = talked(1, VOICE_OCTETS).uplink.octets;
    is_media(packet) && i64::from(packet.volume) == octets
}

fn is_media(packet: &Packet) -> bool {
    packet.protocol == UDP && packet.ports == [media_port(PLACE), DESK_PORT]
        || packet.ports == [DESK_PORT, media_port(PLACE)]
}

/// What went into the gateway that is not of the honest caller, and that `wanted` accepts.
fn attacked(phase: &Phase, wanted: impl Fn(&Packet) -> bool) -> Volume {
    let honest = subscriber(HONEST, Family::V4);
    let volume = |point| phase.traffic.volume(point, |packet| !packet.touches(&honest) && wanted(packet));
    volume(Point::UplinkIn) + volume(Point::DownlinkIn)
}

fn free_of_attack(phase: &Phase) -> Volume {
    let honest = crate::address::subscriber_name(HONEST, Family::V4);
    phase.counted(|counter| counter.bucket == "free" && !counter.is_of(&honest)).total()
}

/// Looks after the honest call.
fn row(report: &mut Report, attack: &'static str, phase: &Phase, allowed: i64) -> Result<Row> {
    let tried = attacked(phase, |_| true);
    anyhow::ensure!(tried.packets > 0, "nothing of {attack} was seen");
    // The lab's telephone calls while INVITEs pour in; the other call is made after the attack.
    let is_free = |packet: &Packet| is_media(packet) || crate::sip::is_media(packet);
    let captured = |wanted: bool| phase.captured_of(HONEST, Family::V4, |packet| is_free(packet) == wanted);
    let counted = |of: fn(&crate::status::Counter) -> bool| phase.counted_of(HONEST, Family::V4, of);
    let expected = [captured(true), captured(false)];
    let measured =
        [counted(|counter| counter.is_free_by(HOTLINE_RULE)), counted(|counter| counter.bucket == "charged")];
    let prefix = format!("calls-5-{attack}");
    let least = talked(HONEST_PACKETS, VOICE_OCTETS).total().octets;
    report.check(format!("{prefix}-honest-call-was-there"), true, expected[0].total().octets >= least);
    report.check(format!("{prefix}-honest-call"), expected, measured);
    Ok(Row {
        attack,
        octets_tried: tried.octets,
        octets_free: free_of_attack(phase).octets,
        octets_allowed: allowed,
        honest_call_intact: expected == measured,
    })
}

/// Many calls begin: few are followed, and the daemon is hardly larger.
fn half_open(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<Row> {
    let cheat = Cheat { name: "half-open", may_be_free: nothing, attempt: pour_invites };
    let before = lab.gateway.resident_octets()?;
    let phase = measure(lab, office, cheat.name, cheat.attempt)?;
    let after = lab.gateway.resident_octets()?;
    let is_bounded = after.saturating_sub(before) <= GROWTH_OCTETS;
    report.check("calls-5-half-open-memory-bounded", true, is_bounded);
    report.figure("half_open_memory", [before, after]);
    let live = lab.gateway.live_calls()?;
    let followed = live.iter().filter(|call| call.call_id.starts_with("half-open-")).count();
    report.check("calls-5-half-open-calls-followed", true, followed <= FOLLOWED);
    check(report, &cheat, &phase)
}

/// A real call whose media is a pipe: what is above the rate is charged.
fn flood(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<Row> {
    let phase = measure(lab, office, "flood", |ground| {
        let line = ground.line(FLOODER)?;
        let call = line.call("flood", HOTLINE)?;
        line.answer(&ground.lab.gateway, &call)?;
        line.talk(FLOOD_PACKETS, LARGE_OCTETS)?;
        line.hang_up(&ground.lab.gateway, &call)
    })?;
    let media = talked(FLOOD_PACKETS, LARGE_OCTETS);
    let counted =
        |reason: &'static str| phase.counted_of(FLOODER, Family::V4, move |counter| counter.reason == reason);
    let (free, above) = (counted("call"), counted("media-rate"));
    let [fewest, most] = [false, true].map(|is_late| Usage {
        uplink: allowed(&phase, Point::UplinkIn, is_late),
        downlink: allowed(&phase, Point::DownlinkIn, is_late),
    });
    let is_within = |way: fn(&Usage) -> i64| (way(&fewest)..=way(&most)).contains(&way(&free));
    let within = [is_within(|usage| usage.uplink.octets), is_within(|usage| usage.downlink.octets)];
    report.check("calls-5-flood-free-up-to-the-rate", [true, true], within);
    report.check("calls-5-flood-charged-above-the-rate", media - free, above);
    report.figure("flood_free_at_least_at_most_measured", [fewest, most, free]);
    row(report, "flood", &phase, most.total().octets)
}

/// What the rate lets through of the flooder's media, if the gateway sees packets as much later, or earlier, than tcpdump
/// as it may. What is above the rate counts too: it was carried.
fn allowed(phase: &Phase, point: Point, is_late: bool) -> Volume {
    let media = |point| {
        let flooder = subscriber(FLOODER, Family::V4);
        let packets = phase.traffic.packets(point);
        packets.filter(move |(_, packet)| packet.touches(&flooder) && is_media(packet))
    };
    let first = media(Point::UplinkIn).map(|(at, _)| at).next().unwrap_or_default();
    let (mut carried, mut free) = (0, Volume::default());
    for (at, packet) in media(point) {
        let age = at.saturating_sub(first);
        let age = if is_late { age + SLACK_US } else { age.saturating_sub(SLACK_US) };
        carried += u64::from(packet.volume);
        if carried <= BURST_OCTETS + RATE_OCTETS * age / 1_000_000 {
            free += Volume { packets: 1, octets: packet.volume.into() };
        }
    }
    free
}

fn print(rows: &[Row]) {
    println!(
        "{:20} {:>12} {:>12} {:>14} honest call intact",
        "attack", "octets tried", "octets free", "octets allowed"
    );
    for row in rows {
        let intact = if row.honest_call_intact { "yes" } else { "NO" };
        println!(
            "{:20} {:>12} {:>12} {:>14} {intact}",
            row.attack, row.octets_tried, row.octets_free, row.octets_allowed
        );
    }
    println!();
}
