//! A compiled policy, as the kernel looks it up.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::limits::{MATCH_SETS_MAX, MATCHERS_MAX, RULES_MAX};
use crate::packet::protocol;

/// Value of `PREFIXES`: what a remote address is. All zero: not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ClassEntry {
    /// [`ClassEntry::CANDIDATE`] and its like, or-ed.
    pub flags: u32,
    /// Which [`MatchSet`] applies, if it is a candidate.
    pub match_set: u32,
}

impl ClassEntry {
    /// Rules list it: see its match set.
    pub const CANDIDATE: u32 = 1;
    /// A signalling proxy: SIP with it is copied to userspace.
    pub const SIGNALLING: u32 = 2;
    /// In a hotline's media networks: free where a call's grant says so.
    pub const MEDIA: u32 = 4;
    /// A trusted resolver: questions to it about names that rules list, and its answers, are copied to userspace.
    pub const RESOLVER: u32 = 8;
    /// Names of strangers have this address too: the name is asked for, whatever the rule says.
    pub const SHARED: u32 = 16;
    /// A signalling proxy, while a rule frees SIP MESSAGE requests to its numbers.
    pub const TEXTS: u32 = 32;

    /// Whether all of `flags` are set.
    #[inline(always)]
    pub const fn has(self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}

/// One rule's claim on one range of ports.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Matcher {
    /// First and last remote port, inclusive; first greater than last: the set ends here.
    pub first_port: u16,
    /// See `first_port`.
    pub last_port: u16,
    /// The rule's place in `RULES`.
    pub rule_index: u16,
    /// [`Matcher::TCP`], [`Matcher::UDP`] or both.
    pub protocols: u16,
}

impl Matcher {
    /// Matches TCP.
    pub const TCP: u16 = 1;
    /// Matches UDP.
    pub const UDP: u16 = 2;
    /// Ends a set.
    pub const END: Self = Self { first_port: 1, last_port: 0, rule_index: 0, protocols: 0 };

    /// The bit of an IP protocol that has ports.
    #[inline(always)]
    pub const fn bit(protocol: u8) -> u16 {
        if protocol == protocol::TCP { Self::TCP } else { Self::UDP }
    }

    /// Whether it is about this port of the protocol with this bit.
    #[inline(always)]
    pub fn claims(&self, bit: u16, port: u16) -> bool {
        self.protocols & bit != 0 && (self.first_port..=self.last_port).contains(&port)
    }
}

/// Value of `MATCH_SETS`: what applies to an address, in the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MatchSet {
    /// The first that matches decides.
    pub matchers: [Matcher; MATCHERS_MAX],
}

impl MatchSet {
    /// Matches nothing.
    pub const EMPTY: Self = Self { matchers: [Matcher::END; MATCHERS_MAX] };
}

/// What a rule gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum RuleClass {
    /// Free of charge.
    Free = 0,
    /// Free of charge, and ahead of others.
    FreePriority = 1,
    /// Ahead of others, but paid for.
    Priority = 2,
}

impl RuleClass {
    /// How many there are; each has a tag of its own.
    pub const COUNT: usize = 3;

    /// The class with this number; one that is unknown gives nothing away.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Free,
            1 => Self::FreePriority,
            _ => Self::Priority,
        }
    }

    /// Whether the subscriber does not pay.
    #[inline(always)]
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Free | Self::FreePriority)
    }

    /// The word in policies and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::FreePriority => "free-priority",
            Self::Priority => "priority",
        }
    }
}

/// What a rule asks for before a flow is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Evidence {
    /// The remote address is enough.
    Address = 0,
    /// The name that the subscriber asks for as well.
    NameAndAddress = 1,
}

impl Evidence {
    /// The word in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::NameAndAddress => "name-and-address",
        }
    }
}

/// Value of `RULES`: one rule of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RuleEntry {
    /// The rule's permanent number; 0 where there is no rule.
    pub rule: u32,
    /// [`RuleClass`], by number.
    pub class: u32,
    /// When it ends, in nanoseconds of `CLOCK_MONOTONIC`; `u64::MAX`: never. The kernel ends it by itself, so that
    /// a dead controller keeps nothing free for longer than was promised.
    pub valid_until_ns: u64,
    /// What it gives one subscriber in a day, in octets of volume; [`RuleEntry::NO_CEILING`]: as much as he wants.
    pub ceiling_octets: u64,
    /// [`Evidence`], by number; one that is unknown asks for a name.
    pub evidence: u32,
    /// [`RuleEntry::OBSERVED`] and its like, or-ed.
    pub flags: u32,
}

impl RuleEntry {
    /// Only observed: what would be free is charged, under a reason of its own.
    pub const OBSERVED: u32 = 1;
    /// Flows that hide their name are free.
    pub const HIDDEN_FREE: u32 = 2;

    /// No ceiling.
    pub const NO_CEILING: u64 = u64::MAX;

    /// A rule that trusts the address alone and has neither end nor ceiling.
    pub const fn new(rule: u32, class: RuleClass) -> Self {
        Self {
            rule,
            class: class as u32,
            valid_until_ns: u64::MAX,
            ceiling_octets: Self::NO_CEILING,
            evidence: Evidence::Address as u32,
            flags: 0,
        }
    }

    /// Whether all of `flags` are set.
    #[inline(always)]
    pub const fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}

/// Place of a match set in `MATCH_SETS`.
#[inline(always)]
pub const fn match_set_index(slot: u32, match_set: u32) -> u32 {
    slot * MATCH_SETS_MAX + match_set
}

/// Place of a rule in `RULES`.
#[inline(always)]
pub const fn rule_index(slot: u32, rule: u16) -> u32 {
    slot * RULES_MAX + rule as u32
}

/// Value of `LOCAL_V4` and `LOCAL_V6`: what an address on the subscribers' side is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Local {
    /// In no pool.
    #[default]
    Foreign = 0,
    /// In a subscriber pool.
    Subscriber = 1,
    /// The gateway's own, or link-local or multicast.
    Own = 2,
}

impl Local {
    /// The kind with this number; one that is unknown is nobody's.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Subscriber,
            2 => Self::Own,
            _ => Self::Foreign,
        }
    }
}
