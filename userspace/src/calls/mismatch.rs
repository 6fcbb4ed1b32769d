//! Why a message is not part of the call that it names.

/// Why a message that names a followed call changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Mismatch {
    /// From or to another address or port than the INVITE.
    Socket = 0,
    /// The tag of the other end is not the one that answered, or is absent.
    Tag = 1,
    /// A response, repeated request or CANCEL of another transaction.
    Branch = 2,
    /// A `CSeq` that is used up or was never asked.
    Sequence = 3,
    /// A response to nothing that was asked.
    Unasked = 4,
    /// A request within a dialog that no answer has made yet.
    Early = 5,
}

impl Mismatch {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// The words for metrics, by number.
    pub const NAMES: [&'static str; Self::COUNT] =
        ["socket", "tag", "branch", "sequence", "unasked", "early"];

    /// Its place among the counters, below [`Mismatch::COUNT`].
    pub const fn number(self) -> usize {
        self as usize
    }

    /// The word for metrics.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }
}
