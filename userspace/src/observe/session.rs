//! Observing, from the first frame to the last word.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use rand_core::{OsRng, RngCore as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tollfree_core::interface::Mode;
use tollfree_core::stat::Stat;

use super::answer::Requests;
use super::book::Book;
use super::error::ObserveError;
use super::interface::Interface;
use super::link::{Link, READINESS};
use super::observer::Observer;
use super::settings::{Limits, Settings, Showing};
use super::side::Side;
use crate::book::BookStatus;
use crate::boot::boot_id;
use crate::dataplane::{self, NicCounts, local_prefixes, monotonic_ns};
use crate::day::DayEnd;
use crate::identity::IdentityStatus;
use crate::status::{
    self, AtRisk, AuditStatus, CallsStatus, EvidenceStatus, FlowsStatus, InterfaceStatus, LedgerStatus,
    Status, render,
};

/// Frames counted between two looks at anything else. Reason: less than a millisecond's work.
const BATCH_FRAMES: u64 = 256;
/// How often idle flows are forgotten. Reason: they rest for minutes before that.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);
/// How long it sleeps at most for a rule that begins or ends. Reason: the wall clock may be set.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// Never comes.
const FAR_AHEAD: Duration = Duration::from_hours(24 * 365);
/// Where frames are counted, in status.
const MODE: &str = "af-packet";
/// Event: frames that the kernel had no room for.
const SOCKET_LOST: &str = "socket-lost";
/// Event: how often the interface went down.
const WENT_DOWN: &str = "went-down";

/// Observes as `settings` say, and writes the account to `out`, until a limit, `SIGINT` or `SIGTERM`.
///
/// # Errors
/// [`ObserveError`]. Where it ends frames that were being read, what was counted until then is written.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<(), ObserveError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // For names and requests; frames are read on this thread.
        .worker_threads(1)
        .build()
        .map_err(ObserveError::runtime)?;
    runtime.block_on(async {
        let mut requests = Requests::serve(settings.answering.as_ref()).await?;
        let mut session = Session::start(settings)?;
        session.run(&mut requests, settings, out).await
    })
}

/// One interface being observed.
struct Session {
    gateway_id: String,
    boot_id: String,
    instance: u64,
    side: Side,
    book: Book,
    observer: Observer,
    link: Link,
    nic: Nic,
    /// Frames that may still be counted.
    left: u64,
    /// Conditions that want attention, by what they concern.
    alarms: BTreeMap<&'static str, String>,
}

/// What the NIC had counted before.
struct Nic {
    before: NicCounts,
    /// Packets that arrived while the socket was being opened.
    uncertain_packets: u64,
}

impl Session {
    fn start(settings: &Settings) -> Result<Self, ObserveError> {
        let interface = Interface::find(&settings.interface)?;
        let mut book = Book::open(settings)?;
        let plan = book.compile()?;
        let Settings { side, pools, tunnels, sip_port, room, .. } = settings;
        let mut observer = Observer::new(*side, pools, tunnels.clone(), *sip_port, *room);
        observer.set_own(&local_prefixes(pools)?);
        observer.enforce(&plan, 1);
        let before = NicCounts::read(&interface.name)?;
        let link = Link::open(interface)?;
        let after = NicCounts::read(&settings.interface)?;
        let uncertain_packets = after.packets.wrapping_sub(before.packets);
        let mut session = Self {
            gateway_id: settings.gateway_id.clone(),
            boot_id: boot_id().map_err(ObserveError::runtime)?,
            instance: OsRng.next_u64(),
            side: *side,
            book,
            observer,
            link,
            nic: Nic { before, uncertain_packets },
            left: settings.limits.frames.unwrap_or(u64::MAX),
            alarms: BTreeMap::new(),
        };
        session.begin_day();
        session.warn();
        Ok(session)
    }

    /// Says what makes the account other than a gateway's.
    fn warn(&mut self) {
        let name = &self.link.interface().name;
        match dataplane::merges(name) {
            Ok(false) => {}
            Ok(true) => {
                let advice = format!(
                    "the interface merges packets before they are counted (receive offload), so packets and volume \
                     are those of merged packets; `ethtool -K {name} gro off lro off` stops that"
                );
                self.alarms.insert("merging", advice);
            }
            Err(error) => {
                self.alarms.insert("merging", format!("cannot tell whether packets are merged: {error}"));
            }
        }
        if self.book.lacks_resolver() {
            let advice = "policies list names, and no resolver is given: names have no addresses, and only networks \
                          are free; name one with --resolver";
            self.alarms.insert("names", advice.into());
        }
        for (what, text) in &self.alarms {
            tracing::warn!("{what}: {text}");
        }
    }

    async fn run(
        &mut self,
        requests: &mut Requests,
        settings: &Settings,
        out: &mut dyn Write,
    ) -> Result<(), ObserveError> {
        let observed = self.observe(requests, settings, out).await;
        let ended = self.show(settings.showing, out);
        observed.and(ended)
    }

    async fn observe(
        &mut self,
        requests: &mut Requests,
        settings: &Settings,
        out: &mut dyn Write,
    ) -> Result<(), ObserveError> {
        let mut signals = Signals::catch()?;
        let Limits { duration, .. } = settings.limits;
        let end = Instant::now() + duration.unwrap_or(FAR_AHEAD);
        let every = settings.showing.every.unwrap_or(FAR_AHEAD);
        let mut shows = interval_at(Instant::now() + every, every);
        shows.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut upkeep = interval_at(Instant::now() + UPKEEP_INTERVAL, UPKEEP_INTERVAL);
        let readiness = self.link.readiness().map_err(ObserveError::runtime)?;
        tracing::info!(interface = self.link.interface().name, role = self.side.name(), "observing");
        while self.left > 0 {
            let until_change = self.book.until_change();
            tokio::select! {
                () = signals.ended() => return Ok(()),
                () = sleep_until(end) => return Ok(()),
                _ = shows.tick() => self.show(settings.showing, out)?,
                _ = upkeep.tick() => self.look_after(),
                () = sleep(until_change.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)) => self.rules_changed(),
                () = self.book.addresses_changed() => self.compile(self.observer.epoch()),
                Some(request) = requests.next() => {
                    // Whoever asked may have gone.
                    let _ = request.send(self.status().map_err(|error| error.to_string()));
                }
                ready = readiness.ready(READINESS) => {
                    let mut ready = ready.map_err(ObserveError::runtime)?;
                    let batch = BATCH_FRAMES.min(self.left);
                    if self.drain(batch)? < batch {
                        ready.clear_ready();
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends flows that have rested, and days.
    fn look_after(&mut self) {
        self.observer.look_after_flows(monotonic_ns());
        self.begin_day();
    }

    fn begin_day(&mut self) {
        match DayEnd::of_today() {
            Ok(end) => self.observer.set_day_ends(end.monotonic_ns),
            Err(error) => tracing::error!("the day's end cannot be told: {error}"),
        }
    }

    /// Counts frames that are there.
    fn drain(&mut self, max: u64) -> Result<u64, ObserveError> {
        let taken = self.observer.drain(&mut self.link, max, monotonic_ns)?;
        self.left -= taken;
        Ok(taken)
    }

    /// Puts the next plan in force, if it is time.
    fn rules_changed(&mut self) {
        if self.book.until_change() == Some(Duration::ZERO) {
            self.compile(self.observer.epoch().saturating_add(1));
        }
    }

    /// Puts the plan of the moment in force under `epoch`; one that does not compile leaves the one before.
    fn compile(&mut self, epoch: u32) {
        match self.book.compile() {
            Ok(plan) => {
                self.observer.enforce(&plan, epoch);
                self.alarms.remove("policy");
            }
            Err(error) => {
                tracing::error!("policy: {error}");
                self.alarms.insert("policy", error.to_string());
            }
        }
    }

    fn show(&mut self, showing: Showing, out: &mut dyn Write) -> Result<(), ObserveError> {
        let status = self.status()?;
        let written = if showing.json {
            serde_json::to_writer(&mut *out, &status).map_err(Into::into).and_then(|()| out.write_all(b"\n"))
        } else {
            out.write_all(render(&status).as_bytes())
        };
        written.and_then(|()| out.flush()).map_err(ObserveError::output)
    }

    /// Everything, as of now: what has arrived until now is counted first.
    fn status(&mut self) -> Result<Status, ObserveError> {
        let waiting = self.link.waiting()?;
        self.drain(waiting.min(self.left))?;
        let interface = self.link.interface();
        let nic = NicCounts::read(&interface.name)?.since(self.nic.before, &interface.name, Mode::Generic)?;
        let account = self.observer.account();
        let cut = account.cut(&interface.name, self.observer.epoch(), nic);
        let interfaces: Vec<_> = cut
            .interfaces
            .iter()
            .map(|(name, counted)| InterfaceStatus {
                ifindex: interface.index,
                nic_uncertain_packets: self.nic.uncertain_packets,
                ..InterfaceStatus::new(name, self.side.name(), MODE, counted)
            })
            .collect();
        let standing = status::standing(&cut);
        Ok(Status {
            gateway: if self.gateway_id.is_empty() { "-".into() } else { self.gateway_id.clone() },
            version: env!("CARGO_PKG_VERSION").into(),
            boot_id: self.boot_id.clone(),
            instance: format!("{:016x}", self.instance),
            at: Timestamp::now(),
            epoch: cut.control.epoch(),
            policy_digest: self.book.digest(),
            policy_faults: Vec::new(),
            rules: self.book.rules(),
            totals: status::totals(&standing),
            counters: status::counters(&standing, |rule| self.book.rule_name(rule)),
            sent_again: status::sent_again(&cut, |rule| self.book.rule_name(rule)),
            flows: FlowsStatus::default(),
            reconciliation: status::reconcile(&cut, &standing, &interfaces),
            interfaces,
            names: self.book.names(),
            book: BookStatus::default(),
            identity: IdentityStatus::default(),
            calls: CallsStatus::default(),
            evidence: EvidenceStatus::default(),
            at_risk: AtRisk::of(&standing),
            stats: self.stats(),
            alarms: self.alarms(),
            ledger: LedgerStatus::default(),
            audit: AuditStatus::default(),
        })
    }

    fn stats(&self) -> BTreeMap<String, u64> {
        let account = self.observer.account();
        let stats = Stat::ALL.map(|stat| (stat.name().to_owned(), account.stat(stat)));
        let own = [(SOCKET_LOST, self.link.lost()), (WENT_DOWN, self.link.downs())];
        stats.into_iter().chain(own.map(|(name, count)| (name.to_owned(), count))).collect()
    }

    fn alarms(&self) -> Vec<String> {
        let stats = self.stats();
        let counted = [Stat::CounterFull.name(), Stat::OverflowFull.name(), SOCKET_LOST, WENT_DOWN];
        let counted = counted.into_iter().filter(|name| stats[*name] > 0);
        let standing = self.alarms.iter().map(|(what, text)| format!("{what}: {text}"));
        standing.chain(counted.map(|name| format!("{name}: {}", stats[name]))).collect()
    }
}

/// What ends it from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> Result<Self, ObserveError> {
        let catch = |kind| signal(kind).map_err(ObserveError::runtime);
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    /// Waits for either.
    async fn ended(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
