//! Texts (MESSAGE, RFC 3428): free to a number whose rule says so, and to no other.

use anyhow::Result;

use super::phone::{Office, heard, messages};
use super::{HOTLINE, OTHER, TEXT_RULE, TEXTS};
use crate::address::Family;
use crate::laboratory::Laboratory;
use crate::packet::Packet;
use crate::reconcile::check_totals;
use crate::report::Report;
use crate::volume::{Usage, Volume};

/// Telephones of this part.
const PLACE: u16 = 2;
/// Who sends a text to which number.
const SENT: [(u8, &str); 3] = [(0, TEXTS), (1, HOTLINE), (2, OTHER)];

/// Runs it: each text is answered, and the answer is charged with all signalling.
pub(super) fn run(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<()> {
    let phase = lab.measure("texts", |lab| {
        let before = messages(&lab.gateway)?;
        for (index, number) in SENT {
            let line = office.line(&lab.network.topology, index, PLACE)?;
            let call = line.call(&format!("text-{index}"), number)?;
            line.up(&call.text())?;
            line.down(&call.answer(200, "MESSAGE", 1))?;
        }
        heard(&lab.gateway, before, 2 * SENT.len() as u64)
    })?;
    let prefix = "calls-6-texts";
    for (index, number) in SENT {
        let Usage { uplink, downlink } = phase.captured_of(index, Family::V4, |_: &Packet| true);
        let text = if number == TEXTS { uplink } else { Volume::default() };
        let free = Usage { uplink: text, downlink: Volume::default() };
        let charged = Usage { uplink: uplink - text, downlink };
        let counted = |bucket: &'static str| {
            phase.counted_of(index, Family::V4, move |counter| counter.bucket == bucket)
        };
        report.check(format!("{prefix}-packets-{number}"), [1, 1], [uplink.packets, downlink.packets]);
        report.check(format!("{prefix}-free-{number}"), free, counted("free"));
        report.check(format!("{prefix}-charged-{number}"), charged, counted("charged"));
    }
    let by_rule = phase.counted(|counter| counter.is_free_by(TEXT_RULE) && counter.reason == "text");
    report.check(format!("{prefix}-free-by-its-rule"), 1, by_rule.uplink.packets);
    check_totals(report, prefix, &phase);
    Ok(())
}
