//! Following calls: copies of signalling and requests in, grants and records out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tollfree_core::address::Address;
use tollfree_core::event::CopyKind;
use tollfree_core::flow::{FlowKey, GrantEntry, NO_RULE, Verdict};
use tollfree_core::packet::protocol;
use tollfree_core::plan::RuleEntry;
use tollfree_core::reason::Reason;

use super::copies::{CopiedFrame, read};
use super::engine::{Command, Engine};
use super::evidence::{EvidenceParts, EvidenceReader};
use super::kept_calls::{EndedCall, GoingCall, Past, read_kept, row};
use super::{RunError, Shared};
use crate::api::{CallRequest, LiveCall, LiveStream};
use crate::calls::connections::Connections;
use crate::calls::frame::{Carried, FrameReader};
use crate::calls::{
    Action, At, CallRecord, Direction, HotlineMatch, Hotlines, MediaUsage, SavedCall, Stream, Tracker,
    TrackerLimits,
};
use crate::config::{Config, SignallingConfig};
use crate::dataplane::{DataplaneError, FlowTables, VerdictTable, monotonic_ns};
use crate::ledger::{CallJournal, Kept};
use crate::memory::MemoryTransports;
use crate::policy::HotlineTable;
use crate::status::CallsStatus;

/// How often calls are looked at that nobody ended.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is read what streams carried. Reason: well within the silence that ends a call; 65,536 reads take less than
/// a tenth of a second.
const LISTEN_INTERVAL: Duration = Duration::from_secs(5);
/// How often a record is offered to the ledger again that it did not take. Reason: a full disk is not emptied sooner.
const OFFER_INTERVAL: Duration = Duration::from_secs(10);
/// Frames and requests that may wait. Reason: a second of signalling on a busy machine; all of them are 8 MiB.
const INPUTS_MAX: usize = 4096;
/// What is taken in at once before it is written down. Reason: bounds how long a change waits to be kept.
const INPUTS_AT_ONCE: usize = 256;

/// What the follower is told.
#[derive(Debug)]
pub(super) enum Input {
    /// The kernel copied a frame.
    Frame(CopiedFrame),
    /// Somebody asks by the API.
    Request(CallRequest),
}

/// The threads that follow calls.
#[derive(Debug)]
pub(super) struct Follower {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    thread: JoinHandle<()>,
    inputs: SyncSender<Input>,
}

struct State {
    gateway: String,
    tracker: Tracker,
    reader: FrameReader,
    connections: Connections,
    tables: FlowTables,
    verdicts: VerdictTable,
    shared: Arc<Shared>,
    /// Those that calls were last held against.
    hotlines: Arc<HotlineTable>,
    signalling: SignallingConfig,
    transports: MemoryTransports,
    commands: SyncSender<Command>,
    journal: CallJournal,
    instance: u64,
    /// Calls that ended, by uid, until the ledger has them.
    ended: BTreeMap<String, EndedCall>,
    /// Those of them that are not in the journal yet.
    ended_now: Vec<String>,
    /// Where the engine says which records the ledger has.
    recorded: (Sender<String>, Receiver<String>),
    /// Epoch of the last copy.
    epoch: u32,
    /// What streams carried whose call goes on, and which are no longer free.
    carried: HashMap<Stream, MediaUsage>,
    /// Streams whose grants ended, but not what they carried is known.
    ending: Vec<Stream>,
    /// Records of calls that ended with them, each with its epoch.
    closing: Vec<(CallRecord, u32)>,
    early: EarlyMedia,
    failures: u64,
    next: Due,
}

/// What came of streams that began before their calls were read.
#[derive(Debug, Default)]
struct EarlyMedia {
    calls: u64,
    no_calls: u64,
}

/// When what is done from time to time is due.
struct Due {
    expire: Instant,
    listen: Instant,
    offer: Instant,
}

impl Follower {
    pub(super) fn start(
        engine: &mut Engine,
        config: &Config,
        shared: &Arc<Shared>,
        commands: SyncSender<Command>,
    ) -> Result<Self, RunError> {
        let copies = engine.parts.dataplane.take_copies()?;
        let evidence = EvidenceReader::new(EvidenceParts {
            shared: Arc::clone(shared),
            book: Arc::clone(&engine.parts.book),
            live: engine.parts.dataplane.live_plan(),
            names: engine.parts.names.clone(),
            verdicts: engine.parts.dataplane.verdict_table()?,
            lost: engine.parts.dataplane.lost_copies()?,
            transports: MemoryTransports::new(&config.transports),
        });
        let tables = engine.parts.dataplane.take_flow_tables()?;
        let verdicts = engine.parts.dataplane.verdict_table()?;
        let now = Instant::now();
        let mut state = State {
            gateway: config.gateway.id.clone(),
            tracker: Tracker::new(TrackerLimits::default()),
            reader: FrameReader::default(),
            connections: Connections::default(),
            tables,
            verdicts,
            shared: Arc::clone(shared),
            hotlines: shared.hotlines.load_full(),
            signalling: config.signalling.clone(),
            transports: MemoryTransports::new(&config.transports),
            commands,
            journal: CallJournal::open(&config.gateway.state_dir.join("calls.sqlite"))?,
            instance: engine.parts.dataplane.instance(),
            ended: BTreeMap::new(),
            ended_now: Vec::new(),
            recorded: channel(),
            epoch: engine.parts.dataplane.control().epoch(),
            carried: HashMap::new(),
            ending: Vec::new(),
            closing: Vec::new(),
            early: EarlyMedia::default(),
            failures: 0,
            next: Due { expire: now, listen: now, offer: now },
        };
        state.restore()?;
        let (inputs, inbox) = sync_channel(INPUTS_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let transports = MemoryTransports::new(&config.transports);
        let reader = read(copies, Arc::clone(&stop), inputs.clone(), transports, evidence);
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || state.run(&inbox, &stopped));
        Ok(Self { stop, reader, thread, inputs })
    }

    /// Where requests go.
    pub(super) fn inputs(&self) -> SyncSender<Input> {
        self.inputs.clone()
    }

    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic was reported when it happened.
        let _ = (self.reader.join(), self.thread.join());
    }
}

impl State {
    /// Goes on with the calls of a controller before this one. Grants of the kernel that belong to none of them end:
    /// nobody would hear their BYE.
    fn restore(&mut self) -> Result<(), RunError> {
        let mut going = Vec::new();
        for kept in self.journal.kept()? {
            match read_kept(&kept) {
                Ok(Past::Ended(ended)) => drop(self.ended.insert(kept.uid, *ended)),
                Ok(Past::Going(call)) if kept.instance == self.instance => going.push(*call),
                Ok(Past::Going(call)) => self.partial(*call),
                Err(error) => tracing::error!("a call of an earlier version cannot be gone on with: {error}"),
            }
        }
        for GoingCall { carried, .. } in &going {
            self.carried.extend(carried.iter().copied());
        }
        let held: HashSet<FlowKey> =
            going.iter().flat_map(|going| going.call.granted()).map(|stream| stream.key()).collect();
        let grants = self.tables.grants()?;
        let orphans: Vec<FlowKey> =
            grants.iter().map(|(key, _)| *key).filter(|key| !held.contains(key)).collect();
        if !orphans.is_empty() {
            tracing::warn!(
                streams = orphans.len(),
                "grants of calls that nobody knows: charged from here on"
            );
            orphans.iter().try_for_each(|key| self.tables.end(key))?;
            self.tables.take(&orphans)?;
        }
        self.tracker.restore(going.into_iter().map(|going| going.call).collect());
        if self.tracker.stats().restored > 0 {
            tracing::info!(calls = self.tracker.stats().restored, "going on with calls");
            // The policy may be another than it was.
            let served = Served { hotlines: &self.hotlines, signalling: &self.signalling };
            let actions = self.tracker.policy_changed(now(), &served);
            self.act(actions);
        }
        self.save();
        Ok(())
    }

    /// Ends a call whose grants went with the kernel's maps, at the machine's restart.
    fn partial(&mut self, going: GoingCall) {
        let mut media = MediaUsage::default();
        going.carried.iter().for_each(|(_, usage)| media += *usage);
        let record = going.call.into_partial(now());
        self.keep_ended(EndedCall { record, epoch: going.epoch, media });
    }

    fn run(mut self, inbox: &Receiver<Input>, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            match inbox.recv_timeout(self.next.expire.saturating_duration_since(Instant::now())) {
                Ok(input) => {
                    self.take(input);
                    inbox.try_iter().take(INPUTS_AT_ONCE).for_each(|input| self.take(input));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.do_what_is_due();
            self.save();
        }
    }

    fn take(&mut self, input: Input) {
        self.follow_policy();
        match input {
            Input::Frame(frame) if frame.kind == CopyKind::Media => self.take_media(&frame),
            Input::Frame(frame) => self.take_frame(&frame),
            Input::Request(request) => self.answer(request),
        }
    }

    /// Reads one copied frame as signalling.
    fn take_frame(&mut self, frame: &CopiedFrame) {
        self.epoch = frame.epoch;
        let at = when(frame.at_ns);
        match self.reader.read(frame.at_ns, frame.role, &frame.octets, &self.transports) {
            Some(Carried::Datagram { subscriber, proxy, direction, payload }) => {
                let text = self.message(at, direction, subscriber, proxy, &payload);
                if frame.flow != 0 {
                    let charged = Verdict { rule: NO_RULE, reason: Reason::Signalling };
                    self.decide(frame.flow, text.unwrap_or(charged));
                }
            }
            Some(Carried::Segment(segment)) => {
                for message in self.connections.take(frame.at_ns, &segment) {
                    match message {
                        Ok(message) => {
                            self.message(at, segment.direction, segment.subscriber, segment.proxy, &message);
                        }
                        Err(fault) => self.tracker.fault(&fault),
                    }
                }
            }
            Some(Carried::Fragment) => {}
            None => self.failures += 1,
        }
    }

    /// Takes a message; says what frees it, if it is a text.
    fn message(
        &mut self,
        at: At,
        direction: Direction,
        subscriber: SocketAddr,
        proxy: SocketAddr,
        message: &[u8],
    ) -> Option<Verdict> {
        let served = Served { hotlines: &self.hotlines, signalling: &self.signalling };
        let actions = self.tracker.message(at, direction, subscriber, proxy, message, &served);
        let text = actions.iter().find_map(|action| match action {
            Action::Text { rule } if monotonic_ns() < self.rule_end(*rule) => Some(*rule),
            _ => None,
        });
        self.act(actions);
        text.map(|rule| self.free(rule, Reason::Text))
    }

    /// Says whose a stream is that began before its signalling was read: all that was copied before it has been read now.
    fn take_media(&mut self, frame: &CopiedFrame) {
        let Some(Carried::Datagram { subscriber, proxy: remote, .. }) =
            self.reader.read(frame.at_ns, frame.role, &frame.octets, &self.transports)
        else {
            self.failures += 1;
            return;
        };
        let key = FlowKey {
            subscriber: Address::from(subscriber.ip()),
            remote: Address::from(remote.ip()),
            subscriber_port: subscriber.port(),
            remote_port: remote.port(),
            protocol: u32::from(protocol::UDP),
        };
        match self.tables.granted(&key) {
            Ok(Some(grant)) if monotonic_ns() < grant.valid_until_ns => {
                let verdict = self.free(grant.rule, Reason::Call);
                self.early.calls += u64::from(self.decide(frame.flow, verdict));
            }
            Ok(_) => {
                let verdict = Verdict { rule: NO_RULE, reason: Reason::NoCall };
                self.early.no_calls += u64::from(self.decide(frame.flow, verdict));
            }
            Err(error) => self.check(Err(error)),
        }
    }

    /// What a rule that frees something says of it.
    fn free(&self, rule: u32, reason: Reason) -> Verdict {
        Verdict { rule, reason: if self.is_observed(rule) { Reason::Observed } else { reason } }
    }

    /// Says what becomes of what waits under this number; whether that is new.
    fn decide(&mut self, number: u64, verdict: Verdict) -> bool {
        match self.verdicts.decide(number, verdict) {
            Ok(is_new) => is_new,
            Err(error) => {
                self.check(Err(error));
                false
            }
        }
    }

    /// A stream that was no call's when it began is one now: what it carried before is not the call's.
    fn begin_anew(&mut self, key: &FlowKey) -> Result<(), DataplaneError> {
        let Some(flow) = self.tables.carried(key)? else { return Ok(()) };
        let promise = Verdict::from(flow.promise);
        let said = self.verdicts.said(flow.number)?.unwrap_or(promise);
        if promise.rule == NO_RULE && said.reason == Reason::NoCall {
            self.tables.forget(key)
        } else {
            Ok(())
        }
    }

    fn answer(&mut self, request: CallRequest) {
        let served = Served { hotlines: &self.hotlines, signalling: &self.signalling };
        match request {
            CallRequest::Open { id, call, reply } => {
                let opened = self.tracker.open(now(), &id, &call, &served);
                let result = opened.map(|actions| self.act(actions));
                // It is kept before it is confirmed.
                self.save();
                // Whoever asked may have gone, here and below.
                let _ = reply.send(result);
            }
            CallRequest::Close { id, reply } => {
                let actions = self.tracker.close(now(), &id);
                let is_closed = actions.is_some();
                self.act(actions.unwrap_or_default());
                self.save();
                let _ = reply.send(is_closed);
            }
            CallRequest::List { reply } => {
                self.settle();
                let _ = reply.send(self.live());
            }
        }
    }

    /// The calls that go on, by when they began.
    fn live(&self) -> Vec<LiveCall> {
        let mut live: Vec<LiveCall> = self
            .tracker
            .active()
            .map(|call| {
                let mut media = MediaUsage::default();
                call.media.iter().for_each(|stream| media += self.usage(stream));
                LiveCall {
                    uid: call.uid.to_owned(),
                    call_id: call.call_id.to_owned(),
                    rule: call.rule,
                    number: call.number.to_owned(),
                    subscriber: call.subscriber.ip(),
                    proxy: call.proxy.map(|proxy| proxy.ip()),
                    invited_at: call.invited,
                    answered_at: call.answered,
                    streams: call.streams.iter().map(LiveStream::from).collect(),
                    uplink_octets: media.uplink_octets,
                    downlink_octets: media.downlink_octets,
                }
            })
            .collect();
        live.sort_by(|a, b| (a.invited_at, &a.uid).cmp(&(b.invited_at, &b.uid)));
        live
    }

    /// What a stream carried, free or no longer.
    fn usage(&self, stream: &Stream) -> MediaUsage {
        let mut usage = self.carried.get(stream).copied().unwrap_or_default();
        if let Ok(Some(flow)) = self.tables.carried(&stream.key()) {
            usage += MediaUsage::from(&flow);
        }
        usage
    }

    fn do_what_is_due(&mut self) {
        let now_is = Instant::now();
        if self.next.listen <= now_is {
            self.next.listen = now_is + LISTEN_INTERVAL;
            self.listen();
        }
        if self.next.expire <= now_is {
            self.next.expire = now_is + EXPIRE_INTERVAL;
            let actions = self.tracker.expire(now());
            self.act(actions);
            self.follow_policy();
            self.tell();
        }
        if self.next.offer <= now_is {
            self.next.offer = now_is + OFFER_INTERVAL;
            self.ended.values().for_each(|ended| self.offer(ended));
        }
    }

    /// Tells the tracker which streams packets passed on.
    fn listen(&mut self) {
        let streams: Vec<Stream> = self.tracker.active().flat_map(|call| call.streams).collect();
        for stream in streams {
            match self.tables.carried(&stream.key()) {
                Ok(Some(flow)) => self.tracker.heard(&stream, flow.last_seen_ns),
                Ok(None) => {}
                Err(error) => return self.check(Err(error)),
            }
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Action::Grant { stream, .. } = &action {
                let begun = self.begin_anew(&stream.key());
                self.check(begun);
            }
            match action {
                Action::Grant { stream, grant } | Action::Change { stream, grant } => {
                    // What the stream carried before is another call's.
                    if self.ending.iter().any(|ended| ended.key() == stream.key()) {
                        self.settle();
                    }
                    let entry = GrantEntry {
                        rule: grant.rule,
                        class: grant.class,
                        valid_until_ns: grant.valid_until_ns.min(self.rule_end(grant.rule)),
                        silence_ns: grant.silence_ns,
                        octets_per_second: grant.rate_octets_per_second,
                        flags: if self.is_observed(grant.rule) { RuleEntry::OBSERVED } else { 0 },
                    };
                    let granted = self.tables.grant(&stream.key(), &entry);
                    self.check(granted);
                }
                Action::Revoke { stream } => {
                    let ended = self.tables.end(&stream.key());
                    self.check(ended);
                    self.ending.push(stream);
                }
                Action::Ended(record) => self.closing.push((record, self.epoch)),
                // What frees it is said by whoever knows its number.
                Action::Text { .. } => {}
            }
        }
    }

    /// When a hotline's rule ends, in nanoseconds of `CLOCK_MONOTONIC`; 0 if it is not in force.
    fn rule_end(&self, rule: u32) -> u64 {
        self.hotlines
            .iter()
            .find(|(.., entry)| entry.rule == rule)
            .map_or(0, |(.., entry)| entry.valid_until_ns)
    }

    /// Whether the rule's policy is only observed.
    fn is_observed(&self, rule: u32) -> bool {
        self.shared.names.load().observes(rule)
    }

    /// Ends calls that the policy now in force does not make free.
    fn follow_policy(&mut self) {
        let hotlines = self.shared.hotlines.load_full();
        if Arc::ptr_eq(&hotlines, &self.hotlines) {
            return;
        }
        self.hotlines = hotlines;
        let served = Served { hotlines: &self.hotlines, signalling: &self.signalling };
        let actions = self.tracker.policy_changed(now(), &served);
        self.act(actions);
    }

    /// Keeps what streams carried that are no longer free, and then the records of their calls. One grace period serves all
    /// that ended since the last time, so that no grant waits for each.
    fn settle(&mut self) {
        let streams = std::mem::take(&mut self.ending);
        if !streams.is_empty() {
            let keys: Vec<FlowKey> = streams.iter().map(Stream::key).collect();
            match self.tables.take(&keys) {
                Ok(usages) => {
                    for (stream, usage) in streams.into_iter().zip(usages) {
                        *self.carried.entry(stream).or_default() += usage;
                    }
                }
                Err(error) => self.check(Err(error)),
            }
        }
        for (record, epoch) in std::mem::take(&mut self.closing) {
            self.ended(record, epoch);
        }
    }

    /// Takes a call's record, with what its media took.
    fn ended(&mut self, record: CallRecord, epoch: u32) {
        let mut media = MediaUsage::default();
        for stream in &record.media {
            media += self.carried.remove(stream).unwrap_or_default();
        }
        self.keep_ended(EndedCall { record, epoch, media });
    }

    fn keep_ended(&mut self, ended: EndedCall) {
        let uid = ended.record.uid.clone();
        self.ended_now.push(uid.clone());
        self.ended.insert(uid, ended);
    }

    /// Hands a record to the engine, which says when the ledger has it.
    fn offer(&self, ended: &EndedCall) {
        let row = Box::new(row(&self.gateway, ended));
        if self.commands.send(Command::Call { row, recorded: self.recorded.0.clone() }).is_err() {
            tracing::warn!("a call ended after the engine: the next controller records it");
        }
    }

    /// Writes down what changed, then gives away records that are written down.
    fn save(&mut self) {
        self.settle();
        let recorded: Vec<String> = self.recorded.1.try_iter().collect();
        let ended_now = std::mem::take(&mut self.ended_now);
        let changes = self.tracker.take_changes();
        let mut kept: Vec<Kept> = changes.into_iter().filter_map(|call| self.going(call)).collect();
        kept.extend(ended_now.iter().filter_map(|uid| {
            let state = serde_json::to_string(self.ended.get(uid)?).ok()?;
            Some(Kept { uid: uid.clone(), instance: self.instance, state, is_ended: true })
        }));
        if !kept.is_empty() {
            self.tell();
        }
        let written = if kept.is_empty() { Ok(()) } else { self.journal.keep(&kept) };
        let forgotten = if recorded.is_empty() { Ok(()) } else { self.journal.forget(&recorded) };
        for uid in &recorded {
            self.ended.remove(uid);
        }
        if let Err(error) = written.and(forgotten) {
            self.failures += 1;
            tracing::error!("the journal of calls: {error}");
        }
        ended_now.iter().filter_map(|uid| self.ended.get(uid)).for_each(|ended| self.offer(ended));
    }

    fn going(&self, call: SavedCall) -> Option<Kept> {
        let carried = call.media().iter().filter_map(|stream| Some((*stream, *self.carried.get(stream)?)));
        let carried = carried.collect();
        let (uid, epoch) = (call.uid().to_owned(), self.epoch);
        let state = serde_json::to_string(&GoingCall { call, epoch, carried }).ok()?;
        Some(Kept { uid, instance: self.instance, state, is_ended: false })
    }

    fn check(&mut self, result: Result<(), DataplaneError>) {
        if let Err(error) = result {
            self.failures += 1;
            tracing::error!("following calls: {error}");
        }
    }

    /// Tells status how it stands.
    fn tell(&self) {
        let granted = self.tracker.active().map(|call| call.streams.len() as u64).sum();
        let stats = self.tracker.stats();
        let stats = [
            ("messages", stats.messages),
            ("faults", stats.faults.iter().sum()),
            ("lost-segments", self.connections.lost()),
            ("untracked", stats.untracked),
            ("mismatches", stats.mismatches.iter().sum()),
            ("retransmissions", stats.retransmissions),
            ("not-hotline", stats.not_hotline),
            ("text-messages", stats.text_messages),
            ("full", stats.full),
            ("subscriber-full", stats.subscriber_full),
            ("invited", stats.invited),
            ("answered", stats.answered),
            ("ended", stats.ended),
            ("restored", stats.restored),
            ("early-media", self.early.calls),
            ("early-media-no-call", self.early.no_calls),
            ("unrecorded", self.ended.len() as u64),
            ("refusals", stats.refusals.iter().sum()),
            ("failures", self.failures),
        ];
        self.shared.calls.store(Arc::new(CallsStatus {
            active: self.tracker.active().len() as u64,
            granted,
            stats: stats.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        }));
    }
}

/// The hotlines in force, at the domains that the proxies serve themselves.
struct Served<'a> {
    hotlines: &'a HotlineTable,
    signalling: &'a SignallingConfig,
}

impl Hotlines for Served<'_> {
    fn find(&self, dialled: &str) -> Option<HotlineMatch<'_>> {
        self.hotlines.find(dialled)
    }

    fn serves(&self, domain: &str) -> bool {
        self.signalling.serves(domain)
    }

    fn trusts(&self, host: IpAddr) -> bool {
        self.signalling.proxies.contains(&host)
    }
}

/// For a frame that was copied then, in nanoseconds of `CLOCK_MONOTONIC`: records tell when it passed, however long its copy
/// waited; timers run from now on.
fn when(copied_ns: u64) -> At {
    let now = now();
    let waited_ns = i64::try_from(now.monotonic_ns.saturating_sub(copied_ns)).unwrap_or(i64::MAX);
    let wall = now.wall.saturating_sub(SignedDuration::from_nanos(waited_ns)).unwrap_or(now.wall);
    At { wall, ..now }
}

fn now() -> At {
    At { wall: Timestamp::now(), monotonic_ns: monotonic_ns() }
}
