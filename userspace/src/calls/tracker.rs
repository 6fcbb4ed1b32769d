//! All calls to hotlines that are going on.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::flow::{FlowKey, GrantEntry};

use super::call::{Call, CallKey, Mismatch, Sockets, Step, local_tag};
use super::dialled::{DialledNumber, request_number};
use super::hotline::Hotlines;
use super::media::{Negotiated, Refusal};
use super::record::{CallRecord, Cause};
use super::sip::{Message, Method, Start};
use super::stats::TrackerStats;

/// What a stream may carry each way, in octets of volume a second. Reason: 128 kbit/s is more than any telephone codec
/// needs with its headers (G.711 in packets of 20 ms: 80 kbit/s).
const MEDIA_OCTETS_PER_SECOND: u32 = 16_000;
/// How long a stream may be silent, in nanoseconds. Reason: held calls send comfort noise or reports every few seconds
/// (RFC 3550, section 6.2); two minutes without either is no call.
const MEDIA_SILENCE_NS: u64 = 120 * 1_000_000_000;

/// Streams kept for one call over its life. Reason: each hold, transfer and change of network makes one; past
/// this, a cheat is probing ports.
pub const MEDIA_PER_CALL_MAX: usize = 16;

/// When a datagram was seen, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// For records.
    pub wall: Timestamp,
    /// `CLOCK_MONOTONIC`, in nanoseconds: for grants and limits.
    pub monotonic_ns: u64,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the subscriber.
    Uplink,
    /// To the subscriber.
    Downlink,
}

impl Direction {
    /// The other one.
    pub(super) const fn opposite(self) -> Self {
        match self {
            Self::Uplink => Self::Downlink,
            Self::Downlink => Self::Uplink,
        }
    }
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a stream free.
    Grant {
        /// Which.
        key: FlowKey,
        /// Under which rule, until when.
        entry: GrantEntry,
    },
    /// Make it charged again.
    Revoke {
        /// Which.
        key: FlowKey,
    },
    /// Keep the record of a call that is over.
    Ended(CallRecord),
}

/// Bounds of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerLimits {
    /// Calls followed at once.
    pub calls_max: usize,
    /// Calls of one subscriber (IPv4 address or IPv6 /64) at once.
    pub calls_per_subscriber_max: usize,
    /// How long a call may stay unanswered.
    pub unanswered_max: Duration,
    /// How long an answered call may last.
    pub duration_max: Duration,
}

impl TrackerLimits {
    /// Reason: half of what the kernel grants at once, about 2 KiB each.
    pub const CALLS_MAX: usize = 32_768;
    /// Reason: a person makes one; a household behind one address, or a second attempt, a few.
    pub const CALLS_PER_SUBSCRIBER_MAX: usize = 4;
    /// Reason: a proxy gives an INVITE up after three minutes (timer C, RFC 3261, section 16.6).
    pub const UNANSWERED_MAX: Duration = Duration::from_mins(3);
    /// Reason: bounds what a lost BYE gives away; hotlines' queues and advice together stay below it.
    pub const DURATION_MAX: Duration = Duration::from_hours(4);
}

impl Default for TrackerLimits {
    fn default() -> Self {
        Self {
            calls_max: Self::CALLS_MAX,
            calls_per_subscriber_max: Self::CALLS_PER_SUBSCRIBER_MAX,
            unanswered_max: Self::UNANSWERED_MAX,
            duration_max: Self::DURATION_MAX,
        }
    }
}

/// A call that is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveCall<'a> {
    /// `Call-ID`.
    pub call_id: &'a str,
    /// The hotline's rule, by its permanent number.
    pub rule: u32,
    /// The hotline's number in its national form.
    pub number: &'a str,
    /// Where the subscriber's signalling comes from.
    pub subscriber: SocketAddr,
    /// The signalling proxy.
    pub proxy: SocketAddr,
    /// When the first INVITE was seen.
    pub invited: Timestamp,
    /// When the 200 was seen, if it was.
    pub answered: Option<Timestamp>,
    /// What is free now.
    pub streams: &'a [FlowKey],
}

/// Follows the calls of all subscribers.
#[derive(Debug)]
pub struct Tracker {
    limits: TrackerLimits,
    calls: HashMap<CallKey, Call>,
    /// How many calls each subscriber has; none with zero.
    subscribers: HashMap<SubscriberId, usize>,
    /// Which call holds a granted stream.
    holders: HashMap<FlowKey, CallKey>,
    stats: TrackerStats,
}

/// What a message came with.
#[derive(Clone, Copy)]
struct Envelope {
    at: At,
    direction: Direction,
    sockets: Sockets,
}

impl Tracker {
    /// Follows no call yet.
    pub fn new(limits: TrackerLimits) -> Self {
        Self {
            limits,
            calls: HashMap::new(),
            subscribers: HashMap::new(),
            holders: HashMap::new(),
            stats: TrackerStats::default(),
        }
    }

    /// What happened so far.
    pub fn stats(&self) -> &TrackerStats {
        &self.stats
    }

    /// The calls going on, in no order.
    pub fn active(&self) -> impl ExactSizeIterator<Item = ActiveCall<'_>> {
        self.calls.iter().map(|(key, call)| ActiveCall {
            call_id: &key.call_id,
            rule: call.rule,
            number: &call.number,
            subscriber: call.sockets.subscriber,
            proxy: call.sockets.proxy,
            invited: call.invited.wall,
            answered: call.answered.map(|answered| answered.wall),
            streams: &call.streams,
        })
    }

    /// Takes the payload of a datagram between a subscriber and a listed proxy.
    ///
    /// Times must not go back. What cannot be read or does not fit its call changes nothing and is counted.
    pub fn message(
        &mut self,
        at: At,
        direction: Direction,
        subscriber: SocketAddr,
        proxy: SocketAddr,
        payload: &[u8],
        hotlines: &impl Hotlines,
    ) -> Vec<Action> {
        self.stats.messages += 1;
        let mut actions = Vec::new();
        match Message::parse(payload) {
            Ok(message) => {
                let envelope = Envelope { at, direction, sockets: Sockets { subscriber, proxy } };
                self.dispatch(envelope, &message, hotlines, &mut actions);
            }
            Err(fault) => self.stats.faults[fault.number()] += 1,
        }
        actions
    }

    /// Ends calls that were not answered in time or last too long. To be called about once a second.
    pub fn expire(&mut self, at: At) -> Vec<Action> {
        let limits = self.limits;
        self.end_where(at, |call| {
            let (since, longest, cause) = match call.answered {
                Some(answered) => (answered, limits.duration_max, Cause::MaxDuration),
                None if call.is_cancelled => (call.invited, limits.unanswered_max, Cause::Cancelled),
                None => (call.invited, limits.unanswered_max, Cause::Unanswered),
            };
            (at.monotonic_ns >= after(since, longest)).then_some(cause)
        })
    }

    /// Ends calls that the policy now in force does not make free. To be called after each activation and
    /// expiry.
    pub fn policy_changed(&mut self, at: At, hotlines: &impl Hotlines) -> Vec<Action> {
        self.end_where(at, |call| {
            let hotline = hotlines.find(&call.dialled).filter(|hotline| hotline.rule == call.rule);
            let is_listed = |stream: &FlowKey| {
                hotline.is_some_and(|hotline| {
                    hotline.media.iter().any(|net| net.contains(&stream.remote.to_ip()))
                })
            };
            let is_free = hotline.is_some() && call.streams.iter().all(is_listed);
            (!is_free).then_some(Cause::PolicyEnded)
        })
    }

    /// Ends each call for which `cause` has one, in the order of their names.
    fn end_where(&mut self, at: At, cause: impl Fn(&Call) -> Option<Cause>) -> Vec<Action> {
        let over = self.calls.iter().filter_map(|(key, call)| Some((key.clone(), cause(call)?)));
        let mut over: Vec<_> = over.collect();
        over.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut actions = Vec::new();
        for (key, cause) in over {
            self.end(at, key, cause, &mut actions);
        }
        actions
    }

    fn dispatch(
        &mut self,
        envelope: Envelope,
        message: &Message<'_>,
        hotlines: &impl Hotlines,
        actions: &mut Vec<Action>,
    ) {
        let direction = envelope.direction;
        let is_request = matches!(message.start, Start::Request { .. });
        let Some(local_tag) = local_tag(direction, is_request, message) else {
            self.stats.untracked += 1;
            return;
        };
        let key = CallKey { call_id: message.call_id.to_owned(), local_tag: local_tag.to_owned() };
        if let (Start::Request { method: Method::Invite, uri }, Direction::Uplink, None) =
            (message.start, direction, message.to.tag)
        {
            self.invite(envelope, key, message, request_number(uri), hotlines, actions);
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else {
            self.stats.untracked += 1;
            return;
        };
        if call.sockets != envelope.sockets {
            self.stats.mismatches[Mismatch::Socket.number()] += 1;
            return;
        }
        let was_answered = call.answered.is_some();
        let step = match (message.start, message.cseq.method) {
            (Start::Request { .. }, Method::Invite | Method::Update | Method::Bye) => {
                call.request(direction, message)
            }
            (Start::Request { .. }, Method::Ack) => call.acknowledge(direction, message, hotlines),
            (Start::Request { .. }, Method::Cancel) if direction == Direction::Uplink => call.cancel(message),
            (Start::Response { status }, Method::Invite | Method::Update) => {
                call.respond(envelope.at, direction, message, status, hotlines)
            }
            _ => Ok(Step::Nothing),
        };
        self.stats.answered += u64::from(!was_answered && call.answered.is_some());
        self.apply(envelope.at, key, step, actions);
    }

    /// An INVITE outside a dialog, from a subscriber.
    fn invite(
        &mut self,
        envelope: Envelope,
        key: CallKey,
        message: &Message<'_>,
        dialled: Option<DialledNumber<'_>>,
        hotlines: &impl Hotlines,
        actions: &mut Vec<Action>,
    ) {
        let dialled = dialled.filter(|dialled| {
            [dialled.host, dialled.context].into_iter().flatten().all(|domain| hotlines.serves(domain))
        });
        if let Some(call) = self.calls.get_mut(&key) {
            if call.sockets != envelope.sockets {
                self.stats.mismatches[Mismatch::Socket.number()] += 1;
                return;
            }
            let is_same = dialled.as_ref().is_some_and(|dialled| dialled.digits == call.dialled);
            if is_same || call.answered.is_some() {
                let step = call.invited_again(message);
                self.apply(envelope.at, key, step, actions);
                return;
            }
            // One of the two INVITEs may never reach the proxy, so neither says where the call goes.
            self.end(envelope.at, key.clone(), Cause::Redialled, actions);
        }
        let listed = dialled.and_then(|dialled| Some((hotlines.find(&dialled.digits)?, dialled.digits)));
        let Some((hotline, dialled)) = listed else {
            self.stats.not_hotline += 1;
            return;
        };
        if self.has_room(envelope.sockets.subscriber) {
            let call = Call::new(envelope.at, envelope.sockets, message, dialled, &hotline);
            *self.subscribers.entry(subscriber_id(call.sockets.subscriber)).or_default() += 1;
            self.calls.insert(key, call);
            self.stats.invited += 1;
        }
    }

    /// Whether one more call of `subscriber` may be followed; counts it if not.
    fn has_room(&mut self, subscriber: SocketAddr) -> bool {
        let calls = self.subscribers.get(&subscriber_id(subscriber)).copied().unwrap_or_default();
        if calls >= self.limits.calls_per_subscriber_max {
            self.stats.subscriber_full += 1;
            return false;
        }
        if self.calls.len() >= self.limits.calls_max {
            self.stats.full += 1;
            return false;
        }
        true
    }

    fn apply(&mut self, at: At, key: CallKey, step: Result<Step, Mismatch>, actions: &mut Vec<Action>) {
        match step {
            Ok(Step::Nothing) => {}
            Ok(Step::Retransmission) => self.stats.retransmissions += 1,
            Ok(Step::Negotiated(negotiated)) => self.negotiated(at, &key, negotiated, actions),
            Ok(Step::End(cause)) => self.end(at, key, cause, actions),
            Err(mismatch) => self.stats.mismatches[mismatch.number()] += 1,
        }
    }

    /// Makes the call's free streams those negotiated, and no others.
    fn negotiated(&mut self, at: At, key: &CallKey, negotiated: Negotiated, actions: &mut Vec<Action>) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        let Negotiated { mut keys, mut refusals } = negotiated;
        let held = call.media.len();
        keys.retain(|stream| call.media.contains(stream) || held < MEDIA_PER_CALL_MAX);
        if keys.is_empty() && refusals.is_empty() {
            refusals.push(Refusal::TooManyStreams);
        }
        for refusal in refusals {
            self.stats.refusals[refusal.number()] += 1;
            call.refuse(refusal);
        }
        let before = std::mem::replace(&mut call.streams, keys.clone());
        call.media
            .extend(keys.iter().filter(|stream| !call.media.contains(stream)).copied().collect::<Vec<_>>());
        let answered = call.answered.unwrap_or(at);
        let entry = GrantEntry {
            octets_per_second: MEDIA_OCTETS_PER_SECOND,
            silence_ns: MEDIA_SILENCE_NS,
            ..GrantEntry::new(call.rule, call.class, after(answered, self.limits.duration_max))
        };
        for stream in before.iter().filter(|stream| !keys.contains(stream)) {
            self.revoke(*stream, actions);
        }
        for stream in keys.into_iter().filter(|stream| !before.contains(stream)) {
            if let Some(holder) = self.holders.insert(stream, key.clone()) {
                self.end(at, holder, Cause::Superseded, actions);
                self.holders.insert(stream, key.clone());
            }
            self.stats.granted += 1;
            actions.push(Action::Grant { key: stream, entry });
        }
    }

    fn revoke(&mut self, stream: FlowKey, actions: &mut Vec<Action>) {
        self.holders.remove(&stream);
        self.stats.revoked += 1;
        actions.push(Action::Revoke { key: stream });
    }

    fn end(&mut self, at: At, key: CallKey, cause: Cause, actions: &mut Vec<Action>) {
        let Some(mut call) = self.calls.remove(&key) else {
            return;
        };
        let subscriber = subscriber_id(call.sockets.subscriber);
        if let Some(calls) = self.subscribers.get_mut(&subscriber) {
            *calls -= 1;
            if *calls == 0 {
                self.subscribers.remove(&subscriber);
            }
        }
        for stream in std::mem::take(&mut call.streams) {
            self.revoke(stream, actions);
        }
        self.stats.ended += 1;
        actions.push(Action::Ended(call.into_record(key, at, cause)));
    }
}

/// Whose an address is.
fn subscriber_id(socket: SocketAddr) -> SubscriberId {
    let family = if socket.is_ipv4() { Family::V4 } else { Family::V6 };
    SubscriberId::of(&Address::from(socket.ip()), family)
}

/// The time `span` after `at`, in nanoseconds of `CLOCK_MONOTONIC`.
fn after(at: At, span: Duration) -> u64 {
    at.monotonic_ns.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
