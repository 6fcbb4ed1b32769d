//! Conversations with candidate addresses.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::address::{Address, Family, SubscriberId};
use crate::counter::Usage;
use crate::interface::Role;
use crate::limits::{
    FLOW_REST_NS, FLOW_REST_OPENING_NS, FLOW_REST_TCP_CLOSED_NS, FLOW_REST_TCP_NS, FLOW_REST_TCP_OPENING_NS,
    RTP_DROPOUT_MAX, RTP_MISORDER_MAX,
};
use crate::packet::{Packet, protocol};
use crate::plan::RuleClass;
use crate::reason::Reason;

/// Key of `FLOWS` and `GRANTS`: the 5-tuple, subscriber's side first. Ports are in host byte order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowKey {
    /// The subscriber's address.
    pub subscriber: Address,
    /// The other side's.
    pub remote: Address,
    /// The subscriber's port.
    pub subscriber_port: u16,
    /// The other side's.
    pub remote_port: u16,
    /// IP protocol number.
    pub protocol: u32,
}

/// Under which rule a flow was opened, and what its evidence said.
///
/// Bits 0 to 31: the rule's permanent number. Bits 32 to 63: a [`crate::reason::Reason`], by number; 0: no evidence was
/// asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Promise(pub u64);

impl Promise {
    /// Of a rule and a verdict.
    #[inline(always)]
    pub const fn new(rule: u32, verdict: u32) -> Self {
        Self(rule as u64 | (verdict as u64) << 32)
    }

    /// The rule's permanent number.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
    pub const fn rule(self) -> u32 {
        self.0 as u32
    }

    /// What the evidence said.
    #[inline(always)]
    pub const fn verdict(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Of [`Promise`]: the rule of a flow that was opened to an address in no rule, while its subscriber may have learned one
/// that userspace has not.
pub const NO_RULE: u32 = 0;

/// What evidence said of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule that it is said for, by its permanent number; [`NO_RULE`]: that under which the flow was counted.
    pub rule: u32,
    /// What it said.
    pub reason: Reason,
}

impl From<Verdict> for Promise {
    fn from(verdict: Verdict) -> Self {
        Self::new(verdict.rule, verdict.reason as u32)
    }
}

impl From<Promise> for Verdict {
    fn from(promise: Promise) -> Self {
        Self { rule: promise.rule(), reason: Reason::of_verdict(promise.verdict()) }
    }
}

/// What one direction of a flow has shown; all zero: nothing.
///
/// Bits 0 to 3: see the constants. Where [`Direction::SEQUENCE`] is set, of TCP bits 32 to 63: the next sequence number
/// (RFC 9293, section 3.4); of RTP bits 8 to 31: how many packets are missing, and bits 32 to 47: the highest sequence
/// number (RFC 3550, section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Direction(pub u64);

impl Direction {
    /// A packet passed.
    pub const SEEN: u64 = 1;
    /// A TCP FIN passed.
    pub const FINISHED: u64 = 2;
    /// A TCP RST passed.
    pub const RESET: u64 = 4;
    /// The next sequence number is known.
    pub const SEQUENCE: u64 = 8;

    /// Whether all of `bits` are set.
    #[inline(always)]
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// TCP's next sequence number, where it is known.
    #[inline(always)]
    pub const fn sequence(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How many packets of an RTP stream are missing by their sequence numbers: expected less received (RFC 3550, appendix
    /// A.3), from the stream's first packet to its last.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the mask leaves 24 bits")]
    pub const fn missing_packets(self) -> u32 {
        (self.0 >> Self::MISSING_BIT & Self::MISSING_MAX) as u32
    }
    const FLAGS: u64 = 0xff;
    const MISSING_BIT: u32 = 8;
    const MISSING_MAX: u64 = 0xff_ffff;

    /// The highest sequence number of an RTP stream.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "16 bits are written there")]
    const fn highest(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// After the RTP packet with this sequence number. A jump of [`RTP_DROPOUT_MAX`] or more begins another source, of which
    /// nothing is missing yet; what comes late is missing no longer.
    #[inline(always)]
    const fn after_rtp(self, sequence: u16) -> Self {
        if self.0 & Self::SEQUENCE == 0 {
            return self.with_rtp(sequence, 0);
        }
        let (highest, missing) = (self.highest(), self.missing_packets());
        let (ahead, behind) = (sequence.wrapping_sub(highest), highest.wrapping_sub(sequence));
        if ahead == 0 {
            self
        } else if ahead < RTP_DROPOUT_MAX {
            self.with_rtp(sequence, missing as u64 + ahead as u64 - 1)
        } else if behind < RTP_MISORDER_MAX {
            self.with_rtp(highest, missing.saturating_sub(1) as u64)
        } else {
            self.with_rtp(sequence, missing as u64)
        }
    }

    #[inline(always)]
    const fn with_rtp(self, highest: u16, missing: u64) -> Self {
        let missing = if missing > Self::MISSING_MAX { Self::MISSING_MAX } else { missing };
        Self(self.0 & Self::FLAGS | Self::SEQUENCE | missing << Self::MISSING_BIT | (highest as u64) << 32)
    }

    /// After a segment that ends at `sequence`.
    #[inline(always)]
    const fn at(self, sequence: u32) -> Self {
        Self(self.0 & 0xffff_ffff | Self::SEQUENCE | (sequence as u64) << 32)
    }
}

/// Value of `FLOWS`: written by the kernel alone, from any CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowEntry {
    /// Never given to another flow while the maps live.
    pub number: u64,
    /// When it was opened, in nanoseconds of `CLOCK_MONOTONIC`.
    pub opened_ns: u64,
    /// When its last packet passed.
    pub last_seen_ns: u64,
    /// What it carried; added to atomically, because the two directions may be on two CPUs.
    pub usage: Usage,
    /// Under which rule, and with what evidence.
    pub promise: Promise,
    /// From the subscriber.
    pub uplink: Direction,
    /// To the subscriber.
    pub downlink: Direction,
}

/// A [`FlowEntry`] in its place, where other CPUs change it at the same time. Words are loaded and stored one by one;
/// only the usage is added to. A direction is on one CPU as a rule; where it is on two at once,
/// one of two changes of its state may be lost, which keeps a flow for longer and frees nothing.
#[derive(Debug, Default)]
#[repr(C)]
pub struct FlowCells {
    number: AtomicU64,
    opened_ns: AtomicU64,
    last_seen_ns: AtomicU64,
    usage: [AtomicU64; 4],
    promise: AtomicU64,
    uplink: AtomicU64,
    downlink: AtomicU64,
}

const _: () = assert!(
    size_of::<FlowCells>() == size_of::<FlowEntry>()
        && core::mem::offset_of!(FlowCells, usage) == core::mem::offset_of!(FlowEntry, usage)
        && core::mem::offset_of!(FlowCells, promise) == core::mem::offset_of!(FlowEntry, promise)
        && core::mem::offset_of!(FlowCells, downlink) == core::mem::offset_of!(FlowEntry, downlink),
    "the two are one layout"
);

/// How words are read and written that others change at the same time. No order among words is asked for. The kernel's
/// target has atomics by name alone: its compiler cannot select them.
pub trait Words {
    /// The word as it is.
    fn load(&self, word: &AtomicU64) -> u64;
    /// Writes the word.
    fn store(&self, word: &AtomicU64, value: u64);
    /// Adds to the word; no addition is lost.
    fn add(&self, word: &AtomicU64, value: u64);
}

impl FlowCells {
    /// Its number.
    #[inline(always)]
    pub fn number<W: Words>(&self, words: &W) -> u64 {
        words.load(&self.number)
    }

    /// Under which rule, and with what evidence.
    #[inline(always)]
    pub fn promise<W: Words>(&self, words: &W) -> Promise {
        Promise(words.load(&self.promise))
    }

    /// Keeps what its evidence said. Several CPUs may: they all read the same verdict.
    #[inline(always)]
    pub fn set_promise<W: Words>(&self, words: &W, promise: Promise) {
        words.store(&self.promise, promise.0);
    }

    /// When it was opened, in nanoseconds of `CLOCK_MONOTONIC`.
    #[inline(always)]
    pub fn opened_ns<W: Words>(&self, words: &W) -> u64 {
        words.load(&self.opened_ns)
    }

    /// When its last packet passed.
    #[inline(always)]
    pub fn last_seen_ns<W: Words>(&self, words: &W) -> u64 {
        words.load(&self.last_seen_ns)
    }

    /// What it carried in the direction of what arrives on an interface of `role`, in octets of volume.
    #[inline(always)]
    pub fn octets<W: Words>(&self, words: &W, role: Role) -> u64 {
        words.load(match role {
            Role::Access => &self.usage[1],
            Role::Core => &self.usage[3],
        })
    }

    /// How many packets it carried, of both directions.
    #[inline(always)]
    pub fn packets<W: Words>(&self, words: &W) -> u64 {
        words.load(&self.usage[0]) + words.load(&self.usage[2])
    }

    /// Whether both sides said that they are done, or one broke it off.
    #[inline(always)]
    pub fn is_closed<W: Words>(&self, words: &W) -> bool {
        is_closed(Direction(words.load(&self.uplink)), Direction(words.load(&self.downlink)))
    }

    /// Whether it has rested for longer than a flow in its state may.
    #[inline(always)]
    pub fn is_over<W: Words>(&self, words: &W, protocol: u32, now_ns: u64) -> bool {
        let (uplink, downlink) = (Direction(words.load(&self.uplink)), Direction(words.load(&self.downlink)));
        now_ns.saturating_sub(words.load(&self.last_seen_ns)) >= rest_ns(protocol, uplink, downlink)
    }

    /// Counts a packet, and keeps what it says of the flow's state.
    #[inline(always)]
    pub fn see<W: Words>(&self, words: &W, role: Role, packet: &Packet, now_ns: u64) {
        words.store(&self.last_seen_ns, now_ns);
        let (packets, octets) = match role {
            Role::Access => (&self.usage[0], &self.usage[1]),
            Role::Core => (&self.usage[2], &self.usage[3]),
        };
        words.add(packets, 1);
        words.add(octets, u64::from(packet.volume_octets));
        let mut shown = Direction::SEEN;
        if packet.finishes {
            shown |= Direction::FINISHED;
        }
        if packet.resets {
            shown |= Direction::RESET;
        }
        let direction = self.direction(role);
        let before = Direction(words.load(direction));
        if !before.has(shown) {
            words.store(direction, before.0 | shown);
        }
    }

    /// Keeps which packets of an RTP stream are missing.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "what is above is the mark that it is RTP's")]
    pub fn see_rtp<W: Words>(&self, words: &W, role: Role, packet: &Packet) {
        if packet.sequence & Packet::RTP_SEQUENCE != 0 {
            let direction = self.direction(role);
            let before = Direction(words.load(direction));
            words.store(direction, before.after_rtp(packet.sequence as u16).0);
        }
    }

    /// How many octets of a TCP segment's payload were sent before, by their sequence numbers (RFC 9293, section 3.4);
    /// keeps which are next. Segments that others overtook look sent before too.
    #[inline(always)]
    pub fn sent_again_octets<W: Words>(&self, words: &W, role: Role, packet: &Packet) -> u32 {
        if packet.is_fragment() {
            return 0;
        }
        let direction = self.direction(role);
        let before = Direction(words.load(direction));
        let end = packet.sequence.wrapping_add(packet.payload_octets);
        if !before.has(Direction::SEQUENCE) {
            words.store(direction, before.at(end).0);
            return 0;
        }
        let next = before.sequence();
        if end.wrapping_sub(next).cast_signed() > 0 {
            words.store(direction, before.at(end).0);
        }
        let behind = next.wrapping_sub(packet.sequence);
        if behind.cast_signed() <= 0 {
            0
        } else if behind < packet.payload_octets {
            behind
        } else {
            packet.payload_octets
        }
    }

    #[inline(always)]
    const fn direction(&self, role: Role) -> &AtomicU64 {
        match role {
            Role::Access => &self.uplink,
            Role::Core => &self.downlink,
        }
    }

    /// All words, each as it is when it is read.
    pub fn entry(&self) -> FlowEntry {
        let [uplink_packets, uplink_octets, downlink_packets, downlink_octets] =
            self.usage.each_ref().map(|counter| counter.load(Relaxed));
        FlowEntry {
            number: self.number.load(Relaxed),
            opened_ns: self.opened_ns.load(Relaxed),
            last_seen_ns: self.last_seen_ns.load(Relaxed),
            usage: Usage { uplink_packets, uplink_octets, downlink_packets, downlink_octets },
            promise: Promise(self.promise.load(Relaxed)),
            uplink: Direction(self.uplink.load(Relaxed)),
            downlink: Direction(self.downlink.load(Relaxed)),
        }
    }
}

impl From<FlowEntry> for FlowCells {
    fn from(entry: FlowEntry) -> Self {
        let Usage { uplink_packets, uplink_octets, downlink_packets, downlink_octets } = entry.usage;
        Self {
            number: entry.number.into(),
            opened_ns: entry.opened_ns.into(),
            last_seen_ns: entry.last_seen_ns.into(),
            usage: [uplink_packets, uplink_octets, downlink_packets, downlink_octets].map(AtomicU64::new),
            promise: entry.promise.0.into(),
            uplink: entry.uplink.0.into(),
            downlink: entry.downlink.0.into(),
        }
    }
}

impl FlowEntry {
    /// A flow that this moment opens, with nothing counted.
    pub fn opened(number: u64, now_ns: u64, promise: Promise) -> Self {
        let mut entry = Self::default();
        entry.begin(number, now_ns, promise);
        entry
    }

    /// Makes it a flow that this moment opens, with nothing counted. Field by field, because the compiler would fill the
    /// whole by a function that the kernel program cannot call.
    #[inline(always)]
    pub fn begin(&mut self, number: u64, now_ns: u64, promise: Promise) {
        self.number = number;
        self.opened_ns = now_ns;
        self.last_seen_ns = now_ns;
        self.usage.uplink_packets = 0;
        self.usage.uplink_octets = 0;
        self.usage.downlink_packets = 0;
        self.usage.downlink_octets = 0;
        self.promise = promise;
        self.uplink = Direction(0);
        self.downlink = Direction(0);
    }

    /// How long it may rest, in nanoseconds.
    pub const fn rest_ns(&self, protocol: u32) -> u64 {
        rest_ns(protocol, self.uplink, self.downlink)
    }
}

#[inline(always)]
const fn is_closed(uplink: Direction, downlink: Direction) -> bool {
    uplink.has(Direction::RESET)
        || downlink.has(Direction::RESET)
        || (uplink.has(Direction::FINISHED) && downlink.has(Direction::FINISHED))
}

/// How long a flow may rest, by its state.
#[inline(always)]
const fn rest_ns(protocol: u32, uplink: Direction, downlink: Direction) -> u64 {
    match (protocol == protocol::TCP as u32, downlink.has(Direction::SEEN)) {
        (true, _) if is_closed(uplink, downlink) => FLOW_REST_TCP_CLOSED_NS,
        (true, true) => FLOW_REST_TCP_NS,
        (true, false) => FLOW_REST_TCP_OPENING_NS,
        (false, true) => FLOW_REST_NS,
        (false, false) => FLOW_REST_OPENING_NS,
    }
}

/// Key of `FRAGMENTS`: one datagram (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FragmentKey {
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// Identification field.
    pub identification: u32,
    /// IP protocol number.
    pub protocol: u32,
}

/// Value of `FRAGMENTS`: what the first fragment told, in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FragmentEntry {
    /// When it passed, in nanoseconds of `CLOCK_MONOTONIC`.
    pub seen_ns: u64,
    /// Its source port.
    pub source_port: u16,
    /// Its destination port.
    pub destination_port: u16,
    /// Zero.
    pub reserved: u32,
}

/// Value of `GRANTS`: written by userspace alone. Makes a free call's media stream free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GrantEntry {
    /// The hotline's rule, by its permanent number.
    pub rule: u32,
    /// [`crate::plan::RuleClass`], by number.
    pub class: u32,
    /// When it ends, in nanoseconds of `CLOCK_MONOTONIC`, if nothing ends it before.
    pub valid_until_ns: u64,
    /// How long the stream may be silent, in nanoseconds.
    pub silence_ns: u64,
    /// What it may carry each way, in octets of volume a second of its life; [`GrantEntry::NO_RATE`]: as much as it wants.
    pub octets_per_second: u32,
    /// [`crate::plan::RuleEntry::OBSERVED`], or zero.
    pub flags: u32,
}

impl GrantEntry {
    /// No bound of what a stream carries.
    pub const NO_RATE: u32 = u32::MAX;

    /// Until `valid_until_ns`, whatever the stream carries and however long it is silent.
    pub const fn new(rule: u32, class: RuleClass, valid_until_ns: u64) -> Self {
        Self {
            rule,
            class: class as u32,
            valid_until_ns,
            silence_ns: u64::MAX,
            octets_per_second: Self::NO_RATE,
            flags: 0,
        }
    }
}

/// Value of `SUBSCRIBER_FLOWS`: places in the flow table that the kernel ever took for a subscriber; a flow that replaces
/// another takes its place. `SUBSCRIBER_FLOWS_ENDED` holds how many userspace, which alone writes it, gave back; the
/// difference is how many he has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SubscriberFlows {
    /// Only grows.
    pub opened: u64,
}

impl FlowKey {
    /// Whose flow it is.
    #[inline(always)]
    pub const fn owner(&self) -> SubscriberId {
        let family = if self.subscriber.is_v4() { Family::V4 } else { Family::V6 };
        SubscriberId::of(&self.subscriber, family)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn missing(sequences: impl IntoIterator<Item = u16>) -> u32 {
        sequences.into_iter().fold(Direction(Direction::SEEN), Direction::after_rtp).missing_packets()
    }

    #[test]
    fn what_is_left_out_is_missing_until_it_comes_late() {
        assert_eq!(missing([7]), 0);
        assert_eq!(missing([7, 8, 9]), 0);
        assert_eq!(missing([7, 9]), 1);
        assert_eq!(missing([7, 9, 8]), 0);
        assert_eq!(missing([7, 9, 9]), 1, "the last again");
        assert_eq!(missing([0xfffe, 1]), 2, "past the end of the numbers");
        assert_eq!(missing([7, 3006]), 2998, "the longest dropout");
        assert_eq!(missing([7, 3007]), 0, "another source");
        assert_eq!(missing([7, 9, 40_000, 40_002]), 2, "each source's");
    }

    #[test]
    fn flags_stay_and_the_count_ends_at_its_most() {
        let many = (0..6000_u32).map(|packet| u16::try_from(packet * 2999 % 65_536).expect("16 bits"));
        let direction = many.fold(Direction(Direction::SEEN), Direction::after_rtp);
        assert_eq!(direction.missing_packets(), 0xff_ffff);
        assert!(direction.has(Direction::SEEN) && !direction.has(Direction::FINISHED | Direction::RESET));
    }

    proptest! {
        /// RFC 3550, appendix A.3: expected less received, of packets that come once each, late by less than a hundred.
        #[test]
        fn as_many_as_expected_less_received(
            first in any::<u16>(),
            kept in prop::collection::vec(prop::bool::weighted(0.8), 2..400),
            late in prop::collection::vec(0..8_usize, 400),
        ) {
            let mut order: Vec<usize> = (0..kept.len()).filter(|place| kept[*place] || *place == 0).collect();
            // The first is first: whatever is before it is another source's.
            order[1..].sort_by_key(|place| place + late[*place]);
            let received: BTreeSet<usize> = order.iter().copied().collect();
            let expected = received.last().expect("the first") + 1;
            let sequences = order.iter().map(|place| first.wrapping_add(u16::try_from(*place).expect("few")));
            prop_assert_eq!(usize::try_from(missing(sequences)).expect("few"), expected - received.len());
        }
    }
}
