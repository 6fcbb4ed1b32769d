//! What a subscriber and a remote host send each other, in order.

use crate::address::{Family, PROXY, SIP_PORT};
use crate::topology::Side;

use super::carriage::Carriage;
use super::frame::Frame;
use super::junk::Junk;
use super::people::{self, Habit};
use super::segment::{self, ACK, Ends, FIN, Part, RST, SYN};
use super::sites::Place;

/// Flows that a subscriber uses again and again, one to each listed place: so some live long, and closed ones begin anew.
const USED_AGAIN: u8 = 6;
/// The first of the ports that a subscriber sends from.
const OWN_PORT: u16 = 40_000;
/// Ports of sites.
const PORTS: [u16; 3] = [443, 80, 8801];
/// One packet in so many comes with the code point of what is free (AF11, RFC 2597), which it must lose unless it is.
const FORGED_SHARE: u8 = 30;
const FREE_DSCP: u8 = 10;
/// ESP and SCTP (IANA).
const OTHER_PROTOCOLS: [u8; 2] = [50, 132];
/// Longest payload of one packet, in octets: within 1500 octets behind every transport's headers.
const PAYLOAD_OCTETS_MAX: usize = 1300;
/// Share of conversations with small packets only: most packets of the internet are.
const SMALL_SHARE: f64 = 0.85;
const SMALL_OCTETS_MAX: usize = 100;

/// A conversation, frame by frame.
#[derive(Debug)]
pub(super) struct Conversation {
    /// How it is packed, for the figures.
    pub(super) carriage: &'static str,
    /// What is sent, in this order.
    pub(super) frames: Vec<Frame>,
}

/// Whoever makes conversations up.
struct Maker<'a> {
    random: &'a mut fastrand::Rng,
    carriage: Carriage,
    frames: Vec<Frame>,
    /// From the subscriber.
    uplink: Ends,
    ports: [u16; 2],
}

impl Conversation {
    /// One that `random` chooses. `None` if it cannot be built, which is a fault of the generator.
    pub(super) fn draw(random: &mut fastrand::Rng) -> Option<Self> {
        if random.u8(0..100) < 8 {
            let junk = *random.choice(&Junk::ALL)?;
            return Some(Self { carriage: "nobodys", frames: junk.frames(random)? });
        }
        // Half of all browse.
        let habit = if random.bool() { Habit::Browses } else { *random.choice(&Habit::ALL)? };
        let family = if habit == Habit::CallsNobody { Family::V4 } else { *random.choice(&Family::ALL)? };
        let again = random.bool().then(|| random.u8(0..USED_AGAIN));
        let place = match (habit, again) {
            (Habit::GoesElsewhere, _) => Place::Unlisted,
            (_, Some(number)) => *Place::LISTED.get(usize::from(number))?,
            (_, None) => *random.choice(&Place::LISTED)?,
        };
        let source = habit.address(people::any(random), family);
        let (remote, ports) = match (habit, again) {
            (Habit::CallsNobody, _) => (PROXY, [SIP_PORT; 2]),
            (_, Some(number)) => (place.main_address(family), [OWN_PORT + u16::from(number), PORTS[0]]),
            (_, None) => {
                let own = OWN_PORT + random.u16(u16::from(USED_AGAIN)..20_000);
                (place.address(family, random), [own, *random.choice(&PORTS)?])
            }
        };
        let carriage = *random.choice(&Carriage::ALL)?;
        let uplink = Ends { source, destination: remote };
        let mut maker = Maker { random, carriage, frames: Vec::new(), uplink, ports };
        maker.make(habit)?;
        Some(Self { carriage: carriage.name(), frames: maker.frames })
    }
}

impl Maker<'_> {
    fn make(&mut self, habit: Habit) -> Option<()> {
        match habit {
            Habit::Browses | Habit::ChangesHands | Habit::GoesElsewhere => {
                if self.random.bool() {
                    self.tcp()?
                } else {
                    self.udp()?
                }
                if self.random.u8(0..10) == 0 {
                    self.error_about_flow()?;
                }
                Some(())
            }
            Habit::Fragments => self.fragments(),
            Habit::IsSentTo => self.unasked(),
            Habit::CutsHeaders => self.cut_header(),
            Habit::Pings => self.ping(),
            Habit::SmugglesInSyn => self.smuggle(),
            Habit::CallsNobody => self.no_signalling(),
            Habit::SpeaksOtherwise => {
                let protocol = *self.random.choice(&OTHER_PROTOCOLS)?;
                let payload = self.payload();
                let uplink = segment::packet(self.uplink, protocol, Part::default(), &payload);
                let downlink = segment::packet(self.uplink.reversed(), protocol, Part::default(), &payload);
                self.send(Side::Access, &uplink)?;
                self.send(Side::Core, &downlink)
            }
        }
    }

    fn send(&mut self, side: Side, packet: &[u8]) -> Option<()> {
        if self.random.u8(0..FORGED_SHARE) == 0 {
            let mut forged = packet.to_vec();
            segment::set_dscp(&mut forged, FREE_DSCP);
            self.frames.extend(self.carriage.wrap(&forged, side)?);
            return Some(());
        }
        self.frames.extend(self.carriage.wrap(packet, side)?);
        Some(())
    }

    fn payload(&mut self) -> Vec<u8> {
        let most = if self.random.f64() < SMALL_SHARE { SMALL_OCTETS_MAX } else { PAYLOAD_OCTETS_MAX };
        vec![0x17; self.random.usize(1..=most)]
    }

    /// The ends and ports of a packet that arrives on `side`.
    const fn toward(&self, side: Side) -> (Ends, [u16; 2]) {
        match side {
            Side::Access => (self.uplink, self.ports),
            Side::Core => (self.uplink.reversed(), [self.ports[1], self.ports[0]]),
        }
    }

    fn segment(&mut self, side: Side, sequence: u32, flags: u8, payload: &[u8]) -> Option<()> {
        let (ends, ports) = self.toward(side);
        self.send(side, &segment::tcp(ends, ports, sequence, flags, payload))
    }

    fn datagram(&mut self, side: Side, payload: &[u8]) -> Option<()> {
        let (ends, ports) = self.toward(side);
        self.send(side, &segment::udp(ends, ports, payload))
    }

    /// Handshake, request, answer, something of it again, and one of three ends.
    fn tcp(&mut self) -> Option<()> {
        self.segment(Side::Access, 0, SYN, &[])?;
        self.segment(Side::Core, 0, SYN | ACK, &[])?;
        let request = self.payload();
        self.segment(Side::Access, 1, ACK, &request)?;
        let mut sequence = 1;
        for _ in 0..self.random.u8(1..4) {
            let answer = self.payload();
            self.segment(Side::Core, sequence, ACK, &answer)?;
            if self.random.u8(0..5) == 0 {
                self.segment(Side::Core, sequence, ACK, &answer)?;
            }
            sequence += u32::try_from(answer.len()).ok()?;
        }
        let end = 1 + u32::try_from(request.len()).ok()?;
        match self.random.u8(0..3) {
            0 => {
                self.segment(Side::Access, end, FIN | ACK, &[])?;
                self.segment(Side::Core, sequence, FIN | ACK, &[])?;
                self.segment(Side::Access, end + 1, ACK, &[])
            }
            1 => self.segment(Side::Core, sequence, RST | ACK, &[]),
            // Left open.
            _ => self.segment(Side::Access, end, ACK, &[]),
        }
    }

    fn udp(&mut self) -> Option<()> {
        for _ in 0..self.random.u8(1..4) {
            let question = self.payload();
            self.datagram(Side::Access, &question)?;
            if self.random.u8(0..4) != 0 {
                let answer = self.payload();
                self.datagram(Side::Core, &answer)?;
            }
        }
        Some(())
    }

    fn fragments(&mut self) -> Option<()> {
        for side in Side::ALL {
            let (ends, ports) = self.toward(side);
            let payload = vec![0x17; self.random.usize(100..2000)];
            let identification = self.random.u16(..);
            let mut parts = segment::udp_fragments(ends, ports, &payload, identification, 600);
            if self.random.u8(0..5) == 0 {
                // The rest before its beginning.
                parts.reverse();
            }
            for part in parts {
                self.send(side, &part)?;
            }
        }
        Some(())
    }

    /// From a listed site to somebody who asked for nothing.
    fn unasked(&mut self) -> Option<()> {
        let payload = self.payload();
        match self.random.u8(0..3) {
            0 => self.datagram(Side::Core, &payload),
            1 => {
                self.segment(Side::Core, 0, SYN, &[])?;
                // Who answers a stranger opens nothing.
                self.segment(Side::Access, 0, SYN | ACK, &[])?;
                self.segment(Side::Core, 1, ACK, &payload)
            }
            _ => self.segment(Side::Core, 77, ACK, &payload),
        }
    }

    /// A header of four words (RFC 9293, section 3.1: five at least), or cut in the middle.
    fn cut_header(&mut self) -> Option<()> {
        let (ends, ports) = self.toward(Side::Access);
        let mut whole = segment::tcp(ends, ports, 0, SYN, &[]);
        let header = whole.len() - 20;
        if self.random.bool() {
            whole[header + 12] = 0x40;
            return self.send(Side::Access, &whole);
        }
        let cut = whole[header..header + self.random.usize(4..20)].to_vec();
        let packet = segment::packet(ends, crate::packet::TCP, Part::default(), &cut);
        self.send(Side::Access, &packet)
    }

    fn ping(&mut self) -> Option<()> {
        let (ends, ports) = self.toward(Side::Access);
        let payload = self.payload();
        self.send(Side::Access, &segment::echo(ends, &payload))?;
        let never_sent = segment::udp(ends, ports, &[0; 20]);
        self.send(Side::Core, &segment::unreachable(ends.reversed(), &never_sent))
    }

    fn error_about_flow(&mut self) -> Option<()> {
        let (ends, ports) = self.toward(Side::Access);
        let sent = segment::udp(ends, ports, &[0; 20]);
        self.send(Side::Core, &segment::unreachable(ends.reversed(), &sent))
    }

    fn smuggle(&mut self) -> Option<()> {
        let payload = self.payload();
        self.segment(Side::Access, 0, SYN, &payload)?;
        self.segment(Side::Access, 1, RST, &payload)?;
        self.segment(Side::Core, 1, RST, &payload)
    }

    fn no_signalling(&mut self) -> Option<()> {
        let payload: Vec<u8> = std::iter::repeat_with(|| self.random.u8(..)).take(60).collect();
        self.datagram(Side::Access, &payload)?;
        self.datagram(Side::Core, b"SIP/2.0 200 OK\r\n\r\n")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_frames_and_all_of_them_fit() {
        let draw = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..2000).flat_map(|_| Conversation::draw(&mut random).unwrap().frames).collect::<Vec<_>>()
        };
        let (first, second) = (draw(7), draw(7));
        assert!(first.iter().zip(&second).all(|(a, b)| a.octets == b.octets));
        assert_eq!(first.len(), second.len());
        assert!(first.iter().all(|frame| (14..=1514).contains(&frame.octets.len())));
        for junk in Junk::ALL {
            assert!(first.iter().any(|frame| frame.nobodys == Some(junk.reason())), "{junk:?}");
        }
    }
}
