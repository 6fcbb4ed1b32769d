//! Frames that are nobody's, whatever policy is in force, each with the reason that docs/billing.md gives for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::Family;
use crate::encapsulation::GTPU_PORT;
use crate::topology::Side;

use super::carriage::{Carriage, macs, tagged, tunnel};
use super::frame::Frame;
use super::people::{Habit, OF_EACH};
use super::segment::{self, Ends, Part};
use super::sites::Place;

/// The gateway's own address.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 1);
/// RFC 2003: IPv4 in IPv4.
const IPV4_IN_IP: u8 = 4;

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Junk {
    NotIp,
    MalformedEthernet,
    VlanTooDeep,
    MalformedIpv4,
    MalformedIpv6,
    MalformedMpls,
    MplsTooDeep,
    MalformedPppoe,
    MalformedTunnel,
    TunnelTooDeep,
    TunnelFragment,
    Own,
    Transit,
    Spoofed,
}

impl Junk {
    /// All that are sent.
    pub(super) const ALL: [Self; 14] = [
        Self::NotIp,
        Self::MalformedEthernet,
        Self::VlanTooDeep,
        Self::MalformedIpv4,
        Self::MalformedIpv6,
        Self::MalformedMpls,
        Self::MplsTooDeep,
        Self::MalformedPppoe,
        Self::MalformedTunnel,
        Self::TunnelTooDeep,
        Self::TunnelFragment,
        Self::Own,
        Self::Transit,
        Self::Spoofed,
    ];

    /// The reason, as in docs/billing.md.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotIp => "not-ip",
            Self::MalformedEthernet => "malformed-ethernet",
            Self::VlanTooDeep => "vlan-too-deep",
            Self::MalformedIpv4 => "malformed-ipv4",
            Self::MalformedIpv6 => "malformed-ipv6",
            Self::MalformedMpls => "malformed-mpls",
            Self::MplsTooDeep => "mpls-too-deep",
            Self::MalformedPppoe => "malformed-pppoe",
            Self::MalformedTunnel => "malformed-tunnel",
            Self::TunnelTooDeep => "tunnel-too-deep",
            Self::TunnelFragment => "tunnel-fragment",
            Self::Own => "own",
            Self::Transit => "transit",
            Self::Spoofed => "spoofed",
        }
    }

    /// A packet or a frame of it. `None` if it cannot be built, which is a fault of the generator.
    pub(super) fn frames(self, random: &mut fastrand::Rng) -> Option<Vec<Frame>> {
        // Only what comes from the core side can be in transit: on the access side it is spoofed.
        let side = if self == Self::Transit || random.bool() { Side::Core } else { Side::Access };
        if let Some(packet) = self.packet(side, random) {
            let carriage = *random.choice(&Carriage::ALL)?;
            let mut frames = carriage.wrap(&packet, side)?;
            frames.iter_mut().for_each(|frame| {
                frame.nobodys.get_or_insert(self.reason());
            });
            return Some(frames);
        }
        let octets = self.frame(side, random)?;
        Some(vec![Frame { side, octets, volume: 0, nobodys: Some(self.reason()) }])
    }

    /// A packet that is whole, but not a subscriber's.
    fn packet(self, side: Side, random: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let family = *random.choice(&Family::ALL)?;
        let ends = match self {
            Self::Own => match side {
                Side::Access => Ends { source: foreign(Family::V4, 1), destination: GATEWAY.into() },
                Side::Core => {
                    Ends { source: Place::Unlisted.address(Family::V4, random), destination: GATEWAY.into() }
                }
            },
            Self::Transit => {
                Ends { source: Place::ByAddress.address(family, random), destination: foreign(family, 2) }
            }
            Self::Spoofed => {
                let listed = Place::ByAddress.address(family, random);
                let index = random.u8(0..OF_EACH);
                let subscriber = Habit::IsSentTo.address(index, family);
                match (side, random.bool()) {
                    (Side::Access, _) => Ends { source: foreign(family, 3), destination: listed },
                    (Side::Core, true) => {
                        Ends { source: Habit::Browses.address(index, family), destination: subscriber }
                    }
                    (Side::Core, false) => Ends { source: subscriber, destination: foreign(family, 4) },
                }
            }
            _ => return None,
        };
        Some(segment::udp(ends, [random.u16(1024..), 443], &vec![0; random.usize(0..200)]))
    }

    /// A frame in which no packet can be read.
    fn frame(self, side: Side, random: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let [source, destination] = macs(side);
        let with = |ethertype: u16, rest: &[u8]| {
            [&destination[..], &source, &ethertype.to_be_bytes(), rest].concat()
        };
        let subscriber =
            |family| Ends { source: Habit::IsSentTo.address(0, family), destination: foreign(family, 5) };
        let v4 = segment::udp(subscriber(Family::V4), [7, 9], &[0; 50]);
        Some(match self {
            Self::NotIp => with(*random.choice(&[0x0806, 0x88cc, 0x22f0])?, &[0; 46]),
            // Two of a tag's four octets.
            Self::MalformedEthernet => with(0x8100, &[0, 1]),
            Self::VlanTooDeep => tagged(&tagged(&tagged(&with(0x0800, &v4)))),
            Self::MalformedIpv4 => with(0x0800, &broken_v4(&v4, random)),
            Self::MalformedIpv6 => {
                let v6 = segment::udp(subscriber(Family::V6), [7, 9], &[0; 50]);
                with(0x86dd, &v6[..random.usize(1..v6.len())])
            }
            Self::MalformedMpls => with(0x8847, &[0, 6]),
            // Five labels, none of them the last.
            Self::MplsTooDeep => with(0x8847, &[0; 20]),
            // RFC 2516, section 5: session packets have code 0.
            Self::MalformedPppoe => with(0x8864, &[&[0x11, 0x09, 0, 1, 0, 40][..], &[0; 40]].concat()),
            // TS 29.060: version 0 is another protocol's, and version 1 has the bit for GTP.
            Self::MalformedTunnel => {
                let message = segment::udp(tunnel(side, Family::V4), [GTPU_PORT; 2], &[0x0f; 40]);
                with(0x0800, &message)
            }
            Self::TunnelTooDeep => {
                let nested = (0..4).fold(v4, |inner, _| {
                    segment::packet(tunnel(side, Family::V4), IPV4_IN_IP, Part::default(), &inner)
                });
                with(0x0800, &nested)
            }
            Self::TunnelFragment => {
                let parts = segment::udp_fragments(
                    tunnel(side, Family::V4),
                    [GTPU_PORT; 2],
                    &[0; 200],
                    random.u16(..),
                    100,
                );
                with(0x0800, parts.last()?)
            }
            Self::Own | Self::Transit | Self::Spoofed => return None,
        })
    }
}

/// An address in no pool.
fn foreign(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(172, 20, 0, number).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, number.into()).into(),
    }
}

/// An IPv4 packet that is cut, or whose header says what cannot be (RFC 791, section 3.1).
fn broken_v4(packet: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut broken = packet.to_vec();
    match random.u8(0..4) {
        0 => broken.truncate(random.usize(0..packet.len())),
        // Version 5.
        1 => broken[0] = 0x55,
        // Four words of header.
        2 => broken[0] = 0x44,
        // A total length shorter than the header.
        _ => broken[2..4].copy_from_slice(&19_u16.to_be_bytes()),
    }
    broken
}
