//! What happened beside the counting, one counter each.

/// Place in `STATS`, per CPU. Numbers are permanent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stat {
    /// Copies given to userspace.
    CopySent = 0,
    /// Copies that found the ring buffer full.
    CopyLost = 1,
    /// Packets whose counter had no room; counted by rule in the overflow map.
    CounterFull = 2,
    /// Packets for which even the overflow map had no room; counted by interface only.
    OverflowFull = 3,
    /// Tags that were not put into metadata, because the driver has none.
    MetadataRefused = 4,
    /// Flows opened.
    FlowOpened = 5,
    /// Packets that were not free arrived with a free packet's code point, and had it cleared.
    ForgedDscp = 6,
}

impl Stat {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::CopySent,
        Self::CopyLost,
        Self::CounterFull,
        Self::OverflowFull,
        Self::MetadataRefused,
        Self::FlowOpened,
        Self::ForgedDscp,
    ];
    /// How many there are.
    #[allow(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The word in status and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CopySent => "copy-sent",
            Self::CopyLost => "copy-lost",
            Self::CounterFull => "counter-full",
            Self::OverflowFull => "overflow-full",
            Self::MetadataRefused => "metadata-refused",
            Self::FlowOpened => "flow-opened",
            Self::ForgedDscp => "forged-dscp",
        }
    }
}
