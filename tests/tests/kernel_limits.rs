//! The kernel's maps at their limits: full, read in the middle of traffic, of another version, adopted.

#[path = "kernel_cases/conservation.rs"]
mod conservation;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::maps::{Array, Map, MapData, PerCpuHashMap};
use tollfree::dataplane::{Cut, Dataplane, DataplaneError, PlanTables, Programs};
use tollfree_benches::frame::FrameBuilder;
use tollfree_benches::harness::{FIRST_EPOCH, KernelHarness};
use tollfree_benches::sample;
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::interface::Role;
use tollfree_core::layout::{LAYOUT_VERSION, LayoutEntry};
use tollfree_core::plan::Evidence;
use tollfree_core::reason::{Bucket, Reason};

/// Entries of one counter bank: the least that the configuration allows, as in [`sample::SETTINGS`].
const COUNTERS_MAX: u16 = 1024;
/// Subscribers that find no place.
const TOO_MANY: u16 = 76;
/// An IPv4 header and a TCP header.
const VOLUME_OCTETS: u64 = 40;

fn open() -> Result<KernelHarness> {
    KernelHarness::open(sample::SETTINGS, &sample::plan()?)
}

/// A TCP SYN to a site that the sample plan makes free.
fn to_site() -> Result<Vec<u8>> {
    let (subscriber, site) = ("10.20.0.11:40000".parse()?, "203.0.113.10:443".parse()?);
    FrameBuilder::tcp(subscriber, site).syn().build()
}

/// The same from the subscriber of this number, to a stranger.
fn to_stranger(number: u16) -> Result<Vec<u8>> {
    let [high, low] = number.to_be_bytes();
    let subscriber = SocketAddr::new(Ipv4Addr::new(10, 20, high, low).into(), 40_000);
    FrameBuilder::tcp(subscriber, "192.0.2.80:443".parse()?).build()
}

fn conserved(cut: &Cut) -> Result<()> {
    // No rule of the sample plan asks for evidence.
    conservation::check(cut, &BTreeMap::new()).map_err(|fault| anyhow!(fault))
}

/// The sum of all counters that `of` takes.
fn sum(cut: &Cut, of: impl Fn(&CounterKey) -> bool) -> Usage {
    let taken = cut.counters.iter().filter(|(key, _)| of(key));
    taken.fold(Usage::default(), |sum, (_, usage)| sum + *usage)
}

fn uplink(packets: u64) -> Usage {
    Usage { uplink_packets: packets, uplink_octets: packets * VOLUME_OCTETS, ..Usage::default() }
}

#[test]
fn a_full_counter_table_loses_nothing() -> Result<()> {
    let mut harness = open()?;
    for number in 0..COUNTERS_MAX + TOO_MANY {
        harness.run(Role::Access, &to_stranger(number)?, 1)?;
    }
    // Those who have a place keep it.
    harness.run(Role::Access, &to_stranger(0)?, 1)?;
    let cut = harness.cut()?;
    conserved(&cut)?;
    let counters = cut.counters.keys().filter(|key| key.bucket == Bucket::Charged as u16).count();
    ensure!(counters == usize::from(COUNTERS_MAX), "{counters} counters");
    let charged = sum(&cut, |key| key.bucket == Bucket::Charged as u16);
    ensure!(charged == uplink(u64::from(COUNTERS_MAX) + 1), "charged {charged:?}");
    // Without a place of his own, a subscriber is counted by rule and reason.
    let overflow = CounterKey {
        subscriber: SubscriberId::NONE,
        epoch: FIRST_EPOCH,
        rule: 0,
        bucket: Bucket::Overflow as u16,
        reason: Reason::NotListed as u16,
        reserved: 0,
    };
    let others: Vec<_> =
        cut.counters.iter().filter(|(key, _)| key.bucket != Bucket::Charged as u16).collect();
    let wanted = uplink(u64::from(TOO_MANY));
    ensure!(others == [(&overflow, &wanted)], "beside subscribers {others:?}");
    let stats = harness.dataplane().stats()?;
    ensure!(stats["counter-full"] == u64::from(TOO_MANY), "{} packets found it full", stats["counter-full"]);
    ensure!(stats["overflow-full"] == 0, "{} packets were in no counter", stats["overflow-full"]);
    Ok(())
}

/// What flows awaited evidence for, both banks.
fn pending(harness: &KernelHarness) -> Result<BTreeMap<PendingKey, Usage>> {
    let mut sums = BTreeMap::<_, Usage>::new();
    for bank in ["PENDING_0", "PENDING_1"] {
        let data = MapData::from_pin(harness.directory().join(bank))?;
        let map = PerCpuHashMap::<_, PendingKey, Usage>::try_from(Map::PerCpuHashMap(data))?;
        for entry in &map {
            let (key, usages) = entry?;
            let sum = sums.entry(key).or_default();
            usages.iter().for_each(|usage| *sum += *usage);
        }
    }
    Ok(sums)
}

#[test]
fn a_full_pending_table_loses_nothing() -> Result<()> {
    const PENDING_MAX: u16 = 1024;
    let settings = sample::SETTINGS.replace("flows = 1024", "flows = 2048\npending = 1024");
    let mut plan = sample::plan()?;
    for rule in &mut plan.rules {
        rule.evidence = Evidence::NameAndAddress as u32;
    }
    let mut harness = KernelHarness::open(&settings, &plan)?;
    for number in 0..PENDING_MAX + TOO_MANY {
        let [high, low] = number.to_be_bytes();
        let subscriber = SocketAddr::new(Ipv4Addr::new(10, 20, high, low).into(), 40_000);
        let frame = FrameBuilder::tcp(subscriber, "203.0.113.10:443".parse()?).syn().build()?;
        harness.run(Role::Access, &frame, 1)?;
    }
    let (cut, pending) = (harness.cut()?, pending(&harness)?);
    conservation::check(&cut, &pending).map_err(|fault| anyhow!(fault))?;
    ensure!(pending.len() == usize::from(PENDING_MAX), "{} flows", pending.len());
    ensure!(pending.values().all(|usage| *usage == uplink(1)), "not a packet each");
    // Without a place of its own, a flow is counted by rule and reason.
    let counted: Vec<_> =
        cut.counters.iter().map(|(key, usage)| (key.rule, key.bucket, key.reason, *usage)).collect();
    let (bucket, reason) = (Bucket::Overflow as u16, Reason::AwaitingEvidence as u16);
    ensure!(counted == [(1001, bucket, reason, uplink(u64::from(TOO_MANY)))], "counted {counted:?}");
    Ok(())
}

#[test]
fn two_cuts_without_traffic_are_the_same() -> Result<()> {
    let mut harness = open()?;
    for number in 0..10 {
        harness.run(Role::Access, &to_stranger(number)?, 1)?;
    }
    harness.run(Role::Access, &to_site()?, 1)?;
    let (first, second) = (harness.cut()?, harness.cut()?);
    conserved(&first)?;
    ensure!(first.counters == second.counters, "{:?}, then {:?}", first.counters, second.counters);
    ensure!(first.total == second.total, "{:?}, then {:?}", first.total, second.total);
    ensure!(first.counters.len() == 11, "{} counters", first.counters.len());
    Ok(())
}

#[test]
fn each_packet_counts_in_the_epoch_in_force() -> Result<()> {
    let mut harness = open()?;
    let (plan, frame) = (sample::plan()?, to_stranger(1)?);
    for epoch in (FIRST_EPOCH..).take(5) {
        for _ in 0..epoch {
            harness.run(Role::Access, &frame, 1)?;
        }
        let cut = harness.dataplane().activate(&plan, epoch + 1)?;
        conserved(&cut)?;
        ensure!(cut.control.epoch() == epoch, "the cut is of epoch {}", cut.control.epoch());
        for counted in FIRST_EPOCH..=epoch {
            let usage = sum(&cut, |key| key.epoch == counted);
            ensure!(usage == uplink(u64::from(counted)), "epoch {counted} has {usage:?}");
        }
    }
    Ok(())
}

/// Passes `frame` until it is told to stop, at least once; says how often.
fn send_until(is_done: &AtomicBool, programs: &mut Programs, frame: &[u8]) -> Result<u64> {
    let mut packets = 0;
    loop {
        programs.run(frame, 1)?;
        packets += 1;
        if is_done.load(Ordering::Acquire) {
            return Ok(packets);
        }
    }
}

/// Every cut in the middle of traffic is whole: no packet is in one sum and not in another.
fn activate_in_traffic(dataplane: &mut Dataplane) -> Result<()> {
    const ACTIVATIONS: usize = 20;
    let plan = sample::plan()?;
    let mut earlier = dataplane.cut()?;
    for epoch in (FIRST_EPOCH + 1..).take(ACTIVATIONS) {
        let later = dataplane.activate(&plan, epoch)?;
        conserved(&later)?;
        conservation::moved(&earlier, &later).map_err(|fault| anyhow!(fault))?;
        earlier = later;
    }
    Ok(())
}

#[test]
fn activations_in_traffic_lose_nothing() -> Result<()> {
    let mut harness = open()?;
    let frame = to_site()?;
    let is_done = AtomicBool::new(false);
    let (dataplane, programs) = harness.parts(Role::Access);
    let packets = thread::scope(|scope| -> Result<u64> {
        let traffic = scope.spawn(|| send_until(&is_done, programs, &frame));
        let activated = activate_in_traffic(dataplane);
        // Even after a failure, or the traffic would never end.
        is_done.store(true, Ordering::Release);
        let packets = traffic.join().map_err(|_| anyhow!("the traffic panicked"))?;
        activated.and(packets)
    })?;
    let cut = harness.cut()?;
    conserved(&cut)?;
    ensure!(sum(&cut, |_| true) == uplink(packets), "{packets} sent, counted {:?}", sum(&cut, |_| true));
    ensure!(cut.total.seen.packets == packets, "{packets} sent, {} arrived", cut.total.seen.packets);
    Ok(())
}

#[test]
fn an_activated_plan_holds_for_the_next_packet() -> Result<()> {
    let mut harness = open()?;
    let (full, empty) = (sample::plan()?, PlanTables::default());
    let count = |harness: &mut KernelHarness, epoch, wanted: Reason| -> Result<()> {
        harness.run(Role::Access, &to_site()?, 1)?;
        let cut = harness.cut()?;
        conserved(&cut)?;
        let usage = sum(&cut, |key| key.epoch == epoch && key.reason == wanted as u16);
        ensure!(usage == uplink(1), "epoch {epoch}: {usage:?} of {}", wanted.name());
        Ok(())
    };
    count(&mut harness, FIRST_EPOCH, Reason::Address)?;
    harness.dataplane().activate(&empty, 2)?;
    count(&mut harness, 2, Reason::NotListed)?;
    harness.dataplane().activate(&full, 3)?;
    count(&mut harness, 3, Reason::Address)?;
    // New addresses under the same policy: the epoch stays.
    harness.dataplane().refresh(&empty)?;
    ensure!(harness.dataplane().control().epoch() == 3, "a refresh changed the epoch");
    count(&mut harness, 3, Reason::NotListed)
}

/// The pinned map that says which version the maps are.
fn layout(harness: &KernelHarness) -> Result<Array<MapData, LayoutEntry>> {
    let data = MapData::from_pin(harness.directory().join("LAYOUT"))?;
    Ok(Array::try_from(Map::Array(data))?)
}

fn pinned(harness: &KernelHarness) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(harness.directory())? {
        names.insert(entry?.file_name().into_string().map_err(|_| anyhow!("a pin whose name is no text"))?);
    }
    Ok(names)
}

#[test]
fn maps_of_another_version_are_not_touched() -> Result<()> {
    let mut harness = open()?;
    harness.run(Role::Access, &to_site()?, 1)?;
    let before = (harness.cut()?, pinned(&harness)?, harness.dataplane().control());
    let mut layout = layout(&harness)?;
    let ours = layout.get(&0, 0)?;
    let theirs = LayoutEntry { version: LAYOUT_VERSION + 1, ..ours };
    layout.set(0, theirs, 0)?;
    match Dataplane::open(harness.config()) {
        Err(DataplaneError::LayoutVersion { path, found, wanted }) => {
            ensure!(path == harness.directory(), "{}", path.display());
            ensure!((found, wanted) == (LAYOUT_VERSION + 1, LAYOUT_VERSION), "{found} for {wanted}");
        }
        other => return Err(anyhow!("opened as {other:?}")),
    }
    ensure!(layout.get(&0, 0)? == theirs, "the version was changed");
    ensure!(pinned(&harness)? == before.1, "pins were changed");
    ensure!(harness.dataplane().control() == before.2, "the control word was changed");
    // The build that made them goes on with all it had counted, and with its plan.
    layout.set(0, ours, 0)?;
    harness.reopen()?;
    harness.run(Role::Access, &to_site()?, 1)?;
    let after = harness.cut()?;
    conserved(&after)?;
    let moved = conservation::moved(&before.0, &after).map_err(|fault| anyhow!(fault))?;
    ensure!(moved.values().copied().collect::<Vec<_>>() == [uplink(1)], "moved {moved:?}");
    Ok(())
}

#[test]
fn adopted_maps_keep_all_they_counted() -> Result<()> {
    let mut harness = open()?;
    harness.run(Role::Access, &to_site()?, 1)?;
    harness.run(Role::Access, &to_stranger(2)?, 1)?;
    let before = harness.cut()?;
    // Into the bank that the last cut left to be written.
    harness.run(Role::Access, &to_stranger(3)?, 1)?;
    let (instance, control) = (harness.dataplane().instance(), harness.dataplane().control());
    harness.reopen()?;
    ensure!(harness.dataplane().instance() == instance, "another instance");
    ensure!(harness.dataplane().control() == control, "another control word");
    let rules: Vec<_> = harness.dataplane().rules().iter().map(|rule| rule.rule).collect();
    ensure!(rules == [1001], "rules in force: {rules:?}");
    let after = harness.cut()?;
    conserved(&after)?;
    let moved = conservation::moved(&before, &after).map_err(|fault| anyhow!(fault))?;
    ensure!(moved.values().copied().collect::<Vec<_>>() == [uplink(1)], "moved {moved:?}");
    // What the adopted maps hold is built upon, not begun again.
    harness.dataplane().activate(&PlanTables::default(), control.epoch() + 1)?;
    harness.run(Role::Access, &to_site()?, 1)?;
    let last = harness.cut()?;
    conserved(&last)?;
    let key = last.counters.keys().find(|key| key.epoch == control.epoch() + 1).context("nothing counted")?;
    ensure!(key.reason == Reason::NotListed as u16, "the old plan is still in force");
    Ok(())
}

#[test]
fn new_maps_are_another_instance() -> Result<()> {
    let (mut one, mut other) = (open()?, open()?);
    ensure!(one.dataplane().instance() != other.dataplane().instance(), "two instances of one number");
    Ok(())
}

/// The kernel refuses a program in which the verifier walks more than a million instructions
/// (`BPF_COMPLEXITY_LIMIT_INSNS`); half of that leaves room for verifiers that see less at once.
#[test]
fn the_verifier_is_far_from_its_limit() -> Result<()> {
    const INSTRUCTIONS_MAX: u32 = 500_000;
    let mut harness = open()?;
    for role in [Role::Access, Role::Core] {
        // Kernels before 5.16 do not tell.
        let Some(walked) = harness.parts(role).1.verified_instructions()? else { continue };
        println!("{} side: {walked} instructions", role.name());
        ensure!(walked < INSTRUCTIONS_MAX, "{} side: {walked} instructions", role.name());
    }
    Ok(())
}
