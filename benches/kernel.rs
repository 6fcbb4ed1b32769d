//! What the kernel program costs a packet, against a program that does nothing.
//!
//! Both run by `BPF_PROG_TEST_RUN` on one CPU, in turns: the machine's clock, caches and neighbours change from one
//! minute to the next, so only runs beside each other can be compared. The ratio is what is worth reading; the
//! nanoseconds are this machine's, now. One frame is run again and again, so all of its cache lines are hot, and a
//! free one has its code point written the first time only.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use clap::Parser;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;
use tollfree::dataplane::empty_object;
use tollfree_benches::harness::KernelHarness;
use tollfree_benches::sample::{self, Sample};
use tollfree_core::interface::Role;

const EMPTY_PROGRAM: &str = "empty";
/// Rounds of one measurement. Reason: the minimum of nine was repeatable to a few percent, that of fewer was not.
const ROUNDS: usize = 9;
/// How long one program runs in one round. Reason: the call itself sleeps for some tens of milliseconds and takes
/// microseconds of processor time, which must not show.
const ROUND: Duration = Duration::from_millis(200);
/// Runs that say how many make a round.
const TRIAL_REPEAT: u32 = 20_000;
const QUICK_ROUNDS: usize = 1;
const QUICK_REPEAT: u32 = 100;

/// Measures what the kernel program costs a packet, against a program that does nothing.
#[derive(Parser)]
struct Arguments {
    /// Runs everything once, briefly: shows that it works, measures nothing. The default without --bench.
    #[arg(long)]
    quick: bool,
    /// Writes the results to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures: what `cargo bench` passes and `cargo test` does not.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Everything measured in one run of this benchmark.
#[derive(Serialize)]
struct Report {
    verified_instructions: Option<u32>,
    rounds: usize,
    samples: Vec<Cost>,
}

/// One sample's cost.
#[derive(Serialize)]
struct Cost {
    name: &'static str,
    frame_octets: usize,
    /// Least nanoseconds of any round, of the empty program.
    empty_ns: f64,
    /// Of the kernel program.
    program_ns: f64,
    /// `program_ns` by `empty_ns`.
    ratio_of_minima: f64,
    /// Median of both programs' ratios within one round.
    median_ratio: f64,
}

/// Nanoseconds of processor time a packet, by round.
struct Rounds {
    empty: Vec<f64>,
    program: Vec<f64>,
}

/// Both programs.
struct Bench {
    harness: KernelHarness,
    // Owns the empty program.
    empty: Ebpf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    stay_on_one_cpu()?;
    let mut bench = Bench::open()?;
    let samples = sample::samples()?;
    let is_quick = arguments.quick || !arguments.bench;
    let rounds = if is_quick { QUICK_ROUNDS } else { ROUNDS };
    let measured = bench.measure(&samples, rounds, is_quick)?;
    let (_, programs) = bench.harness.parts(Role::Access);
    let report = Report {
        verified_instructions: programs.verified_instructions()?,
        rounds,
        samples: samples.iter().zip(measured).map(|(sample, rounds)| cost(sample, &rounds)).collect(),
    };
    print(&report);
    if let Some(path) = arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

impl Bench {
    fn open() -> Result<Self> {
        let mut harness = KernelHarness::open(sample::SETTINGS, &sample::plan()?)?;
        let (key, entry) = sample::grant()?;
        harness.dataplane().take_flow_tables()?.grant(&key, &entry)?;
        let mut empty = Ebpf::load(empty_object())?;
        xdp(&mut empty)?.load()?;
        Ok(Self { harness, empty })
    }

    /// In each round every sample, and for each sample both programs.
    fn measure(&mut self, samples: &[Sample], rounds: usize, is_quick: bool) -> Result<Vec<Rounds>> {
        let mut repeats = Vec::new();
        for sample in samples {
            repeats.push(if is_quick { (QUICK_REPEAT, QUICK_REPEAT) } else { self.repeats(sample)? });
        }
        let none = || Rounds { empty: Vec::new(), program: Vec::new() };
        let mut measured: Vec<Rounds> = samples.iter().map(|_| none()).collect();
        for _ in 0..rounds {
            for ((sample, repeats), measured) in samples.iter().zip(&repeats).zip(&mut measured) {
                measured.empty.push(self.run_empty(sample, repeats.0)?);
                measured.program.push(self.run_program(sample, repeats.1)?);
            }
        }
        Ok(measured)
    }

    /// How many runs of the empty and of the kernel program take one [`ROUND`].
    fn repeats(&mut self, sample: &Sample) -> Result<(u32, u32)> {
        let empty = self.run_empty(sample, TRIAL_REPEAT)?;
        let program = self.run_program(sample, TRIAL_REPEAT)?;
        Ok((repeats_in_round(empty), repeats_in_round(program)))
    }

    fn run_empty(&mut self, sample: &Sample, repeat: u32) -> Result<f64> {
        let program = xdp(&mut self.empty)?;
        let before = processor_time()?;
        program.test_run(TestRunOptions { data_in: Some(&sample.frame), repeat, ..Default::default() })?;
        Ok(nanoseconds_each(processor_time()?.saturating_sub(before), repeat))
    }

    fn run_program(&mut self, sample: &Sample, repeat: u32) -> Result<f64> {
        let before = processor_time()?;
        self.harness.run(sample.role, &sample.frame, repeat)?;
        Ok(nanoseconds_each(processor_time()?.saturating_sub(before), repeat))
    }
}

fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp> {
    let program = ebpf.program_mut(EMPTY_PROGRAM).context("the empty object has no program of that name")?;
    Ok(program.try_into()?)
}

/// Keeps this thread, and so the programs it runs, on the first CPU it may use.
fn stay_on_one_cpu() -> Result<()> {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(first.context("this process may run on no CPU")?)?;
    Ok(sched_setaffinity(this_thread, &one)?)
}

/// What this thread has used: the sleep inside each call, and what other threads take, are not in it.
fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn nanoseconds_each(time: Duration, repeat: u32) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(repeat)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and saturation is harmless"
)]
fn repeats_in_round(nanoseconds: f64) -> u32 {
    (ROUND.as_secs_f64() * 1e9 / nanoseconds.max(1.0)) as u32
}

fn cost(sample: &Sample, rounds: &Rounds) -> Cost {
    let (empty_ns, program_ns) = (least(&rounds.empty), least(&rounds.program));
    let ratios = rounds.program.iter().zip(&rounds.empty).map(|(program, empty)| program / empty).collect();
    Cost {
        name: sample.name,
        frame_octets: sample.frame.len(),
        empty_ns,
        program_ns,
        ratio_of_minima: program_ns / empty_ns,
        median_ratio: median(ratios),
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The middle one of an odd number of values, the upper middle one of an even number.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print(report: &Report) {
    println!(
        "{:<26} {:>6} {:>9} {:>11} {:>9} {:>8}",
        "sample", "octets", "empty ns", "program ns", "min/min", "median"
    );
    for cost in &report.samples {
        println!(
            "{:<26} {:>6} {:>9.1} {:>11.1} {:>9.2} {:>8.2}",
            cost.name,
            cost.frame_octets,
            cost.empty_ns,
            cost.program_ns,
            cost.ratio_of_minima,
            cost.median_ratio
        );
    }
    match report.verified_instructions {
        Some(instructions) => println!("instructions walked by the verifier: {instructions} of 1000000"),
        None => println!("instructions walked by the verifier: this kernel does not say"),
    }
}
