//! Batches of map entries, against aya's calls for one entry and against models, on the running kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::maps::{Array, HashMap, IterableMap as _, Map, MapData, MapError, PerCpuHashMap, PerCpuValues};
use aya::util::nr_cpus;
use tollfree::dataplane::batch::{self, AT_ONCE, Values};
use tollfree::dataplane::monotonic_ns;
use tollfree_benches::harness::KernelHarness;
use tollfree_benches::sample;
use tollfree_core::address::Address;
use tollfree_core::flow::{FlowEntry, FlowKey};
use tollfree_core::limits::{FLOW_REST_OPENING_NS, FLOW_REST_TCP_OPENING_NS, UPKEEP_MARGIN_NS};

/// Entries that fill a table of as many buckets: some buckets have none, some have several.
const ENTRIES: u32 = 4096;

/// Twelve octets: a per-CPU map pads them to sixteen, a hash map does not.
type Odd = [u32; 3];

const fn odd(key: u32, cpu: u32) -> Odd {
    [key, cpu, key ^ 0x5a5a_5a5a]
}

/// What a batch reading gives, by key; a key that comes twice is a fault.
fn read(map: &MapData, at_once: usize) -> Result<BTreeMap<u32, Vec<Odd>>> {
    let at_once = NonZeroUsize::new(at_once).context("no entries at once")?;
    let mut entries = BTreeMap::new();
    let mut twice = None;
    batch::for_each(map, at_once, |key: u32, values: Values<'_, Odd>| {
        if entries.insert(key, values.collect()).is_some() {
            twice = Some(key);
        }
    })?;
    ensure!(twice.is_none(), "key {twice:?} came twice");
    Ok(entries)
}

fn hash_map(keys: impl IntoIterator<Item = u32>) -> Result<HashMap<MapData, u32, Odd>> {
    let mut map = HashMap::create(ENTRIES, 0)?;
    for key in keys {
        map.insert(key, odd(key, 0), 0)?;
    }
    Ok(map)
}

/// Batches of one entry do not hold the fuller buckets: the batch grows.
#[test]
fn a_hash_map_is_read_whole_in_batches_of_any_size() -> Result<()> {
    let map = hash_map(0..ENTRIES)?;
    let wanted: BTreeMap<u32, Vec<Odd>> = (0..ENTRIES).map(|key| (key, vec![odd(key, 0)])).collect();
    for at_once in [1, 2, 7, 1000, AT_ONCE.get(), 4096, 100_000] {
        let found = read(map.map(), at_once)?;
        ensure!(found == wanted, "{} entries in batches of {at_once}", found.len());
    }
    Ok(())
}

#[test]
fn a_per_cpu_map_gives_every_cpu_s_value() -> Result<()> {
    let cpus = u32::try_from(nr_cpus().map_err(|(_, error)| error)?)?;
    let values = |key| (0..cpus).map(|cpu| odd(key, cpu)).collect::<Vec<_>>();
    let mut map = PerCpuHashMap::<_, u32, Odd>::create(ENTRIES, 0)?;
    for key in 0..ENTRIES {
        map.insert(key, PerCpuValues::try_from(values(key))?, 0)?;
    }
    let wanted: BTreeMap<u32, Vec<Odd>> = (0..ENTRIES).map(|key| (key, values(key))).collect();
    for at_once in [1, 33, AT_ONCE.get()] {
        let found = read(map.map(), at_once)?;
        ensure!(found == wanted, "{} entries in batches of {at_once}", found.len());
    }
    let one_by_one: BTreeMap<u32, Vec<Odd>> = map
        .iter()
        .map(|entry| entry.map(|(key, values)| (key, values.to_vec())))
        .collect::<Result<_, _>>()?;
    ensure!(one_by_one == wanted, "aya reads otherwise");
    Ok(())
}

#[test]
fn an_empty_map_gives_nothing() -> Result<()> {
    let map = hash_map([])?;
    ensure!(read(map.map(), 1)?.is_empty(), "entries in an empty map");
    ensure!(batch::delete_all(map.map(), &[1_u32, 2])? == 0, "deleted from an empty map");
    Ok(())
}

#[test]
fn keys_that_are_not_there_are_passed_over() -> Result<()> {
    let map = hash_map(0..ENTRIES)?;
    // Absent at the beginning, twice in a row, in the middle, at the end; one key twice.
    let keys = [ENTRIES, 5, ENTRIES + 1, ENTRIES + 2, 6, 7, 6, 8, u32::MAX];
    ensure!(batch::delete_all(map.map(), &keys)? == 4, "other keys were deleted");
    let left: BTreeSet<u32> = read(map.map(), 16)?.into_keys().collect();
    let wanted = (0..ENTRIES).filter(|key| !(5..=8).contains(key)).collect();
    ensure!(left == wanted, "{} entries are left", left.len());
    ensure!(batch::delete_all::<u32>(map.map(), &[])? == 0, "deleted nothing, and something was gone");
    let all: Vec<u32> = (0..ENTRIES).collect();
    ensure!(batch::delete_all(map.map(), &all)? == left.len(), "not all were deleted");
    ensure!(read(map.map(), 16)?.is_empty(), "entries are left");
    Ok(())
}

#[test]
fn maps_of_another_shape_are_refused() -> Result<()> {
    let map = hash_map(0..8)?;
    match batch::for_each(map.map(), AT_ONCE, |_: u64, _: Values<'_, Odd>| ()) {
        Err(MapError::InvalidKeySize { size: 8, expected: 4 }) => {}
        other => return Err(anyhow!("keys of eight octets: {other:?}")),
    }
    match batch::for_each(map.map(), AT_ONCE, |_: u32, _: Values<'_, u64>| ()) {
        Err(MapError::InvalidValueSize { size: 8, expected: 12 }) => {}
        other => return Err(anyhow!("values of eight octets: {other:?}")),
    }
    match batch::delete_all(map.map(), &[1_u16]) {
        Err(MapError::InvalidKeySize { size: 2, expected: 4 }) => {}
        other => return Err(anyhow!("deleting keys of two octets: {other:?}")),
    }
    let array = Array::<_, Odd>::create(8, 0)?;
    match batch::for_each(array.map(), AT_ONCE, |_: u32, _: Values<'_, Odd>| ()) {
        Err(MapError::InvalidMapType { .. }) => Ok(()),
        other => Err(anyhow!("an array: {other:?}")),
    }
}

/// Puts entries in and out until it is told to stop, at least once.
fn churn(map: &mut HashMap<MapData, u32, Odd>, is_done: &AtomicBool) -> Result<()> {
    loop {
        for key in ENTRIES / 2..ENTRIES {
            map.insert(key, odd(key, 0), 0)?;
        }
        for key in ENTRIES / 2..ENTRIES {
            map.remove(&key)?;
        }
        if is_done.load(Ordering::Acquire) {
            return Ok(());
        }
    }
}

#[test]
fn entries_that_stay_are_seen_once_while_others_come_and_go() -> Result<()> {
    const READINGS: usize = 100;
    let mut map = hash_map(0..ENTRIES / 2)?;
    let reader = MapData::from_fd(map.map().fd().as_fd().try_clone_to_owned()?)?;
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| churn(&mut map, &is_done));
        let read_all = || -> Result<()> {
            for _ in 0..READINGS {
                let found = read(&reader, 64)?;
                let stayed = found.range(..ENTRIES / 2).count();
                ensure!(stayed == ENTRIES as usize / 2, "{stayed} of the entries that stay");
            }
            Ok(())
        };
        let checked = read_all();
        // Even after a failure, or the writer would never end.
        is_done.store(true, Ordering::Release);
        writer.join().map_err(|_| anyhow!("the writer panicked"))??;
        checked
    })
}

/// A flow of `protocol` on this port.
fn flow(port: u16, protocol: u32) -> FlowKey {
    let address = Address::v4(u32::from_ne_bytes([10, 20, 0, 11]));
    FlowKey { subscriber: address, remote: address, subscriber_port: port, remote_port: 443, protocol }
}

#[test]
fn the_sweep_forgets_flows_that_rest_and_no_others() -> Result<()> {
    const FLOWS: u16 = 1000;
    let (tcp, udp) = (6, 17);
    let mut harness = KernelHarness::open(sample::SETTINGS, &sample::plan()?)?;
    let data = MapData::from_pin(harness.directory().join("FLOWS"))?;
    let mut flows: HashMap<_, FlowKey, FlowEntry> = HashMap::try_from(Map::HashMap(data))?;
    // A machine that booted a moment ago has no flow that has rested for long.
    let since_boot_ns = monotonic_ns();
    let mut wanted = BTreeSet::new();
    for port in 0..FLOWS {
        // Nobody answered them.
        let (protocol, bound_ns) =
            if port % 2 == 0 { (tcp, FLOW_REST_TCP_OPENING_NS) } else { (udp, FLOW_REST_OPENING_NS) };
        let is_old = port % 3 == 0;
        let last_seen_ns = if is_old { 0 } else { monotonic_ns() };
        flows.insert(flow(port, protocol), FlowEntry { last_seen_ns, ..FlowEntry::default() }, 0)?;
        if !is_old || since_boot_ns < bound_ns + UPKEEP_MARGIN_NS {
            wanted.insert(flow(port, protocol));
        }
    }
    let sweep = harness.dataplane().sweep(&[])?;
    ensure!(sweep.open == wanted.len() as u64, "{} flows are left, not {}", sweep.open, wanted.len());
    ensure!(sweep.ended == u64::from(FLOWS) - sweep.open, "{} flows have ended", sweep.ended);
    let found = flows.keys().collect::<Result<BTreeSet<_>, _>>()?;
    ensure!(found == wanted, "{} flows are in the map", found.len());
    Ok(())
}
