//! Media of which some is lost before it comes to the gateway: the record says how many packets.

use anyhow::Result;

use super::HOTLINE;
use super::phone::{Office, VOICE_OCTETS, talked};
use super::restart::{check_record, record};
use crate::call::PastCall;
use crate::gateway::HOTLINE_RULE;
use crate::laboratory::Laboratory;
use crate::report::Report;
use crate::volume::{Usage, Volume};

/// Telephones of this part.
const PLACE: u16 = 3;
/// Packets of the subscriber's stream by their numbers, of which some are lost.
const PACKETS: u16 = 200;
const LOST: [u16; 7] = [3, 4, 5, 90, 91, 150, 197];

/// Runs it.
pub(super) fn run(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<()> {
    let line = office.line(&lab.network.topology, 0, PLACE)?;
    let call = line.call("loses-packets", HOTLINE)?;
    let phase = lab.measure("losses", |lab| {
        line.answer(&lab.gateway, &call)?;
        line.talk_without(PACKETS, VOICE_OCTETS, &LOST)?;
        line.hang_up(&lab.gateway, &call)
    })?;
    let prefix = "calls-7-losses";
    let (all, lost) = (talked(PACKETS, VOICE_OCTETS), talked(7, VOICE_OCTETS));
    let media = all - Usage { uplink: lost.uplink, downlink: Volume::default() };
    report.check(format!("{prefix}-free"), media, phase.counted(|counter| counter.is_free_by(HOTLINE_RULE)));
    let records = record(&lab.gateway, &call)?;
    check_record(report, prefix, &records, "hangup-subscriber", media);
    let lost: Vec<[i64; 2]> = records.iter().map(PastCall::packets_lost).collect();
    report.check(format!("{prefix}-packets-lost"), vec![[7, 0]], lost);
    Ok(())
}
