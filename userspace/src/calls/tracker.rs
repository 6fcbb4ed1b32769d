//! All calls to hotlines that are going on.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollfree_core::address::{Address, Family, SubscriberId};

use super::active::ActiveCall;
use super::call::{Call, Opening, Sockets, Step};
use super::dialled::{DialledNumber, request_number};
use super::fault::SipFault;
use super::hotline::{HotlineMatch, Hotlines};
use super::key::{CallKey, local_tag};
use super::limits::TrackerLimits;
use super::media::Refusal;
use super::mismatch::Mismatch;
use super::record::{CallRecord, Cause};
use super::saved::SavedCall;
use super::sip::{Message, Method, Start};
use super::stats::TrackerStats;
use super::stream::{Grant, Granted, Stream};

pub use super::call::MEDIA_PER_CALL_MAX;

/// When a datagram was seen, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// For records.
    pub wall: Timestamp,
    /// `CLOCK_MONOTONIC`, in nanoseconds: for grants and limits.
    pub monotonic_ns: u64,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
        stream: Stream,
        /// Under which rule, within which bounds.
        grant: Grant,
    },
    /// Change the bounds of a stream that is free.
    Change {
        /// Which.
        stream: Stream,
        /// Its bounds from now on.
        grant: Grant,
    },
    /// Make it charged again.
    Revoke {
        /// Which.
        stream: Stream,
    },
    /// Keep the record of a call that is over.
    Ended(CallRecord),
    /// The message itself is a text that is free.
    Text {
        /// Under which rule, by its permanent number.
        rule: u32,
    },
}

/// Follows the calls of all subscribers.
#[derive(Debug)]
pub struct Tracker {
    pub(super) limits: TrackerLimits,
    pub(super) calls: HashMap<CallKey, Call>,
    /// How many calls each subscriber has; none with zero.
    pub(super) subscribers: HashMap<SubscriberId, u32>,
    /// Which call holds a granted stream, by its ends.
    holders: HashMap<(SocketAddr, SocketAddr), CallKey>,
    /// Calls that are other than when they were last saved.
    changed: BTreeSet<CallKey>,
    pub(super) stats: TrackerStats,
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
            changed: BTreeSet::new(),
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
            uid: &call.uid,
            call_id: &key.call_id,
            rule: call.rule,
            number: &call.number,
            subscriber: call.sockets.subscriber,
            proxy: call.sockets.proxy,
            invited: call.invited.wall,
            answered: call.answered.map(|answered| answered.wall),
            streams: call.granted.iter().map(|granted| granted.stream).collect(),
            media: &call.media,
        })
    }

    /// The calls that changed since this was last asked, as they are now; those that ended are not among them.
    pub fn take_changes(&mut self) -> Vec<SavedCall> {
        let changed = std::mem::take(&mut self.changed);
        let saved = |key: CallKey| Some(SavedCall { call: self.calls.get(&key)?.clone(), key });
        changed.into_iter().filter_map(saved).collect()
    }

    /// Goes on with calls of a controller before this one, whose grants the kernel still has. A call that would take the
    /// place of another is dropped.
    pub fn restore(&mut self, saved: Vec<SavedCall>) {
        for SavedCall { key, mut call } in saved {
            if self.calls.contains_key(&key) {
                continue;
            }
            call.is_restored = true;
            for granted in &call.granted {
                self.holders.insert(granted.stream.ends(), key.clone());
            }
            *self.subscribers.entry(subscriber_id(call.sockets.subscriber)).or_default() += 1;
            self.stats.restored += 1;
            self.calls.insert(key, call);
        }
    }

    /// Takes the payload of a datagram, or a message of a connection, between a subscriber and a listed proxy.
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
                let sockets = Sockets { subscriber, proxy: Some(proxy) };
                self.dispatch(Envelope { at, direction, sockets }, &message, hotlines, &mut actions);
            }
            Err(fault) => self.stats.faults[fault.number()] += 1,
        }
        actions
    }

    /// Counts a message that a connection does not give.
    pub fn fault(&mut self, fault: &SipFault) {
        self.stats.messages += 1;
        self.stats.faults[fault.number()] += 1;
    }

    /// Packets of a stream passed at `at_ns`, in nanoseconds of `CLOCK_MONOTONIC`.
    pub fn heard(&mut self, stream: &Stream, at_ns: u64) {
        let call = self.holders.get(&stream.ends()).and_then(|key| self.calls.get_mut(key));
        let granted = call.and_then(|call| call.granted.iter_mut().find(|granted| granted.stream == *stream));
        if let Some(granted) = granted {
            granted.heard_ns = granted.heard_ns.max(at_ns);
        }
    }

    /// Ends calls that were not answered in time, last too long, or are silent; and early media that lasts too long. To be
    /// called about once a second, after [`Tracker::heard`] of every stream that was.
    pub fn expire(&mut self, at: At) -> Vec<Action> {
        let limits = self.limits;
        let mut actions = self.end_where(at, |key, call| {
            let cause = overdue(at, key, call, &limits)?;
            Some(if call.is_restored && cause != Cause::Cancelled { Cause::Partial } else { cause })
        });
        let ends = |call: &Call| call.granted.iter().any(|granted| granted.until_ns <= at.monotonic_ns);
        let ending: BTreeSet<CallKey> =
            self.calls.iter().filter(|(_, call)| ends(call)).map(|(key, _)| key.clone()).collect();
        for key in ending {
            self.settle(at, &key, &mut actions);
        }
        actions
    }

    /// Ends calls that the policy now in force does not make free, and holds the others to its terms. To be called after
    /// each activation and expiry.
    pub fn policy_changed(&mut self, at: At, hotlines: &impl Hotlines) -> Vec<Action> {
        let mut actions = self.end_where(at, |_, call| {
            let hotline = hotlines.find(&call.dialled).filter(|hotline| hotline.rule == call.rule);
            let is_listed = |granted: &Granted| {
                hotline.is_some_and(|hotline| {
                    hotline.media.iter().any(|net| net.contains(&granted.stream.remote.ip()))
                })
            };
            let is_free = hotline.is_some() && call.granted.iter().all(is_listed);
            (!is_free).then_some(Cause::PolicyEnded)
        });
        let mut other = BTreeSet::new();
        for (key, call) in &mut self.calls {
            if let Some(hotline) = hotlines.find(&call.dialled)
                && (hotline.terms, hotline.class) != (call.terms, call.class)
            {
                (call.terms, call.class) = (hotline.terms, hotline.class);
                other.insert(key.clone());
            }
        }
        for key in other {
            self.settle_anew(at, &key, &mut actions);
        }
        actions
    }

    /// Ends each call for which `cause` has one, in the order of their names.
    fn end_where(&mut self, at: At, cause: impl Fn(&CallKey, &Call) -> Option<Cause>) -> Vec<Action> {
        let over = self.calls.iter().filter_map(|(key, call)| Some((key.clone(), cause(key, call)?)));
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
        let key = CallKey { call_id: message.call_id.to_owned(), local_tag: Some(local_tag.to_owned()) };
        match (message.start, direction, message.to.tag) {
            (Start::Request { method: Method::Invite, uri }, Direction::Uplink, None) => {
                self.invite(envelope, key, message, request_number(uri), hotlines, actions);
                return;
            }
            (Start::Request { method: Method::Message, uri }, Direction::Uplink, None) => {
                self.text_message(request_number(uri), hotlines, actions);
                return;
            }
            _ => {}
        }
        let Some(call) = self.calls.get_mut(&key) else {
            self.stats.untracked += 1;
            return;
        };
        if call.sockets != envelope.sockets {
            self.stats.mismatches[Mismatch::Socket.number()] += 1;
            return;
        }
        if direction == Direction::Downlink {
            // The proxy is the operator's own.
            call.note_charging(message);
        }
        let was_answered = call.answered.is_some();
        let step = match (message.start, message.cseq.method) {
            (Start::Request { .. }, Method::Invite | Method::Update | Method::Prack | Method::Bye) => {
                call.request(direction, message, hotlines)
            }
            (Start::Request { .. }, Method::Ack) => call.acknowledge(direction, message, hotlines),
            (Start::Request { .. }, Method::Cancel) if direction == Direction::Uplink => call.cancel(message),
            (Start::Response { status }, Method::Invite | Method::Update | Method::Prack) => {
                call.respond(envelope.at, direction, message, status, hotlines)
            }
            _ => return,
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
        let dialled = served(dialled, hotlines);
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
        if self.has_room(envelope.sockets.subscriber, &hotline) {
            let is_trusted = hotlines.trusts(envelope.sockets.subscriber.ip());
            let asserted = message.asserted_identity.filter(|_| is_trusted);
            let opening = Opening {
                at: envelope.at,
                sockets: envelope.sockets,
                dialled,
                caller: asserted.unwrap_or(message.from.text).to_owned(),
                is_caller_asserted: asserted.is_some(),
                charging_id: message.charging_id.filter(|_| is_trusted).map(str::to_owned),
            };
            let call = Call::invited(&key, opening, message, &hotline);
            self.follow(key, call);
        }
    }

    /// A text to a number (RFC 3428), which its rule may free.
    fn text_message(
        &mut self,
        dialled: Option<DialledNumber<'_>>,
        hotlines: &impl Hotlines,
        actions: &mut Vec<Action>,
    ) {
        let hotline = served(dialled, hotlines).and_then(|dialled| hotlines.find(&dialled.digits));
        match hotline {
            Some(hotline) if hotline.terms.has_messages => {
                self.stats.text_messages += 1;
                actions.push(Action::Text { rule: hotline.rule });
            }
            _ => self.stats.untracked += 1,
        }
    }

    /// Follows one more call.
    pub(super) fn follow(&mut self, key: CallKey, call: Call) {
        *self.subscribers.entry(subscriber_id(call.sockets.subscriber)).or_default() += 1;
        self.changed.insert(key.clone());
        self.calls.insert(key, call);
        self.stats.invited += 1;
    }

    /// Whether one more call of `subscriber` may be followed; counts it if not.
    pub(super) fn has_room(&mut self, subscriber: SocketAddr, hotline: &HotlineMatch<'_>) -> bool {
        let limits = &self.limits;
        let (own_max, max) = if hotline.is_emergency {
            (limits.emergency_calls_per_subscriber_max, limits.calls_max + limits.emergency_calls_max)
        } else {
            (hotline.terms.calls_per_subscriber_max, limits.calls_max)
        };
        let calls = self.subscribers.get(&subscriber_id(subscriber)).copied().unwrap_or_default();
        if calls >= own_max {
            self.stats.subscriber_full += 1;
            return false;
        }
        if self.calls.len() >= max {
            self.stats.full += 1;
            return false;
        }
        true
    }

    fn apply(&mut self, at: At, key: CallKey, step: Result<Step, Mismatch>, actions: &mut Vec<Action>) {
        match step {
            Ok(Step::Retransmission) => self.stats.retransmissions += 1,
            Ok(Step::Changed(refusals)) => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.is_restored = false;
                }
                self.refuse(&key, refusals);
                self.settle(at, &key, actions);
            }
            Ok(Step::End(cause)) => self.end(at, key, cause, actions),
            Err(mismatch) => self.stats.mismatches[mismatch.number()] += 1,
        }
    }

    fn refuse(&mut self, key: &CallKey, refusals: Vec<Refusal>) {
        for refusal in refusals {
            self.stats.refusals[refusal.number()] += 1;
            if let Some(call) = self.calls.get_mut(key) {
                call.refuse(refusal);
            }
        }
    }

    /// Makes the call's free streams those that it should have, and no others.
    pub(super) fn settle(&mut self, at: At, key: &CallKey, actions: &mut Vec<Action>) {
        self.settle_streams(at, key, false, actions);
    }

    /// The same, where the terms changed: every grant is given again.
    fn settle_anew(&mut self, at: At, key: &CallKey, actions: &mut Vec<Action>) {
        self.settle_streams(at, key, true, actions);
    }

    fn settle_streams(&mut self, at: At, key: &CallKey, is_anew: bool, actions: &mut Vec<Action>) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        self.changed.insert(key.clone());
        let mut wanted = call.wanted(&self.limits);
        wanted.retain(|(_, until_ns)| *until_ns > at.monotonic_ns);
        let (before, media) = (std::mem::take(&mut call.granted), call.media.len());
        let room = MEDIA_PER_CALL_MAX - media.min(MEDIA_PER_CALL_MAX);
        let mut new = 0;
        let count = wanted.len();
        wanted.retain(|(stream, _)| {
            call.media.contains(stream) || {
                new += 1;
                new <= room
            }
        });
        let is_cut = wanted.len() < count;
        let is_wanted = |granted: &&Granted| wanted.iter().any(|(stream, _)| *stream == granted.stream);
        let gone: Vec<Stream> =
            before.iter().filter(|granted| !is_wanted(granted)).map(|granted| granted.stream).collect();
        for (stream, until_ns) in &wanted {
            let was = before.iter().find(|granted| granted.stream == *stream);
            let heard_ns = was.map_or(at.monotonic_ns, |granted| granted.heard_ns);
            call.granted.push(Granted { stream: *stream, until_ns: *until_ns, heard_ns });
            if !call.media.contains(stream) {
                call.media.push(*stream);
            }
        }
        if is_cut {
            self.refuse(key, vec![Refusal::TooManyStreams]);
        }
        for stream in gone {
            self.revoke(stream, actions);
        }
        for (stream, until_ns) in wanted {
            let was = before.iter().find(|granted| granted.stream == stream);
            if was.is_some_and(|granted| granted.until_ns == until_ns && !is_anew) {
                continue;
            }
            self.give(at, key, stream, until_ns, was.is_some(), actions);
        }
    }

    /// Grants a stream, or changes its grant. A call that another's stream had loses it and ends.
    fn give(
        &mut self,
        at: At,
        key: &CallKey,
        stream: Stream,
        until_ns: u64,
        is_granted: bool,
        actions: &mut Vec<Action>,
    ) {
        if !is_granted {
            if let Some(holder) =
                self.holders.insert(stream.ends(), key.clone()).filter(|holder| holder != key)
            {
                self.end(at, holder, Cause::Superseded, actions);
                self.holders.insert(stream.ends(), key.clone());
            }
            self.stats.granted += 1;
        }
        let Some(call) = self.calls.get(key) else {
            return;
        };
        let grant = Grant {
            rule: call.rule,
            class: call.class as u32,
            valid_until_ns: until_ns,
            rate_octets_per_second: stream.octets_per_second(&call.terms),
            silence_ns: u64::try_from(self.limits.silence_max.as_nanos()).unwrap_or(u64::MAX),
        };
        actions.push(if is_granted {
            Action::Change { stream, grant }
        } else {
            Action::Grant { stream, grant }
        });
    }

    fn revoke(&mut self, stream: Stream, actions: &mut Vec<Action>) {
        self.holders.remove(&stream.ends());
        self.stats.revoked += 1;
        actions.push(Action::Revoke { stream });
    }

    pub(super) fn end(&mut self, at: At, key: CallKey, cause: Cause, actions: &mut Vec<Action>) {
        let Some(mut call) = self.calls.remove(&key) else {
            return;
        };
        self.changed.remove(&key);
        let subscriber = subscriber_id(call.sockets.subscriber);
        if let Some(calls) = self.subscribers.get_mut(&subscriber) {
            *calls -= 1;
            if *calls == 0 {
                self.subscribers.remove(&subscriber);
            }
        }
        for granted in std::mem::take(&mut call.granted) {
            self.revoke(granted.stream, actions);
        }
        self.stats.ended += 1;
        actions.push(Action::Ended(call.into_record(key, at, cause)));
    }
}

/// What was dialled, if it is a number of this network.
fn served<'a>(dialled: Option<DialledNumber<'a>>, hotlines: &impl Hotlines) -> Option<DialledNumber<'a>> {
    dialled.filter(|dialled| {
        [dialled.host, dialled.context].into_iter().flatten().all(|domain| hotlines.serves(domain))
    })
}

/// Why a call should have ended by now.
fn overdue(at: At, key: &CallKey, call: &Call, limits: &TrackerLimits) -> Option<Cause> {
    let is_past = |since, longest| at.monotonic_ns >= after(since, longest);
    let Some(answered) = call.answered else {
        let is_late = match call.progressed {
            None => is_past(call.invited, limits.response_max),
            // A proxy that goes on telling that it rings does not do so for ever.
            Some(progressed) => {
                is_past(progressed, limits.unanswered_max) || is_past(call.invited, call.terms.duration_max)
            }
        };
        let cause = match call.progressed {
            _ if call.is_cancelled => Cause::Cancelled,
            None => Cause::NoResponse,
            Some(_) => Cause::Unanswered,
        };
        return is_late.then_some(cause);
    };
    if is_past(answered, call.terms.duration_max) {
        return Some(Cause::MaxDuration);
    }
    if call.session_ends_ns.is_some_and(|ends_ns| ends_ns <= at.monotonic_ns) {
        return Some(if key.local_tag.is_none() { Cause::Closed } else { Cause::SessionExpired });
    }
    let silence_ns = u64::try_from(limits.silence_max.as_nanos()).unwrap_or(u64::MAX);
    let heard_ns = call.granted.iter().map(|granted| granted.heard_ns).max()?;
    (at.monotonic_ns >= heard_ns.saturating_add(silence_ns)).then_some(Cause::Silence)
}

/// Whose an address is.
fn subscriber_id(socket: SocketAddr) -> SubscriberId {
    let family = if socket.is_ipv4() { Family::V4 } else { Family::V6 };
    SubscriberId::of(&Address::from(socket.ip()), family)
}

/// The time `span` after `at`, in nanoseconds of `CLOCK_MONOTONIC`.
pub(super) fn after(at: At, span: Duration) -> u64 {
    at.monotonic_ns.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
