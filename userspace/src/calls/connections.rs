//! SIP over TCP (RFC 3261, section 18): connections put together, and cut into messages.

use std::collections::HashMap;
use std::net::SocketAddr;

use tollfree_wire::stream::{AssemblyError, Limits, Stream};

use super::fault::SipFault;
use super::framing::{Framed, frame};
use super::sip::MESSAGE_OCTETS_MAX;
use super::tracker::Direction;

/// Connections followed at once. Reason: one for each subscriber who signals over TCP; each holds octets only while
/// something is missing. Of more, those that rested longest go.
pub const CONNECTIONS_MAX: usize = 65_536;
/// Octets held of one direction. Reason: two messages, one of which waits for a lost segment.
const OCTETS_MAX: usize = 2 * MESSAGE_OCTETS_MAX;
/// Gaps at once. Reason: a sender whose segments are lost more often sends no calls.
const PIECES_MAX: usize = 16;
/// How long a connection may rest, in nanoseconds. Reason: keep-alives come at least every 15 minutes (RFC 5626, section
/// 4.4.1: 840 to 1,000 s; RFC 3261 itself knows none).
const REST_NS: u64 = 1_200 * 1_000_000_000;

/// What a copied segment says.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The subscriber's end.
    pub subscriber: SocketAddr,
    /// The proxy's end.
    pub proxy: SocketAddr,
    /// Which way it goes.
    pub direction: Direction,
    /// Sequence number of its first octet of payload; of a SYN, that which follows it.
    pub sequence: u32,
    /// A SYN.
    pub is_syn: bool,
    /// A FIN or RST: nothing follows in this direction.
    pub is_end: bool,
    /// What it carries.
    pub payload: &'a [u8],
}

/// One message of a connection, or why there is none.
pub type Read = Result<Vec<u8>, SipFault>;

#[derive(Debug)]
struct Connection {
    seen_ns: u64,
    uplink: Half,
    downlink: Half,
}

/// One direction.
#[derive(Debug)]
struct Half {
    stream: Stream,
    /// Whether the octets in front begin a message. After a loss, or in a connection that began before the controller, a
    /// message is looked for at the beginning of each segment.
    is_aligned: bool,
    is_over: bool,
}

impl Half {
    const fn new(is_aligned: bool) -> Self {
        let limits = Limits { octets: OCTETS_MAX, pieces: PIECES_MAX };
        Self { stream: Stream::new(limits), is_aligned, is_over: false }
    }
}

/// Connections between subscribers and proxies.
#[derive(Debug, Default)]
pub struct Connections {
    connections: HashMap<(SocketAddr, SocketAddr), Connection>,
    lost: u64,
}

impl Connections {
    /// How often octets of a connection were given up: one was lost, or two segments disagree.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many connections are followed.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether none is followed.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes a segment that came at `now_ns` (`CLOCK_MONOTONIC`), and gives the messages that it completes.
    pub fn take(&mut self, now_ns: u64, segment: &Segment<'_>) -> Vec<Read> {
        let key = (segment.subscriber, segment.proxy);
        if !self.connections.contains_key(&key) {
            self.make_room(now_ns);
        }
        let connection = self.connections.entry(key).or_insert_with(|| Connection {
            seen_ns: now_ns,
            uplink: Half::new(false),
            downlink: Half::new(false),
        });
        connection.seen_ns = now_ns;
        let half = match segment.direction {
            Direction::Uplink => &mut connection.uplink,
            Direction::Downlink => &mut connection.downlink,
        };
        if segment.is_syn {
            *half = Half::new(true);
            half.stream.anchor(segment.sequence);
        }
        let (messages, is_lost) = half.take(segment);
        self.lost += u64::from(is_lost);
        half.is_over |= segment.is_end;
        if connection.uplink.is_over && connection.downlink.is_over {
            self.connections.remove(&key);
        }
        messages
    }

    /// Forgets what rests for too long; where that is not enough, the older half of all.
    fn make_room(&mut self, now_ns: u64) {
        if self.connections.len() < CONNECTIONS_MAX {
            return;
        }
        self.connections.retain(|_, connection| now_ns.saturating_sub(connection.seen_ns) < REST_NS);
        if self.connections.len() < CONNECTIONS_MAX {
            return;
        }
        let mut seen: Vec<u64> = self.connections.values().map(|connection| connection.seen_ns).collect();
        let (_, median, _) = seen.select_nth_unstable(CONNECTIONS_MAX / 2);
        let median = *median;
        // Where all were seen at once, a part goes too: there must be room.
        let mut room = CONNECTIONS_MAX / 2;
        self.connections.retain(|_, connection| {
            let stays = connection.seen_ns > median || room == 0;
            room -= usize::from(!stays);
            stays
        });
    }
}

impl Half {
    /// The messages that are whole now, and whether something was given up.
    fn take(&mut self, segment: &Segment<'_>) -> (Vec<Read>, bool) {
        if segment.payload.is_empty() {
            return (Vec::new(), false);
        }
        let mut is_lost = false;
        if !self.is_aligned {
            if !begins_message(segment.payload) {
                return (Vec::new(), false);
            }
            self.begin_at(segment.sequence);
        }
        let put = self.stream.push(segment.sequence, segment.payload);
        let is_refused = match put {
            Ok(put) => put.cut_octets > 0,
            Err(_) => true,
        };
        if is_refused {
            is_lost = true;
            self.is_aligned = false;
            // A gap that never closes: begin anew with this segment, if it begins a message.
            if matches!(put, Err(AssemblyError::Conflict { .. })) || !begins_message(segment.payload) {
                return (Vec::new(), is_lost);
            }
            self.begin_at(segment.sequence);
            if self.stream.push(segment.sequence, segment.payload).is_err() {
                return (Vec::new(), is_lost);
            }
        }
        let messages = self.messages();
        (messages, is_lost)
    }

    fn begin_at(&mut self, sequence: u32) {
        *self = Self::new(true);
        self.stream.anchor(sequence);
    }

    fn messages(&mut self) -> Vec<Read> {
        let mut messages = Vec::new();
        loop {
            match frame(self.stream.octets()) {
                Framed::Partial => return messages,
                Framed::Blank { octets } => self.stream.consume(octets),
                Framed::Message { end } => {
                    messages.push(Ok(self.stream.octets().get(..end).unwrap_or_default().to_vec()));
                    self.stream.consume(end);
                }
                Framed::Fault(fault) => {
                    messages.push(Err(fault));
                    *self = Self::new(false);
                    return messages;
                }
            }
        }
    }
}

/// Whether octets look like a message's first: a status line or a request line's method.
fn begins_message(octets: &[u8]) -> bool {
    let word = octets.split(|octet| *octet == b' ').next().unwrap_or_default();
    let is_method = (3..=16).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase);
    word == b"SIP/2.0" || is_method
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
