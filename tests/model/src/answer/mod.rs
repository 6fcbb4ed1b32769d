//! What has to become of each packet.

mod attribution;
mod ceiling;
mod datagrams;
mod listing;
mod talk;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tollfree_core::counter::Usage;
use tollfree_core::interface::Role;
use tollfree_core::plan::{Evidence, RuleClass};
use tollfree_core::reason::{Bucket, Reason};

use crate::arrival::Arrival;
use crate::read::{Fragment, Innermost, Segment, read};
use crate::world::{Rule, World};
use attribution::attribute;
use ceiling::Uses;
use datagrams::{DatagramKey, Datagrams};
use listing::listing;
pub use talk::Conversation;
use talk::{Passed, Talks};

/// IP protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Octets of a TCP header without options (RFC 9293, section 3.1).
const TCP_HEADER: usize = 20;

/// What one packet is counted as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub bucket: Bucket,
    /// The rule's permanent number; 0: none is concerned.
    pub rule: u32,
    /// The class of the tag it gets, if any.
    pub tag: Option<RuleClass>,
    /// Inner IP length in octets; 0: there is no packet of anyone's.
    pub volume: usize,
    /// Who pays: an IPv4 address or an IPv6 /64.
    pub subscriber: Option<IpNet>,
    /// The innermost conversation, as the packet's own headers tell it.
    pub flow: Option<Flow>,
    /// Which of the subscriber's conversations awaits evidence: a number that no other has.
    pub awaits: Option<u64>,
    /// TCP payload that was sent again, of all packets so far, by rule.
    pub sent_again: BTreeMap<u32, Usage>,
}

impl Answer {
    /// Of what no packet is known.
    pub const fn of_nobody(reason: Reason) -> Self {
        Self {
            reason,
            bucket: reason.bucket(),
            rule: 0,
            tag: None,
            volume: 0,
            subscriber: None,
            flow: None,
            awaits: None,
            sent_again: BTreeMap::new(),
        }
    }
}

/// A packet's 5-tuple. What stands behind an extension header that is wrong is not known: protocol 0. Ports are 0 where the packet has none itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// A gateway, and what it has seen.
#[derive(Clone, Debug)]
pub struct Gateway<'a> {
    world: &'a World,
    datagrams: Datagrams,
    talks: Talks,
    uses: Uses,
    sent_again: BTreeMap<u32, Usage>,
    now_ns: u64,
}

/// A packet of a subscriber's, seen from his side.
struct Attributed<'p> {
    packet: &'p Innermost,
    role: Role,
    subscriber: IpAddr,
    remote: IpAddr,
}

/// Why, under which rule.
struct Ruling<'a> {
    reason: Reason,
    rule: Option<&'a Rule>,
    awaits: Option<u64>,
}

impl<'a> Ruling<'a> {
    const fn without_rule(reason: Reason) -> Self {
        Self { reason, rule: None, awaits: None }
    }

    const fn under(reason: Reason, rule: &'a Rule) -> Self {
        Self { reason, rule: Some(rule), awaits: None }
    }
}

impl<'a> Gateway<'a> {
    /// A gateway that has seen nothing yet.
    pub fn new(world: &'a World) -> Self {
        Self {
            world,
            datagrams: Datagrams::default(),
            talks: Talks::default(),
            uses: Uses::default(),
            sent_again: BTreeMap::new(),
            now_ns: 0,
        }
    }

    /// Sets the clock.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Says what evidence came of the conversation that awaits it under this number.
    pub fn tell(&mut self, number: u64, reason: Reason) {
        if let Some(talk) = self.talks.numbered(number) {
            talk.told = Some(reason);
        }
    }

    /// What becomes of a packet that arrives now.
    pub fn answer(&mut self, arrival: &Arrival) -> Answer {
        let answer = self.answer_alone(arrival);
        Answer { sent_again: self.sent_again.clone(), ..answer }
    }

    fn answer_alone(&mut self, arrival: &Arrival) -> Answer {
        let packet = match read(self.world, arrival) {
            Ok(packet) => packet,
            Err(reason) => return Answer::of_nobody(reason),
        };
        let mut answer =
            Answer { volume: packet.volume, flow: Some(flow(&packet)), ..Answer::of_nobody(Reason::Transit) };
        if packet.is_tunnel_fragment {
            // The first fragment was counted with the length of what is inside.
            return Answer { flow: Some(flow(&packet)), ..Answer::of_nobody(Reason::TunnelFragment) };
        }
        match attribute(self.world, arrival.role, &packet) {
            Err(reason) => answer.reason = reason,
            Ok((subscriber, remote)) => {
                let attributed = Attributed { packet: &packet, role: arrival.role, subscriber, remote };
                let ruling = self.rule_on(&attributed);
                answer.reason = ruling.reason;
                answer.subscriber = Some(payer(subscriber));
                answer.rule = ruling.rule.map_or(0, |rule| rule.number);
                answer.tag = tag(&ruling);
                answer.awaits = ruling.awaits;
            }
        }
        answer.bucket = answer.reason.bucket();
        answer
    }

    /// Docs: architecture, "Decide": what is about a flow first, then not listed, then what is never free, then the rules.
    fn rule_on(&mut self, attributed: &Attributed<'_>) -> Ruling<'a> {
        if let Some(reason) = attributed.packet.fault {
            return Ruling::without_rule(reason);
        }
        if let Some(rule) = self.rule_of_quoted(attributed) {
            return Ruling::under(Reason::IcmpError, rule);
        }
        let listing = listing(self.world, attributed.remote);
        if listing.is_nothing() {
            return Ruling::without_rule(Reason::NotListed);
        }
        let protocol = attributed.packet.protocol;
        if protocol == ICMP || protocol == ICMPV6 {
            return Ruling::without_rule(Reason::Icmp);
        }
        if protocol != TCP && protocol != UDP {
            return Ruling::without_rule(Reason::OtherProtocol);
        }
        let segment = match self.segment(attributed.packet) {
            Ok(segment) => segment,
            Err(reason) => return Ruling::without_rule(reason),
        };
        let conversation = attributed.conversation(&segment);
        if listing.is_proxy && conversation.remote_port == self.world.sip_port {
            return Ruling::without_rule(Reason::Signalling);
        }
        if listing.is_media
            && let Some(ruling) = self.grant(attributed, conversation)
        {
            return ruling;
        }
        match listing.rule_for(protocol, conversation.remote_port) {
            Some(rule) => self.promised(rule, attributed, &segment, conversation),
            None if listing.rules.is_empty() && listing.is_media => Ruling::without_rule(Reason::NoCall),
            // A proxy is in no rule.
            None if listing.rules.is_empty() => Ruling::without_rule(Reason::NotListed),
            None => Ruling::without_rule(Reason::PortNotListed),
        }
    }

    /// The rule of the conversation, not over, of which an ICMP error quotes a packet: one that the subscriber sent, if the
    /// error is for him; one that was for him, if the error is his (RFC 5927, section 4.1).
    fn rule_of_quoted(&mut self, attributed: &Attributed<'_>) -> Option<&'a Rule> {
        let quote = attributed.packet.quote?;
        let sender = (quote.source, quote.source_port);
        let receiver = (quote.destination, quote.destination_port);
        let (own, other) = match attributed.role {
            Role::Access => (receiver, sender),
            Role::Core => (sender, receiver),
        };
        if own.0 != attributed.subscriber {
            return None;
        }
        let conversation = Conversation {
            subscriber: own.0,
            remote: other.0,
            protocol: quote.protocol,
            subscriber_port: own.1,
            remote_port: other.1,
        };
        let talk = self.talks.find(&conversation).filter(|talk| !talk.is_over(self.now_ns))?;
        self.world.rules.iter().find(|rule| rule.number == talk.rule)
    }

    /// A rule lists the remote address and port.
    fn promised(
        &mut self,
        rule: &'a Rule,
        attributed: &Attributed<'_>,
        segment: &Segment,
        conversation: Conversation,
    ) -> Ruling<'a> {
        if rule.ends_ns.is_some_and(|end| self.now_ns >= end) {
            return Ruling::under(Reason::Expired, rule);
        }
        // A flow is opened by the subscriber: of TCP by his SYN, of UDP by any datagram of his, but not by its rest.
        let opens = attributed.role == Role::Access
            && !matches!(attributed.packet.fragment, Some(Fragment::Later(..)))
            && (conversation.protocol == UDP || (segment.syn && !segment.ack && !segment.rst));
        let asks = rule.class.is_free() && rule.evidence == Evidence::NameAndAddress;
        if let Err(reason) = self.enter(conversation, rule, opens, asks, true) {
            return Ruling::under(reason, rule);
        }
        self.count_again(rule, attributed, conversation);
        self.pass(attributed, conversation);
        self.given(rule, attributed, conversation)
    }

    /// What the rule gives a conversation that goes on.
    fn given(
        &mut self,
        rule: &'a Rule,
        attributed: &Attributed<'_>,
        conversation: Conversation,
    ) -> Ruling<'a> {
        if !rule.class.is_free() {
            return Ruling::under(Reason::PriorityOnly, rule);
        }
        let talk = self.talks.find(&conversation);
        let reason = match (rule.evidence, &talk) {
            (Evidence::Address, _) => Reason::Address,
            (Evidence::NameAndAddress, Some(talk)) if talk.asked && talk.rule == rule.number => {
                talk.told.unwrap_or(Reason::AwaitingEvidence)
            }
            (Evidence::NameAndAddress, _) => Reason::EvidenceMissed,
        };
        let number = talk.map(|talk| talk.number);
        if reason.bucket() == Bucket::Charged {
            return Ruling::under(reason, rule);
        }
        // What may become free counts as what is.
        let payer = payer(attributed.subscriber);
        if let Some(reason) = self.uses.add(self.world, payer, rule, self.now_ns, attributed.packet.volume) {
            return Ruling::under(reason, rule);
        }
        let awaits = number.filter(|_| reason == Reason::AwaitingEvidence);
        Ruling { awaits, ..Ruling::under(reason, rule) }
    }

    /// Makes sure that the conversation goes on, or begins.
    fn enter(
        &mut self,
        conversation: Conversation,
        rule: &Rule,
        opens: bool,
        asks: bool,
        is_bounded: bool,
    ) -> Result<(), Reason> {
        let mut has_place = false;
        if let Some(talk) = self.talks.find(&conversation) {
            has_place = true;
            // A port that is used again begins another conversation.
            if !(talk.is_over(self.now_ns) || (opens && talk.is_closed())) {
                return Ok(());
            }
        }
        if !opens {
            return Err(Reason::NoFlow);
        }
        let whose = payer(conversation.subscriber);
        let taken = self.talks.taken(|talk| payer(talk.conversation.subscriber) == whose);
        if is_bounded && !has_place && taken >= limit(self.world.flows_per_subscriber) {
            return Err(Reason::SubscriberFlowsFull);
        }
        if !has_place && self.talks.taken(|_| true) >= self.world.flows_max {
            return Err(Reason::FlowTableFull);
        }
        self.talks.open(conversation, rule, asks);
        Ok(())
    }

    /// Counts what of a segment's payload its conversation has carried before.
    fn count_again(&mut self, rule: &Rule, attributed: &Attributed<'_>, conversation: Conversation) {
        let Some(payload) = attributed.payload() else { return };
        let Some(talk) = self.talks.find(&conversation) else { return };
        let octets = talk.again_octets(attributed.role, payload);
        if octets > 0 {
            *self.sent_again.entry(rule.number).or_default() += Usage::of(attributed.role, octets);
        }
    }

    /// The conversation carries the packet.
    fn pass(&mut self, attributed: &Attributed<'_>, conversation: Conversation) {
        let own = attributed.packet.segment;
        let packet = Passed {
            role: attributed.role,
            at_ns: self.now_ns,
            fin: own.is_some_and(|segment| segment.fin),
            rst: own.is_some_and(|segment| segment.rst),
            payload: attributed.payload(),
        };
        if let Some(talk) = self.talks.find(&conversation) {
            talk.add(packet);
        }
    }

    /// The call that was granted exactly this stream, whichever side begins. What it carries is kept with the flows.
    fn grant(&mut self, attributed: &Attributed<'_>, conversation: Conversation) -> Option<Ruling<'a>> {
        let grant = self.world.grants.iter().find(|grant| {
            conversation.protocol == UDP
                && grant.subscriber == (conversation.subscriber, conversation.subscriber_port)
                && grant.remote == (conversation.remote, conversation.remote_port)
                && self.now_ns < grant.gone_ns
        })?;
        let rule = self.world.rules.iter().find(|rule| rule.number == grant.rule)?;
        if self.now_ns >= grant.ends_ns {
            return Some(Ruling::under(Reason::Expired, rule));
        }
        if !attributed.packet.segment.is_some_and(|segment| segment.is_rtp) {
            return Some(Ruling::under(Reason::MediaShape, rule));
        }
        if let Err(reason) = self.enter(conversation, rule, true, false, false) {
            return Some(Ruling::under(reason, rule));
        }
        self.pass(attributed, conversation);
        Some(Ruling::under(Reason::Call, rule))
    }

    /// What the header of TCP or UDP says, of a later fragment what its first one's said.
    fn segment(&mut self, packet: &Innermost) -> Result<Segment, Reason> {
        if let Some(segment) = packet.segment
            && (segment.syn || segment.rst)
            && (segment.payload > 0 || packet.fragment.is_some())
        {
            // A datagram in fragments has payload, whether it is in the first or in those that follow.
            return Err(Reason::ControlPayload);
        }
        let Some(fragment) = packet.fragment else { return packet.segment.ok_or(Reason::OtherProtocol) };
        let key = DatagramKey::of(packet, fragment);
        match fragment {
            Fragment::Tiny(_) => Err(Reason::FragmentTiny),
            Fragment::First(_) => {
                let segment = packet.segment.ok_or(Reason::FragmentTiny)?;
                if self.datagrams.remember(key, segment, self.now_ns) {
                    Ok(segment)
                } else {
                    Err(Reason::FragmentOverlap)
                }
            }
            // RFC 1858, section 4: the flags of TCP must not be written over.
            Fragment::Later(_, offset) if packet.protocol == TCP && offset < TCP_HEADER => {
                self.datagrams.forget(&key);
                Err(Reason::FragmentOverlap)
            }
            Fragment::Later(..) => self.datagrams.remembered(&key, self.now_ns).ok_or(Reason::Fragment),
        }
    }
}

impl Attributed<'_> {
    /// Of a TCP segment that is whole and has some: the first octet's number, and how many there are.
    fn payload(&self) -> Option<(u32, usize)> {
        let segment = self.packet.segment?;
        let is_counted = self.packet.protocol == TCP && self.packet.fragment.is_none() && segment.payload > 0;
        is_counted.then_some((segment.sequence, segment.payload))
    }

    fn conversation(&self, segment: &Segment) -> Conversation {
        let (subscriber_port, remote_port) = match self.role {
            Role::Access => (segment.source_port, segment.destination_port),
            Role::Core => (segment.destination_port, segment.source_port),
        };
        Conversation {
            subscriber: self.subscriber,
            remote: self.remote,
            protocol: self.packet.protocol,
            subscriber_port,
            remote_port,
        }
    }
}

fn limit(flows: u32) -> usize {
    usize::try_from(flows).unwrap_or(usize::MAX)
}

/// Docs, billing: a subscriber is an IPv4 address or an IPv6 /64.
fn payer(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(v4) => Ipv4Net::from(v4).into(),
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).trunc().into(),
    }
}

fn flow(packet: &Innermost) -> Flow {
    let (source_port, destination_port) =
        packet.segment.map_or((0, 0), |segment| (segment.source_port, segment.destination_port));
    Flow {
        source: packet.source,
        destination: packet.destination,
        protocol: if packet.fault == Some(Reason::Extensions) { 0 } else { packet.protocol },
        source_port,
        destination_port,
    }
}

/// What a rule gives is what the packet is tagged with; nothing else is tagged.
fn tag(ruling: &Ruling<'_>) -> Option<RuleClass> {
    let gives = matches!(
        ruling.reason,
        Reason::Address | Reason::NameAndAddress | Reason::Call | Reason::PriorityOnly
    );
    ruling.rule.filter(|_| gives).map(|rule| rule.class)
}
