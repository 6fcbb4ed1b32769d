//! Replaying frames through the XDP program, without an interface.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use tollfree::dataplane::{Cut, Programs, Run};
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::interface::Role;
use tollfree_core::reason::{Bucket, Reason};
use tollfree_core::stat::Stat;

use crate::case::{Case, Outcome, cases};
use crate::compare;
use crate::frame::sum;
use crate::world::World;

/// Linux's action for what goes on.
const XDP_PASS: u32 = 2;
/// Mark and priority, four octets each.
const METADATA_OCTETS: usize = 8;

/// Replays all cases, one after the other, and compares what became of each with what must.
pub(crate) fn run(world: &mut World) -> Result<()> {
    let mut access = load(world, Role::Access)?;
    let mut core = load(world, Role::Core)?;
    for case in cases()? {
        let programs = match case.role {
            Role::Access => &mut access,
            Role::Core => &mut core,
        };
        let measured = replay(world, programs, &case).with_context(|| format!("frame: {}", case.name))?;
        compare(format!("frame: {}", case.name), case.expected, measured)?;
    }
    Ok(())
}

fn load(world: &World, role: Role) -> Result<Programs> {
    Ok(world.dataplane.load(world.config(), &world.settings(role))?)
}

fn replay(world: &mut World, programs: &mut Programs, case: &Case) -> Result<Outcome> {
    let copies = |world: &World| -> Result<u64> {
        let stats = world.dataplane.stats()?;
        stats.get(Stat::CopySent.name()).copied().context("no counter of copies")
    };
    let (before, copies_before) = (world.dataplane.cut()?, copies(world)?);
    let run = programs.run(&case.frame, 1)?;
    let (after, copies_after) = (world.dataplane.cut()?, copies(world)?);
    ensure!(run.verdict == XDP_PASS, "verdict {}", run.verdict);
    let mut outcome = counted(&before, &after, case.role)?;
    outcome.copies = copies_after - copies_before;
    tagged(case, &run, &mut outcome)?;
    Ok(outcome)
}

/// All counters, with what is pending where it would be but for its flow.
fn counters(cut: &Cut) -> BTreeMap<CounterKey, Usage> {
    let mut counters = cut.counters.clone();
    for (key, usage) in &cut.pending {
        let (bucket, reason) = (Bucket::Pending, Reason::AwaitingEvidence);
        *counters.entry(CounterKey::new(key.subscriber, key.epoch, key.rule, bucket, reason)).or_default() +=
            *usage;
    }
    counters
}

/// The one counter that moved, by one packet.
fn counted(before: &Cut, after: &Cut, role: Role) -> Result<Outcome> {
    let (before, after) = (counters(before), counters(after));
    let moved: Vec<_> = after
        .iter()
        .filter_map(|(key, usage)| {
            let before = before.get(key).copied().unwrap_or_default();
            (*usage != before).then(|| (key, usage.since(&before)))
        })
        .collect();
    let [(key, Some(usage))] = moved.as_slice() else { bail!("not one counter moved: {moved:?}") };
    let Usage { uplink_packets, uplink_octets, downlink_packets, downlink_octets } = *usage;
    let (octets, packets) = match role {
        Role::Access => (uplink_octets, [uplink_packets, downlink_packets]),
        Role::Core => (downlink_octets, [downlink_packets, uplink_packets]),
    };
    ensure!(packets == [1, 0], "not one packet, in its direction: {usage:?}");
    let bucket =
        Bucket::ALL.into_iter().find(|bucket| *bucket as u16 == key.bucket).context("no such bucket")?;
    let reason = Reason::from_number(key.reason).context("no such reason")?;
    Ok(Outcome {
        bucket: bucket.name(),
        reason: reason.name(),
        rule: key.rule,
        octets,
        dscp: 0,
        marks: [0, 0],
        copies: 0,
    })
}

/// How the frame left: code point and metadata; nothing else of it may have changed.
fn tagged(case: &Case, run: &Run, outcome: &mut Outcome) -> Result<()> {
    let before = &case.frame;
    let (metadata, after) = run.frame.split_at(run.frame.len().saturating_sub(before.len()));
    match metadata.len() {
        0 => {}
        METADATA_OCTETS => {
            let word = |at: usize| metadata[at..].first_chunk().map(|word| u32::from_ne_bytes(*word));
            outcome.marks = [word(0).unwrap_or_default(), word(4).unwrap_or_default()];
        }
        octets => bail!("{octets} octets in front of the frame"),
    }
    let Some(ip) = case.ip_offset else { return unchanged(before, after) };
    let mut restored = after.to_vec();
    if after[ip] >> 4 == 4 {
        outcome.dscp = after[ip + 1] >> 2;
        ensure!(sum(&after[ip..ip + 20]) == u16::MAX, "the header's checksum is wrong");
        restored[ip + 1] = before[ip + 1];
        restored[ip + 10..ip + 12].copy_from_slice(&before[ip + 10..ip + 12]);
    } else {
        outcome.dscp = (after[ip] & 0x0f) << 2 | after[ip + 1] >> 6;
        restored[ip..ip + 2].copy_from_slice(&before[ip..ip + 2]);
    }
    unchanged(before, &restored)
}

fn unchanged(before: &[u8], after: &[u8]) -> Result<()> {
    ensure!(before == after, "the frame left as {after:02x?}, but came as {before:02x?}");
    Ok(())
}
