//! The thread that owns everything which must change in order.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};
use tollfree_core::limits::MATCHERS_MAX;

use super::addresses::Bookkeeping;
use super::alarm::Alarm;
use super::holders::Holders;
use super::{FirstPolicy, RuleNames, RunError, Shared};
use crate::audit::Log;
use crate::book::AddressBook;
use crate::config::Config;
use crate::dataplane::{Dataplane, Sweep};
use crate::day::DayEnd;
use crate::diagnostic::Diagnostics;
use crate::identity::radius::Received;
use crate::ledger::{CallRow, CeilingPassed, CloseReason, Ledger};
use crate::policy::{Plan, PolicySet};
use crate::resolve::{NameTerms, Resolved};
use crate::status::Status;

/// How long the engine sleeps at most. Reason: rules start and end by the wall clock, which may be set.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// How often flows and ceilings are looked after.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How long after a failure a policy is tried again. Reason: a full disk is not emptied sooner.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// How often own addresses are read again.
const LOCALS_INTERVAL: Duration = Duration::from_secs(10);

/// What the engine is told.
#[derive(Debug)]
pub(super) enum Command {
    /// The policy directory was read.
    Policy(Result<PolicySet, Diagnostics>),
    /// The resolver has other addresses.
    Addresses,
    /// An access server said who has an address.
    Identity(Box<Received>),
    /// A free call ended.
    Call {
        /// Its record.
        row: Box<CallRow>,
        /// Where its uid goes once the ledger has it.
        recorded: Sender<String>,
    },
    /// Somebody wants to know.
    Status(oneshot::Sender<Result<Status, String>>),
    /// The controller ends.
    End,
}

/// What the engine is made of.
pub(super) struct Parts {
    pub(super) config: Arc<Config>,
    pub(super) boot_id: String,
    pub(super) shared: Arc<Shared>,
    pub(super) dataplane: Dataplane,
    pub(super) ledger: Ledger,
    pub(super) log: Log,
    pub(super) holders: Holders,
    /// Names that are to be resolved.
    pub(super) names: watch::Sender<BTreeMap<String, NameTerms>>,
    /// What the resolver found of them.
    pub(super) resolved: watch::Receiver<Arc<Resolved>>,
    /// Which name has which address; shared with whoever reads answers on the wire.
    pub(super) book: Arc<Mutex<AddressBook>>,
}

/// The state of a running controller.
pub(super) struct Engine {
    pub(super) parts: Parts,
    pub(super) policy: PolicySet,
    pub(super) policy_faults: Vec<String>,
    pub(super) plan: Plan,
    pub(super) rule_names: RuleNames,
    pub(super) rating_groups: BTreeMap<u32, u32>,
    pub(super) interval_started: Timestamp,
    /// When the last interval was closed, for all subscribers or for some.
    pub(super) interval_ends: Timestamp,
    pub(super) next_close: Instant,
    next_locals: Instant,
    next_sweep: Instant,
    /// When the day ends that daily ceilings go by.
    day_ends: Timestamp,
    /// What the last sweep found.
    pub(super) sweep: Sweep,
    /// Ceilings that were passed today, and are in the records.
    pub(super) reported_ceilings: Vec<CeilingPassed>,
    /// A policy that could not be put in force for reasons of the machine, and when it is tried again.
    pub(super) waiting_policy: Option<(PolicySet, Instant)>,
    /// Conditions that want attention, by what they concern.
    pub(super) alarms: BTreeMap<Alarm, String>,
    pub(super) intervals: u64,
    pub(super) records: u64,
    /// Flows of which the ledger holds something pending, by number.
    pub(super) unsettled: Vec<u64>,
    /// How many counters had grown at the last close.
    pub(super) last_grown: usize,
    pub(super) bookkeeping: Bookkeeping,
}

impl Engine {
    /// Puts the first plan in force and the programs on the interfaces.
    pub(super) fn start(parts: Parts, first: FirstPolicy) -> Result<Self, RunError> {
        let now = Timestamp::now();
        let interval_started = parts.ledger.last_closed_at()?.unwrap_or(now);
        let next_close = Instant::now() + parts.config.ledger.interval;
        let mut engine = Self {
            policy: first.policy,
            policy_faults: first.faults.iter().flat_map(super::activation::lines).collect(),
            plan: Plan::default(),
            rule_names: RuleNames::new(),
            rating_groups: BTreeMap::new(),
            interval_started,
            interval_ends: interval_started,
            next_close,
            next_locals: Instant::now() + LOCALS_INTERVAL,
            next_sweep: Instant::now(),
            day_ends: now,
            sweep: Sweep::default(),
            reported_ceilings: Vec::new(),
            waiting_policy: None,
            alarms: BTreeMap::new(),
            intervals: 0,
            records: 0,
            unsettled: Vec::new(),
            last_grown: 0,
            bookkeeping: Bookkeeping::default(),
            parts,
        };
        engine.start_dataplane()?;
        Ok(engine)
    }

    /// Programs that run already are replaced first, so that the interval they counted is closed with their
    /// interfaces; fresh ones come last, when the plan they decide by is in force. What is likeliest to be refused
    /// comes before anything that is in force changes: compiling, and attaching to interfaces.
    fn start_dataplane(&mut self) -> Result<(), RunError> {
        let config = Arc::clone(&self.parts.config);
        let compiled = self.compile_current()?;
        // Only what was put in force once can have packets to decide.
        let is_running = self.parts.dataplane.control().epoch() != 0;
        if is_running {
            self.parts.dataplane.attach(&config)?;
        }
        self.parts.dataplane.set_locals(&config.pools)?;
        self.parts.dataplane.set_transports(&config.transports)?;
        self.begin_day()?;
        self.start_plan(compiled)?;
        if !is_running {
            self.parts.dataplane.attach(&config)?;
        }
        Ok(())
    }

    /// Does what it is told and what is due, until the end.
    pub(super) fn run(mut self, inbox: &Receiver<Command>) {
        loop {
            match inbox.recv_timeout(self.sleep()) {
                Ok(Command::Policy(loaded)) => self.policy_loaded(loaded),
                Ok(Command::Addresses) => self.addresses_changed(),
                Ok(Command::Identity(message)) => self.parts.holders.take(&message),
                Ok(Command::Call { row, recorded }) => self.call_ended(&row, &recorded),
                Ok(Command::Status(reply)) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.status().map_err(|error| error.to_string()));
                }
                Ok(Command::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.do_what_is_due();
        }
        self.close(CloseReason::Shutdown);
        self.publish();
        self.keep_holders();
    }

    /// Until the next thing is due.
    fn sleep(&self) -> Duration {
        let now = Timestamp::now();
        let retry = self.waiting_policy.as_ref().map_or(self.next_close, |(_, at)| *at);
        let split = self.parts.holders.split_at().unwrap_or(self.next_close);
        let next = self.next_close.min(self.next_locals).min(self.next_sweep).min(retry).min(split);
        let clock = next.saturating_duration_since(Instant::now());
        let rules = self
            .plan
            .next_change
            .map_or(SLEEP_MAX, |at| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
        clock.min(rules).min(SLEEP_MAX)
    }

    fn do_what_is_due(&mut self) {
        if self.plan.next_change.is_some_and(|at| at <= Timestamp::now()) {
            self.rules_changed();
        }
        if self.waiting_policy.as_ref().is_some_and(|(_, at)| *at <= Instant::now()) {
            self.retry_policy();
        }
        // Before the interval is closed: what is decided now is transferred with it.
        if self.next_sweep <= Instant::now() {
            self.look_after_flows();
        }
        self.parts.holders.expire();
        if self.parts.holders.split_at().is_some_and(|at| at <= Instant::now()) {
            self.split();
        }
        if self.next_close <= Instant::now() {
            self.close(CloseReason::Clock);
            self.publish();
            self.renew_counters();
        }
        if self.next_locals <= Instant::now() {
            self.next_locals = Instant::now() + LOCALS_INTERVAL;
            let pools = self.parts.config.pools.clone();
            let result = self.parts.dataplane.set_locals(&pools);
            self.note(Alarm::OwnAddresses, result.map_err(RunError::from));
            let read = self.parts.holders.read_file();
            self.note(Alarm::File, read);
        }
    }

    fn look_after_flows(&mut self) {
        self.next_sweep = Instant::now() + SWEEP_INTERVAL;
        let swept = self.parts.dataplane.sweep(&self.unsettled).map(|sweep| self.sweep = sweep);
        if self.note(Alarm::Flows, swept.map_err(RunError::from)) {
            let used = std::mem::take(&mut self.sweep.remotes);
            self.addresses_used(used);
        }
        self.keep_holders();
        match self.sweep.waiting_for_room {
            0 => drop(self.alarms.remove(&Alarm::Verdicts)),
            flows => {
                let alarm = format!("verdicts: {flows} flows find no room for theirs, and go on waiting");
                self.alarms.insert(Alarm::Verdicts, alarm);
            }
        }
        let crowded = self.parts.dataplane.live_plan().crowded();
        match crowded.first() {
            None => drop(self.alarms.remove(&Alarm::Crowded)),
            Some(first) => {
                let alarm = format!(
                    "crowded: {} addresses, {first} among them, have names of rules with more than {MATCHERS_MAX} port \
                     ranges together; there, networks alone decide. List fewer or broader ranges in these rules",
                    crowded.len()
                );
                self.alarms.insert(Alarm::Crowded, alarm);
            }
        }
        if self.day_ends <= Timestamp::now() {
            let begun = self.begin_day();
            self.note(Alarm::Day, begun);
        }
    }

    fn keep_holders(&mut self) {
        let kept = self.parts.holders.keep();
        self.note(Alarm::Sessions, kept);
    }

    /// Tells the kernel when today ends, by the gateway's time zone.
    fn begin_day(&mut self) -> Result<(), RunError> {
        let end = DayEnd::of_today().map_err(|error| RunError::runtime(std::io::Error::other(error)))?;
        self.parts.dataplane.set_day_ends(end.monotonic_ns)?;
        self.day_ends = end.at;
        Ok(())
    }

    /// Keeps a policy that could not be put in force for reasons of the machine.
    pub(super) fn try_again(&mut self, policy: PolicySet) {
        self.waiting_policy = Some((policy, Instant::now() + RETRY_INTERVAL));
    }

    /// Raises an alarm for a failure, and takes it back when the same thing succeeds.
    pub(super) fn note(&mut self, what: Alarm, result: Result<(), RunError>) -> bool {
        match result {
            Ok(()) => {
                self.alarms.remove(&what);
                true
            }
            Err(error) => {
                tracing::error!("{what}: {error}");
                self.alarms.insert(what, format!("{what}: {error}"));
                false
            }
        }
    }
}
