//! Daily ceilings: of a thousand octets, in all cases.

use anyhow::{Context as _, Result, ensure};
use tollfree::dataplane::monotonic_ns;
use tollfree_benches::frame::FrameBuilder;
use tollfree_core::flow::Promise;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, built, charged, free, free_priority, pending};
use crate::event::Event;
use crate::maps::KernelMaps;
use crate::world::{
    CAPPED, CAPPED_RULE, NAMED_CAPPED, NAMED_CAPPED_RULE, PASSED_NS, SITE, SITE_RULE, SUBSCRIBER, World, at,
    tcp_flow,
};

const OTHER_SUBSCRIBER: &str = "10.20.0.12:40000";
const NAME_AND_ADDRESS: Promise = Promise::new(NAMED_CAPPED_RULE, 3);
const OTHER_NAME: Promise = Promise::new(NAMED_CAPPED_RULE, 36);

pub(crate) fn cases() -> Vec<Case> {
    [reached(), apart(), days(), full_table(), with_evidence()].into_iter().flatten().collect()
}

/// A datagram of so many octets of volume: an IPv4 header and a UDP header are 28.
fn octets(volume: usize) -> FrameBuilder {
    FrameBuilder::udp(at(SUBSCRIBER), at(CAPPED)).payload_octets(volume - 28)
}

fn back(volume: usize) -> FrameBuilder {
    FrameBuilder::udp(at(CAPPED), at(SUBSCRIBER)).payload_octets(volume - 28)
}

fn below(volume: u32) -> Expect {
    free(CAPPED_RULE, volume)
}

fn past(volume: u32) -> Expect {
    charged(Reason::DailyCeiling, volume).by(CAPPED_RULE)
}

fn reached() -> Vec<Case> {
    vec![
        Case::uplink("far below the ceiling", &octets(28), below(28)),
        Case::uplink("all of it at once", &octets(1000), below(1000)),
        Case::uplink("an octet past it at once", &octets(1001), past(1001)),
        Case::uplink("its last octet", &octets(400), below(400)).after(&octets(600)),
        Case::uplink("an octet past it", &octets(401), past(401)).after(&octets(600)),
        Case::uplink("behind its last octet", &octets(28), past(28)).after(&octets(600)).after(&octets(400)),
        Case::uplink("what came past it counts", &octets(28), past(28))
            .after(&octets(600))
            .after(&octets(401)),
        Case::downlink("downlink counts too", &back(401), past(401)).after(&octets(600)),
        Case::downlink("downlink up to it", &back(400), below(400)).after(&octets(600)),
    ]
}

/// What is charged to others, or under other rules, is not counted here.
fn apart() -> Vec<Case> {
    let other = FrameBuilder::udp(at(OTHER_SUBSCRIBER), at(CAPPED)).payload_octets(972);
    let site = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn();
    let elsewhere = FrameBuilder::udp(at(SUBSCRIBER), at("203.0.113.21:8802")).payload_octets(972);
    vec![
        Case::uplink("another subscriber's own", &other, below(1000).of(OTHER_SUBSCRIBER))
            .after(&octets(1001)),
        Case::uplink("another rule has none", &site, free(SITE_RULE, 40)).after(&octets(1001)),
        Case::uplink("another port is charged, not counted", &octets(1000), below(1000)).after(&elsewhere),
        Case::uplink("a stranger's is charged, not counted", &octets(1000), below(1000))
            .after_downlink(&back(600)),
    ]
}

fn days() -> Vec<Case> {
    vec![
        Case::uplink("the next day", &octets(1000), below(1000))
            .after(&octets(1001))
            .after_events([Event::NextDay]),
        Case::uplink("past it on the next day", &octets(28), past(28))
            .after(&octets(1001))
            .after_events([Event::NextDay])
            .after(&octets(1000)),
    ]
}

fn full_table() -> Vec<Case> {
    let refused = charged(Reason::CeilingTableFull, 28).by(CAPPED_RULE);
    vec![
        Case::uplink("no room to count", &octets(28), refused).after_events([Event::QuotasFull]),
        Case::uplink("who has room goes on", &octets(28), below(28))
            .after(&octets(28))
            .after_events([Event::QuotasFull]),
    ]
}

/// What awaits evidence counts; what evidence has made charged does not.
fn with_evidence() -> Vec<Case> {
    let up = |payload| FrameBuilder::tcp(at(SUBSCRIBER), at(NAMED_CAPPED)).payload_octets(payload);
    let awaits = |volume| pending(NAMED_CAPPED_RULE, volume, tcp_flow(SUBSCRIBER, NAMED_CAPPED));
    let named = |volume| free_priority(NAMED_CAPPED_RULE, volume).because(Reason::NameAndAddress);
    let past = |volume| charged(Reason::DailyCeiling, volume).by(NAMED_CAPPED_RULE);
    let other = |volume| charged(Reason::OtherName, volume).by(NAMED_CAPPED_RULE);
    let opened = |name, frame: &FrameBuilder, expect| Case::uplink(name, frame, expect).after(&up(0).syn());
    let told = |case: Case, verdict| case.after_events([Event::Told(verdict)]);
    vec![
        opened("awaiting, its last octet", &up(920), awaits(960)),
        opened("awaiting, an octet past it", &up(921), past(961)),
        told(opened("named, its last octet", &up(920), named(960)), NAME_AND_ADDRESS),
        told(opened("what awaited counts", &up(0), past(40)).after(&up(920)), NAME_AND_ADDRESS),
        told(opened("past it, but another's name", &up(0), other(40)).after(&up(961)), OTHER_NAME),
        told(opened("another's name, far past it", &up(1400), other(1440)), OTHER_NAME),
    ]
}

/// With no controller to say when days end, each ends twenty-four hours after the last.
#[test]
fn days_go_on_by_themselves() -> Result<()> {
    const DAY_NS: u64 = 86_400 * 1_000_000_000;
    // No kernel has run for a hundred years.
    const DAYS_MAX: u64 = 36_500;
    let mut world = World::open()?;
    let mut maps = KernelMaps::open(world.kernel.directory())?;
    maps.set_day_ends(PASSED_NS)?;
    let before_ns = monotonic_ns();
    world.kernel.run(Role::Access, &built(&octets(100)), 1)?;
    let after_ns = monotonic_ns();
    let quotas = maps.quotas()?;
    let (key, quota) = quotas.first_key_value().context("nothing was counted")?;
    ensure!((quotas.len(), key.rule, quota.used_octets) == (1, CAPPED_RULE, 100), "{quotas:?}");
    let end_after = |now_ns: u64| (1..DAYS_MAX).map(|day| PASSED_NS + day * DAY_NS).find(|end| *end > now_ns);
    let ends = [end_after(before_ns), end_after(after_ns)];
    ensure!(ends.contains(&Some(quota.day_ends_ns)), "{} is none of {ends:?}", quota.day_ends_ns);
    Ok(())
}
