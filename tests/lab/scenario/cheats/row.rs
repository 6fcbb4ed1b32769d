//! What came of an attack.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{Cheat, HONEST, HONEST_NAMES, RULE};
use crate::address::{Family, subscriber, subscriber_name, wild};
use crate::capture::Point;
use crate::packet::Packet;
use crate::phase::Phase;
use crate::report::Report;
use crate::volume::{Usage, Volume};

/// What came of an attack, in octets of IP packets of both directions.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    attack: &'static str,
    octets_tried: i64,
    octets_free: i64,
    octets_allowed: i64,
    honest_client_intact: bool,
}

impl Row {
    /// Compares what was counted with what was captured.
    pub(super) fn check(report: &mut Report, cheat: &Cheat, phase: &Phase) -> Result<Self> {
        Self::compare(report, cheat.name, phase, attacked(phase, cheat.may_be_free))
    }

    /// The same, where `allowed` of the attack may be free.
    pub(super) fn compare(
        report: &mut Report,
        attack: &'static str,
        phase: &Phase,
        allowed: Volume,
    ) -> Result<Self> {
        let prefix = format!("cheats-{attack}");
        let tried = attacked(phase, |_| true);
        ensure!(tried.packets > 0, "nothing of {attack} was seen");
        let is_honest = |who: &str| Family::ALL.iter().any(|family| who == subscriber_name(HONEST, *family));
        let free =
            phase.counted(|counter| counter.bucket == "free" && !is_honest(&counter.subscriber)).total();
        report.check(format!("{prefix}-free"), allowed, free);
        let [expected, measured] = honest(phase);
        report.check(format!("{prefix}-honest-client-was-there"), true, expected[0].total().octets > 0);
        report.check(format!("{prefix}-honest-client"), expected, measured);
        Ok(Self {
            attack,
            octets_tried: tried.octets,
            octets_free: free.octets,
            octets_allowed: allowed.octets,
            honest_client_intact: expected == measured,
        })
    }
}

/// What went into the gateway that is not of the honest client, and that `wanted` accepts.
fn attacked(phase: &Phase, wanted: impl Fn(&Packet) -> bool) -> Volume {
    let is_honest =
        |packet: &Packet| Family::ALL.iter().any(|family| packet.touches(&subscriber(HONEST, *family)));
    let volume = |point| phase.traffic.volume(point, |packet| !is_honest(packet) && wanted(packet));
    volume(Point::UplinkIn) + volume(Point::DownlinkIn)
}

/// What was free and what was charged of the honest client: as it should be, and as it was.
fn honest(phase: &Phase) -> [[Usage; 2]; 2] {
    let is_free = |packet: &Packet| {
        packet.has_ports() && HONEST_NAMES.iter().any(|number| packet.touches(&wild(*number).1))
    };
    let captured = |is_wanted: bool| {
        let of = |family| phase.captured_of(HONEST, family, |packet| is_free(packet) == is_wanted);
        Family::ALL.map(of).into_iter().sum::<Usage>()
    };
    let counted = |bucket: &str, rule: Option<&str>| {
        let of = |family| {
            phase.counted_of(HONEST, family, |counter| {
                counter.bucket == bucket && rule.is_none_or(|rule| counter.rule_id == rule)
            })
        };
        Family::ALL.map(of).into_iter().sum::<Usage>()
    };
    [[captured(true), captured(false)], [counted("free", Some(RULE)), counted("charged", None)]]
}

/// Prints all.
pub(super) fn print(rows: &[Row]) {
    println!(
        "{:20} {:>12} {:>12} {:>14} honest client intact",
        "attack", "octets tried", "octets free", "octets allowed"
    );
    for row in rows {
        let intact = if row.honest_client_intact { "yes" } else { "NO" };
        println!(
            "{:20} {:>12} {:>12} {:>14} {intact}",
            row.attack, row.octets_tried, row.octets_free, row.octets_allowed
        );
    }
    println!();
}
