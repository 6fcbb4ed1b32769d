//! The decision: whose packet it is, and whether he pays.

use core::ops::Deref;

use crate::address::{Address, Family, SubscriberId};
use crate::event::CopyKind;
use crate::flow::{FlowCells, FlowKey, FragmentEntry, FragmentKey, GrantEntry, NO_RULE, Promise, Words};
use crate::interface::Role;
use crate::limits::{
    EVIDENCE_OCTETS_MAX, EVIDENCE_PACKETS_MAX, FRAGMENT_LIFETIME_NS, MATCHERS_MAX, MEDIA_BURST_OCTETS,
    MEDIA_COPIES_MAX, SECOND_NS,
};
use crate::packet::{Packet, protocol};
use crate::plan::{ClassEntry, Evidence, Local, MatchSet, Matcher, RuleClass, RuleEntry};
use crate::quota::{QuotaCells, QuotaKey};
use crate::reason::{Bucket, Reason};

/// DNS's port, of UDP and of TCP (RFC 1035, section 4.2).
pub const DNS_PORT: u16 = 53;

/// Octets of a TCP header without options (RFC 9293, section 3.1).
const TCP_HEADER_OCTETS_MIN: u16 = 20;

/// What the decision looks things up in: maps in the kernel, collections in userspace. All of one plan.
pub trait Tables: Words {
    /// A flow in its place.
    type Flow<'a>: Deref<Target = FlowCells>
    where
        Self: 'a;
    /// What a subscriber used of a rule, in its place.
    type Quota<'a>: Deref<Target = QuotaCells>
    where
        Self: 'a;

    /// What `address` is on the subscribers' side.
    fn local(&self, address: &Address, family: Family) -> Local;
    /// What the remote `address` is.
    fn class(&self, address: &Address, family: Family) -> ClassEntry;
    /// The match set with this number.
    fn match_set(&self, match_set: u32) -> Option<&MatchSet>;
    /// The rule at this place in the plan.
    fn rule(&self, rule_index: u16) -> Option<RuleEntry>;
    /// The place of the rule with this permanent number, if the match set has it for this port of the protocol with this bit
    /// ([`Matcher::bit`]).
    fn place_of(&self, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16>;
    /// The grant of a free call's media stream.
    fn grant(&self, key: &FlowKey) -> Option<GrantEntry>;
    /// The flow, over or not.
    fn flow(&self, key: &FlowKey) -> Option<Self::Flow<'_>>;
    /// Opens a flow, under a number that none was given before; where there is one already, only if it `replaces` that. A
    /// full table has no place for it. It counts as its subscriber's once it is in its place.
    fn open_flow(&self, key: &FlowKey, now_ns: u64, promise: Promise, replaces: bool);
    /// Whether a subscriber may have one more flow.
    fn admit_flow(&self, subscriber: SubscriberId) -> bool;
    /// What evidence said of the flow with this number.
    fn verdict(&self, flow: u64) -> Option<Promise>;
    /// Until when the subscriber may know addresses that userspace is still learning, or `remote` may be one of those,
    /// whichever is later, in nanoseconds of `CLOCK_MONOTONIC`; 0: nothing of that is known.
    fn heard_until_ns(&self, subscriber: SubscriberId, remote: &Address) -> u64;
    /// Until when userspace may still be reading signalling of the subscriber's, in nanoseconds of `CLOCK_MONOTONIC`; 0: he
    /// has none.
    fn signalled_until_ns(&self, subscriber: SubscriberId) -> u64;
    /// Gives a SIP MESSAGE a number, as if it were a flow that awaits evidence; `None`: the subscriber's last was too short
    /// a time ago.
    fn begin_text(&self, subscriber: SubscriberId) -> Option<u64>;
    /// Counts payload of a rule's flow that was sent before.
    fn count_sent_again(&self, rule: u32, role: Role, octets: u32);
    /// What a subscriber used of a rule, from nothing on where nothing is known; `None`: the table is full.
    fn quota(&self, key: &QuotaKey) -> Option<Self::Quota<'_>>;
    /// The end of some day, in nanoseconds of `CLOCK_MONOTONIC`.
    fn day_ends_ns(&self) -> u64;
    /// What the first fragment of a datagram told.
    fn fragment(&self, key: &FragmentKey) -> Option<FragmentEntry>;
    /// Remembers what a first fragment told.
    fn remember_fragment(&self, key: &FragmentKey, entry: &FragmentEntry);
    /// Forgets a datagram.
    fn forget_fragment(&self, key: &FragmentKey);
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    fn now_ns(&self) -> u64;
}

/// What the classifier says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whose it is; [`SubscriberId::NONE`] if nobody's.
    pub subscriber: SubscriberId,
    /// The rule's permanent number; 0 where no rule is concerned.
    pub rule: u32,
    /// Why, and so in which bucket.
    pub reason: Reason,
    /// How it is tagged.
    pub tag: Option<RuleClass>,
    /// What a copy goes to userspace for.
    pub copy: CopyKind,
    /// The number of the flow, or SIP MESSAGE, that awaits evidence; 0 where none does.
    pub flow: u64,
}

impl Decision {
    /// A packet that is no subscriber's.
    #[inline(always)]
    pub const fn unattributed(reason: Reason) -> Self {
        Self { subscriber: SubscriberId::NONE, rule: 0, reason, tag: None, copy: CopyKind::None, flow: 0 }
    }

    #[inline(always)]
    const fn charged(subscriber: SubscriberId, rule: u32, reason: Reason) -> Self {
        Self { subscriber, rule, reason, tag: None, copy: CopyKind::None, flow: 0 }
    }

    /// The volume that is counted of a `packet`, in octets of inner IP length.
    #[inline(always)]
    pub const fn volume_octets(&self, packet: &Packet) -> u32 {
        if packet.tunnel_fragment { 0 } else { packet.volume_octets }
    }
}

/// Decides one packet that arrived on an interface of `role`; SIP is UDP to or from `sip_port` of a proxy.
#[inline(always)]
pub fn decide<T: Tables>(tables: &T, role: Role, sip_port: u16, packet: &Packet) -> Decision {
    if packet.tunnel_fragment {
        return Decision::unattributed(Reason::TunnelFragment);
    }
    let subscriber = match attribute(tables, role, packet) {
        Ok(subscriber) => subscriber,
        Err(reason) => return Decision::unattributed(reason),
    };
    if let Some(reason) = packet.fault.reason() {
        return Decision::charged(subscriber, 0, reason);
    }
    if packet.quote.is_there
        && let Some(rule) = quoted_rule(tables, role, packet)
    {
        return Decision::charged(subscriber, rule, Reason::IcmpError);
    }
    let remote = match role {
        Role::Access => &packet.destination,
        Role::Core => &packet.source,
    };
    let class = tables.class(remote, packet.family);
    // Nearly all traffic ends here.
    if class.flags == 0 && !may_be_learned(tables, packet, subscriber, remote) {
        return Decision::charged(subscriber, 0, Reason::NotListed);
    }
    if let Some(reason) = never_free(packet) {
        return Decision::charged(subscriber, 0, reason);
    }
    let (source_port, destination_port) = match ports(tables, packet) {
        Ok(ports) => ports,
        Err(reason) => return Decision::charged(subscriber, 0, reason),
    };
    let key = flow_key(role, packet, source_port, destination_port);
    if class.has(ClassEntry::SIGNALLING) && key.remote_port == sip_port {
        return decide_signalling(tables, role, packet, subscriber, class);
    }
    if class.has(ClassEntry::RESOLVER) && key.remote_port == DNS_PORT {
        return Decision { copy: names_copy(packet), ..Decision::charged(subscriber, 0, Reason::Dns) };
    }
    if class.has(ClassEntry::MEDIA)
        && let Some(decision) = decide_media(tables, role, packet, subscriber, &key, class)
    {
        return decision;
    }
    if class.flags == 0 || class.has(ClassEntry::CANDIDATE) {
        return decide_candidate(tables, role, packet, subscriber, &key, class);
    }
    Decision::charged(
        subscriber,
        0,
        if class.has(ClassEntry::MEDIA) { Reason::NoCall } else { Reason::NotListed },
    )
}

/// Whether the remote address, which is in no rule, may be one that the subscriber has just learned, and userspace is
/// still learning: then its flow is waited with. A fragment does not say enough to be waited with.
#[inline(always)]
fn may_be_learned<T: Tables>(
    tables: &T,
    packet: &Packet,
    subscriber: SubscriberId,
    remote: &Address,
) -> bool {
    let until_ns = tables.heard_until_ns(subscriber, remote);
    until_ns != 0 && tables.now_ns() < until_ns && !packet.is_fragment() && never_free(packet).is_none()
}

/// What DNS to or from a trusted resolver is copied for. A whole datagram shows which name it is about.
#[inline(always)]
const fn names_copy(packet: &Packet) -> CopyKind {
    if packet.protocol == protocol::UDP && !packet.is_fragment() {
        CopyKind::NamesListed
    } else {
        CopyKind::Names
    }
}

/// A packet's ports; of a fragment, those of its datagram's first.
#[inline(always)]
fn ports<T: Tables>(tables: &T, packet: &Packet) -> Result<(u16, u16), Reason> {
    if !packet.is_fragment() {
        return Ok((packet.source_port, packet.destination_port));
    }
    if packet.tiny_fragment {
        return Err(Reason::FragmentTiny);
    }
    let key = FragmentKey {
        source: packet.source,
        destination: packet.destination,
        identification: packet.identification,
        protocol: u32::from(packet.protocol),
    };
    // A fragment that would be put over the TCP header (RFC 3128).
    if packet.later_fragment
        && packet.protocol == protocol::TCP
        && packet.fragment_octets < TCP_HEADER_OCTETS_MIN
    {
        tables.forget_fragment(&key);
        return Err(Reason::FragmentOverlap);
    }
    let now_ns = tables.now_ns();
    let first = match tables.fragment(&key) {
        Some(first) if now_ns.saturating_sub(first.seen_ns) < FRAGMENT_LIFETIME_NS => Some(first),
        _ => None,
    };
    if packet.later_fragment {
        return first.map(|first| (first.source_port, first.destination_port)).ok_or(Reason::Fragment);
    }
    let (source_port, destination_port) = (packet.source_port, packet.destination_port);
    match first {
        Some(first) if (first.source_port, first.destination_port) != (source_port, destination_port) => {
            tables.forget_fragment(&key);
            Err(Reason::FragmentOverlap)
        }
        _ => {
            let entry = FragmentEntry { seen_ns: now_ns, source_port, destination_port, reserved: 0 };
            tables.remember_fragment(&key, &entry);
            Ok((source_port, destination_port))
        }
    }
}

/// Whose packet it is: the source of what arrives from the access side, the destination of what arrives from the
/// core side.
#[inline(always)]
fn attribute<T: Tables>(tables: &T, role: Role, packet: &Packet) -> Result<SubscriberId, Reason> {
    let (ours, theirs) = match role {
        Role::Access => (&packet.source, &packet.destination),
        Role::Core => (&packet.destination, &packet.source),
    };
    match tables.local(ours, packet.family) {
        Local::Subscriber => {}
        Local::Own => return Err(Reason::Own),
        Local::Foreign => {
            return Err(match (role, tables.local(theirs, packet.family)) {
                (_, Local::Own) => Reason::Own,
                (Role::Access, _) | (Role::Core, Local::Subscriber) => Reason::Spoofed,
                (Role::Core, Local::Foreign) => Reason::Transit,
            });
        }
    }
    // A subscriber's address cannot send from the internet.
    if matches!(role, Role::Core) && matches!(tables.local(theirs, packet.family), Local::Subscriber) {
        return Err(Reason::Spoofed);
    }
    Ok(SubscriberId::of(ours, packet.family))
}

/// Why a packet cannot be free, whatever its address.
#[inline(always)]
const fn never_free(packet: &Packet) -> Option<Reason> {
    match packet.protocol {
        protocol::ICMP | protocol::ICMPV6 => Some(Reason::Icmp),
        protocol::TCP if packet.control_payload => Some(Reason::ControlPayload),
        protocol::TCP | protocol::UDP => None,
        _ => Some(Reason::OtherProtocol),
    }
}

#[inline(always)]
fn flow_key(role: Role, packet: &Packet, source_port: u16, destination_port: u16) -> FlowKey {
    let protocol = u32::from(packet.protocol);
    match role {
        Role::Access => FlowKey {
            subscriber: packet.source,
            remote: packet.destination,
            subscriber_port: source_port,
            remote_port: destination_port,
            protocol,
        },
        Role::Core => FlowKey {
            subscriber: packet.destination,
            remote: packet.source,
            subscriber_port: destination_port,
            remote_port: source_port,
            protocol,
        },
    }
}

/// SIP to or from a proxy. A MESSAGE in one datagram waits for what userspace says of its number, where a rule frees some.
#[inline(always)]
fn decide_signalling<T: Tables>(
    tables: &T,
    role: Role,
    packet: &Packet,
    subscriber: SubscriberId,
    class: ClassEntry,
) -> Decision {
    let charged =
        Decision { copy: CopyKind::Signalling, ..Decision::charged(subscriber, 0, Reason::Signalling) };
    let may_be_free = class.has(ClassEntry::TEXTS)
        && matches!(role, Role::Access)
        && packet.is_text
        && !packet.is_fragment();
    if !may_be_free {
        return charged;
    }
    match tables.begin_text(subscriber) {
        Some(flow) => Decision { reason: Reason::AwaitingEvidence, flow, ..charged },
        None => Decision { reason: Reason::TextRate, ..charged },
    }
}

/// A packet to or from a media network: free exactly where a live grant says so. Where the subscriber has just signalled,
/// the grant may be about to be written, and its stream is waited with.
#[inline(always)]
fn decide_media<T: Tables>(
    tables: &T,
    role: Role,
    packet: &Packet,
    subscriber: SubscriberId,
    key: &FlowKey,
    class: ClassEntry,
) -> Option<Decision> {
    let found = tables.grant(key);
    let now_ns = tables.now_ns();
    let is_granted = found.is_some();
    let grant = found.unwrap_or(AWAITED);
    if is_granted {
        if let Some(reason) = refusal(tables, packet, key, &grant, now_ns) {
            return Some(Decision::charged(subscriber, grant.rule, reason));
        }
    } else if !may_be_granted(tables, packet, subscriber, class, now_ns) {
        return None;
    }
    // The call proves that the subscriber wants this stream, so either side may send first; calls are bounded by
    // themselves.
    let bounded = if is_granted { None } else { Some(subscriber) };
    let passing = Passing { key, role, packet, now_ns, may_open: true, bounded };
    let verdict = if is_granted { 0 } else { Reason::AwaitingEvidence as u32 };
    let flow = match pass(tables, &passing, Promise::new(grant.rule, verdict)) {
        Ok(flow) => flow,
        Err(reason) => return Some(Decision::charged(subscriber, grant.rule, reason)),
    };
    flow.see_rtp(tables, role, packet);
    if told(tables, &flow, NO_RULE).is_none() && !is_granted {
        return Some(await_call(tables, role, subscriber, &flow));
    }
    if !is_granted {
        return Some(Decision::charged(subscriber, 0, Reason::NoCall));
    }
    let age_ns = now_ns.saturating_sub(flow.opened_ns(tables));
    if grant.octets_per_second != GrantEntry::NO_RATE
        && flow.octets(tables, role) > media_octets_max(grant.octets_per_second, age_ns)
    {
        return Some(Decision::charged(subscriber, grant.rule, Reason::MediaRate));
    }
    if grant.flags & RuleEntry::OBSERVED != 0 {
        return Some(Decision::charged(subscriber, grant.rule, Reason::Observed));
    }
    Some(Decision {
        subscriber,
        rule: grant.rule,
        reason: Reason::Call,
        tag: Some(RuleClass::from_number(grant.class)),
        copy: CopyKind::None,
        flow: 0,
    })
}

/// What holds for a stream that may be granted.
const AWAITED: GrantEntry = GrantEntry::new(NO_RULE, RuleClass::Free, u64::MAX);

/// Why a packet of a stream that is granted is not free, whatever it carried.
#[inline(always)]
fn refusal<T: Tables>(
    tables: &T,
    packet: &Packet,
    key: &FlowKey,
    grant: &GrantEntry,
    now_ns: u64,
) -> Option<Reason> {
    if now_ns >= grant.valid_until_ns {
        return Some(Reason::Expired);
    }
    if !packet.is_rtp {
        return Some(Reason::MediaShape);
    }
    let flow = tables.flow(key)?;
    let is_silent = now_ns.saturating_sub(flow.last_seen_ns(tables)) >= grant.silence_ns;
    if is_silent { Some(Reason::MediaSilent) } else { None }
}

/// Whether a packet looks like that of a stream whose grant is about to be written. A fragment does not say enough to be
/// waited with; what rules list is theirs to decide.
#[inline(always)]
fn may_be_granted<T: Tables>(
    tables: &T,
    packet: &Packet,
    subscriber: SubscriberId,
    class: ClassEntry,
    now_ns: u64,
) -> bool {
    packet.is_rtp
        && !packet.is_fragment()
        && !class.has(ClassEntry::CANDIDATE)
        && now_ns < tables.signalled_until_ns(subscriber)
}

/// A stream that nothing has been said of yet. It waits with no more than a call may have in a burst: there is no rate yet.
#[inline(always)]
fn await_call<T: Tables>(tables: &T, role: Role, subscriber: SubscriberId, flow: &FlowCells) -> Decision {
    if flow.octets(tables, role) > MEDIA_BURST_OCTETS {
        return Decision::charged(subscriber, 0, Reason::NoCall);
    }
    let is_copied = flow.packets(tables) <= MEDIA_COPIES_MAX;
    Decision {
        subscriber,
        rule: 0,
        reason: Reason::AwaitingEvidence,
        tag: None,
        copy: if is_copied { CopyKind::Media } else { CopyKind::None },
        flow: flow.number(tables),
    }
}

/// What a stream may have carried one way after `age_ns` of its life, in octets of volume. A bound on the whole, not on
/// each moment: what counts is how much is given away.
#[inline(always)]
pub const fn media_octets_max(octets_per_second: u32, age_ns: u64) -> u64 {
    let (seconds, rest_ns) = (age_ns / SECOND_NS, age_ns % SECOND_NS);
    let rate = octets_per_second as u64;
    // A rate of 32 bits, a life of 64 bits of nanoseconds: neither product reaches 2^64.
    MEDIA_BURST_OCTETS + rate * seconds + rate * rest_ns / SECOND_NS
}

/// The rule of the live flow that an ICMP error is about. One that quotes what the subscriber did not send or would not
/// have got is about nothing (RFC 5927, section 4.1).
#[inline(always)]
fn quoted_rule<T: Tables>(tables: &T, role: Role, packet: &Packet) -> Option<u32> {
    let quote = &packet.quote;
    let protocol = u32::from(quote.protocol);
    let (key, is_own) = match role {
        Role::Access => (
            FlowKey {
                subscriber: quote.destination,
                remote: quote.source,
                subscriber_port: quote.destination_port,
                remote_port: quote.source_port,
                protocol,
            },
            quote.destination == packet.source,
        ),
        Role::Core => (
            FlowKey {
                subscriber: quote.source,
                remote: quote.destination,
                subscriber_port: quote.source_port,
                remote_port: quote.destination_port,
                protocol,
            },
            quote.source == packet.destination,
        ),
    };
    if !is_own {
        return None;
    }
    let flow = tables.flow(&key)?;
    if flow.is_over(tables, protocol, tables.now_ns()) { None } else { Some(flow.promise(tables).rule()) }
}

/// A packet that passes a flow.
struct Passing<'a> {
    key: &'a FlowKey,
    role: Role,
    packet: &'a Packet,
    now_ns: u64,
    may_open: bool,
    /// Whose flows are counted, if their number is bounded.
    bounded: Option<SubscriberId>,
}

/// Finds the packet's flow, or opens it with `promise`, and counts it there.
///
/// # Errors
/// The reason to charge for it: there is no flow, and none may be opened or has room.
#[inline(always)]
fn pass<'a, T: Tables>(
    tables: &'a T,
    passing: &Passing<'_>,
    promise: Promise,
) -> Result<T::Flow<'a>, Reason> {
    let Passing { key, role, packet, now_ns, .. } = *passing;
    let found = tables.flow(key);
    let replaces = found.is_some();
    if let Some(flow) = found {
        // A port that is used again begins another conversation.
        let begins_anew = passing.may_open && flow.is_closed(tables);
        if !begins_anew && !flow.is_over(tables, key.protocol, now_ns) {
            flow.see(tables, role, packet, now_ns);
            return Ok(flow);
        }
    }
    if !passing.may_open {
        return Err(Reason::NoFlow);
    }
    if let Some(subscriber) = passing.bounded
        && !replaces
        && !tables.admit_flow(subscriber)
    {
        return Err(Reason::SubscriberFlowsFull);
    }
    tables.open_flow(key, now_ns, promise, replaces);
    // Another CPU may have opened it in between: what counts is whether it is there now.
    let Some(flow) = tables.flow(key) else { return Err(Reason::FlowTableFull) };
    flow.see(tables, role, packet, now_ns);
    Ok(flow)
}

/// A packet to or from an address that rules list, or that may be learned.
#[inline(always)]
fn decide_candidate<T: Tables>(
    tables: &T,
    role: Role,
    packet: &Packet,
    subscriber: SubscriberId,
    key: &FlowKey,
    class: ClassEntry,
) -> Decision {
    let is_listed = class.flags != 0;
    let mut matched = if is_listed {
        match match_rule(tables, class.match_set, packet.protocol, key.remote_port) {
            Some(matched) => matched,
            None => return Decision::charged(subscriber, 0, Reason::PortNotListed),
        }
    } else {
        LEARNING
    };
    let now_ns = tables.now_ns();
    if now_ns >= matched.valid_until_ns {
        return Decision::charged(subscriber, matched.rule, Reason::Expired);
    }
    let gives = RuleClass::from_number(matched.class);
    let asks =
        gives.is_free() && (matched.evidence != Evidence::Address as u32 || class.has(ClassEntry::SHARED));
    // A subscriber who answers a stranger (SYN with ACK, RST) opens nothing.
    let may_open = matches!(role, Role::Access) && packet.opens && !packet.later_fragment;
    let passing = Passing { key, role, packet, now_ns, may_open, bounded: Some(subscriber) };
    let verdict = if asks { Reason::AwaitingEvidence as u32 } else { 0 };
    let flow = match pass(tables, &passing, Promise::new(matched.rule, verdict)) {
        Ok(flow) => flow,
        // An address in no rule stays that.
        Err(Reason::NoFlow) if !is_listed => return Decision::charged(subscriber, 0, Reason::NotListed),
        Err(reason) => return Decision::charged(subscriber, matched.rule, reason),
    };
    let (by_rule, mut reason) = match (gives.is_free(), asks) {
        (false, _) => (matched.rule, Reason::PriorityOnly),
        (true, false) => (matched.rule, Reason::Address),
        (true, true) => evidence(tables, &flow, &matched),
    };
    if is_listed && by_rule != matched.rule {
        match other_rule(tables, class.match_set, &passing, by_rule) {
            Some(other) => matched = other,
            None => reason = Reason::EvidenceMissed,
        }
    }
    let by_rule = if is_listed { matched.rule } else { by_rule };
    let gives = RuleClass::from_number(matched.class);
    if packet.payload_octets != 0 && is_listed {
        let again_octets = flow.sent_again_octets(tables, role, packet);
        if again_octets != 0 {
            tables.count_sent_again(by_rule, role, again_octets);
        }
    }
    if !gives.is_free() {
        return Decision { tag: Some(gives), ..Decision::charged(subscriber, by_rule, reason) };
    }
    let mut bucket = reason.bucket() as u8;
    let reason = if bucket == Bucket::Free as u8 && matched.has(RuleEntry::OBSERVED) {
        bucket = Bucket::Charged as u8;
        Reason::Observed
    } else {
        reason
    };
    if bucket == Bucket::Charged as u8 {
        return Decision::charged(subscriber, by_rule, reason);
    }
    // What awaits evidence counts too: it may become free.
    if matched.ceiling_octets != RuleEntry::NO_CEILING
        && let Some(reason) = past_ceiling(tables, subscriber, &matched, packet.volume_octets, now_ns)
    {
        return Decision::charged(subscriber, matched.rule, reason);
    }
    if bucket == Bucket::Pending as u8 {
        let is_copied =
            flow.packets(tables) <= EVIDENCE_PACKETS_MAX && flow.octets(tables, role) <= EVIDENCE_OCTETS_MAX;
        return Decision {
            subscriber,
            rule: by_rule,
            reason,
            tag: None,
            copy: if is_copied { CopyKind::Evidence } else { CopyKind::None },
            flow: flow.number(tables),
        };
    }
    // One that was learned a moment ago is tagged from its next packet on.
    let tag = if is_listed { Some(gives) } else { None };
    Decision { subscriber, rule: by_rule, reason, tag, copy: CopyKind::None, flow: 0 }
}

/// What holds for an address that may be learned: as of a rule that asks for evidence, and has no number yet.
const LEARNING: RuleEntry = RuleEntry {
    rule: NO_RULE,
    class: RuleClass::Free as u32,
    valid_until_ns: u64::MAX,
    ceiling_octets: RuleEntry::NO_CEILING,
    evidence: Evidence::NameAndAddress as u32,
    flags: 0,
};

/// The rule that a flow's name is of, where that is not the first that lists this port there.
#[inline(always)]
fn other_rule<T: Tables>(tables: &T, match_set: u32, passing: &Passing<'_>, rule: u32) -> Option<RuleEntry> {
    let bit = Matcher::bit(passing.packet.protocol);
    let place = tables.place_of(match_set, bit, passing.key.remote_port, rule)?;
    let other = tables.rule(place)?;
    let frees = RuleClass::from_number(other.class).is_free() && passing.now_ns < other.valid_until_ns;
    if frees { Some(other) } else { None }
}

/// Under which rule a flow was opened and with what evidence, or, if it awaited some under `rule` or under none, the verdict,
/// which it keeps from here on; `None`: it still waits.
#[inline(always)]
fn told<T: Tables>(tables: &T, flow: &FlowCells, rule: u32) -> Option<Promise> {
    let promise = flow.promise(tables);
    let waits = promise.verdict() == Reason::AwaitingEvidence as u32
        && (promise.rule() == rule || promise.rule() == NO_RULE);
    if !waits {
        return Some(promise);
    }
    let verdict = tables.verdict(flow.number(tables))?;
    flow.set_promise(tables, verdict);
    Some(verdict)
}

/// What is known of a flow's evidence, and the rule that it is for, which may be another one than `matched`, whether it
/// lists the address or not. A flow that was opened before
/// its address was known takes the rule of its verdict.
#[inline(always)]
fn evidence<T: Tables>(tables: &T, flow: &FlowCells, matched: &RuleEntry) -> (u32, Reason) {
    let rule = matched.rule;
    let Some(promise) = told(tables, flow, rule) else { return (rule, Reason::AwaitingEvidence) };
    // Opened when the address was enough; that strangers have it too was found out later.
    if promise.verdict() == 0 && promise.rule() == rule && matched.evidence == Evidence::Address as u32 {
        return (rule, Reason::Address);
    }
    let reason = Reason::of_verdict(promise.verdict());
    let is_charged = reason.bucket() as u8 == Bucket::Charged as u8;
    if promise.verdict() == 0 {
        (rule, Reason::EvidenceMissed)
    } else if rule == NO_RULE {
        (promise.rule(), reason)
    } else if promise.rule() == NO_RULE {
        let is_told = is_charged && reason as u16 != Reason::NotListed as u16;
        (rule, if is_told { reason } else { Reason::EvidenceMissed })
    } else if promise.rule() != rule && reason as u16 == Reason::AwaitingEvidence as u16 {
        (rule, Reason::EvidenceMissed)
    } else {
        (promise.rule(), reason)
    }
}

/// Why a packet is past its rule's ceiling, if it is.
#[inline(always)]
fn past_ceiling<T: Tables>(
    tables: &T,
    subscriber: SubscriberId,
    matched: &RuleEntry,
    volume_octets: u32,
    now_ns: u64,
) -> Option<Reason> {
    let key = QuotaKey { subscriber, rule: matched.rule, reserved: 0 };
    let Some(quota) = tables.quota(&key) else { return Some(Reason::CeilingTableFull) };
    let is_past = quota.is_past(tables, volume_octets, matched.ceiling_octets, now_ns, tables.day_ends_ns());
    if is_past { Some(Reason::DailyCeiling) } else { None }
}

/// The first rule of the set that claims this port.
#[inline(always)]
fn match_rule<T: Tables>(tables: &T, match_set: u32, protocol: u8, remote_port: u16) -> Option<RuleEntry> {
    let set = tables.match_set(match_set)?;
    let bit = Matcher::bit(protocol);
    for index in 0..MATCHERS_MAX {
        let matcher = set.matchers[index];
        if matcher.first_port > matcher.last_port {
            return None;
        }
        if matcher.claims(bit, remote_port) {
            return tables.rule(matcher.rule_index);
        }
    }
    None
}
