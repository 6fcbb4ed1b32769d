//! Following calls: copies of signalling in, grants and records out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::bytes::Frame;
use tollfree_core::counter::Usage;
use tollfree_core::event::{CopyHead, CopyKind};
use tollfree_core::flow::FlowKey;
use tollfree_core::interface::Role;
use tollfree_core::packet::{self, Start, protocol};

use super::engine::{Command, Engine};
use super::{RunError, Shared};
use crate::calls::{Action, At, CallRecord, Direction, HotlineMatch, Hotlines, Tracker, TrackerLimits};
use crate::config::{Config, SignallingConfig};
use crate::dataplane::{DataplaneError, FlowTables, monotonic_ns};
use crate::ledger::CallRow;
use crate::memory::MemoryTransports;
use crate::policy::{DomainName, HotlineTable};
use crate::status::{CallsStatus, subscriber_text};

/// How long the follower waits for a copy before it looks at its clock.
const WAIT_MS: u16 = 100;
/// How often calls are looked at that nobody ended.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// Octets of a UDP header.
const UDP_HEADER_OCTETS: usize = 8;

/// The thread that follows calls.
#[derive(Debug)]
pub(super) struct Follower {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct State {
    gateway: String,
    tracker: Tracker,
    tables: FlowTables,
    shared: Arc<Shared>,
    /// Those that calls were last held against.
    hotlines: Arc<HotlineTable>,
    signalling: SignallingConfig,
    transports: MemoryTransports,
    commands: SyncSender<Command>,
    /// Epoch of the last copy.
    epoch: u32,
    granted: u64,
    /// What streams carried whose call goes on.
    carried: HashMap<FlowKey, Usage>,
    failures: u64,
}

impl Follower {
    pub(super) fn start(
        engine: &mut Engine,
        config: &Config,
        shared: &Arc<Shared>,
        commands: SyncSender<Command>,
    ) -> Result<Self, RunError> {
        let copies = engine.parts.dataplane.take_copies()?;
        let mut tables = engine.parts.dataplane.take_flow_tables()?;
        end_orphans(&mut tables)?;
        let state = State {
            gateway: config.gateway.id.clone(),
            tracker: Tracker::new(TrackerLimits::default()),
            tables,
            shared: Arc::clone(shared),
            hotlines: shared.hotlines.load_full(),
            signalling: config.signalling.clone(),
            transports: MemoryTransports::new(&config.transports),
            commands,
            epoch: engine.parts.dataplane.control().epoch(),
            granted: 0,
            carried: HashMap::new(),
            failures: 0,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || state.run(copies, &stopped));
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic was reported when it happened.
        let _ = self.thread.join();
    }
}

/// Ends grants of calls that a controller before this one followed: nobody would hear their BYE.
fn end_orphans(tables: &mut FlowTables) -> Result<(), DataplaneError> {
    let orphans: Vec<FlowKey> = tables.grants()?.into_iter().map(|(key, _)| key).collect();
    if !orphans.is_empty() {
        tracing::warn!(
            streams = orphans.len(),
            "calls were going on when the last controller ended: charged from here on"
        );
        tables.revoke(&orphans)?;
    }
    Ok(())
}

impl State {
    fn run(mut self, mut copies: RingBuf<MapData>, stop: &AtomicBool) {
        let mut expire_at = Instant::now() + EXPIRE_INTERVAL;
        while !stop.load(Ordering::Relaxed) {
            wait(&copies);
            while let Some(record) = copies.next() {
                if let Some((head, frame)) = CopyHead::read(&record)
                    && head.kind == CopyKind::Signalling as u32
                {
                    self.take(head, frame);
                }
            }
            if expire_at <= Instant::now() {
                expire_at = Instant::now() + EXPIRE_INTERVAL;
                let actions = self.tracker.expire(now());
                self.act(actions);
                self.follow_policy();
                self.tell();
            }
        }
    }

    /// Reads one copied frame as signalling.
    fn take(&mut self, head: CopyHead, octets: &[u8]) {
        self.epoch = head.epoch;
        let role = Role::from_number(head.role);
        let Some((subscriber, proxy, payload)) = datagram(octets, role, &self.transports) else {
            self.failures += 1;
            return;
        };
        let direction = match role {
            Role::Access => Direction::Uplink,
            Role::Core => Direction::Downlink,
        };
        self.follow_policy();
        let served = Served { hotlines: &self.hotlines, signalling: &self.signalling };
        let actions = self.tracker.message(now(), direction, subscriber, proxy, payload, &served);
        if !actions.is_empty() {
            self.act(actions);
            self.tell();
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        // One grace period serves all streams that end together.
        let ending: Vec<FlowKey> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Revoke { key } => Some(*key),
                Action::Grant { .. } | Action::Ended(_) => None,
            })
            .collect();
        if !ending.is_empty() {
            self.revoke(&ending);
        }
        for action in actions {
            match action {
                Action::Grant { key, mut entry } => {
                    entry.valid_until_ns = entry.valid_until_ns.min(self.rule_end(entry.rule));
                    let granted = self.tables.grant(&key, &entry);
                    self.granted += u64::from(granted.is_ok());
                    self.check(granted);
                }
                Action::Revoke { .. } => {}
                Action::Ended(record) => self.ended(record),
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

    /// Ends grants, and keeps what their streams carried until the call's record is written.
    fn revoke(&mut self, keys: &[FlowKey]) {
        self.granted = self.granted.saturating_sub(keys.len() as u64);
        match self.tables.revoke(keys) {
            Ok(usages) => {
                for (key, usage) in keys.iter().zip(usages) {
                    *self.carried.entry(*key).or_default() += usage;
                }
            }
            Err(error) => self.check(Err(error)),
        }
    }

    /// Gives a call's record away, with what its media took.
    fn ended(&mut self, record: CallRecord) {
        let mut media = Usage::default();
        for key in &record.media {
            media += self.carried.remove(key).unwrap_or_default();
        }
        let row = Box::new(row(&self.gateway, self.epoch, record, media));
        if self.commands.send(Command::Call(row)).is_err() {
            tracing::error!("a call ended after the engine: its record is lost");
        }
    }

    fn check(&mut self, result: Result<(), DataplaneError>) {
        if let Err(error) = result {
            self.failures += 1;
            tracing::error!("following calls: {error}");
        }
    }

    /// Tells status how it stands.
    fn tell(&self) {
        let stats = self.tracker.stats();
        let stats = [
            ("messages", stats.messages),
            ("faults", stats.faults.iter().sum()),
            ("untracked", stats.untracked),
            ("mismatches", stats.mismatches.iter().sum()),
            ("retransmissions", stats.retransmissions),
            ("not-hotline", stats.not_hotline),
            ("full", stats.full),
            ("subscriber-full", stats.subscriber_full),
            ("invited", stats.invited),
            ("answered", stats.answered),
            ("ended", stats.ended),
            ("refusals", stats.refusals.iter().sum()),
            ("failures", self.failures),
        ];
        self.shared.calls.store(Arc::new(CallsStatus {
            active: self.tracker.active().count() as u64,
            granted: self.granted,
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
        let literal = domain.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            Ok(address) => self.signalling.proxies.contains(&address),
            Err(_) => {
                domain.parse::<DomainName>().is_ok_and(|domain| self.signalling.domains.contains(&domain))
            }
        }
    }
}

/// Returns when there is a copy, or after [`WAIT_MS`].
fn wait(copies: &RingBuf<MapData>) {
    let mut descriptors = [PollFd::new(copies.as_fd(), PollFlags::POLLIN)];
    // An interrupted wait is followed by another.
    let _ = poll(&mut descriptors, PollTimeout::from(WAIT_MS));
}

fn now() -> At {
    At { wall: Timestamp::now(), monotonic_ns: monotonic_ns() }
}

/// The subscriber's socket, the proxy's, and the payload of a UDP datagram; `None` for any other frame.
fn datagram<'a>(
    octets: &'a [u8],
    role: Role,
    transports: &MemoryTransports,
) -> Option<(SocketAddr, SocketAddr, &'a [u8])> {
    let packet = packet::parse(&Frame::new(octets), Start::Ethernet, 0, transports, &mut ()).ok()?;
    if packet.protocol != protocol::UDP || packet.is_fragment() || !packet.fault.is_none() {
        return None;
    }
    let end = packet.ip_offset + packet.volume_octets as usize;
    let payload = octets.get(packet.transport_offset + UDP_HEADER_OCTETS..end)?;
    let source = SocketAddr::new(packet.source.to_ip(), packet.source_port);
    let destination = SocketAddr::new(packet.destination.to_ip(), packet.destination_port);
    Some(match role {
        Role::Access => (source, destination, payload),
        Role::Core => (destination, source, payload),
    })
}

fn row(gateway: &str, epoch: u32, record: CallRecord, media: Usage) -> CallRow {
    let family = if record.subscriber.is_ipv4() { Family::V4 } else { Family::V6 };
    CallRow {
        gateway: gateway.to_owned(),
        call_id: record.call_id,
        rule: record.rule,
        number: record.number,
        caller: record.caller,
        subscriber: subscriber_text(SubscriberId::of(&Address::from(record.subscriber), family)),
        proxy: record.proxy.ip(),
        invited_at: record.invited,
        answered_at: record.answered,
        ended_at: record.ended,
        cause: record.cause.name().into(),
        epoch,
        media,
    }
}
