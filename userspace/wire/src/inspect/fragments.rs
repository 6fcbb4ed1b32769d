//! Datagrams of one flow, put together from IP fragments.

use std::collections::VecDeque;

use super::limits::{DATAGRAM, DATAGRAMS};
use super::packet::Fragment;
use crate::dns::Direction;
use crate::stream::{Assembly, AssemblyError};

/// A datagram of which parts are missing.
#[derive(Debug)]
struct Parts {
    direction: Direction,
    identification: u32,
    assembly: Assembly,
    /// How long it is, once its last part told.
    octets: Option<usize>,
}

/// The datagrams of one flow of which parts are missing, oldest first.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    datagrams: VecDeque<Parts>,
}

/// Why fragments do not make a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FragmentError {
    /// Parts overlap with different content, or tell different ends.
    Conflict,
    /// Too long, or in too many pieces.
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
    /// Takes a part; gives the whole datagram's octets once there are all.
    pub(super) fn take(
        &mut self,
        direction: Direction,
        fragment: Fragment,
        octets: &[u8],
    ) -> Result<Option<Vec<u8>>, FragmentError> {
        let Fragment { identification, offset, more } = fragment;
        let is_this = |parts: &Parts| parts.direction == direction && parts.identification == identification;
        let place = self.datagrams.iter().position(is_this).unwrap_or_else(|| {
            if self.datagrams.len() >= DATAGRAMS {
                self.datagrams.pop_front();
            }
            let assembly = Assembly::new(DATAGRAM);
            self.datagrams.push_back(Parts { direction, identification, assembly, octets: None });
            self.datagrams.len() - 1
        });
        let parts = &mut self.datagrams[place];
        if parts.assembly.put(offset, octets)?.cut_octets > 0 {
            return Err(FragmentError::TooMuch);
        }
        let end = offset + octets.len();
        if !more && parts.octets.replace(end).is_some_and(|before| before != end) {
            return Err(FragmentError::Conflict);
        }
        let Some(octets) = parts.octets else { return Ok(None) };
        if parts.assembly.reach() > octets {
            return Err(FragmentError::Conflict);
        }
        if parts.assembly.contiguous().len() < octets {
            return Ok(None);
        }
        let whole = parts.assembly.contiguous().to_vec();
        self.datagrams.remove(place);
        Ok(Some(whole))
    }

    /// Whether parts from the subscriber wait for others: what they say is not known, but the server may know it.
    pub(super) fn hides_uplink(&self) -> bool {
        self.datagrams.iter().any(|parts| parts.direction == Direction::Uplink)
    }

    /// Octets of memory held.
    pub(super) fn held_octets(&self) -> usize {
        self.datagrams.iter().map(|parts| parts.assembly.reach()).sum()
    }
}
