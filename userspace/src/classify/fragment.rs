//! Fragments whose ports another packet tells.

use std::collections::HashMap;

use tollfree_core::address::Address;

use super::flow::Sighting;

/// What all fragments of one datagram have in common (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Datagram {
    pub(super) source: Address,
    pub(super) destination: Address,
    pub(super) identification: u32,
    /// IPv4's; an IPv6 datagram is told apart without it.
    pub(super) protocol: Option<u8>,
}

/// Which part of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its first fragment, which has the ports.
    First(Datagram),
    /// A later one.
    Later(Datagram),
}

/// What a first fragment tells of the rest.
#[derive(Clone, Copy, Debug)]
struct First {
    protocol: u8,
    ports: (Option<u16>, Option<u16>),
}

impl First {
    fn complete(self, later: &mut Sighting) {
        later.protocol = self.protocol;
        (later.source.port, later.destination.port) = self.ports;
    }
}

/// Later fragments that wait for their first, each with the place of its encapsulation.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragments {
    firsts: HashMap<Datagram, First>,
    waiting: HashMap<Datagram, Vec<(Sighting, usize)>>,
}

impl Fragments {
    /// Takes note of a first fragment; gives back, completed, the later ones that came before it.
    pub(super) fn first(&mut self, datagram: Datagram, sighting: &Sighting) -> Vec<(Sighting, usize)> {
        let ports = (sighting.source.port, sighting.destination.port);
        let first = First { protocol: sighting.protocol, ports };
        self.firsts.insert(datagram, first);
        let mut waiting = self.waiting.remove(&datagram).unwrap_or_default();
        for (later, _) in &mut waiting {
            first.complete(later);
        }
        waiting
    }

    /// Completes a later fragment, or keeps it until its first comes.
    pub(super) fn later(
        &mut self,
        datagram: Datagram,
        sighting: &Sighting,
        stack: usize,
    ) -> Option<Sighting> {
        let mut later = *sighting;
        if let Some(first) = self.firsts.get(&datagram) {
            first.complete(&mut later);
            return Some(later);
        }
        self.waiting.entry(datagram).or_default().push((later, stack));
        None
    }

    /// Those whose first never came, in the order of the file.
    pub(super) fn orphans(&mut self) -> Vec<(Sighting, usize)> {
        let mut orphans: Vec<_> = self.waiting.drain().flat_map(|(_, waiting)| waiting).collect();
        orphans.sort_by_key(|(sighting, _)| sighting.frame);
        orphans
    }
}
