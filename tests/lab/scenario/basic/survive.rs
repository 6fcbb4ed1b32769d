//! Downloads during which the daemon is killed, or its policy changes.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::accounting;
use crate::address::{FREE_SITE, Family, SUBSCRIBERS, subscriber_name};
use crate::laboratory::Laboratory;
use crate::phase::Phase;
use crate::reconcile::{check_subscribers, check_totals};
use crate::report::Report;
use crate::volume::Usage;
use crate::wait;

/// Whose address it is.
pub(super) const MSISDN: &str = "84901234567";
/// From an access server's message to who has an address.
const SESSION_LIMIT: Duration = Duration::from_secs(30);
/// How often the policy changes.
const CHANGES: u32 = 100;
/// How much of a download lies between two events, in octets.
const STRETCH: u64 = 1 << 20;

/// What the first subscriber had used when the gateway was told who has his IPv4 address.
pub(super) struct Unnamed(pub(super) Usage);

/// The daemon is killed and started again while the first subscriber downloads. It was told once who that is.
pub(super) fn kill(lab: &mut Laboratory, report: &mut Report) -> Result<Unnamed> {
    let directory = lab.network.directory().to_owned();
    accounting::start(&lab.network.topology.gateway, &directory, 0, Family::V4, MSISDN)?;
    wait::until("a session", SESSION_LIMIT, || {
        let sessions = lab.gateway.snapshot()?.json["identity"]["bindings"]["sessions"].as_u64();
        Ok((sessions == Some(1)).then_some(()))
    })?;
    let mut octets_without_daemon = 0;
    let phase = lab.measure("kill", |lab| {
        let directory = lab.network.directory().to_owned();
        let mut download = lab.network.subscriber(0).download(&FREE_SITE, Family::V4, &directory)?;
        download.advance(STRETCH)?;
        lab.gateway.kill()?;
        let killed_at = download.octets();
        download.advance(STRETCH)?;
        octets_without_daemon = download.octets() - killed_at;
        lab.gateway.start(&lab.network.topology.gateway)?;
        download.advance(STRETCH)
    })?;
    report.check("3-kill-download-goes-on-without-daemon", true, octets_without_daemon >= STRETCH);
    check("3-kill", report, &phase);
    let name = subscriber_name(0, Family::V4);
    Ok(Unnamed(phase.before.status.usage(|counter| counter.is_of(&name))))
}

/// The policy changes many times while the first subscriber downloads; each change is in force before the next.
pub(super) fn reload(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let mut seconds = 0.0;
    let mut epochs = Vec::new();
    let phase = lab.measure("reload", |lab| {
        let directory = lab.network.directory().to_owned();
        let mut download = lab.network.subscriber(0).download(&FREE_SITE, Family::V6, &directory)?;
        download.advance(STRETCH)?;
        let start = Instant::now();
        for change in 1..=CHANGES {
            epochs.push(lab.gateway.activate(&sites(change))?);
        }
        seconds = start.elapsed().as_secs_f64();
        download.advance(STRETCH)
    })?;
    let distinct = epochs.iter().collect::<std::collections::BTreeSet<_>>().len();
    report.check("3-reload-changes-in-force", usize::try_from(CHANGES)?, distinct);
    report.check("3-reload-epochs-grow", true, epochs.is_sorted());
    report.figure("reload_seconds_per_change", seconds / f64::from(CHANGES));
    check("3-reload", report, &phase);
    Ok(())
}

fn check(prefix: &str, report: &mut Report, phase: &Phase) {
    check_subscribers(report, prefix, phase, 0..SUBSCRIBERS);
    check_totals(report, prefix, phase);
    let [before, after] = [&phase.before, &phase.after].map(|snapshot| &snapshot.status.instance);
    report.check(format!("{prefix}-counters-are-the-same-ones"), before, after);
    let figure = phase.counted(|counter| counter.bucket == "free").total();
    report.figure(format!("{}_free", &prefix[2..]), figure);
}

/// What changes: another site comes and goes, and its networks with it.
fn sites(change: u32) -> String {
    if change.is_multiple_of(2) {
        return format!("# change {change}\n");
    }
    format!(
        r#"
[[site]]
id = "changing-site"
networks = ["203.0.113.{}/32"]
evidence = "address"
class = "free"
rating_group = 9002
"#,
        100 + change
    )
}
