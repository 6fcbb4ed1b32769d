//! Every order in which packets on two CPUs, and a controller that may be killed anywhere, can meet at one flow that awaits
//! evidence: a model of what the kernel program and the controller do, step by step, each step one access to what they
//! share. In each order, every packet is recorded once, and where its flow's verdict puts it.
//!
//! What the model leaves out is held elsewhere: that the steps are these, by `kernel_accounting`; that the ledger does what
//! its commit says, by its own tests. That the model can fail is held by leaving out what the argument rests on.

use std::collections::HashSet;

/// Packets of the flow that each CPU passes.
const PACKETS: u8 = 2;
const CPUS: usize = 2;

/// What the argument rests on; the model without one of them must lose or misplace a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// The bank that rests is read at once, without waiting for packets that began before the change.
    GraceOfCut,
    /// Verdicts are read after the banks have changed.
    VerdictsFirst,
    /// A verdict is forgotten at once, when its flow has kept it.
    GraceOfSweep,
    /// A verdict is forgotten before what it moves is recorded.
    Recording,
    /// Entries are taken out before their content is recorded.
    CommitFirst,
}

/// How far a packet has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// None is under way.
    Idle,
    /// The control word was read: it counts in this bank.
    Began { bank: usize },
    /// The flow did not know its verdict.
    Asks { bank: usize },
    /// There is a verdict, which the flow is to keep.
    Keeps { bank: usize },
    /// It is about to be counted.
    Counts { bank: usize, pending: bool },
}

/// What the controller does, one after the other. Who looks for evidence does so beside it, and decides at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Deed {
    Cut,
    Sweep,
}

const DEEDS: [Deed; 6] = [Deed::Cut, Deed::Cut, Deed::Sweep, Deed::Cut, Deed::Sweep, Deed::Cut];

/// How far the controller has come with a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Begin,
    VerdictRead,
    Changed,
    Waited,
    Read,
    Committed,
    TakenOut,
    SweepWaits,
    /// A new controller waits once before it reads.
    Restarted,
}

/// What the ledger says, which survives everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Ledger {
    /// What the flow's pending entries had when they were last recorded.
    pending: u8,
    /// What the other counter had.
    direct: u8,
    /// Of what is pending, what no verdict has moved.
    held: u8,
    /// What stands where the verdict puts it.
    settled: u8,
    is_settled: bool,
}

/// A moment.
#[allow(clippy::struct_excessive_bools, reason = "independent facts of one moment")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    // The kernel's.
    bank: usize,
    pending: [Option<u8>; 2],
    direct: [u8; 2],
    verdict: bool,
    /// The verdict was given, once.
    decided: bool,
    kept: bool,
    steps: [Step; CPUS],
    left: [u8; CPUS],
    // The controller's.
    deed: usize,
    stage: Stage,
    /// CPUs whose packets began before the last store, and are waited for.
    waits: [bool; CPUS],
    saw_verdict: bool,
    /// Whether a verdict's transfer is recorded, as far as this controller knows.
    recorded: bool,
    /// Each bank as last read: pending and direct.
    read: [(u8, u8); 2],
    kills: u8,
    ledger: Ledger,
    /// The verdict was there when a packet began that was counted as pending: what must not happen once it is settled.
    broken: Option<&'static str>,
}

impl World {
    fn new() -> Self {
        Self {
            bank: 0,
            pending: [None; 2],
            direct: [0; 2],
            verdict: false,
            decided: false,
            kept: false,
            steps: [Step::Idle; CPUS],
            left: [PACKETS; CPUS],
            deed: 0,
            stage: Stage::Begin,
            waits: [false; CPUS],
            saw_verdict: false,
            recorded: false,
            read: [(0, 0); 2],
            kills: 1,
            ledger: Ledger::default(),
            broken: None,
        }
    }

    /// All moments that can follow.
    fn next(&self, without: Without) -> Vec<Self> {
        let mut next: Vec<Self> = (0..CPUS).filter_map(|cpu| self.packet(cpu)).collect();
        next.extend(self.controller(without));
        next.extend(self.killed());
        if !self.decided {
            next.push(Self { decided: true, verdict: true, ..self.clone() });
        }
        next
    }

    /// The packet on a CPU goes one step on, or the next begins.
    fn packet(&self, cpu: usize) -> Option<Self> {
        let mut world = self.clone();
        world.steps[cpu] = match self.steps[cpu] {
            Step::Idle if self.left[cpu] == 0 => return None,
            Step::Idle => {
                world.left[cpu] -= 1;
                Step::Began { bank: self.bank }
            }
            Step::Began { bank } if self.kept => Step::Counts { bank, pending: false },
            Step::Began { bank } => Step::Asks { bank },
            Step::Asks { bank } if self.verdict => Step::Keeps { bank },
            Step::Asks { bank } => Step::Counts { bank, pending: true },
            Step::Keeps { bank } => {
                world.kept = true;
                Step::Counts { bank, pending: false }
            }
            Step::Counts { bank, pending } => {
                if pending {
                    if self.ledger.is_settled {
                        world.broken = Some("a packet is pending of a flow that is settled");
                    }
                    *world.pending[bank].get_or_insert(0) += 1;
                } else {
                    world.direct[bank] += 1;
                }
                world.waits[cpu] = false;
                Step::Idle
            }
        };
        Some(world)
    }

    /// The controller goes one step on.
    fn controller(&self, without: Without) -> Option<Self> {
        let mut world = self.clone();
        let deed = *DEEDS.get(self.deed)?;
        world.stage = match (deed, self.stage) {
            (_, Stage::Restarted) if self.waits.contains(&true) => return None,
            (_, Stage::Restarted) => {
                world.read = [0, 1].map(|bank| self.bank_content(bank));
                Stage::Begin
            }
            (Deed::Sweep, Stage::Begin) => {
                let is_recorded = self.recorded || without == Without::Recording;
                let is_needed = self.read.iter().any(|(pending, _)| *pending > 0) || self.ledger.held > 0;
                if !self.kept || !is_recorded || (is_needed && without != Without::Recording) {
                    return Some(world.done());
                }
                world.begin_waiting();
                Stage::SweepWaits
            }
            (Deed::Sweep, _) => {
                if self.waits.contains(&true) && without != Without::GraceOfSweep {
                    return None;
                }
                world.verdict = false;
                return Some(world.done());
            }
            (Deed::Cut, Stage::Begin) => {
                world.saw_verdict = self.verdict;
                Stage::VerdictRead
            }
            (Deed::Cut, Stage::VerdictRead) => {
                world.bank = 1 - self.bank;
                world.begin_waiting();
                Stage::Changed
            }
            (Deed::Cut, Stage::Changed) => {
                if self.waits.contains(&true) && without != Without::GraceOfCut {
                    return None;
                }
                if without == Without::VerdictsFirst {
                    world.saw_verdict = self.verdict;
                }
                Stage::Waited
            }
            (Deed::Cut, Stage::Waited) => {
                let rests = 1 - self.bank;
                world.read[rests] = self.bank_content(rests);
                if without == Without::CommitFirst && world.saw_verdict {
                    world.pending = [None; 2];
                }
                Stage::Read
            }
            (Deed::Cut, Stage::Read) => {
                world.commit();
                Stage::Committed
            }
            (Deed::Cut, Stage::Committed) if self.ledger.is_settled => {
                world.pending[0] = None;
                world.read[0].0 = 0;
                Stage::TakenOut
            }
            (Deed::Cut, Stage::TakenOut) => {
                world.pending[1] = None;
                world.read[1].0 = 0;
                return Some(world.done());
            }
            (Deed::Cut, _) => return Some(world.done()),
        };
        Some(world)
    }

    /// The controller is killed, and another one starts.
    fn killed(&self) -> Option<Self> {
        if self.kills == 0 || self.deed >= DEEDS.len() {
            return None;
        }
        let mut world = self.clone();
        world.kills -= 1;
        world.stage = Stage::Restarted;
        world.begin_waiting();
        // What it knew is gone; the ledger and the kernel's maps are not.
        (world.saw_verdict, world.recorded, world.read) = (false, false, [(0, 0); 2]);
        Some(world)
    }

    fn done(mut self) -> Self {
        self.deed += 1;
        self.stage = Stage::Begin;
        self
    }

    /// Packets that are under way now are waited for.
    fn begin_waiting(&mut self) {
        self.waits = self.steps.map(|step| step != Step::Idle);
    }

    fn bank_content(&self, bank: usize) -> (u8, u8) {
        (self.pending[bank].unwrap_or(0), self.direct[bank])
    }

    /// Records what was read, in one transaction. Of entries that may be taken out, a lower reading, or none, is what taking
    /// out has left; of others it must not be.
    fn commit(&mut self) {
        let (pending, direct) = self.read.iter().fold((0, 0), |sum, read| (sum.0 + read.0, sum.1 + read.1));
        let ledger = &mut self.ledger;
        match direct.checked_sub(ledger.direct) {
            Some(grown) => ledger.settled += grown,
            None => self.broken = Some("a counter went back"),
        }
        ledger.direct = direct;
        match pending.checked_sub(ledger.pending) {
            Some(grown) => {
                ledger.held += grown;
                ledger.pending = pending;
            }
            None if ledger.is_settled => {}
            None => self.broken = Some("what is pending went back"),
        }
        if self.saw_verdict {
            ledger.settled += std::mem::take(&mut ledger.held);
            ledger.is_settled = true;
            self.recorded = true;
        }
    }

    /// What is wrong now, or at the end if it is the end.
    fn fault(&self) -> Option<&'static str> {
        let is_over = self.deed == DEEDS.len()
            && self.decided
            && self.steps == [Step::Idle; CPUS]
            && self.left == [0; CPUS];
        if self.broken.is_some() || !is_over {
            return self.broken;
        }
        // What came after the last cut is recorded by the next, which nothing disturbs.
        let mut last = self.clone();
        last.saw_verdict = self.verdict || self.ledger.is_settled;
        last.read = [0, 1].map(|bank| self.bank_content(bank));
        last.commit();
        let all = PACKETS * u8::try_from(CPUS).expect("a handful");
        if last.broken.is_some() {
            return last.broken;
        }
        (last.ledger.settled != all || last.ledger.held != 0).then_some("a packet is lost, or counted twice")
    }
}

/// Goes through every order; the first fault, and how many moments there are.
fn explore(without: Without) -> (Option<(World, &'static str)>, usize) {
    let mut seen = HashSet::new();
    let mut ahead = vec![World::new()];
    while let Some(world) = ahead.pop() {
        if !seen.insert(world.clone()) {
            continue;
        }
        if let Some(fault) = world.fault() {
            return (Some((world, fault)), seen.len());
        }
        ahead.extend(world.next(without));
    }
    (None, seen.len())
}

#[test]
fn no_order_loses_or_misplaces_a_packet() {
    let (fault, moments) = explore(Without::Nothing);
    println!("{moments} moments");
    assert_eq!(fault, None);
    assert!(moments > 10_000, "{moments} moments");
}

#[test]
fn each_thing_that_the_argument_rests_on_is_needed() {
    for without in [
        Without::GraceOfCut,
        Without::VerdictsFirst,
        Without::GraceOfSweep,
        Without::Recording,
        Without::CommitFirst,
    ] {
        let (fault, _) = explore(without);
        assert!(fault.is_some(), "nothing goes wrong without {without:?}");
    }
}
