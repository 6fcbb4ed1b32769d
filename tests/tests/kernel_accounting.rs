//! What the kernel counts while flows await evidence, what is taken out of its maps afterwards, and that nothing is
//! lost by it.

#[path = "kernel_cases/conservation.rs"]
mod conservation;

use std::collections::HashSet;

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::maps::{HashMap, Map, MapData};
use tollfree::dataplane::{Cut, PlanTables, Sweep, monotonic_ns};
use tollfree_benches::frame::FrameBuilder;
use tollfree_benches::harness::{FIRST_EPOCH, KernelHarness};
use tollfree_benches::sample;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::{PendingKey, Usage};
use tollfree_core::flow::{FlowEntry, FlowKey, NO_RULE, SubscriberFlows, Verdict};
use tollfree_core::interface::Role;
use tollfree_core::limits::{
    EVIDENCE_WAIT_NS, FLOW_REST_TCP_OPENING_NS, FLOWS_PER_SUBSCRIBER_DEFAULT, UPKEEP_MARGIN_NS,
};
use tollfree_core::plan::Evidence;
use tollfree_core::quota::{QuotaEntry, QuotaKey};
use tollfree_core::reason::{Bucket, Reason};

const SITE: &str = "203.0.113.10:443";
const SUBSCRIBER: &str = "10.20.0.11";
/// An IPv4 header and a TCP header.
const HEADER_OCTETS: u64 = 40;
/// What one subscriber gets in a day, where a ceiling is tested: three packets without payload.
const CEILING_OCTETS: u64 = 3 * HEADER_OCTETS;

/// How far the kernel program's clock may be behind, at most.
const TICK_NS: u64 = 100_000_000;

/// The sample plan, whose site asks for its name.
fn by_name() -> Result<PlanTables> {
    let mut plan = sample::plan()?;
    for rule in &mut plan.rules {
        rule.evidence = Evidence::NameAndAddress as u32;
    }
    Ok(plan)
}

/// The sample plan, whose site has a ceiling.
fn with_ceiling() -> Result<PlanTables> {
    let mut plan = sample::plan()?;
    for rule in &mut plan.rules {
        rule.ceiling_octets = CEILING_OCTETS;
    }
    Ok(plan)
}

fn open(plan: &PlanTables) -> Result<KernelHarness> {
    KernelHarness::open(sample::SETTINGS, plan)
}

fn syn(port: u16) -> Result<Vec<u8>> {
    FrameBuilder::tcp(format!("{SUBSCRIBER}:{port}").parse()?, SITE.parse()?).syn().build()
}

fn data(port: u16, octets: usize) -> Result<Vec<u8>> {
    FrameBuilder::tcp(format!("{SUBSCRIBER}:{port}").parse()?, SITE.parse()?).payload_octets(octets).build()
}

fn answer(port: u16, octets: usize) -> Result<Vec<u8>> {
    FrameBuilder::tcp(SITE.parse()?, format!("{SUBSCRIBER}:{port}").parse()?).payload_octets(octets).build()
}

fn subscriber() -> Result<SubscriberId> {
    Ok(SubscriberId::of(&Address::from(SUBSCRIBER.parse::<std::net::IpAddr>()?), Family::V4))
}

fn flow_key(port: u16) -> Result<FlowKey> {
    let site: std::net::SocketAddr = SITE.parse()?;
    Ok(FlowKey {
        subscriber: SUBSCRIBER.parse::<std::net::IpAddr>()?.into(),
        remote: site.ip().into(),
        subscriber_port: port,
        remote_port: site.port(),
        protocol: 6,
    })
}

/// A pinned hash map, beside the controller's handle.
fn hash<K: aya::Pod, V: aya::Pod>(harness: &KernelHarness, name: &str) -> Result<HashMap<MapData, K, V>> {
    let data = MapData::from_pin(harness.directory().join(name))?;
    Ok(HashMap::try_from(Map::HashMap(data))?)
}

fn flow(harness: &KernelHarness, port: u16) -> Result<FlowEntry> {
    let flows: HashMap<_, FlowKey, FlowEntry> = hash(harness, "FLOWS")?;
    flows.get(&flow_key(port)?, 0).with_context(|| format!("no flow from port {port}"))
}

fn conserved(cut: &Cut) -> Result<()> {
    conservation::check(cut, &cut.pending).map_err(|fault| anyhow!(fault))
}

/// What the counters hold of this reason.
fn counted(cut: &Cut, reason: Reason) -> Usage {
    let of = cut.counters.iter().filter(|(key, _)| key.reason == reason as u16);
    of.fold(Usage::default(), |sum, (_, usage)| sum + *usage)
}

fn both(uplink: &[u64], downlink: &[u64]) -> Usage {
    Usage {
        uplink_packets: uplink.len() as u64,
        uplink_octets: uplink.iter().sum(),
        downlink_packets: downlink.len() as u64,
        downlink_octets: downlink.iter().sum(),
    }
}

#[test]
fn a_flow_is_pending_until_its_verdict_and_counted_by_it_from_then_on() -> Result<()> {
    for (verdict, bucket) in [
        (Reason::NameAndAddress, Bucket::Free),
        (Reason::OtherName, Bucket::Charged),
        (Reason::Undecided, Bucket::Charged),
    ] {
        let mut harness = open(&by_name()?)?;
        harness.run(Role::Access, &syn(40_000)?, 1)?;
        harness.run(Role::Access, &data(40_000, 100)?, 1)?;
        harness.run(Role::Core, &answer(40_000, 60)?, 1)?;
        let number = flow(&harness, 40_000)?.number;
        let before = harness.cut()?;
        let said = |reason| Verdict { rule: sample::SITE_RULE, reason };
        ensure!(harness.dataplane().decide_flow(number, said(verdict))?, "decided before");
        ensure!(!harness.dataplane().decide_flow(number, said(Reason::OtherName))?, "decided again");
        harness.run(Role::Core, &answer(40_000, 10)?, 1)?;
        let cut = harness.cut()?;
        conserved(&cut)?;
        let key = PendingKey {
            flow: number,
            subscriber: subscriber()?,
            epoch: FIRST_EPOCH,
            rule: sample::SITE_RULE,
        };
        let pending = both(&[HEADER_OCTETS, HEADER_OCTETS + 100], &[HEADER_OCTETS + 60]);
        ensure!(cut.pending == [(key, pending)].into(), "pending {:?}", cut.pending);
        ensure!(cut.verdicts == [(number, said(verdict))].into(), "verdicts {:?}", cut.verdicts);
        let moved = conservation::moved(&before, &cut).map_err(|fault| anyhow!(fault))?;
        let moved: Vec<_> = moved.into_iter().map(|(key, usage)| (key.bucket, key.reason, usage)).collect();
        let expected = (bucket as u16, verdict as u16, both(&[], &[HEADER_OCTETS + 10]));
        ensure!(moved == [expected], "counted {moved:?}");
    }
    Ok(())
}

#[test]
fn flows_that_wait_at_once_are_told_apart() -> Result<()> {
    let mut harness = open(&by_name()?)?;
    for port in 40_000..40_010 {
        harness.run(Role::Access, &syn(port)?, 1)?;
        harness.run(Role::Access, &data(port, usize::from(port - 40_000))?, 1)?;
    }
    let cut = harness.cut()?;
    conserved(&cut)?;
    ensure!(cut.pending.len() == 10 && cut.counters.is_empty(), "{cut:?}");
    for port in 40_000..40_010 {
        let number = flow(&harness, port)?.number;
        let found: Vec<_> = cut.pending.iter().filter(|(key, _)| key.flow == number).collect();
        let octets = 2 * HEADER_OCTETS + u64::from(port - 40_000);
        ensure!(found.len() == 1 && found[0].1.octets() == octets, "port {port}: {found:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_grow_any_more_is_taken_out_and_stays_counted() -> Result<()> {
    let mut harness = open(&by_name()?)?;
    harness.run(Role::Access, &syn(40_000)?, 1)?;
    let number = flow(&harness, 40_000)?.number;
    let first = harness.dataplane().activate(&by_name()?, FIRST_EPOCH + 1)?;
    // Under the second epoch both banks are written.
    for _ in 0..2 {
        harness.run(Role::Access, &data(40_000, 1)?, 1)?;
        harness.cut()?;
    }
    ensure!(harness.dataplane().retire(&first, &[])? == 1, "the first epoch's one entry");
    let cut = harness.cut()?;
    let keys: Vec<_> = cut.pending.keys().map(|key| (key.flow, key.epoch)).collect();
    ensure!(keys == [(number, FIRST_EPOCH + 1)], "pending {keys:?}");
    ensure!(cut.total.seen.packets == 3, "interfaces keep everything: {:?}", cut.total);
    let verdict = Verdict { rule: sample::SITE_RULE, reason: Reason::NameAndAddress };
    harness.dataplane().decide_flow(number, verdict)?;
    let cut = harness.cut()?;
    let settled: Vec<PendingKey> = cut.pending.keys().copied().collect();
    ensure!(harness.dataplane().retire(&cut, &settled)? == 2, "an entry in each bank");
    harness.run(Role::Access, &data(40_000, 2)?, 1)?;
    let cut = harness.cut()?;
    ensure!(cut.pending.is_empty(), "pending {:?}", cut.pending);
    ensure!(counted(&cut, Reason::NameAndAddress) == both(&[HEADER_OCTETS + 2], &[]));
    Ok(())
}

/// Makes a flow look as if its last packet, and its first, had passed so long ago.
fn age(harness: &KernelHarness, port: u16, ns: u64) -> Result<()> {
    let mut flows: HashMap<_, FlowKey, FlowEntry> = hash(harness, "FLOWS")?;
    let mut entry = flows.get(&flow_key(port)?, 0)?;
    entry.opened_ns = monotonic_ns().saturating_sub(ns);
    entry.last_seen_ns = entry.opened_ns;
    Ok(flows.insert(flow_key(port)?, entry, 0)?)
}

#[test]
fn a_sweep_ends_what_rested_and_decides_what_waited() -> Result<()> {
    let mut harness = open(&by_name()?)?;
    for port in 40_000..40_003 {
        harness.run(Role::Access, &syn(port)?, 1)?;
    }
    harness.cut()?;
    let sweep = harness.dataplane().sweep(&[])?;
    let remotes: HashSet<_> = [flow_key(40_000)?.remote.to_ip()].into();
    ensure!(
        sweep == Sweep { open: 3, awaiting: 3, remotes: remotes.clone(), ..Sweep::default() },
        "{sweep:?}"
    );
    // A machine that started just now has no time that is long enough ago.
    if monotonic_ns() <= FLOW_REST_TCP_OPENING_NS + UPKEEP_MARGIN_NS {
        return Ok(());
    }
    age(&harness, 40_000, EVIDENCE_WAIT_NS)?;
    age(&harness, 40_001, FLOW_REST_TCP_OPENING_NS + UPKEEP_MARGIN_NS)?;
    let waited = flow(&harness, 40_000)?.number;
    let ended = flow(&harness, 40_001)?.number;
    let sweep = harness.dataplane().sweep(&[])?;
    ensure!(
        sweep == Sweep { open: 2, awaiting: 2, ended: 1, undecided: 2, remotes, ..Sweep::default() },
        "{sweep:?}"
    );
    let cut = harness.cut()?;
    conserved(&cut)?;
    let own = undecided(sample::SITE_RULE);
    let undecided = [(waited, own), (ended, own)].into();
    ensure!(cut.verdicts == undecided, "verdicts {:?}", cut.verdicts);
    // A verdict stays until what it moves is recorded, and as long as its flow has not heard of it.
    harness.dataplane().sweep(&[])?;
    ensure!(harness.cut()?.verdicts.len() == 2);
    let settled: Vec<_> = cut.pending.keys().filter(|key| undecided_has(&cut, key.flow)).copied().collect();
    harness.dataplane().retire(&cut, &settled)?;
    harness.dataplane().sweep(&[ended])?;
    ensure!(harness.cut()?.verdicts.len() == 2, "the ledger still holds something of one");
    harness.dataplane().sweep(&[])?;
    let verdicts = harness.cut()?.verdicts;
    ensure!(verdicts == [(waited, own)].into(), "verdicts {verdicts:?}");
    Ok(())
}

/// No evidence came, of a flow under this rule, or of one that was gone.
const fn undecided(rule: u32) -> Verdict {
    Verdict { rule, reason: Reason::Undecided }
}

fn undecided_has(cut: &Cut, flow: u64) -> bool {
    cut.verdicts.contains_key(&flow)
}

#[test]
fn a_flow_that_is_gone_before_its_verdict_is_undecided() -> Result<()> {
    let mut harness = open(&by_name()?)?;
    harness.run(Role::Access, &syn(40_000)?, 1)?;
    let number = flow(&harness, 40_000)?.number;
    harness.cut()?;
    ensure!(
        harness.dataplane().end_flows(|owner| subscriber().is_ok_and(|own| own == owner))? == 1,
        "one flow"
    );
    // Whoever reads copies may be about to decide it.
    let sweep = harness.dataplane().sweep(&[])?;
    ensure!(sweep == Sweep::default(), "{sweep:?}");
    let sweep = harness.dataplane().sweep(&[])?;
    ensure!(sweep == Sweep { undecided: 1, ..Sweep::default() }, "{sweep:?}");
    ensure!(harness.cut()?.verdicts == [(number, undecided(NO_RULE))].into());
    // What followed its end is nobody's flow.
    harness.run(Role::Core, &answer(40_000, 0)?, 1)?;
    ensure!(counted(&harness.cut()?, Reason::NoFlow) == both(&[], &[HEADER_OCTETS]));
    Ok(())
}

#[test]
fn ended_flows_make_room_for_their_subscriber() -> Result<()> {
    let mut harness = open(&sample::plan()?)?;
    let opened: HashMap<_, SubscriberId, SubscriberFlows> = hash(&harness, "SUBSCRIBER_FLOWS")?;
    let mut full: HashMap<_, SubscriberId, SubscriberFlows> = hash(&harness, "SUBSCRIBER_FLOWS")?;
    harness.run(Role::Access, &syn(40_000)?, 1)?;
    ensure!(opened.get(&subscriber()?, 0)?.opened == 1);
    full.insert(subscriber()?, SubscriberFlows { opened: FLOWS_PER_SUBSCRIBER_DEFAULT.into() }, 0)?;
    harness.run(Role::Access, &syn(40_001)?, 1)?;
    let refused = counted(&harness.cut()?, Reason::SubscriberFlowsFull);
    ensure!(refused == both(&[HEADER_OCTETS], &[]), "refused {refused:?}");
    // All but one have ended, as the table of flows shows.
    harness.dataplane().sweep(&[])?;
    harness.run(Role::Access, &syn(40_001)?, 1)?;
    let refused = counted(&harness.cut()?, Reason::SubscriberFlowsFull);
    ensure!(refused == both(&[HEADER_OCTETS], &[]), "refused again {refused:?}");
    Ok(())
}

#[test]
fn a_ceiling_holds_for_a_day_and_is_reported() -> Result<()> {
    let mut harness = open(&with_ceiling()?)?;
    let ends_ns = monotonic_ns() + 3_600_000_000_000;
    harness.dataplane().set_day_ends(ends_ns)?;
    for _ in 0..5 {
        harness.run(Role::Access, &syn(40_000)?, 1)?;
    }
    let cut = harness.cut()?;
    conserved(&cut)?;
    ensure!(counted(&cut, Reason::Address) == both(&[HEADER_OCTETS; 3], &[]), "{:?}", cut.counters);
    ensure!(counted(&cut, Reason::DailyCeiling) == both(&[HEADER_OCTETS; 2], &[]), "{:?}", cut.counters);
    let past = harness.dataplane().sweep(&[])?.past_ceiling;
    ensure!(past.len() == 1, "{past:?}");
    let expected = (subscriber()?, sample::SITE_RULE, 5 * HEADER_OCTETS, ends_ns);
    ensure!((past[0].subscriber, past[0].rule, past[0].used_octets, past[0].day_ends_ns) == expected);
    // The day is over.
    let key = QuotaKey { subscriber: subscriber()?, rule: sample::SITE_RULE, reserved: 0 };
    let mut quotas: HashMap<_, QuotaKey, QuotaEntry> = hash(&harness, "QUOTAS")?;
    quotas.insert(key, QuotaEntry { used_octets: 1 << 40, day_ends_ns: monotonic_ns() - TICK_NS }, 0)?;
    harness.run(Role::Access, &syn(40_000)?, 1)?;
    ensure!(counted(&harness.cut()?, Reason::Address) == both(&[HEADER_OCTETS; 4], &[]));
    ensure!(quotas.get(&key, 0)? == QuotaEntry { used_octets: HEADER_OCTETS, day_ends_ns: ends_ns });
    // And forgotten, some time after.
    quotas.insert(key, QuotaEntry { used_octets: 1, day_ends_ns: 1 }, 0)?;
    harness.dataplane().sweep(&[])?;
    ensure!(quotas.get(&key, 0).is_err());
    Ok(())
}

#[test]
fn payload_that_is_sent_again_is_counted_once_more() -> Result<()> {
    let mut harness = open(&sample::plan()?)?;
    harness.run(Role::Access, &syn(40_000)?, 1)?;
    // The builder's sequence number is always the same.
    for octets in [100, 100, 150, 20] {
        harness.run(Role::Access, &data(40_000, octets)?, 1)?;
    }
    harness.run(Role::Core, &answer(40_000, 70)?, 1)?;
    let cut = harness.cut()?;
    // 100 new, 100 again, 100 again and 50 new, 20 again; the other direction has numbers of its own.
    let again = both(&[100, 100, 20], &[]);
    ensure!(cut.sent_again == [(sample::SITE_RULE, again)].into(), "{:?}", cut.sent_again);
    Ok(())
}
