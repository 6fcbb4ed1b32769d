//! Datagrams that come in fragments.

use std::net::IpAddr;

use etherparse::IpNumber;
use thiserror::Error;

use super::packet::{Packet, Part};
use crate::share::{Bound, Share};
use crate::stream::{Assembly, AssemblyError, Limits};

/// Octets of a datagram: what IP's length can say.
pub const DATAGRAM_OCTETS_MAX: usize = 65_535;

/// Octets that every fragment but the last has a multiple of (RFC 791, section 2.3; RFC 8200, section 4.5).
const UNIT_OCTETS: usize = 8;

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
    /// How long it is, once its last fragment told.
    octets: Option<usize>,
}

/// Datagrams of which some fragments are there.
#[derive(Debug)]
pub struct Fragments {
    /// How much is held of each.
    limits: Limits,
    /// `None`: its fragments contradict each other, and those that still come are of no use (RFC 5722, section 4).
    share: Share<Key, Option<Datagram>>,
}

/// What a fragment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The datagram's payload, if it was the last one missing.
    pub datagram: Option<Vec<u8>>,
    /// Whether another datagram had to be forgotten before its time.
    pub displaced: bool,
}

/// Why fragments make no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FragmentError {
    /// They overlap with different content, tell different ends, or are no multiple of eight octets long; or one before
    /// was refused.
    #[error("the datagram's fragments contradict each other")]
    Conflict,
    /// Too long, or in too many pieces.
    #[error("the datagram is too long, or in too many pieces")]
    TooMuch,
}

impl From<AssemblyError> for FragmentError {
    fn from(error: AssemblyError) -> Self {
        match error {
            AssemblyError::Conflict { .. } => Self::Conflict,
            AssemblyError::Beyond { .. } | AssemblyError::Pieces { .. } => Self::TooMuch,
        }
    }
}

impl Fragments {
    /// Room for as many datagrams as `bound` says, each of which `limits` bound.
    pub fn new(bound: Bound, limits: Limits) -> Self {
        Self { limits, share: Share::new(bound) }
    }

    /// Takes a fragment that came at `now_ns`, and is to or from `subscriber`.
    ///
    /// # Errors
    /// [`FragmentError`]: the datagram is given up, and so are fragments of it that still come.
    pub fn take(
        &mut self,
        subscriber: IpAddr,
        packet: &Packet<'_>,
        part: Part,
        now_ns: u64,
    ) -> Result<Taken, FragmentError> {
        let Packet { source, destination, protocol, payload, .. } = *packet;
        let key = Key { source, destination, identification: part.identification, protocol };
        let mut displaced = false;
        if self.share.get_mut(&key, now_ns).is_none_or(|(_, is_past)| is_past) {
            let datagram = Datagram { assembly: Assembly::new(self.limits), octets: None };
            displaced = self.share.insert(subscriber, key, Some(datagram), now_ns);
        }
        let Some((place, _)) = self.share.get_mut(&key, now_ns) else {
            return Ok(Taken { datagram: None, displaced });
        };
        let datagram = place.as_mut().ok_or(FragmentError::Conflict)?;
        if let Err(error) = datagram.put(part, payload) {
            *place = None;
            return Err(error);
        }
        if !datagram.is_complete() {
            return Ok(Taken { datagram: None, displaced });
        }
        let whole = self.share.remove(&key).flatten();
        Ok(Taken { datagram: whole.map(|whole| whole.assembly.contiguous().to_vec()), displaced })
    }

    /// Whether fragments from `source` wait for others.
    pub fn wait_from(&self, source: IpAddr) -> bool {
        self.share.iter().any(|(key, _)| key.source == source)
    }

    /// Octets of memory held.
    pub fn held_octets(&self) -> usize {
        self.share.iter().filter_map(|(_, datagram)| datagram.as_ref()).map(Datagram::held_octets).sum()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.share.len()
    }
}

impl Datagram {
    fn put(&mut self, part: Part, payload: &[u8]) -> Result<(), FragmentError> {
        let end = part.offset + payload.len();
        let is_whole = payload.len().is_multiple_of(UNIT_OCTETS) && !payload.is_empty();
        if self.assembly.put(part.offset, payload)?.cut_octets != 0 {
            return Err(FragmentError::TooMuch);
        }
        let ends_otherwise = !part.has_more && self.octets.replace(end).is_some_and(|before| before != end);
        // Nothing lies behind the end.
        let is_behind = self.octets.is_some_and(|octets| self.assembly.reach() > octets);
        if part.has_more && !is_whole || ends_otherwise || is_behind {
            return Err(FragmentError::Conflict);
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.octets.is_some_and(|octets| self.assembly.contiguous().len() == octets)
    }

    const fn held_octets(&self) -> usize {
        self.assembly.reach()
    }
}
