//! Names that are learned from the resolver's answers to subscribers. The checks' names begin with what they show:
//!
//! 1. a fresh name below a wildcard is free from the first byte of the first connection after its first answer; 2. with the
//!    daemon dead, answers are not delayed, what was known stays free, and nothing else becomes so; 3. answers of others'
//!    resolvers, and forged ones that the subscriber did not ask for, teach nothing; 4. where a rule asks for proofs, the
//!    gateway proves a fresh name's address itself, and that is free from the first byte too; what it cannot prove is not.

mod dead;
mod forged;
mod fresh;
mod proven;
mod wild;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::address::{Family, SUBSCRIBERS};
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::packet::Packet;
use crate::page_server::PageServer;
use crate::phase::Phase;
use crate::report::Report;
use crate::volume::Usage;
use crate::wait;

pub(super) use wild::prepare;

/// The wildcard's rule.
const RULE: &str = "wild-site";
/// The rule of a wildcard whose answers must be proven.
const PROVEN_RULE: &str = "proven-site";
/// Whose answers are timed.
const HONEST: u8 = 0;
/// Who has an accomplice.
const ATTACKER: u8 = 1;
/// From the last packet to the transfer of what awaited its verdict: evidence is waited for half a minute, and then comes
/// the end of an interval.
const VERDICT_LIMIT: Duration = Duration::from_mins(1);

/// Runs it all, in one lab.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    prepare(&lab.network.topology)?;
    let _pages = PageServer::start(&lab.network.topology.internet)?;
    lab.gateway.activate(&(wild::policy() + &proven::policy()))?;
    fresh::run(lab, report)?;
    dead::run(lab, report)?;
    forged::run(lab, report)?;
    proven::run(lab, report)
}

/// What the scenario does, but for the gateway: some names are looked up and opened, and every forgery is tried.
///
/// # Errors
/// If a name does not resolve to its address, a page does not come, or an answer does not arrive that should.
pub fn traffic(network: &mut Network) -> Result<()> {
    /// Enough for both IP versions.
    const SOME: Range<u16> = 0..20;
    prepare(&network.topology)?;
    let _pages = PageServer::start(&network.topology.internet)?;
    let opened = fresh::browse(network, SOME)?;
    ensure!(opened == SOME.end, "only {opened} pages were opened");
    forged::visit_foreign(network)?;
    forged::Forgery::ALL.into_iter().try_for_each(|forgery| forged::attempt(network, forgery))
}

/// Measures, and waits until nothing awaits a verdict any more.
pub(super) fn measure(
    lab: &mut Laboratory,
    name: &str,
    work: impl FnOnce(&mut Laboratory) -> Result<()>,
) -> Result<Phase> {
    let phase = lab.measure(name, work)?;
    let after = wait::until("all verdicts", VERDICT_LIMIT, || {
        lab.gateway.expect_running()?;
        let snapshot = lab.gateway.snapshot()?;
        let pending = snapshot.status.usage(|counter| counter.bucket == "pending");
        Ok((pending == Usage::default()).then_some(snapshot))
    })?;
    Ok(Phase { after, ..phase })
}

/// Compares each subscriber's, as [`check`] does.
fn check_all(report: &mut Report, prefix: &str, phase: &Phase, free: &BTreeSet<IpAddr>) {
    for index in 0..SUBSCRIBERS {
        check(report, &format!("{prefix}-sub{}", index + 1), phase, index, free);
    }
}

/// Of one subscriber: what the wildcard's rule made free is what the captures have to and from `free`; all else is charged.
fn check(report: &mut Report, prefix: &str, phase: &Phase, index: u8, free: &BTreeSet<IpAddr>) {
    check_by(report, prefix, phase, (index, RULE), free);
}

/// The same by another rule.
fn check_by(
    report: &mut Report,
    prefix: &str,
    phase: &Phase,
    (index, rule): (u8, &str),
    free: &BTreeSet<IpAddr>,
) {
    let is_free = |packet: &Packet| {
        packet.has_ports() && (free.contains(&packet.source) || free.contains(&packet.destination))
    };
    for family in Family::ALL {
        let free = phase.counted_of(index, family, |counter| counter.bucket == "free");
        let by_rule = phase.counted_of(index, family, |counter| counter.is_free_by(rule));
        let charged = phase.counted_of(index, family, |counter| counter.bucket == "charged");
        let name = family.name();
        report.check(format!("{prefix}-free-{name}"), phase.captured_of(index, family, is_free), by_rule);
        report.check(format!("{prefix}-free-by-no-other-rule-{name}"), by_rule, free);
        let expected = phase.captured_of(index, family, |packet| !is_free(packet));
        report.check(format!("{prefix}-charged-{name}"), expected, charged);
    }
}
