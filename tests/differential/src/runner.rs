//! Passing captures through both planes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use nix::sched::{CloneFlags, CpuSet, sched_getcpu, sched_setaffinity, unshare};
use nix::unistd::Pid;
use tollfree::memory::MemoryTransports;
use tollfree_core::flow::Promise;
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::TunnelKind;
use tollfree_core::reason::Reason;

use crate::answer::Answer;
use crate::difference::{self, Difference, DifferingFrame};
use crate::evidence::Evidence;
use crate::gateway::Gateway;
use crate::kernel::Kernel;
use crate::part::{self, Frame};
use crate::standing::Standing;
use crate::summary::Summary;
use crate::survey::Survey;
use crate::userspace::Userspace;
use crate::variant::Variant;

/// Comparisons between two words of progress. Reason: some milliseconds.
const PROGRESS_COMPARISONS: u64 = 1024;

/// Both planes, and what they have been compared on.
pub struct Runner<'a> {
    planes: Vec<(Variant, Kernel)>,
    transports: BTreeMap<IpNet, u32>,
    summary: Summary,
    tell: &'a mut dyn FnMut(&Summary),
}

/// When everything that the planes hold is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audit {
    AfterPart,
    /// To find the frame after which it differs.
    AfterEachFrame,
}

/// Every tunnel is the carrier's: both ends are listed, with all kinds.
pub fn all_transports() -> BTreeMap<IpNet, u32> {
    let kinds = TunnelKind::ALL.iter().fold(0, |kinds, kind| kinds | kind.bit());
    ["0.0.0.0/0", "::/0"].iter().filter_map(|net| net.parse().ok()).map(|net| (net, kinds)).collect()
}

impl<'a> Runner<'a> {
    /// Loads the programs; `transports` are the ends of the carrier's tunnels, each with its kinds. Tells `tell` from time
    /// to time how far it is.
    ///
    /// From here on, the calling thread is in a network namespace of its own, so that this machine's addresses change
    /// nothing, and stays on one CPU, whose memory the program is read from.
    ///
    /// # Errors
    /// Anybody but root; what the kernel refuses.
    pub fn open(transports: BTreeMap<IpNet, u32>, tell: &'a mut dyn FnMut(&Summary)) -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)
            .context("only root can make the network namespace that this needs: run this again as root")?;
        let cpu = stay()?;
        let mut planes = Vec::new();
        for variant in Variant::ALL {
            planes.push((variant, Kernel::open(&variant, cpu)?));
        }
        let mut summary = Summary::default();
        if let Some((_, kernel)) = planes.first_mut() {
            summary.frame_octets_max = kernel.frame_octets_max()?;
        }
        Ok(Self { planes, transports, summary, tell })
    }

    /// Passes the capture at `path`; the first difference, if there is one. A capture that cannot be read to its end is
    /// compared up to there, and the summary names it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn capture(&mut self, path: &Path) -> Result<Option<Difference>> {
        let name = path.display().to_string();
        self.summary.captures += 1;
        let mut result = Ok(None);
        let (read, fault) = part::parts(path, self.summary.frame_octets_max, &mut |frames| {
            if matches!(result, Ok(None)) {
                result = self.part(path, frames);
            }
        });
        if read.too_short > 0 {
            self.summary.too_short.insert(name.clone(), read.too_short);
        }
        if let Err(fault) = fault {
            self.summary.faults.insert(name.clone(), fault.to_string());
        }
        let difference = result.with_context(|| name)?;
        self.summary.differences += u64::from(difference.is_some());
        Ok(difference)
    }

    /// What was compared until now.
    pub fn summary(mut self) -> Summary {
        self.summary.close();
        self.summary
    }

    fn part(&mut self, path: &Path, frames: &[Frame]) -> Result<Option<Difference>> {
        self.summary.take(&path.display().to_string(), frames);
        let Self { planes, transports, summary, tell } = self;
        for (index, (variant, kernel)) in planes.iter_mut().enumerate() {
            let listed = if variant.has_tunnels { transports.clone() } else { BTreeMap::new() };
            let survey = Survey::new(frames, &MemoryTransports::new(&listed));
            let seed = frames.len() + index;
            let gateway = Gateway::new(&survey, variant, listed, seed);
            let mut pass = Pass { kernel, variant, gateway: &gateway, path, seed };
            let mut note = |step: &Step<'_>| {
                note(summary, step);
                if summary.comparisons.is_multiple_of(PROGRESS_COMPARISONS) {
                    tell(summary);
                }
            };
            let Some(difference) = pass.run(frames, Audit::AfterPart, &mut note)? else { continue };
            if difference.frame.is_some() {
                return Ok(Some(difference));
            }
            let found = pass.run(frames, Audit::AfterEachFrame, &mut |_| {})?;
            return Ok(Some(found.unwrap_or(difference)));
        }
        Ok(None)
    }
}

/// One frame, of which both planes said the same.
struct Step<'a> {
    arrived: &'a Frame,
    reason: Option<Reason>,
    answer: &'a Answer,
    /// What evidence said of its flow thereafter.
    verdict: Option<u32>,
}

fn note(summary: &mut Summary, step: &Step<'_>) {
    let Step { arrived, reason, answer, verdict } = step;
    if let Some(reason) = reason {
        summary.compared(*reason);
    }
    summary.changed += u64::from(answer.leaves_as != arrived.octets);
    summary.copied += u64::from(answer.copied.is_some());
    summary.on_flows += u64::from(answer.flow.is_some());
    summary.sent_again_octets += answer.sent_again.octets();
    summary.decided += u64::from(verdict.is_some());
}

/// One part, passed in one way.
struct Pass<'a> {
    kernel: &'a mut Kernel,
    variant: &'a Variant,
    gateway: &'a Gateway,
    path: &'a Path,
    /// Changes what evidence says.
    seed: usize,
}

type Note<'a> = dyn FnMut(&Step<'_>) + 'a;

impl Pass<'_> {
    /// Both planes begin with nothing; the first difference.
    fn run(&mut self, frames: &[Frame], audit: Audit, note: &mut Note<'_>) -> Result<Option<Difference>> {
        self.kernel.begin(self.gateway)?;
        let (settings, epoch) = (self.kernel.settings(), self.kernel.epoch());
        let mut userspace = Userspace::new(self.gateway, self.variant, settings, epoch);
        let mut evidence = Evidence::new(self.seed);
        let middle = frames.len().div_ceil(2);
        for (index, frame) in frames.iter().enumerate() {
            if index == middle {
                self.kernel.activate(&self.gateway.later_plan)?;
                userspace.activate(&self.gateway.later_plan, self.kernel.epoch());
            }
            for role in [Role::Access, Role::Core] {
                let mut items = self.step(&mut userspace, &mut evidence, (frame, role), note)?;
                if items.is_none() && audit == Audit::AfterEachFrame {
                    items = self.audit(&userspace)?;
                }
                if let Some(items) = items {
                    return Ok(Some(self.difference(Some((frame, role)), items)));
                }
            }
        }
        Ok(self.audit(&userspace)?.map(|items| self.difference(None, items)))
    }

    /// Passes one frame, and then says what evidence says of its flow; what the planes do not say alike.
    fn step(
        &mut self,
        userspace: &mut Userspace,
        evidence: &mut Evidence,
        (arrived, role): (&Frame, Role),
        note: &mut Note<'_>,
    ) -> Result<Option<Vec<String>>> {
        let (wanted, places) = userspace.pass(role, &arrived.octets);
        let answer = self.kernel.pass(role, &arrived.octets, &places)?;
        if answer != wanted {
            return Ok(Some(difference::items(&answer, &wanted)));
        }
        let mut verdict = None;
        if let Some((flow, rule, is_own)) = wanted.awaiting() {
            if !is_own {
                return Ok(Some(vec![format!("pending of flow {flow}, but on {:?}", wanted.flow)]));
            }
            verdict = evidence.packet(flow);
            if let Some(verdict) = verdict.map(|reason| Promise::new(rule, reason)) {
                self.kernel.decide_flow(flow, verdict)?;
                userspace.decide_flow(flow, verdict);
            }
        }
        note(&Step { arrived, reason: places.counter.reason(), answer: &wanted, verdict });
        Ok(None)
    }

    /// What differs of all that the planes hold.
    fn audit(&mut self, userspace: &Userspace) -> Result<Option<Vec<String>>> {
        let kernel = Standing { stats: self.kernel.stats()?, ..self.kernel.standing()? };
        let userspace = userspace.standing();
        Ok((kernel != userspace).then(|| Standing::differences(&kernel, &userspace)))
    }

    fn difference(&self, frame: Option<(&Frame, Role)>, items: Vec<String>) -> Difference {
        let frame = frame.map(|(frame, role)| DifferingFrame {
            number: frame.number,
            role,
            octets: frame.octets.clone(),
        });
        Difference { capture: self.path.to_owned(), variant: self.variant.name, frame, items }
    }
}

/// Keeps the calling thread on the CPU that it is on; says which.
fn stay() -> Result<usize> {
    let cpu = sched_getcpu().context("which CPU this runs on cannot be told")?;
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).context("this thread cannot be kept on one CPU")?;
    Ok(cpu)
}
