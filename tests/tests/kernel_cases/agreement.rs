//! The kernel and this process agree on frames that nobody thought of.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, ensure};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tollfree::dataplane::monotonic_ns;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::decide::Decision;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::conservation;
use crate::maps::KernelMaps;
use crate::process::pass;
use crate::world::{NEVER_NS, World};

/// Frames tried. Reason: some seconds, nearly all of them spent in this process.
const FRAMES: u32 = 20_000;
/// Frames after which both sides' sums are compared; a difference is then searched for among them by hand.
const BATCH: u32 = 100;
/// The kernel takes nothing shorter than an Ethernet header.
const FRAME_OCTETS_MIN: usize = 14;

/// A case's frame with some octets replaced, and maybe cut.
fn broken_frame(seeds: Vec<(Role, Vec<u8>)>) -> impl Strategy<Value = (Role, Vec<u8>)> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 0..4);
    (prop::sample::select(seeds), changes, any::<prop::sample::Index>(), prop::bool::weighted(0.2)).prop_map(
        |((role, mut frame), changes, end, is_cut)| {
            for (place, octet) in changes {
                // Headers are what is read; few frames have more than 150 octets of them.
                let place = place.index(frame.len().min(150));
                frame[place] = octet;
            }
            if is_cut {
                frame.truncate(FRAME_OCTETS_MIN + end.index(frame.len() - FRAME_OCTETS_MIN + 1));
            }
            (role, frame)
        },
    )
}

/// What this process would count.
fn count(world: &mut World, counters: &mut BTreeMap<CounterKey, Usage>, role: Role, frame: &[u8]) {
    let (decision, octets) = pass(&mut world.memory, &world.transports, role, frame);
    let Decision { subscriber, rule, reason, .. } = decision;
    let epoch = tollfree_benches::harness::FIRST_EPOCH;
    let usage =
        counters.entry(CounterKey::new(subscriber, epoch, rule, reason.bucket(), reason)).or_default();
    *usage += Usage::of(role, octets);
}

/// A flow's counter as any other's: the two planes number flows differently.
fn without_flow(key: &PendingKey) -> CounterKey {
    let reason = Reason::AwaitingEvidence;
    CounterKey::new(key.subscriber, key.epoch, key.rule, reason.bucket(), reason)
}

#[test]
fn both_planes_count_the_same() -> Result<()> {
    let mut world = World::open()?;
    let mut maps = KernelMaps::open(world.kernel.directory())?;
    maps.set_day_ends(NEVER_NS)?;
    world.memory.set_day_ends(NEVER_NS);
    let seeds = crate::all_cases().into_iter().map(|case| (case.role, case.frame)).collect();
    let strategy = broken_frame(seeds);
    let mut runner = TestRunner::deterministic();
    let mut counters = BTreeMap::new();
    let mut batch = Vec::new();
    for number in 1..=FRAMES {
        let (role, frame) = strategy.new_tree(&mut runner).map_err(|reason| anyhow!("{reason}"))?.current();
        world.kernel.run(role, &frame, 1)?;
        // What rests in the one rests in the other.
        world.memory.set_now(monotonic_ns());
        count(&mut world, &mut counters, role, &frame);
        batch.push((role, frame));
        if number % BATCH == 0 {
            let cut = world.kernel.cut()?;
            let pending = maps.pending()?;
            conservation::check(&cut, &pending).map_err(|fault| anyhow!(fault))?;
            let mut counted = cut.counters;
            for (key, usage) in pending {
                *counted.entry(without_flow(&key)).or_default() += usage;
            }
            let apart = |a: &BTreeMap<CounterKey, Usage>, b: &BTreeMap<CounterKey, Usage>| {
                a.iter()
                    .filter(|(key, usage)| b.get(key) != Some(usage))
                    .map(|(k, u)| (*k, *u))
                    .collect::<Vec<_>>()
            };
            let (kernel, here) = (apart(&counted, &counters), apart(&counters, &counted));
            ensure!(
                counted == counters,
                "the kernel counted {kernel:?}, this process {here:?}, of one of {batch:02x?}"
            );
            ensure!(maps.sent_again()? == world.memory.sent_again(), "sent again, one of {batch:02x?}");
            batch.clear();
        }
    }
    Ok(())
}
