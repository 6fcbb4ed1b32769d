//! A TCP flow's first octets.

use etherparse::TcpSlice;

use super::evidence::{Evidence, Hidden, Reading, Undecided, Via};
use super::limits::STREAM;
use super::name::HostName;
use super::stats::{Count, Stats};
use super::{Trust, http, http2, tls};
use crate::stream::{AssemblyError, Stream, distance};

/// What is known of a flow that awaits evidence.
///
/// A sender can make a reader believe other octets than the server: it sends some that do not get there (low TTL), and
/// others that do, at the same place. So every octet is compared with what came before at its place, and a name counts
/// only once the server has acknowledged all octets that say it: by then it must have got them, through here.
#[derive(Debug)]
pub(super) struct TcpFlow {
    trust: Trust,
    uplink: Stream,
    /// The SYN's sequence number.
    syn: Option<u32>,
    /// The highest sequence number that the server expects.
    acknowledged: Option<u32>,
    /// What the stream is recognised as, so far.
    via: Option<Via>,
    /// What the stream says that counts once the server has it, and the sequence number behind the octets that say it.
    said: Option<(Result<HostName, Hidden>, u32)>,
}

impl TcpFlow {
    pub(super) const fn new(trust: Trust) -> Self {
        Self { trust, uplink: Stream::new(STREAM), syn: None, acknowledged: None, via: None, said: None }
    }

    pub(super) const fn via(&self) -> Option<Via> {
        self.via
    }

    pub(super) fn held_octets(&self) -> usize {
        self.uplink.held_octets()
    }

    /// Takes a segment from the subscriber.
    pub(super) fn uplink(&mut self, segment: &TcpSlice<'_>, stats: &mut Stats) -> Option<Evidence> {
        let (sequence, payload) = (segment.sequence_number(), segment.payload());
        if segment.syn() || segment.rst() {
            if !payload.is_empty() {
                stats.add(Count::ControlPayload);
            }
            return if segment.syn() { self.synchronise(sequence) } else { None };
        }
        if payload.is_empty() {
            return None;
        }
        if segment.urg() {
            return Some(hidden(Hidden::Urgent));
        }
        // Where the stream begins is not known: the copy of the SYN-ACK was lost, or there is none.
        if self.trust == Trust::Wire && !self.uplink.is_anchored() {
            return Some(Evidence::Undecided { why: Undecided::CopiesLost });
        }
        match self.uplink.push(sequence, payload) {
            Ok(_) => {}
            Err(AssemblyError::Conflict { .. }) => return Some(hidden(Hidden::Overlap)),
            Err(AssemblyError::Pieces { .. }) => return Some(hidden(Hidden::TooLong)),
            Err(AssemblyError::Beyond { .. }) => {
                stats.add(Count::OutOfWindow);
                return None;
            }
        }
        if self.said.is_none()
            && let Err(why) = self.read()
        {
            return Some(hidden(why));
        }
        self.decided()
    }

    /// Takes a segment to the subscriber.
    pub(super) fn downlink(&mut self, segment: &TcpSlice<'_>) -> Option<Evidence> {
        if !segment.ack() || segment.rst() {
            return None;
        }
        let acknowledged = segment.acknowledgment_number();
        if segment.syn() {
            return self.begin(acknowledged);
        }
        let first = self.uplink.first_sequence().filter(|_| self.uplink.is_anchored())?;
        if distance(self.acknowledged.unwrap_or(first), acknowledged) > 0 {
            self.acknowledged = Some(acknowledged);
        }
        // What the server has and was not seen, comes again from nobody who means it for the server.
        let is_known = self.uplink.next_sequence().is_some_and(|next| distance(next, acknowledged) <= 0);
        if self.trust == Trust::Wire && self.said.is_none() && !is_known {
            return Some(Evidence::Undecided { why: Undecided::CopiesLost });
        }
        self.decided()
    }

    /// A SYN from the subscriber. Payload in it is none of the stream's: see [`TcpFlow::begin`].
    fn synchronise(&mut self, sequence: u32) -> Option<Evidence> {
        let first = sequence.wrapping_add(1);
        let is_other = self.syn.replace(sequence).is_some_and(|before| before != sequence);
        match self.trust {
            Trust::Wire if is_other || self.begins_elsewhere(first) => {
                return Some(hidden(Hidden::Handshake));
            }
            // The SYN-ACK tells where the stream begins: a SYN that never got there, or got into the middle of a connection,
            // has none.
            Trust::Wire => {}
            Trust::Capture => {
                // A capture may hold several connections of one 5-tuple.
                if is_other {
                    self.uplink = Stream::new(STREAM);
                }
                self.uplink.anchor(first);
            }
        }
        None
    }

    /// The SYN-ACK. It acknowledges the SYN alone: if more, the server took payload from a SYN (RFC 7413), and what the
    /// stream begins with was not read.
    fn begin(&mut self, acknowledged: u32) -> Option<Evidence> {
        let is_other = self.syn.is_some_and(|syn| syn.wrapping_add(1) != acknowledged);
        match self.trust {
            Trust::Wire if is_other || self.begins_elsewhere(acknowledged) => Some(hidden(Hidden::Handshake)),
            Trust::Capture if is_other => None,
            Trust::Wire | Trust::Capture => {
                self.uplink.anchor(acknowledged);
                None
            }
        }
    }

    fn begins_elsewhere(&self, first: u32) -> bool {
        self.uplink.is_anchored() && self.uplink.first_sequence().is_some_and(|known| known != first)
    }

    fn read(&mut self) -> Result<(), Hidden> {
        let stream = self.uplink.octets();
        let (via, reading) = match stream.first() {
            None => return Ok(()),
            Some(&tls::HANDSHAKE_RECORD) => (Via::Tls, tls::read_records(stream)),
            Some(_) if stream.starts_with(http2::PREFACE) || http2::PREFACE.starts_with(stream) => {
                (Via::Http2, http2::read(stream))
            }
            Some(_) => (Via::Http, http::read(stream)),
        };
        let is_other = matches!(reading, Reading::Complete { said: Err(Hidden::NotRecognised), .. });
        self.via = (!is_other).then_some(via);
        match reading {
            Reading::Incomplete if self.uplink.is_full() => Err(Hidden::TooLong),
            Reading::Incomplete => Ok(()),
            Reading::Complete { octets, said } => {
                let first = self.uplink.first_sequence().unwrap_or_default();
                let end = first.wrapping_add(u32::try_from(octets).map_err(|_| Hidden::TooLong)?);
                match said {
                    Err(why) if !why.shows_name() => return Err(why),
                    said => self.said = Some((said, end)),
                }
                Ok(())
            }
        }
    }

    /// What the stream says, once it counts.
    fn decided(&self) -> Option<Evidence> {
        let ((said, end), via) = (self.said.as_ref()?, self.via?);
        let is_there = match self.trust {
            Trust::Capture => true,
            Trust::Wire => self.acknowledged.is_some_and(|acknowledged| distance(*end, acknowledged) >= 0),
        };
        is_there.then(|| Evidence::of_said(said, via))
    }
}

const fn hidden(why: Hidden) -> Evidence {
    Evidence::Hidden { why }
}
