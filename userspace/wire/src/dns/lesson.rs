//! What an answer teaches.

use std::net::IpAddr;

/// What one answer says of one name. Names are as [`presentation`](super::presentation) writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Who asked.
    pub subscriber: IpAddr,
    /// Who answered.
    pub resolver: IpAddr,
    /// What was asked for.
    pub name: String,
    /// The aliases that lead from `name` to the owner of the addresses, in order, `name` excluded; mostly none.
    pub chain: Vec<String>,
    /// Each address once, with the seconds for which the name has it: the shortest time to live from `name` to the
    /// address (RFC 2181, section 8: 0 if the topmost bit is set). Empty where the answer has hints alone.
    pub addresses: Vec<(IpAddr, u32)>,
    /// What HTTPS and SVCB records say. Never to be learned: a hint is not what the name resolves to.
    pub hints: Vec<Hint>,
}

/// One HTTPS or SVCB record (RFC 9460).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Who serves the name; the record's owner where the record says `.` (RFC 9460, section 2.5).
    pub target: String,
    /// 0: the name is an alias of the target (RFC 9460, section 2.4).
    pub priority: u16,
    /// `ipv4hint` and `ipv6hint`.
    pub addresses: Vec<IpAddr>,
    /// Whether there are keys for Encrypted Client Hello: the name on the wire will be hidden.
    pub has_ech: bool,
    /// How long it lives, in seconds.
    pub ttl: u32,
}
