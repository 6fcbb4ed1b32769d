//! What many prefixes cost: a packet's lookup, putting them in force, changing one address, and memory.
//!
//! A lookup is measured in turns with a program that does nothing: on one frame again and again, with all that it needs
//! in the nearest cache; and on thousands of addresses, one call each, where the difference to the empty program is what
//! the caches do not hold. Of what the controller does, time is the fastest of several rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use aya::maps::MapData;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use clap::Parser;
use ipnet::IpNet;
use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use tollfree::dataplane::{Dataplane, LivePlan, PlanTables, Programs, empty_object};
use tollfree::policy::{CompileInput, DomainName, Plan, PolicySet, compile, load};
use tollfree_benches::frame::FrameBuilder;
use tollfree_benches::harness::{FIRST_EPOCH, KernelHarness};
use tollfree_benches::sample;
use tollfree_core::interface::Role;
use tollfree_core::limits::MATCHERS_MAX;
use tollfree_core::plan::{ClassEntry, MatchSet, Matcher, RuleClass, RuleEntry};

/// Prefixes of each family that lookups are measured with.
const SIZES: [usize; 4] = [100, 1000, 10_000, 100_000];
const QUICK_SIZES: [usize; 2] = [10, 100];
/// Reason: the minimum of nine was repeatable to a few percent, that of fewer was not.
const ROUNDS: usize = 9;
const QUICK_ROUNDS: usize = 1;
/// Addresses of one row, each called once in a round. Reason: more than the nearest caches hold entries of.
const SPREAD: usize = 4096;
/// Addresses of one row that are called again and again.
const HOT: usize = 16;
/// Runs of one of them in one round. Reason: some milliseconds, which the call itself does not show in.
const HOT_REPEAT: u32 = 20_000;
const QUICK_REPEAT: u32 = 10;
/// What the policy of the activation has.
const SITES: usize = 1000;
const QUICK_SITES: usize = 10;
const DOMAINS_PER_SITE: usize = 10;
const PREFIXES_PER_SITE: usize = 100;
/// Rounds of activations, on maps of their own.
const ACTIVATIONS: usize = 3;
/// Maps that a plan is in.
const PLAN_MAPS: [&str; 6] =
    ["PREFIXES", "SHORT_LENGTHS", "LONG_LENGTHS", "PREFIX_FILTER", "MATCH_SETS", "RULES"];

/// Measures what many prefixes cost.
#[derive(Parser)]
struct Arguments {
    /// Runs everything once, with few prefixes: shows that it works, measures nothing. The default without --bench.
    #[arg(long)]
    quick: bool,
    /// Measures: what `cargo bench` passes and `cargo test` does not.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let is_quick = arguments.quick || !arguments.bench;
    println!(
        "{:>8} {:<18} {:>9} {:>11} {:>9} {:>12}",
        "prefixes", "address", "empty ns", "program ns", "min/min", "spread, +ns"
    );
    let sizes: &[usize] = if is_quick { &QUICK_SIZES } else { &SIZES };
    for size in sizes {
        measure_lookups(*size, is_quick)?;
    }
    measure_controller(is_quick)
}

/// Addresses of one kind.
struct Row {
    name: &'static str,
    frames: Vec<Vec<u8>>,
}

/// Every kind of address, in a plan of `size` prefixes of each family.
fn measure_lookups(size: usize, is_quick: bool) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(1);
    let (v4, v6) = (networks(&mut random, size, v4), networks(&mut random, size, v6));
    let rows = [
        row("listed, IPv4", hits(&mut random, &v4))?,
        row("not listed, IPv4", misses(&mut random, &v4, v4_address))?,
        row("listed, IPv6", hits(&mut random, &v6))?,
        row("not listed, IPv6", misses(&mut random, &v6, v6_address))?,
    ];
    let mut harness = KernelHarness::open(sample::SETTINGS, &plan_of(v4.iter().chain(&v6)))?;
    let mut empty = aya::Ebpf::load(empty_object())?;
    let empty = empty.program_mut("empty").context("the empty object has no program of that name")?;
    let empty: &mut Xdp = empty.try_into()?;
    empty.load()?;
    let (_, programs) = harness.parts(Role::Core);
    let (rounds, repeat) = if is_quick { (QUICK_ROUNDS, QUICK_REPEAT) } else { (ROUNDS, HOT_REPEAT) };
    for Row { name, frames } in rows {
        let [mut hot_empty, mut hot, mut spread_empty, mut spread] = [f64::INFINITY; 4];
        for _ in 0..rounds {
            let few = frames.get(..HOT).unwrap_or(&frames);
            hot_empty = hot_empty.min(each(few, repeat, |frame| run_empty(empty, frame, repeat))?);
            hot = hot.min(each(few, repeat, |frame| run_program(programs, frame, repeat))?);
            spread_empty = spread_empty.min(each(&frames, 1, |frame| run_empty(empty, frame, 1))?);
            spread = spread.min(each(&frames, 1, |frame| run_program(programs, frame, 1))?);
        }
        let (ratio, more) = (hot / hot_empty, spread - spread_empty);
        println!("{size:>8} {name:<18} {hot_empty:>9.1} {hot:>11.1} {ratio:>9.2} {more:>12.0}");
    }
    Ok(())
}

fn run_empty(program: &Xdp, frame: &[u8], repeat: u32) -> Result<()> {
    let mut out = vec![0; frame.len()];
    let (data_in, data_out) = (Some(frame), Some(out.as_mut_slice()));
    program.test_run(TestRunOptions { data_in, data_out, repeat, ..Default::default() })?;
    Ok(())
}

fn run_program(programs: &mut Programs, frame: &[u8], repeat: u32) -> Result<()> {
    programs.run(frame, repeat)?;
    Ok(())
}

/// Nanoseconds of processor time that each run takes.
fn each(frames: &[Vec<u8>], repeat: u32, mut run: impl FnMut(&[u8]) -> Result<()>) -> Result<f64> {
    let before: Duration = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into();
    for frame in frames {
        run(frame)?;
    }
    let after: Duration = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into();
    let runs = f64::from(u32::try_from(frames.len())?) * f64::from(repeat);
    Ok(after.saturating_sub(before).as_secs_f64() * 1e9 / runs)
}

fn row(name: &'static str, addresses: Vec<IpAddr>) -> Result<Row> {
    let frame = |ip: IpAddr| {
        let subscriber = if ip.is_ipv4() { "10.20.0.11:40000" } else { "[2001:db8:20:11::1]:40000" };
        FrameBuilder::tcp(SocketAddr::new(ip, 443), subscriber.parse()?).build()
    };
    Ok(Row { name, frames: addresses.into_iter().map(frame).collect::<Result<_>>()? })
}

fn networks(
    random: &mut fastrand::Rng,
    size: usize,
    network: fn(&mut fastrand::Rng) -> IpNet,
) -> BTreeSet<IpNet> {
    let mut networks = BTreeSet::new();
    while networks.len() < size {
        networks.insert(network(random).trunc());
    }
    networks
}

/// As in published lists: 40 % are /24, 15 % single addresses, the rest broader.
fn v4(random: &mut fastrand::Rng) -> IpNet {
    let length = match random.u8(..100) {
        0..40 => 24,
        40..55 => 32,
        _ => random.u8(12..24),
    };
    network(v4_address(random), length)
}

/// 10 % single addresses, the rest between what a carrier is given and what a subscriber is.
fn v6(random: &mut fastrand::Rng) -> IpNet {
    let length = if random.u8(..10) == 0 { 128 } else { random.u8(29..=64) };
    network(v6_address(random), length)
}

fn network(ip: IpAddr, length: u8) -> IpNet {
    IpNet::new(ip, length).expect("a length of its family")
}

/// Outside the subscribers' pool and what is between neighbours.
fn v4_address(random: &mut fastrand::Rng) -> IpAddr {
    Ipv4Addr::new(random.u8(11..127), random.u8(..), random.u8(..), random.u8(..)).into()
}

fn v6_address(random: &mut fastrand::Rng) -> IpAddr {
    Ipv6Addr::from_bits(0x2400 << 112 | random.u128(..) >> 8).into()
}

fn hits(random: &mut fastrand::Rng, networks: &BTreeSet<IpNet>) -> Vec<IpAddr> {
    let all: Vec<&IpNet> = networks.iter().collect();
    (0..SPREAD).map(|_| all[random.usize(..all.len())].network()).collect()
}

fn misses(
    random: &mut fastrand::Rng,
    networks: &BTreeSet<IpNet>,
    address: fn(&mut fastrand::Rng) -> IpAddr,
) -> Vec<IpAddr> {
    let lengths: BTreeSet<u8> = networks.iter().map(IpNet::prefix_len).collect();
    let is_listed =
        |ip: IpAddr| lengths.iter().any(|length| networks.contains(&network(ip, *length).trunc()));
    std::iter::repeat_with(|| address(random)).filter(|ip| !is_listed(*ip)).take(SPREAD).collect()
}

/// All of one rule.
fn plan_of<'a>(networks: impl Iterator<Item = &'a IpNet>) -> PlanTables {
    let mut set = MatchSet::EMPTY;
    let [first, ..]: &mut [Matcher; MATCHERS_MAX] = &mut set.matchers;
    *first = Matcher { first_port: 443, last_port: 443, rule_index: 0, protocols: Matcher::TCP };
    let class = ClassEntry { flags: ClassEntry::CANDIDATE, match_set: 0 };
    PlanTables {
        classes: networks.map(|network| (*network, class)).collect(),
        match_sets: vec![set],
        rules: vec![RuleEntry::new(sample::SITE_RULE, RuleClass::Free)],
    }
}

/// A policy from its file to the kernel, and one address of it changed.
fn measure_controller(is_quick: bool) -> Result<()> {
    let sites = if is_quick { QUICK_SITES } else { SITES };
    let directory = tempfile::tempdir()?;
    let process_before = resident_kib()?;
    let (read, policies) = fastest(ACTIVATIONS, || read_policy(directory.path(), sites))?;
    let addresses = addresses(&policies);
    let (compiled, plan) = fastest(ACTIVATIONS, || compiled(&policies, &addresses))?;
    println!("\n{} sites with {} domains: {} prefixes", sites, addresses.len(), plan.classes.len());
    let (steps, process) = activations(&plan)?;
    println!("{:<44} {:>9.3} ms", "reading and checking the file", milliseconds(read));
    println!("{:<44} {:>9.3} ms", "compiling", milliseconds(compiled));
    for (name, time) in steps {
        println!("{name:<44} {:>9.3} ms", milliseconds(time));
    }
    println!(
        "the process: {process_before} KiB before the policy, {process} KiB with it and its plan in force"
    );
    Ok(())
}

/// Memory of this process that is in use.
fn resident_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Steps of the data plane, each the fastest of all rounds, and the memory of the process in the end; says what the maps
/// have.
fn activations(plan: &Plan) -> Result<(BTreeMap<&'static str, Duration>, u64)> {
    let mut steps = BTreeMap::new();
    let mut keep = |name, time: Duration| {
        steps.entry(name).and_modify(|least: &mut Duration| *least = time.min(*least)).or_insert(time);
    };
    let (mut memory, mut process) = (String::new(), 0);
    for _ in 0..ACTIVATIONS {
        let mut harness = KernelHarness::open(sample::SETTINGS, &PlanTables::default())?;
        let none = memory_of(harness.directory())?;
        let (time, _) = timed(|| Ok(harness.dataplane().activate_plan(plan, FIRST_EPOCH + 1)?))?;
        keep("1 activating it", time);
        let one = memory_of(harness.directory())?;
        harness.dataplane().activate_plan(plan, FIRST_EPOCH + 2)?;
        let both = memory_of(harness.directory())?;
        let (fresh, known) = changes(&harness.dataplane().live_plan())?;
        keep("2 changing one address, a new combination", fresh);
        keep("3 changing one address, a known combination", known);
        let (time, ()) = timed(|| Ok(harness.dataplane().refresh_plan(plan)?))?;
        keep("4 putting the whole plan in force again", time);
        process = resident_kib()?;
        let (time, _) = timed(|| Ok(Dataplane::open(harness.config())?))?;
        keep("5 adopting the maps after a restart", time);
        memory = format!(
            "the plan's maps: {} KiB without prefixes, {} KiB with one plan, {} KiB with two",
            none >> 10,
            one >> 10,
            both >> 10
        );
    }
    println!("{memory}");
    Ok((steps, process))
}

/// Addresses that are changed in one round.
const CHANGES: u32 = 1000;

/// What a change takes, on average: to rules that no address had together before, and to rules that some have.
fn changes(live: &LivePlan) -> Result<(Duration, Duration)> {
    let address = |number: u32| IpAddr::from(Ipv4Addr::from_bits((192 << 24) + number));
    let known = BTreeSet::from([1]);
    // Of the first forty-six rules, each with a port of its own.
    let pairs = (1..).flat_map(|last: u32| (1..last).map(move |first| BTreeSet::from([first, last])));
    let fresh: Vec<(u32, BTreeSet<u32>)> = (0..CHANGES).zip(pairs).collect();
    let (fresh_time, ()) = timed(|| {
        let mut all = fresh.iter();
        all.try_for_each(|(number, rules)| Ok(live.set_address(address(*number), rules, false)?))
    })?;
    let (known_time, ()) = timed(|| {
        (0..CHANGES).try_for_each(|number| Ok(live.set_address(address(number), &known, false)?))
    })?;
    for number in 0..CHANGES {
        live.set_address(address(number), &BTreeSet::new(), false)?;
    }
    Ok((fresh_time / CHANGES, known_time / CHANGES))
}

/// What the kernel says that the maps take, in octets.
fn memory_of(directory: &Path) -> Result<u64> {
    let mut octets = 0;
    for name in PLAN_MAPS {
        let map = MapData::from_pin(directory.join(name))?;
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd()))?;
        let line = info.lines().find_map(|line| line.strip_prefix("memlock:")).context("no memlock")?;
        octets += line.trim().parse::<u64>()?;
    }
    Ok(octets)
}

fn read_policy(directory: &Path, sites: usize) -> Result<PolicySet> {
    fs::write(directory.join("bench.toml"), policy(sites)?)?;
    load(directory).map_err(|faults| anyhow!("{faults}"))
}

/// Sites with domains, a port and networks of their own, of many lengths.
fn policy(sites: usize) -> Result<String> {
    let mut text = "[policy]\nid = \"bench\"\nlegal_basis = \"none\"\nauthority = \"none\"\n\
                    valid_from = 2020-01-01T00:00:00Z\n"
        .to_owned();
    for site in 0..sites {
        let domains: Vec<String> =
            (0..DOMAINS_PER_SITE).map(|domain| format!("\"d{domain}.s{site}.example\"")).collect();
        let networks: Vec<String> = (0..PREFIXES_PER_SITE)
            .map(|prefix| format!("\"{}\"", own_network(site * PREFIXES_PER_SITE + prefix)))
            .collect();
        write!(
            text,
            "[[site]]\nid = \"site-{site}\"\ndomains = [{}]\nnetworks = [{}]\nports = [\"tcp/{}\"]\n\
             evidence = \"address\"\nclass = \"free\"\nrating_group = 1\n",
            domains.join(", "),
            networks.join(", "),
            site + 1
        )?;
    }
    Ok(text)
}

/// No two overlap: every other one is in an IPv4 /20 of its own from 20.0.0.0 on, the rest each in an IPv6 /40.
fn own_network(number: usize) -> IpNet {
    let place = u32::try_from(number / 2).unwrap_or(u32::MAX);
    let nth = |lengths: &[u8]| lengths[place as usize % lengths.len()];
    if number.is_multiple_of(2) {
        let ip = Ipv4Addr::from_bits((20 << 24) + (place << 12));
        return network(ip.into(), nth(&[20, 21, 22, 23, 24, 24, 24, 24, 25, 28, 30, 32, 32]));
    }
    let ip = Ipv6Addr::from_bits((0x2a00 << 112) + (u128::from(place) << 88));
    network(ip.into(), nth(&[40, 44, 48, 48, 52, 56, 60, 64, 64, 128]))
}

/// Each domain has an address of each family.
fn addresses(policies: &PolicySet) -> BTreeMap<DomainName, BTreeSet<IpAddr>> {
    let domains = policies.policies.iter().flat_map(|policy| &policy.sites).flat_map(|site| &site.domains);
    let pair = |number: u32| {
        let v4 = Ipv4Addr::from_bits((151 << 24) + number * 7);
        let v6 = Ipv6Addr::from_bits((0x2606_4700 << 96) + (u128::from(number) << 40) + 1);
        BTreeSet::from([v4.into(), v6.into()])
    };
    domains.zip(0..).map(|(domain, number)| (domain.name().clone(), pair(number))).collect()
}

fn compiled(policies: &PolicySet, addresses: &BTreeMap<DomainName, BTreeSet<IpAddr>>) -> Result<Plan> {
    let numbers = policies.provisional_numbers();
    Ok(compile(&CompileInput { addresses, ..CompileInput::new(policies, &numbers, Timestamp::now()) })?)
}

fn timed<T>(step: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let result = step()?;
    Ok((start.elapsed(), result))
}

/// The fastest of several, and what the last gave.
fn fastest<T>(rounds: usize, mut step: impl FnMut() -> Result<T>) -> Result<(Duration, T)> {
    let (mut least, mut result) = timed(&mut step)?;
    for _ in 1..rounds {
        let (time, next) = timed(&mut step)?;
        (least, result) = (least.min(time), next);
    }
    Ok((least, result))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
