//! Conversations with listed addresses, by all that they ever carried.

use std::net::IpAddr;

use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::world::Rule;

/// A 5-tuple, subscriber's side first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The subscriber's address.
    pub subscriber: IpAddr,
    /// The other side's.
    pub remote: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// The subscriber's port.
    pub subscriber_port: u16,
    /// The other side's.
    pub remote_port: u16,
}

/// One packet of a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    pub(super) role: Role,
    pub(super) at_ns: u64,
    /// TCP: it has a FIN bit of its own.
    pub(super) fin: bool,
    /// TCP: it has a RST bit of its own.
    pub(super) rst: bool,
    /// TCP, not in fragments: the first octet's number, and how many there are.
    pub(super) payload: Option<(u32, usize)>,
}

/// A conversation that a subscriber opened, and all that passed since.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) conversation: Conversation,
    /// No other ever had it.
    pub(super) number: u64,
    /// The rule's number under which it was opened.
    pub(super) rule: u32,
    /// Whether that rule asked for evidence.
    pub(super) asked: bool,
    /// What evidence said since.
    pub(super) told: Option<Reason>,
    passed: Vec<Passed>,
}

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;

impl Talk {
    pub(super) fn open(conversation: Conversation, number: u64, rule: &Rule, asked: bool) -> Self {
        Self { conversation, number, rule: rule.number, asked, told: None, passed: Vec::new() }
    }

    /// Adds a packet.
    pub(super) fn add(&mut self, packet: Passed) {
        self.passed.push(packet);
    }

    fn any(&self, is: impl Fn(&Passed) -> bool) -> bool {
        self.passed.iter().any(is)
    }

    /// RFC 9293, section 3.6: both sides have closed; or section 3.5.2: one has reset.
    pub(super) fn is_closed(&self) -> bool {
        let finished = |role| self.any(|packet| packet.role == role && packet.fin);
        self.any(|packet| packet.rst) || (finished(Role::Access) && finished(Role::Core))
    }

    /// Docs, architecture, "Flows": what each may rest.
    const fn rest_ns(protocol: u8, is_answered: bool, is_closed: bool) -> u64 {
        match (protocol, is_answered, is_closed) {
            (6, _, true) => 30 * SECOND_NS,
            // RFC 5382, REQ-5: four minutes while it is being opened, two hours and four minutes after.
            (6, false, false) => 4 * MINUTE_NS,
            (6, true, false) => 124 * MINUTE_NS,
            // RFC 4787, REQ-5: two minutes at least, five recommended.
            (_, false, _) => 2 * MINUTE_NS,
            (_, true, _) => 5 * MINUTE_NS,
        }
    }

    /// Whether nothing has passed for as long as it may rest.
    pub(super) fn is_over(&self, now_ns: u64) -> bool {
        let is_answered = self.any(|packet| packet.role == Role::Core);
        let rest_ns = Self::rest_ns(self.conversation.protocol, is_answered, self.is_closed());
        self.passed.last().is_none_or(|last| last.at_ns + rest_ns <= now_ns)
    }

    /// How many octets of a payload have numbers that this direction has sent already (RFC 9293, section 3.4), or would have,
    /// had no segment been overtaken.
    pub(super) fn again_octets(&self, role: Role, (first, octets): (u32, usize)) -> u32 {
        let sent =
            self.passed.iter().filter(|packet| packet.role == role).filter_map(|packet| packet.payload);
        let furthest = sent
            .map(|(first, octets)| plus(first, octets))
            .reduce(|furthest, end| if is_before(furthest, end) { end } else { furthest });
        let Some(next) = furthest.filter(|next| is_before(first, *next)) else { return 0 };
        let again = (0..octets).filter(|index| is_before(plus(first, *index), next)).count();
        u32::try_from(again).unwrap_or(u32::MAX)
    }
}

/// Sequence numbers go on after the last with the first.
fn plus(number: u32, octets: usize) -> u32 {
    number.wrapping_add(u32::try_from(octets).unwrap_or(u32::MAX))
}

/// Less than half a round before. Of numbers half a round apart, neither is before the other.
const fn is_before(number: u32, other: u32) -> bool {
    matches!(other.wrapping_sub(number), 1..0x8000_0000)
}

/// All conversations that have a place; nobody sweeps, so also those that are over.
#[derive(Clone, Debug, Default)]
pub(super) struct Talks {
    places: Vec<Talk>,
    opened: u64,
}

impl Talks {
    /// The one in a conversation's place, over or not.
    pub(super) fn find(&mut self, conversation: &Conversation) -> Option<&mut Talk> {
        self.places.iter_mut().find(|talk| talk.conversation == *conversation)
    }

    /// The one with a number, if it has not been replaced since.
    pub(super) fn numbered(&mut self, number: u64) -> Option<&mut Talk> {
        self.places.iter_mut().find(|talk| talk.number == number)
    }

    /// How many places are taken by those that `is` holds for.
    pub(super) fn taken(&self, is: impl Fn(&Talk) -> bool) -> usize {
        self.places.iter().filter(|talk| is(talk)).count()
    }

    /// Opens a conversation anew, in its old place if it has one.
    pub(super) fn open(&mut self, conversation: Conversation, rule: &Rule, asked: bool) {
        self.opened += 1;
        self.places.retain(|talk| talk.conversation != conversation);
        self.places.push(Talk::open(conversation, self.opened, rule, asked));
    }
}
