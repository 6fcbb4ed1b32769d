//! Conversations with candidate addresses.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::address::Address;
use crate::counter::Usage;

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

/// Value of `FLOWS`: written by the kernel alone, from any CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowEntry {
    /// When the subscriber opened it, in nanoseconds of `CLOCK_MONOTONIC`.
    pub opened_ns: u64,
    /// When its last packet passed.
    pub last_seen_ns: u64,
    /// What it carried; added to atomically, because the two directions may be on two CPUs.
    pub usage: Usage,
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
}
