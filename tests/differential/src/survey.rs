//! Who talks to whom in the frames of a part.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use tollfree_core::address::Address;
use tollfree_core::bytes::Frame as Octets;
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::packet::{Packet, Start, parse};

use crate::part::Frame;

/// One 5-tuple, from its first sender's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conversation {
    pub(crate) protocol: u8,
    pub(crate) initiator: (IpAddr, u16),
    pub(crate) responder: (IpAddr, u16),
}

/// All that the frames tell, each in order of first appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) initiators: Vec<IpAddr>,
    pub(crate) responders: Vec<IpAddr>,
    pub(crate) conversations: Vec<Conversation>,
    /// The volume of each one's first packet.
    pub(crate) first_octets: HashMap<Conversation, u32>,
}

impl Survey {
    /// What the innermost packets of `frames` tell.
    pub(crate) fn new<T: Transports>(frames: &[Frame], transports: &T) -> Self {
        let mut survey = Self::default();
        let (mut initiators, mut responders) = (HashSet::new(), HashSet::new());
        for frame in frames {
            let octets = Octets::new(&frame.octets);
            let Ok(packet) = parse(&octets, Start::Ethernet, 0, transports, &mut ()) else { continue };
            let conversation = conversation(&packet);
            let known = &mut survey.first_octets;
            if known.contains_key(&conversation.reversed()) || known.contains_key(&conversation) {
                continue;
            }
            known.insert(conversation, packet.volume_octets);
            let (initiator, responder) = (conversation.initiator.0, conversation.responder.0);
            if initiators.insert(initiator) {
                survey.initiators.push(initiator);
            }
            if responders.insert(responder) {
                survey.responders.push(responder);
            }
            survey.conversations.push(conversation);
        }
        survey
    }

    /// Every address once.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let mut seen = HashSet::new();
        self.initiators.iter().chain(&self.responders).filter(|ip| seen.insert(**ip)).copied().collect()
    }
}

impl Conversation {
    const fn reversed(self) -> Self {
        Self { protocol: self.protocol, initiator: self.responder, responder: self.initiator }
    }
}

fn conversation(packet: &Packet) -> Conversation {
    let side = |address: &Address, port| (address.to_ip(), port);
    Conversation {
        protocol: packet.protocol,
        initiator: side(&packet.source, packet.source_port),
        responder: side(&packet.destination, packet.destination_port),
    }
}
