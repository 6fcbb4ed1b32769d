//! Conversations that go on through a sequence: they open, carry, end and begin anew.

use std::net::IpAddr;

use tollfree_core::interface::Role;

use super::address::{Ends, call};
use super::internet::Datagram;
use super::random::Random;
use super::segment;

/// Where payloads begin and begin again: around the end of the number space and its half, and such that they overlap.
const SEQUENCES: [u32; 8] = [0, 0, 8, 20, 0xffff_fff0, 0xffff_fff0, 0xffff_fffc, 0x8000_0008];

/// Ports that rules list, mostly.
const REMOTE_PORTS: [u16; 5] = [443, 443, 8801, 53, 40_000];

/// Conversations of a sequence at most.
const TALKS_MAX: usize = 3;

/// FIN with ACK, RST, SYN, SYN with ACK, ACK, PSH with ACK (RFC 9293, section 3.1).
const FLAGS: [u8; 12] = [0x11, 0x11, 0x11, 0x04, 0x02, 0x02, 0x02, 0x12, 0x10, 0x18, 0x18, 0x18];

/// Errors of ICMP (RFC 792) and of ICMPv6 (RFC 4443), and what is not one.
const KINDS: [[u8; 8]; 2] = [[3, 3, 4, 5, 11, 12, 0, 8], [1, 2, 2, 3, 4, 100, 127, 128]];

/// A subscriber's address and port, and a remote one's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk {
    protocol: u8,
    subscriber: (IpAddr, u16),
    remote: (IpAddr, u16),
}

impl Talk {
    /// One or some, most of them one subscriber's.
    pub(super) fn draw_some(random: &mut Random) -> Vec<Self> {
        let first = Self::draw(random);
        let mut talks = vec![first];
        for _ in 0..random.below(TALKS_MAX) {
            let talk = Self::draw(random);
            let is_first = talk.subscriber.0.is_ipv4() == first.subscriber.0.is_ipv4() && random.chance(700);
            let address = if is_first { first.subscriber.0 } else { talk.subscriber.0 };
            talks.push(Self { subscriber: (address, talk.subscriber.1), ..talk });
        }
        talks
    }

    /// Now and then a call's.
    fn draw(random: &mut Random) -> Self {
        if random.chance(100) {
            let (subscriber, remote) = call(random);
            return Self { protocol: 17, subscriber, remote };
        }
        let ends = Ends::listed(random);
        Self {
            protocol: *random.pick(&[6, 6, 17]),
            subscriber: (ends.source, *random.pick(&[50_000, 50_001])),
            remote: (ends.destination, *random.pick(&REMOTE_PORTS)),
        }
    }

    /// The next datagram of it, or one about it.
    pub(super) fn next(self, random: &mut Random, role: Role) -> Datagram {
        if random.chance(120) { self.error(random, role) } else { self.datagram(random, role) }
    }

    fn datagram(self, random: &mut Random, role: Role) -> Datagram {
        let (from, to) = match role {
            Role::Access => (self.subscriber, self.remote),
            Role::Core => (self.remote, self.subscriber),
        };
        let ports = [from.1, to.1];
        let payload = match self.protocol {
            6 => {
                let flags = *random.pick(&FLAGS);
                let sequence = *random.pick(&SEQUENCES);
                let octets =
                    if flags & 0x06 == 0 && random.chance(700) { *random.pick(&[1, 8, 20, 64]) } else { 0 };
                segment::tcp_around(ports, sequence, flags, &random.octets(octets))
            }
            _ => segment::udp(random, ports),
        };
        Datagram { ends: Ends { source: from.0, destination: to.0 }, protocol: self.protocol, payload }
    }

    /// An ICMP error about a packet of the other direction, from wherever; now and then about one of this direction, of
    /// another conversation, or with the other IP version's number.
    fn error(self, random: &mut Random, role: Role) -> Datagram {
        let other = Self::draw(random);
        let quoted = if random.chance(80) { other } else { self };
        let family = usize::from(self.subscriber.0.is_ipv6());
        let kind = KINDS.get(family).map_or(0, |kinds| *random.pick(kinds));
        let mut payload = vec![kind, 0, 0, 0, 0, 0, 5, 0];
        payload.extend(quoted.quote(random, role));
        let from = Ends::conversation(random, role);
        let from = if from.is_v4() == self.subscriber.0.is_ipv4() { from } else { self.ends(role) };
        let ends = match role {
            Role::Access => Ends { source: self.subscriber.0, ..from },
            Role::Core => Ends { destination: self.subscriber.0, ..from },
        };
        let protocol = if (family == 0) ^ random.chance(20) { 1 } else { 58 };
        Datagram { ends, protocol, payload }
    }

    /// What an error that arrives on `role`'s interface quotes: a packet whole or cut, now and then in fragments.
    fn quote(self, random: &mut Random, role: Role) -> Vec<u8> {
        let is_turned = random.chance(50);
        let about = if (role == Role::Access) ^ is_turned { Role::Core } else { Role::Access };
        let mut packets = self.datagram(random, about).packets(random, 100);
        random.shuffle(&mut packets);
        let mut quote = packets.pop().unwrap_or_default();
        let any = random.below(quote.len().max(1));
        // IPv4's and IPv6's header, and the eight octets that RFC 792 asks for; one less.
        let kept = *random.pick(&[usize::MAX, usize::MAX, usize::MAX, 28, 48, 27, 47, any]);
        quote.truncate(kept);
        quote
    }

    const fn ends(self, role: Role) -> Ends {
        match role {
            Role::Access => Ends { source: self.subscriber.0, destination: self.remote.0 },
            Role::Core => Ends { source: self.remote.0, destination: self.subscriber.0 },
        }
    }
}
