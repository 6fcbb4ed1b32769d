//! Datagrams that come in fragments.

use std::net::IpAddr;

use etherparse::IpNumber;

use super::limits::Bound;
use super::packet::{Packet, Part};
use super::refusal::Refusal;
use super::share::Share;
use crate::stream::{Assembly, Limits};

/// Fragments of a datagram that wait with gaps between them. Reason: 64 KiB in fragments of the smallest packet that
/// every IPv6 link carries are 53, and few are out of order.
const PIECES_MAX: usize = 16;

/// Octets of a datagram: what IP's length can say.
const DATAGRAM_OCTETS_MAX: usize = 65_535;

/// What fragments of one datagram have in common (RFC 791, section 2.3; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    protocol: IpNumber,
}

/// A datagram of which some fragments are there.
#[derive(Debug)]
struct Datagram {
    assembly: Assembly,
    octets: Option<usize>,
}

/// Datagrams of which some fragments are there.
#[derive(Debug)]
pub(super) struct Fragments {
    /// `None`: its fragments contradict each other, and those that still come are of no use.
    share: Share<Key, Option<Datagram>>,
}

/// What a fragment did.
#[derive(Debug)]
pub(super) struct Taken {
    /// The datagram's payload, if it was the last one missing.
    pub(super) datagram: Option<Vec<u8>>,
    /// Whether another datagram had to be forgotten.
    pub(super) displaced: bool,
}

impl Fragments {
    pub(super) fn new(bound: Bound) -> Self {
        Self { share: Share::new(bound) }
    }

    /// Takes a fragment that is to or from `subscriber`.
    pub(super) fn take(
        &mut self,
        subscriber: IpAddr,
        packet: &Packet<'_>,
        part: Part,
        now_ns: u64,
    ) -> Result<Taken, Refusal> {
        let Packet { source, destination, protocol, payload, .. } = *packet;
        let key = Key { source, destination, identification: part.identification, protocol };
        let mut displaced = false;
        if self.share.get_mut(&key, now_ns).is_none_or(|(_, is_past)| is_past) {
            displaced = self.share.insert(subscriber, key, Some(Datagram::new()), now_ns);
        }
        let Some((place, _)) = self.share.get_mut(&key, now_ns) else {
            return Ok(Taken { datagram: None, displaced });
        };
        let Some(datagram) = place else { return Err(Refusal::Fragments) };
        if datagram.put(part, payload).is_none() {
            *place = None;
            return Err(Refusal::Fragments);
        }
        if !datagram.is_complete() {
            return Ok(Taken { datagram: None, displaced });
        }
        let whole = self.share.remove(&key).flatten();
        Ok(Taken { datagram: whole.map(|whole| whole.assembly.contiguous().to_vec()), displaced })
    }
}

impl Datagram {
    const fn new() -> Self {
        let limits = Limits { octets: DATAGRAM_OCTETS_MAX, pieces: PIECES_MAX };
        Self { assembly: Assembly::new(limits), octets: None }
    }

    /// `None`: the fragment contradicts those before it.
    fn put(&mut self, part: Part, payload: &[u8]) -> Option<()> {
        let end = part.offset + payload.len();
        let is_whole = payload.len().is_multiple_of(8) && !payload.is_empty();
        let put = self.assembly.put(part.offset, payload).ok()?;
        if put.cut_octets != 0 || part.has_more && !is_whole {
            return None;
        }
        if !part.has_more && self.octets.replace(end).is_some_and(|before| before != end) {
            return None;
        }
        // Nothing lies behind the end.
        self.octets.is_none_or(|octets| self.assembly.reach() <= octets).then_some(())
    }

    fn is_complete(&self) -> bool {
        self.octets.is_some_and(|octets| self.assembly.contiguous().len() == octets)
    }
}
