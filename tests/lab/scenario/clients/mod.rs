//! Real clients at a host that several sites share: what is free is what the captures have of the right name's flows, to
//! the octet, and nothing of a stranger's at the same addresses and ports. The checks' names begin with what they show:
//!
//! 1. each kind of client, one after the other, from the first look-up of the name on; 2. a thousand connections to the
//!    right name among a thousand to a stranger's; 3. connections of many requests; 4. two rules for names at one address:
//!    each has its own name's flows.

mod crowd;
mod long;
mod metrics;
mod quic;
mod tls;
mod visit;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use self::crowd::Crowd;
use self::metrics::Metrics;
use self::quic::QuicServer;
use self::visit::{Flows, Visit};
use super::names::{measure, prepare};
use crate::address::{ARCHIVE, Family, NEIGHBOUR, PORTAL, SUBSCRIBERS, Site};
use crate::laboratory::Laboratory;
use crate::phase::Phase;
use crate::report::Report;
use crate::volume::Usage;
use crate::wait;

/// The rule of the right name.
const RULE: &str = "portal";
/// That of another name at the same address.
const OTHER_RULE: &str = "archive";
/// Connections to each name, in all.
const EACH: u16 = 1000;
/// Each client over each IP version, of each subscriber.
const ROUND: u16 = 24;
/// No connection in the scenario has the port of another. Reason: below the ports that the kernel gives to others.
const PORTS: [u16; 4] = [10_000, 11_000, 14_000, 15_000];
/// Status hears of verdicts once a second.
const STATUS_LIMIT: Duration = Duration::from_secs(10);

/// Runs it all, in one lab.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    prepare(&lab.network.topology)?;
    let _quic = QuicServer::start(&lab.network)?;
    let crowd = Crowd::new(&lab.network)?;
    lab.gateway.activate(&site(RULE, PORTAL))?;
    let visits = Visit::series(&[PORTAL], ROUND, PORTS[0]);
    show(lab, report, "1-first", &visits, |lab, visits| crowd.visit(&lab.network, visits))?;
    let visits = Visit::series(&[PORTAL, NEIGHBOUR], EACH, PORTS[1]);
    show(lab, report, "2-mixed", &visits, |lab, visits| crowd.visit(&lab.network, visits))?;
    let visits = long::visits(&[PORTAL, NEIGHBOUR], PORTS[2]);
    show(lab, report, "3-long", &visits, |lab, visits| long::open(&crowd, &lab.network, visits))?;
    lab.gateway.activate(&format!("{}{}", site(RULE, PORTAL), site(OTHER_RULE, ARCHIVE)))?;
    let visits = Visit::series(&[PORTAL, ARCHIVE, NEIGHBOUR], ROUND, PORTS[3]);
    show(lab, report, "4-rules", &visits, |lab, visits| crowd.visit(&lab.network, visits))
}

/// The rule of a site: all names beside the site's own.
fn site(rule: &str, site: Site) -> String {
    let below = site.name.trim_start_matches("www.");
    format!(
        r#"
[[site]]
id = "{rule}"
domains = ["*.{below}"]
evidence = "name-and-address"
hidden_name = "charge"
class = "free"
rating_group = 9005
"#
    )
}

/// Does some visits and compares.
fn show(
    lab: &mut Laboratory,
    report: &mut Report,
    name: &str,
    visits: &[Visit],
    work: impl FnOnce(&Laboratory, &[Visit]) -> Result<()>,
) -> Result<()> {
    let before = Metrics::read(&lab.network.topology.gateway)?;
    let phase = measure(lab, name, |lab| work(lab, visits))?;
    let prefix = format!("clients-{name}");
    let [portal, archive, neighbour] = [PORTAL, ARCHIVE, NEIGHBOUR].map(|site| Flows::of(visits, site));
    for index in 0..SUBSCRIBERS {
        for family in Family::ALL {
            let who = format!("{prefix}-sub{}-{}", index + 1, family.name());
            compare(report, &who, &Account { phase: &phase, index, family }, [&portal, &archive, &neighbour]);
        }
    }
    let names = u16::try_from(portal.count() + archive.count())?;
    let strangers = u16::try_from(neighbour.count())?;
    let grown = verdicts(lab, &before, f64::from(names + strangers))?;
    let expected = [("name-and-address", names), ("other-name", strangers)];
    let expected: BTreeMap<_, _> = expected.into_iter().filter(|(_, count)| *count > 0).collect();
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(reason, count)| (reason.to_owned(), f64::from(count))).collect();
    report.check(format!("{prefix}-verdicts"), expected, grown.decisions());
    report.check(format!("{prefix}-timed"), f64::from(names + strangers), grown.timed());
    report.figure(format!("{name}-seconds-from-payload-to-verdict"), grown.latency());
    Ok(())
}

/// One subscriber's, over one IP version.
#[derive(Clone, Copy, Debug)]
struct Account<'a> {
    phase: &'a Phase,
    index: u8,
    family: Family,
}

impl Account<'_> {
    /// What captures have of some flows.
    fn captured(&self, flows: &[&Flows]) -> Usage {
        self.phase.captured_of(self.index, self.family, |packet| flows.iter().any(|one| one.have(packet)))
    }

    /// What was counted in a bucket; of one reason and rule, if they are given.
    fn counted(&self, bucket: &str, reason: Option<&str>, rule: Option<&str>) -> Usage {
        self.phase.counted_of(self.index, self.family, |counter| {
            counter.bucket == bucket
                && reason.is_none_or(|reason| counter.reason == reason)
                && rule.is_none_or(|rule| counter.rule_id == rule)
        })
    }
}

/// What each rule made free is what the captures have of its name's flows; all else is charged, the stranger's flows
/// because of their name.
fn compare(report: &mut Report, who: &str, of: &Account<'_>, [portal, archive, neighbour]: [&Flows; 3]) {
    for (rule, flows) in [(RULE, portal), (OTHER_RULE, archive)] {
        let free = of.counted("free", None, Some(rule));
        report.check(format!("{who}-free-by-{rule}"), of.captured(&[flows]), free);
    }
    let own = of.captured(&[portal, archive]);
    report.check(format!("{who}-free"), own, of.counted("free", None, None));
    let other_name = of.counted("charged", Some("other-name"), None);
    report.check(format!("{who}-charged-as-other-name"), of.captured(&[neighbour]), other_name);
    let all = of.phase.captured_of(of.index, of.family, |_| true);
    report.check(format!("{who}-charged"), all - own, of.counted("charged", None, None));
}

/// How the metrics grew, once they tell of so many verdicts; those that they do not tell of in time show in a check.
fn verdicts(lab: &Laboratory, before: &Metrics, count: f64) -> Result<Metrics> {
    let gateway = &lab.network.topology.gateway;
    let mut last = Metrics::read(gateway)?.since(before);
    // An error of the wait alone is no error here.
    let _ = wait::until("the metrics' last verdict", STATUS_LIMIT, || {
        last = Metrics::read(gateway)?.since(before);
        Ok((last.decisions().values().sum::<f64>() >= count).then_some(()))
    });
    Ok(last)
}
