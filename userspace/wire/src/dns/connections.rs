//! Messages over TCP (RFC 7766): each has its length in two octets in front.

use std::net::SocketAddr;

use etherparse::TcpSlice;

use super::direction::Direction;
use super::refusal::Refusal;
use crate::share::{Bound, Share};
use crate::stream::{Limits, Stream};

/// Octets that one direction may hold: one message with its length (RFC 1035, section 4.2.2).
const STREAM_LIMITS: Limits = Limits { octets: 2 + 65_535, pieces: 16 };

/// What messages are given to.
type Give<'a> = dyn FnMut(Result<&[u8], Refusal>) + 'a;

/// Subscriber's side, then the resolver's.
type Key = (SocketAddr, SocketAddr);

#[derive(Debug)]
struct Connection {
    uplink: Side,
    downlink: Side,
}

/// One direction.
#[derive(Debug)]
struct Side {
    stream: Stream,
    is_finished: bool,
}

/// Connections whose beginning was seen.
#[derive(Debug)]
pub(super) struct Connections {
    share: Share<Key, Connection>,
}

impl Connections {
    pub(super) fn new(bound: Bound) -> Self {
        Self { share: Share::new(bound) }
    }

    /// Takes a segment, and gives every message that is complete with it.
    pub(super) fn take(
        &mut self,
        (subscriber, resolver): Key,
        direction: Direction,
        segment: &TcpSlice<'_>,
        now_ns: u64,
        give: &mut Give<'_>,
    ) {
        let key = (subscriber, resolver);
        let mut before = self.share.remove(&key);
        if segment.rst() {
            return;
        }
        let first = segment.sequence_number().wrapping_add(segment.syn().into());
        let begins = segment.syn() && !segment.ack() && direction == Direction::Uplink;
        if begins {
            // The same SYN again begins nothing new.
            before =
                before.filter(|before| before.uplink.begins_at(first)).or_else(|| Some(Connection::new()));
        }
        let Some(mut connection) = before else {
            if !segment.payload().is_empty() {
                give(Err(Refusal::Stream));
            }
            return;
        };
        let side = match direction {
            Direction::Uplink => &mut connection.uplink,
            Direction::Downlink => &mut connection.downlink,
        };
        let is_followed = side.take(segment, first, give);
        if !is_followed {
            return give(Err(Refusal::Stream));
        }
        if connection.is_over() {
            return;
        }
        if self.share.insert(subscriber.ip(), key, connection, now_ns) {
            give(Err(Refusal::Full));
        }
    }
}

impl Connection {
    fn new() -> Self {
        let side = || Side { stream: Stream::new(STREAM_LIMITS), is_finished: false };
        Self { uplink: side(), downlink: side() }
    }

    /// Both sides are done, and nothing that they sent is missing.
    fn is_over(&self) -> bool {
        [&self.uplink, &self.downlink].iter().all(|side| side.is_finished && side.stream.held_octets() == 0)
    }
}

impl Side {
    fn begins_at(&self, first: u32) -> bool {
        self.stream.is_anchored() && self.stream.first_sequence() == Some(first)
    }

    /// Whether the stream can be followed on.
    fn take(&mut self, segment: &TcpSlice<'_>, first: u32, give: &mut Give<'_>) -> bool {
        if segment.syn() {
            self.stream.anchor(first);
        }
        self.is_finished |= segment.fin();
        if segment.payload().is_empty() {
            return true;
        }
        if !self.stream.is_anchored() {
            return false;
        }
        loop {
            let Ok(put) = self.stream.push(first, segment.payload()) else { return false };
            let given = give_messages(&mut self.stream, give);
            if put.cut_octets == 0 {
                return true;
            }
            if !given {
                return false;
            }
        }
    }
}

/// Gives the messages that are complete, and says whether there was one.
fn give_messages(stream: &mut Stream, give: &mut Give<'_>) -> bool {
    let mut given = false;
    while let Some((&length, rest)) = stream.octets().split_first_chunk()
        && let Some(message) = rest.get(..u16::from_be_bytes(length).into())
    {
        give(Ok(message));
        let octets = length.len() + message.len();
        stream.consume(octets);
        given = true;
    }
    given
}
