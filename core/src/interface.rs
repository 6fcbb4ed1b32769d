//! What a gateway interface saw, to hold against the buckets and the NIC.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::limits::INTERFACES_MAX;
use crate::reason::Bucket;

/// Which way the traffic that arrives on an interface goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Role {
    /// Subscribers' side: uplink arrives here.
    Access = 0,
    /// Internet side: downlink arrives here.
    Core = 1,
}

impl Role {
    /// The role with this number; anything but [`Role::Access`]'s is core.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        if number == Self::Access as u32 { Self::Access } else { Self::Core }
    }

    /// The word in configuration and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Core => "core",
        }
    }
}

/// Where on its way in a packet meets the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Mode {
    /// In the driver, before the kernel has made anything of the frame.
    Native = 1,
    /// In the network stack, on a finished skb: works everywhere, costs more.
    Generic = 2,
}

impl Mode {
    /// The mode with this number; anything but [`Mode::Native`]'s is generic.
    pub const fn from_number(number: u32) -> Self {
        if number == Self::Native as u32 { Self::Native } else { Self::Generic }
    }

    /// The word in status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// Value of `INTERFACE_TOTALS` and `INTERFACE_BUCKETS`, per CPU. All three only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InterfaceUsage {
    /// Frames.
    pub packets: u64,
    /// Their length from the link-layer header on, without the frame check sequence.
    pub frame_octets: u64,
    /// Their inner IP length; 0 for what is not IP or is malformed. Totals, counted before parsing, leave it 0.
    pub octets: u64,
}

impl core::ops::AddAssign for InterfaceUsage {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.frame_octets += other.frame_octets;
        self.octets += other.octets;
    }
}

/// Index of an interface's totals in `INTERFACE_TOTALS`.
#[inline(always)]
pub const fn totals_index(bank: u32, slot: u32) -> u32 {
    bank * INTERFACES_MAX + slot
}

/// Index of one of an interface's buckets in `INTERFACE_BUCKETS`.
#[inline(always)]
pub const fn bucket_index(bank: u32, slot: u32, bucket: Bucket) -> u32 {
    (bank * INTERFACES_MAX + slot) * Bucket::COUNT + bucket as u32
}

/// Value of `INTERFACES`, by slot: which interface has it, and what its NIC had counted before Tollfree did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InterfaceEntry {
    /// Interface index; 0 where the slot is unused.
    pub ifindex: u32,
    /// [`Role`], by number.
    pub role: u32,
    /// [`Mode`], by number.
    pub mode: u32,
    /// Zero.
    pub reserved: u32,
    /// The NIC's received packets when the program was attached.
    pub nic_packets: u64,
    /// The NIC's received octets when the program was attached.
    pub nic_octets: u64,
    /// Packets that arrived while the program was being attached: the NIC's count is uncertain by so many.
    pub nic_uncertain_packets: u64,
}
