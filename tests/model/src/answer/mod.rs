//! What has to become of each packet.

mod attribution;
mod history;
mod listing;

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tollfree_core::interface::Role;
use tollfree_core::plan::RuleClass;
use tollfree_core::reason::{Bucket, Reason};

use crate::arrival::Arrival;
use crate::read::{Fragment, Innermost, Segment, read};
use crate::world::{Rule, World};
use attribution::attribute;
pub use history::Conversation;
use history::{DatagramKey, History};
use listing::listing;

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
}

impl Answer {
    /// Of what no packet is known.
    pub const fn of_nobody(reason: Reason) -> Self {
        Self { reason, bucket: reason.bucket(), rule: 0, tag: None, volume: 0, subscriber: None, flow: None }
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
    history: History,
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
}

impl<'a> Ruling<'a> {
    const fn without_rule(reason: Reason) -> Self {
        Self { reason, rule: None }
    }

    const fn under(reason: Reason, rule: &'a Rule) -> Self {
        Self { reason, rule: Some(rule) }
    }
}

impl<'a> Gateway<'a> {
    /// A gateway that has seen nothing yet.
    pub fn new(world: &'a World) -> Self {
        Self { world, history: History::default(), now_ns: 0 }
    }

    /// Sets the clock.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// What becomes of a packet that arrives now.
    pub fn answer(&mut self, arrival: &Arrival) -> Answer {
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
            }
        }
        answer.bucket = answer.reason.bucket();
        answer
    }

    /// Docs: architecture, "Decide": not listed first, then what is never free, then the rules.
    fn rule_on(&mut self, attributed: &Attributed<'_>) -> Ruling<'a> {
        if let Some(reason) = attributed.packet.fault {
            return Ruling::without_rule(reason);
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
        if listing.is_proxy && protocol == UDP && conversation.remote_port == self.world.sip_port {
            return Ruling::without_rule(Reason::Signalling);
        }
        if listing.is_media
            && let Some(ruling) = self.grant(conversation)
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
        if !self.history.is_open(&conversation) {
            if !opens {
                return Ruling::under(Reason::NoFlow, rule);
            }
            if !self.history.open(conversation, self.world.flows_max) {
                return Ruling::under(Reason::FlowTableFull, rule);
            }
        }
        let reason = if rule.class.is_free() { Reason::Address } else { Reason::PriorityOnly };
        Ruling::under(reason, rule)
    }

    /// The call that was granted exactly this stream, whichever side begins. What it carries is kept with the flows.
    fn grant(&mut self, conversation: Conversation) -> Option<Ruling<'a>> {
        let grant = self.world.grants.iter().find(|grant| {
            conversation.protocol == UDP
                && grant.subscriber == (conversation.subscriber, conversation.subscriber_port)
                && grant.remote == (conversation.remote, conversation.remote_port)
        })?;
        let rule = self.world.rules.iter().find(|rule| rule.number == grant.rule)?;
        if self.now_ns >= grant.ends_ns {
            return Some(Ruling::under(Reason::Expired, rule));
        }
        let known = self.history.is_open(&conversation);
        let room = known || self.history.open(conversation, self.world.flows_max);
        Some(Ruling::under(if room { Reason::Call } else { Reason::FlowTableFull }, rule))
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
                if self.history.remember(key, segment, self.now_ns) {
                    Ok(segment)
                } else {
                    Err(Reason::FragmentOverlap)
                }
            }
            // RFC 1858, section 4: the flags of TCP must not be written over.
            Fragment::Later(_, offset) if packet.protocol == TCP && offset < TCP_HEADER => {
                self.history.forget(&key);
                Err(Reason::FragmentOverlap)
            }
            Fragment::Later(..) => self.history.remembered(&key, self.now_ns).ok_or(Reason::Fragment),
        }
    }
}

impl Attributed<'_> {
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
    let gives = matches!(ruling.reason, Reason::Address | Reason::Call | Reason::PriorityOnly);
    ruling.rule.filter(|_| gives).map(|rule| rule.class)
}
