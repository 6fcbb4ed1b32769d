//! Packets from a whitelisted address that no subscriber asked for.

use anyhow::Result;

use crate::address::{FREE_SITE, Family, socket, subscriber};
use crate::laboratory::Laboratory;
use crate::reconcile::check_totals;
use crate::report::Report;
use crate::stranger::{knock, send_datagrams};
use crate::volume::Usage;

/// The stranger's victim.
const VICTIM: u8 = 2;
/// Datagrams sent to it over each IP version.
const DATAGRAMS: usize = 20;
/// Of each, in octets.
const DATAGRAM_OCTETS: usize = 1000;
/// The same connection is tried so often: that the subscriber's system refuses it does not open it.
const KNOCKS: usize = 3;
/// A port on which a subscriber does not listen: discard (RFC 863).
const CLOSED_PORT: u16 = 9;
/// The stranger's port, on which the site serves nothing.
const STRANGER_PORT: u16 = 4443;

/// UDP and TCP over both IP versions.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let phase = lab.measure("strangers", |lab| {
        for family in Family::ALL {
            let from = socket(FREE_SITE.address(family), STRANGER_PORT);
            let to = socket(subscriber(VICTIM, family), CLOSED_PORT);
            send_datagrams(&lab.network.topology.internet, from, to, DATAGRAMS, DATAGRAM_OCTETS)?;
            knock(&lab.network.topology.internet, from, to, KNOCKS)?;
        }
        Ok(())
    })?;
    for family in Family::ALL {
        let name = family.name();
        let sent = phase.captured_of(VICTIM, family, crate::packet::Packet::has_ports).downlink;
        let at_least = i64::try_from(DATAGRAMS + KNOCKS)?;
        report.check(format!("4-strangers-packets-were-sent-{name}"), true, sent.packets >= at_least);
        let free = phase.counted_of(VICTIM, family, |counter| counter.bucket == "free");
        report.check(format!("4-free-{name}"), Usage::default(), free);
        let no_flow = phase.counted_of(VICTIM, family, |counter| counter.reason == "no-flow").downlink;
        report.check(format!("4-charged-as-no-flow-{name}"), sent, no_flow);
        let all = phase.captured_of(VICTIM, family, |_| true);
        let charged = phase.counted_of(VICTIM, family, |counter| counter.bucket == "charged");
        report.check(format!("4-charged-{name}"), all, charged);
    }
    check_totals(report, "4", &phase);
    Ok(())
}
