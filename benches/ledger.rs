//! What closing an interval costs: all counters read from the kernel, and recorded in the ledger.
//!
//! Batches stand beside the calls for one entry, in turns: the machine's speed changes from one minute to the next, so
//! the ratio is what is worth reading. Then the data plane's whole cut, of one bank after the other, and the ledger:
//! the first interval, in which every counter is new, and one in which every counter grew.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{IterableMap as _, Map, MapData, PerCpuHashMap, PerCpuValues};
use aya::util::nr_cpus;
use clap::Parser;
use jiff::Timestamp;
use tollfree::dataplane::Counters;
use tollfree::dataplane::batch::{self, AT_ONCE, Values};
use tollfree::ledger::{CloseReason, IntervalClose, Ledger};
use tollfree_benches::harness::{FIRST_EPOCH, KernelHarness};
use tollfree_benches::sample;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::limits::BANKS;
use tollfree_core::reason::{Bucket, Reason};

const COUNTERS: u32 = 1_000_000;
const QUICK_COUNTERS: u32 = 2000;
/// Reason: the minimum of nine was repeatable to a few percent, that of fewer was not.
const ROUNDS: usize = 9;
const QUICK_ROUNDS: usize = 1;
/// Least that the configuration allows.
const COUNTERS_MIN: u32 = 1024;
/// Rules that each subscriber has a counter of.
const RULES: u32 = 4;
/// What each counter grows by in an interval.
const GROWTH: Usage =
    Usage { uplink_packets: 3, uplink_octets: 1800, downlink_packets: 5, downlink_octets: 6000 };

/// Measures what reading all counters and recording them costs.
#[derive(Parser)]
struct Arguments {
    /// Counters in each bank.
    #[arg(long, value_name = "NUMBER")]
    counters: Option<u32>,
    /// Where the ledger's file is made; by default where temporary files are.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Runs everything once, with few counters: shows that it works, measures nothing. The default without --bench.
    #[arg(long)]
    quick: bool,
    /// Measures: what `cargo bench` passes and `cargo test` does not.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One step, as often as it was taken.
struct Step {
    name: &'static str,
    /// Of the fastest.
    time: Duration,
    /// Resident memory of this process when the step began, in octets.
    before: u64,
    /// The most while it ran.
    peak: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let is_quick = arguments.quick || !arguments.bench;
    let counters = arguments.counters.unwrap_or(if is_quick { QUICK_COUNTERS } else { COUNTERS });
    let rounds = if is_quick { QUICK_ROUNDS } else { ROUNDS };
    let directory = match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    }
    .context("making a directory for the ledger")?;
    let path = directory.path().join("ledger.sqlite");
    let mut ledger = Ledger::open(&path)?;
    let rules = number_rules(&mut ledger)?;
    let mut harness = open(counters)?;
    for bank in 0..BANKS {
        fill(&mut bank_map(&harness, bank)?, counters, &rules)?;
    }
    let mut steps = measure_reads(&bank_map(&harness, 0)?, rounds)?;
    let (cut, read) = measure_cuts(&mut harness, rounds)?;
    ensure!(read.len() == counters as usize, "the cut has {} counters, not {counters}", read.len());
    steps.push(cut);
    // As in the controller, which keeps both banks as last read.
    steps.extend(measure_ledger(&mut ledger, read, harness.dataplane().instance())?);
    print(&steps, counters, rounds);
    // The last connection puts the write-ahead log's content into the file.
    drop(ledger);
    println!("ledger of both intervals: {} MiB", fs::metadata(&path)?.len() >> 20);
    Ok(())
}

fn open(counters: u32) -> Result<KernelHarness> {
    let settings =
        sample::SETTINGS.replace("counters = 1024", &format!("counters = {}", counters.max(COUNTERS_MIN)));
    KernelHarness::open(&settings, &sample::plan()?)
}

fn number_rules(ledger: &mut Ledger) -> Result<Vec<u32>> {
    ledger.record_epoch(FIRST_EPOCH, "sha256:00", Timestamp::now(), 0)?;
    (0..RULES).map(|rule| Ok(ledger.rule_number("bench", &format!("site-{rule}"))?)).collect()
}

type Bank = PerCpuHashMap<MapData, CounterKey, Usage>;

fn bank_map(harness: &KernelHarness, bank: u32) -> Result<Bank> {
    let data = MapData::from_pin(harness.directory().join(format!("COUNTERS_{bank}")))?;
    Ok(PerCpuHashMap::try_from(Map::PerCpuHashMap(data))?)
}

/// Makes each counter, with something in it on every CPU.
fn fill(map: &mut Bank, counters: u32, rules: &[u32]) -> Result<()> {
    let cpus = nr_cpus().map_err(|(_, error)| error)?;
    for (number, rule) in (0..counters).zip(rules.iter().cycle()) {
        let address = Address::v4((number / RULES).to_be());
        let subscriber = SubscriberId::of(&address, Family::V4);
        let key = CounterKey::new(subscriber, FIRST_EPOCH, *rule, Bucket::Free, Reason::Address);
        map.insert(key, PerCpuValues::try_from(vec![GROWTH; cpus])?, 0)?;
    }
    Ok(())
}

/// One bank, both ways, in turns.
fn measure_reads(map: &Bank, rounds: usize) -> Result<Vec<Step>> {
    let (mut one_by_one, mut batches) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (step, expected) = measure("read, one by one", || read_one_by_one(map))?;
        one_by_one.push(step);
        let (step, found) = measure("read, in batches", || read_in_batches(map))?;
        batches.push(step);
        let [expected, found] = [expected, found].map(Counters::from_iter);
        ensure!(found == expected, "the two ways read different counters");
    }
    [one_by_one, batches].into_iter().map(best).collect()
}

fn read_one_by_one(map: &Bank) -> Result<Vec<(CounterKey, Usage)>> {
    let mut counters = Vec::new();
    for entry in map {
        let (key, values) = entry?;
        counters.push((key, values.iter().fold(Usage::default(), |sum, usage| sum + *usage)));
    }
    Ok(counters)
}

fn read_in_batches(map: &Bank) -> Result<Vec<(CounterKey, Usage)>> {
    let mut counters = Vec::new();
    batch::for_each(map.map(), AT_ONCE, |key, values: Values<'_, Usage>| {
        counters.push((key, values.fold(Usage::default(), |sum, usage| sum + usage)));
    })?;
    Ok(counters)
}

/// The data plane's cut, and what it gave.
fn measure_cuts(harness: &mut KernelHarness, rounds: usize) -> Result<(Step, Counters)> {
    let mut steps = Vec::new();
    // Each cut reads the bank that was written until then: after as many as there are banks, all were read.
    let mut cut = harness.cut()?;
    for _ in 0..rounds * BANKS as usize {
        drop(cut);
        let (step, next) = measure("cut", || harness.cut())?;
        steps.push(step);
        cut = next;
    }
    Ok((best(steps)?, cut.counters))
}

/// Three intervals: all counters are new, then all grew, then one did.
fn measure_ledger(ledger: &mut Ledger, mut counters: Counters, instance: u64) -> Result<[Step; 3]> {
    let all = counters.len();
    let (first, ()) = measure("record, all new", || record(ledger, &counters, instance, all))?;
    for usage in counters.values_mut() {
        *usage += GROWTH;
    }
    let (second, ()) = measure("record, all grown", || record(ledger, &counters, instance, all))?;
    if let Some(usage) = counters.values_mut().next() {
        *usage += GROWTH;
    }
    let (third, ()) = measure("record, one grown", || record(ledger, &counters, instance, 1))?;
    Ok([first, second, third])
}

fn record(ledger: &mut Ledger, counters: &Counters, instance: u64, grown: usize) -> Result<()> {
    let closed = ledger.close_interval(&IntervalClose {
        gateway: "bench",
        boot_id: "00000000-0000-0000-0000-000000000000",
        instance,
        epoch: FIRST_EPOCH,
        started_at: Timestamp::now(),
        closed_at: Timestamp::now(),
        reason: CloseReason::Clock,
        cumulative: counters,
        pending: &BTreeMap::new(),
        verdicts: &BTreeMap::new(),
        sent_again: &BTreeMap::new(),
        ceilings: &[],
        identities: &|_| None,
        only: None,
        arrived_packets: counters.values().map(Usage::packets).sum(),
        interfaces: &[],
        rating_groups: &BTreeMap::new(),
    })?;
    ensure!(closed.records == grown as u64, "{} records", closed.records);
    ensure!(closed.difference_packets == 0, "{} packets too many", closed.difference_packets);
    Ok(())
}

fn measure<T>(name: &'static str, step: impl FnOnce() -> Result<T>) -> Result<(Step, T)> {
    // Makes the most resident memory begin anew (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").context("resetting the peak of this process's memory")?;
    let before = resident_peak()?;
    let start = Instant::now();
    let result = step()?;
    let time = start.elapsed();
    Ok((Step { name, time, before, peak: resident_peak()? }, result))
}

/// The time of the fastest, and the memory of the one that took most: later ones use again what earlier ones gave back.
fn best(steps: Vec<Step>) -> Result<Step> {
    let time = steps.iter().map(|step| step.time).min().context("no rounds")?;
    let most = steps.into_iter().max_by_key(|step| step.peak - step.before).context("no rounds")?;
    Ok(Step { time, ..most })
}

/// `VmHWM` (`proc_pid_status(5)`), in octets.
fn resident_peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("reading this process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context("reading VmHWM")?;
    Ok(kibibytes * 1024)
}

fn print(steps: &[Step], counters: u32, rounds: usize) {
    println!("{counters} counters; reads and cuts: fastest of {rounds} rounds");
    println!(
        "{:<18} {:>8} {:>10} {:>8} {:>10} {:>9}",
        "step", "seconds", "entries/s", "ratio", "before MiB", "peak MiB"
    );
    let baseline = steps.first().map_or(f64::NAN, |step| step.time.as_secs_f64());
    for Step { name, time, before, peak } in steps {
        let seconds = time.as_secs_f64();
        let rate = f64::from(counters) / seconds;
        let [before, peak] = [before, peak].map(|octets| *octets >> 20);
        println!("{name:<18} {seconds:>8.3} {rate:>10.0} {:>8.2} {before:>10} {peak:>9}", seconds / baseline);
    }
}
