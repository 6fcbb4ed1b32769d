//! All flows of a capture.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::flow::{Flow, FlowKey, Sighting};
use super::fragment::{Datagram, Fragments, Part};
use super::names::NameReport;

/// Flows, by their 5-tuples. What a capture holds bounds it: each entry stands for a packet at least.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowTable {
    flows: Vec<Flow>,
    places: HashMap<FlowKey, usize>,
    fragments: Fragments,
    /// On which flow a later fragment was booked, by its number in the file.
    later: HashMap<u64, usize>,
    /// Datagrams that carry a tunnel and came in fragments.
    tunnels: HashSet<Datagram>,
    stacks: Stacks,
}

/// Encapsulations, each kept once.
#[derive(Clone, Debug, Default)]
struct Stacks {
    texts: Vec<Rc<str>>,
    places: HashMap<Rc<str>, usize>,
}

impl Stacks {
    fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let text: Rc<str> = text.into();
        self.texts.push(Rc::clone(&text));
        self.places.insert(text, self.texts.len() - 1);
        self.texts.len() - 1
    }
}

impl FlowTable {
    /// Adds a packet with the encapsulation `stack`.
    pub(super) fn add(&mut self, sighting: &Sighting, stack: &str) {
        let stack = self.stacks.place(stack);
        match sighting.part {
            Part::Whole => self.book(sighting, stack),
            Part::First(datagram) => {
                self.book(sighting, stack);
                for (later, stack) in self.fragments.first(datagram, sighting) {
                    self.book(&later, stack);
                }
            }
            Part::Later(datagram) => {
                if let Some(later) = self.fragments.later(datagram, sighting, stack) {
                    self.book(&later, stack);
                }
            }
        }
    }

    /// Takes note that a datagram in fragments carries a tunnel.
    pub(super) fn add_tunnel(&mut self, datagram: Datagram) {
        self.tunnels.insert(datagram);
    }

    /// Whether a packet is a later fragment of such a datagram.
    pub(super) fn is_of_tunnel(&self, sighting: &Sighting) -> bool {
        matches!(sighting.part, Part::Later(datagram) if self.tunnels.contains(&datagram))
    }

    /// Books what still waits for a first fragment: on flows without ports.
    pub(super) fn close(&mut self) {
        for (orphan, stack) in self.fragments.orphans() {
            self.book(&orphan, stack);
        }
    }

    fn book(&mut self, sighting: &Sighting, stack: usize) {
        let place = *self.places.entry(sighting.key()).or_insert_with(|| {
            self.flows.push(Flow::new(sighting));
            self.flows.len() - 1
        });
        self.flows[place].add(sighting, stack);
        if matches!(sighting.part, Part::Later(_)) {
            self.later.insert(sighting.frame, place);
        }
    }

    /// Where the flow is on which a packet was booked; of a later fragment, `None` until its first was there.
    pub(super) fn place_of(&self, sighting: &Sighting) -> Option<usize> {
        self.later.get(&sighting.frame).or_else(|| self.places.get(&sighting.key())).copied()
    }

    /// The flow on which a packet was booked.
    pub(super) fn flow_of(&mut self, sighting: &Sighting) -> Option<&mut Flow> {
        let place = self.place_of(sighting)?;
        self.flows.get_mut(place)
    }

    /// Gives flows, by their places, the names that they ask for.
    pub(super) fn name(&mut self, names: HashMap<usize, Vec<NameReport>>) {
        for (place, names) in names {
            if let Some(flow) = self.flows.get_mut(place) {
                flow.names = names;
            }
        }
    }

    /// All flows, in the order of their first packets.
    pub(super) fn flows(&self) -> Vec<&Flow> {
        let mut flows: Vec<_> = self.flows.iter().collect();
        flows.sort_by_key(|flow| flow.first_frame);
        flows
    }

    /// A flow's encapsulations.
    pub(super) fn stacks<'a>(&'a self, flow: &'a Flow) -> impl Iterator<Item = &'a str> {
        flow.stacks.iter().filter_map(|place| self.stacks.texts.get(*place).map(AsRef::as_ref))
    }
}
