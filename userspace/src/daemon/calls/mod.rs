//! Following calls: copies of signalling and requests in, grants and records out.

mod awaited;
mod kept;
mod records;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tollfree_core::address::Address;
use tollfree_core::event::CopyKind;
use tollfree_core::flow::{FlowKey, GrantEntry, Verdict};
use tollfree_core::packet::protocol;
use tollfree_core::plan::RuleEntry;
use tollfree_core::reason::Reason;

use self::awaited::Awaited;
use self::kept::EndedCall;
use super::copies::{CopiedFrame, read};
use super::engine::{Command, Engine};
use super::evidence::{EvidenceParts, EvidenceReader};
use super::{RunError, Shared};
use crate::api::{CallRequest, LiveCall, LiveStream};
use crate::calls::connections::Connections;
use crate::calls::frame::{Carried, FrameReader};
use crate::calls::{
    Action, At, CallRecord, Direction, HotlineMatch, Hotlines, MediaUsage, Stream, Tracker, TrackerLimits,
};
use crate::config::{Config, SignallingConfig};
use crate::dataplane::{DataplaneError, FlowTables, monotonic_ns};
use crate::ledger::CallJournal;
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
    awaited: Awaited,
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
    failures: u64,
    next: Due,
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
        let awaited = Awaited::new(engine.parts.dataplane.verdict_table()?);
        let now = Instant::now();
        let mut state = State {
            gateway: config.gateway.id.clone(),
            tracker: Tracker::new(TrackerLimits::default()),
            reader: FrameReader::default(),
            connections: Connections::default(),
            tables,
            awaited,
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
                    let decided = self.awaited.text(frame.flow, text);
                    self.check(decided);
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
        let decided = self.tables.granted(&key).and_then(|grant| {
            let live = grant.filter(|grant| monotonic_ns() < grant.valid_until_ns);
            let free = live.map(|grant| self.free(grant.rule, Reason::Call));
            self.awaited.stream(frame.flow, free)
        });
        self.check(decided);
    }

    /// What a rule that frees something says of it.
    fn free(&self, rule: u32, reason: Reason) -> Verdict {
        Verdict { rule, reason: if self.is_observed(rule) { Reason::Observed } else { reason } }
    }

    /// A stream that was no call's when it began is one now: what it carried before is not the call's.
    fn begin_anew(&mut self, key: &FlowKey) -> Result<(), DataplaneError> {
        match self.tables.carried(key)? {
            Some(flow) if self.awaited.is_of_no_call(&flow)? => self.tables.forget(key),
            _ => Ok(()),
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

    fn check(&mut self, result: Result<(), DataplaneError>) {
        if let Err(error) = result {
            self.failures += 1;
            tracing::error!("following calls: {error}");
        }
    }

    /// Tells status how it stands.
    fn tell(&self) {
        let granted = self.tracker.active().map(|call| call.streams.len() as u64).sum();
        let (early, early_no_call) = self.awaited.streams();
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
            ("early-media", early),
            ("early-media-no-call", early_no_call),
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
