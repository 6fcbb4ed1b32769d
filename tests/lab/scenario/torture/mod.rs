//! Everything at once: thousands of flows a second in every transport, while the daemon is killed at random moments,
//! policies change several times a second, addresses change hands, tables are tiny and full, and the disk fills up. Afterwards every packet and
//! octet that was sent must be in one bucket, and nothing is free that must not be.
//!
//! The checks' names begin with `torture-` and what they show: 0. nothing was lost on the way to the gateway; 1. each
//! packet is in one bucket; 2. the ledger says the same; 3. nobody has what another one used; 4. nothing is free or somebody's that must not be; 5. all of it
//! happened; 6. the daemon never failed; 7. the audit log is whole.

mod books;
mod carriage;
mod chaos;
mod checks;
mod conversation;
mod deeds;
mod disk;
mod frame;
mod generator;
mod ground;
mod hands;
mod junk;
mod people;
mod policies;
mod segment;
mod sites;
mod tally;
mod victim;
mod wire;

use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::gateway::Snapshot;
use crate::interrupt;
use crate::name_server::{NameServer, Zone};
use crate::report::Report;
use crate::scratch::Scratch;
use crate::wait;

use self::deeds::Deeds;
use self::disk::Disk;
use self::generator::Line;
use self::ground::Ground;
use self::hands::{AccessServer, Claims};
use self::policies::Policies;
use self::tally::Tally;
use self::victim::Victim;

/// How long it lasts, unless it is said.
pub const LENGTH: Duration = Duration::from_mins(1);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(5);
/// Until the daemon has recorded what a full disk kept from it, and traffic rests.
const REST_LIMIT: Duration = Duration::from_mins(2);

/// How it is run.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// How long traffic and chaos last.
    pub length: Duration,
    /// Where all randomness comes from: the same gives the same frames and schedules, though not at the same instants.
    pub seed: u64,
}

/// What is in the lab. Removed on drop, in this order.
struct Site {
    disk: Disk,
    _names: NameServer,
    ground: Ground,
    scratch: Scratch,
}

impl Site {
    fn create() -> Result<Self> {
        let scratch = Scratch::create()?;
        for made in ["policies", "state", "run"] {
            std::fs::create_dir(scratch.path().join(made))?;
        }
        let disk = Disk::mount(&scratch.disk())?;
        let ground = Ground::create(scratch.id())?;
        let names = NameServer::start(&ground.names, scratch.path(), &Zone::carrier())?;
        Ok(Self { disk, _names: names, ground, scratch })
    }
}

/// What was done.
#[derive(Debug, Default)]
struct Done {
    /// What the generators sent.
    sent: Tally,
    /// Who had addresses that changed hands.
    claims: Claims,
}

/// Runs it all in a lab of its own; `keep` sees the lab before it is removed.
pub(super) fn run(binary: &Path, course: &Course, keep: impl FnOnce(&super::Kept<'_>)) -> Result<Report> {
    let mut report = Report::new("torture");
    eprintln!("torture: seed {}, {:?}", course.seed, course.length);
    report.figure("seed", course.seed);
    report.figure("seconds", course.length.as_secs());
    let site = Site::create().context("cannot make the lab")?;
    let home = site.scratch.path();
    let mut policies = Policies::begin(&home.join("policies"))?;
    let mut victim = Victim::configure(binary, &site.ground.gateway, home, &site.scratch.bpffs())?;
    victim.start()?;
    let begins = victim.wait_until_ready()?;
    let line = Line::open(&site.ground)?;
    let deeds = Deeds::default();
    report.figure("start_seconds", begins.as_secs_f64());
    let done = torture(&site, &line, &deeds, &mut victim, &mut policies, course, begins)?;
    report.figure("state_octets", site.disk.used()?);
    figures(&mut report, &done.sent, &deeds, course);
    let result = afterwards(&mut report, &mut victim, &line, &done, &deeds);
    keep(&super::Kept { directory: home, gateway: &site.ground.gateway, report: &report });
    result.with_context(|| format!("seed {}\n{report}", course.seed))?;
    Ok(report)
}

/// Traffic and chaos, to their end.
fn torture(
    site: &Site,
    line: &Line,
    deeds: &Deeds,
    victim: &mut Victim,
    policies: &mut Policies,
    course: &Course,
    begins: Duration,
) -> Result<Done> {
    let server = AccessServer::open(&site.ground.names)?;
    let mut seeds = fastrand::Rng::with_seed(course.seed);
    let mut seed = || seeds.u64(..);
    thread::scope(|scope| {
        let generators: Vec<_> = (0..generator::GENERATORS)
            .map(|_| seed())
            .map(|seed| scope.spawn(move || generator::run(line, seed)))
            .collect();
        let [killing, changing, filling, moving] = [seed(), seed(), seed(), seed()];
        let chaos = [
            scope.spawn(move || chaos::kill(victim, deeds, killing, begins)),
            scope.spawn(move || chaos::change_policies(policies, deeds, changing)),
            scope.spawn(move || chaos::fill_disk(&site.disk, deeds, filling)),
        ];
        let hands = scope.spawn(move || chaos::change_hands(server, deeds, moving));
        let is_over = || {
            generators.iter().any(ScopedJoinHandle::is_finished)
                || chaos.iter().any(ScopedJoinHandle::is_finished)
        };
        let lasted = last(line, deeds, course.length, is_over);
        deeds.finish();
        line.stop();
        let mut done = Done::default();
        for generator in generators {
            done.sent.add(&generator.join().map_err(|_| anyhow!("a generator panicked"))??);
        }
        for deed in chaos {
            deed.join().map_err(|_| anyhow!("a thread of chaos panicked"))??;
        }
        done.claims = hands.join().map_err(|_| anyhow!("an access server panicked"))??;
        lasted.map(|()| done)
    })
}

/// Lets time pass, and tells how far it is; ends early if a thread did.
fn last(line: &Line, deeds: &Deeds, length: Duration, is_over: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    let mut next = TELL;
    while start.elapsed() < length && !is_over() {
        interrupt::check()?;
        thread::sleep(Duration::from_millis(20));
        if start.elapsed() >= next {
            next += TELL;
            let (flows, frames) = line.progress();
            eprintln!(
                "torture: {:3} s, {flows} flows, {frames} frames, {} kills, {} changes, {} full disks",
                start.elapsed().as_secs(),
                deeds.kills.get(),
                deeds.changes.get(),
                deeds.full_disks.get(),
            );
        }
    }
    Ok(())
}

fn figures(report: &mut Report, sent: &Tally, deeds: &Deeds, course: &Course) {
    let packets = sent.frames.total().packets;
    report.figure("packets", packets);
    report.figure("flows", sent.conversations);
    report.figure("flows_per_second", sent.conversations / course.length.as_secs().max(1));
    report.figure("packets_per_second", packets.unsigned_abs() / course.length.as_secs().max(1));
    report.figure("flows_by_transport", &sent.by_carriage);
    for (name, count) in [
        ("starts", &deeds.starts),
        ("kills", &deeds.kills),
        ("kills_while_starting", &deeds.kills_while_starting),
        ("policy_changes", &deeds.changes),
        ("faulty_policy_changes", &deeds.faulty_changes),
        ("full_disks", &deeds.full_disks),
        ("identity_changes", &deeds.changed_hands),
    ] {
        report.figure(name, count.get());
    }
}

/// Starts the daemon a last time, and compares.
fn afterwards(
    report: &mut Report,
    victim: &mut Victim,
    line: &Line,
    done: &Done,
    deeds: &Deeds,
) -> Result<()> {
    let Done { sent, claims } = done;
    checks::wire(report, line, sent)?;
    checks::way_out(report, line, sent)?;
    victim.start()?;
    victim.wait_until_ready()?;
    let snapshot = settled(victim)?;
    victim.stop()?;
    checks::conservation(report, &snapshot.status, sent);
    checks::ledger(report, &snapshot.status, victim)?;
    checks::holders(report, victim, claims)?;
    checks::attribution(report, &snapshot.status, sent);
    checks::occurrence(report, &snapshot.status, deeds);
    checks::health(report, victim, deeds, &snapshot)?;
    checks::audit_log(report, victim)?;
    checks::counters_gone(report, victim)
}

/// What it says once its ledger has no fault any more.
fn settled(victim: &Victim) -> Result<Snapshot> {
    let mut fault = String::new();
    let settled = wait::until("a ledger without faults", REST_LIMIT, || {
        let snapshot = victim.snapshot()?;
        fault = snapshot.json["ledger"]["last_error"].to_string();
        Ok((snapshot.json["ledger"]["last_error"].is_null()).then_some(snapshot))
    });
    settled.with_context(|| fault)
}
