//! The carrier's transports that a subscriber's packet may be in.

use crate::address::{Family, tunnel_end};
use crate::encapsulation::{Framing, GTPU_PORT, GtpuOption, plain_frame};
use crate::packet::UDP;
use crate::topology::Side;

use super::frame::Frame;
use super::segment::{self, Ends, Part};

/// RFC 3032, section 5: unicast MPLS.
const ETHERTYPE_MPLS: u16 = 0x8847;
const ETHERTYPE_VLAN: u16 = 0x8100;
/// RFC 2784: GRE's protocol number.
const GRE: u8 = 47;
/// RFC 2003 and RFC 4213: an IPv4 and an IPv6 packet in IP.
const IP_IN_IP: [u8; 2] = [4, 41];
/// RFC 7348, section 5.
const VXLAN_PORT: u16 = 4789;
/// RFC 8926, section 3.3.
const GENEVE_PORT: u16 = 6081;
/// How much of an outer packet goes into its first fragment, in octets: all headers of the inner one, a multiple of 8.
const FIRST_FRAGMENT_OCTETS: usize = 128;

/// The frames' link-layer addresses, by the side they arrive on; no interface's, so that no kernel answers.
const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0x77, 1], [2, 0, 0, 0, 0x77, 2]];

/// How a packet is packed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carriage {
    /// Not at all.
    Plain,
    /// One VLAN tag.
    Vlan,
    /// Tags and `PPPoE`, as in the scenario `carrier`.
    Framed(Framing),
    /// Two labels.
    Mpls,
    /// GTP-U over this version.
    Gtpu(Family, GtpuOption),
    /// GTP-U whose outer packet is sent in two fragments, if it is long enough.
    GtpuFragmented,
    /// GRE over this version.
    Gre(Family),
    /// IP in IP, over this version.
    IpInIp(Family),
    /// VXLAN over IPv4.
    Vxlan,
    /// Geneve over IPv4.
    Geneve,
}

impl Carriage {
    /// All that are sent.
    pub(super) const ALL: [Self; 16] = [
        Self::Plain,
        Self::Vlan,
        Self::Framed(Framing::Qinq),
        Self::Framed(Framing::Pppoe),
        Self::Framed(Framing::QinqPppoe),
        Self::Mpls,
        Self::Gtpu(Family::V4, GtpuOption::None),
        Self::Gtpu(Family::V4, GtpuOption::SessionContainer),
        Self::Gtpu(Family::V6, GtpuOption::Sequence),
        Self::GtpuFragmented,
        Self::Gre(Family::V4),
        Self::Gre(Family::V6),
        Self::IpInIp(Family::V4),
        Self::IpInIp(Family::V6),
        Self::Vxlan,
        Self::Geneve,
    ];

    /// What it is called in figures.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Vlan => "vlan",
            Self::Framed(Framing::Qinq) => "qinq",
            Self::Framed(Framing::Pppoe) => "pppoe",
            Self::Framed(Framing::QinqPppoe) => "qinq-pppoe",
            Self::Mpls => "mpls",
            Self::Gtpu(..) => "gtpu",
            Self::GtpuFragmented => "gtpu-fragmented",
            Self::Gre(_) => "gre",
            Self::IpInIp(_) => "ip-in-ip",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
        }
    }

    /// The frames that carry the IP packet `ip`, as they arrive on `side`. `None` if that cannot be, which is a fault of
    /// the generator.
    pub(super) fn wrap(self, ip: &[u8], side: Side) -> Option<Vec<Frame>> {
        let [source, destination] = macs(side);
        let volume = u32::try_from(ip.len()).ok()?;
        let octets = match self {
            Self::Plain => plain_frame(ip, source, destination)?,
            Self::Vlan => tagged(&plain_frame(ip, source, destination)?),
            Self::Framed(framing) => framing.wrap(ip, source, destination)?,
            Self::Mpls => {
                // Labels 100 and 101; the second is the bottom of the stack.
                let labels = [0x0006_4040_u32, 0x0006_5140].map(u32::to_be_bytes).concat();
                [&destination[..], &source, &ETHERTYPE_MPLS.to_be_bytes(), &labels, ip].concat()
            }
            Self::GtpuFragmented => return fragmented(ip, side),
            tunnel => plain_frame(&tunnel.outer(ip, side)?, source, destination)?,
        };
        Some(vec![Frame { side, octets, volume, nobodys: None }])
    }

    /// The outer packet of a tunnel.
    fn outer(self, ip: &[u8], side: Side) -> Option<Vec<u8>> {
        let is_v6 = ip.first()? >> 4 == 6;
        let [source, destination] = macs(side);
        Some(match self {
            Self::Gtpu(family, option) => {
                segment::udp(tunnel(side, family), [GTPU_PORT; 2], &option.wrap(ip, side)?)
            }
            Self::Gre(family) => {
                let ethertype: [u8; 2] = if is_v6 { [0x86, 0xdd] } else { [8, 0] };
                let payload = [&[0, 0][..], &ethertype, ip].concat();
                segment::packet(tunnel(side, family), GRE, Part::default(), &payload)
            }
            Self::IpInIp(family) => {
                segment::packet(tunnel(side, family), IP_IN_IP[usize::from(is_v6)], Part::default(), ip)
            }
            Self::Vxlan => {
                let inner = plain_frame(ip, source, destination)?;
                let payload = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &inner].concat();
                segment::udp(tunnel(side, Family::V4), [50_000, VXLAN_PORT], &payload)
            }
            Self::Geneve => {
                let ethertype: [u8; 2] = if is_v6 { [0x86, 0xdd] } else { [8, 0] };
                let payload = [&[0, 0][..], &ethertype, &[0, 0, 7, 0], ip].concat();
                segment::udp(tunnel(side, Family::V4), [50_000, GENEVE_PORT], &payload)
            }
            _ => return None,
        })
    }
}

/// Source and destination of frames that arrive on `side`.
pub(super) const fn macs(side: Side) -> [[u8; 6]; 2] {
    match side {
        Side::Access => MACS,
        Side::Core => [MACS[1], MACS[0]],
    }
}

/// The carrier's tunnel ends, from the one that sends toward `side`.
pub(super) const fn tunnel(side: Side, family: Family) -> Ends {
    let ends = Ends { source: tunnel_end(Side::Access, family), destination: tunnel_end(Side::Core, family) };
    match side {
        Side::Access => ends,
        Side::Core => ends.reversed(),
    }
}

/// Puts a VLAN tag behind the link-layer addresses (IEEE 802.1Q, clause 9).
pub(super) fn tagged(frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    [addresses, &ETHERTYPE_VLAN.to_be_bytes(), &100_u16.to_be_bytes(), rest].concat()
}

/// The whole volume is the first fragment's; the rest is nobody's, and has none.
fn fragmented(ip: &[u8], side: Side) -> Option<Vec<Frame>> {
    let message = GtpuOption::None.wrap(ip, side)?;
    let [source, destination] = macs(side);
    let identification = u16::from_be_bytes([*ip.get(4)?, *ip.get(5)?]);
    let ends = tunnel(side, Family::V4);
    let parts = if message.len() > FIRST_FRAGMENT_OCTETS {
        // So long that there are two.
        let size = FIRST_FRAGMENT_OCTETS.max((message.len() + 8).div_ceil(16) * 8);
        segment::udp_fragments(ends, [GTPU_PORT; 2], &message, identification, size)
    } else {
        vec![segment::packet(ends, UDP, Part::default(), &segment::datagram([GTPU_PORT; 2], &message))]
    };
    let mut frames = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let (volume, nobodys) =
            if number == 0 { (u32::try_from(ip.len()).ok()?, None) } else { (0, Some("tunnel-fragment")) };
        frames.push(Frame { side, octets: plain_frame(part, source, destination)?, volume, nobodys });
    }
    Some(frames)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;
    use crate::packet::Packet;

    /// The captures' own reader, which knows nothing of this builder, finds the same volume and ports.
    #[test]
    fn what_a_capture_shows_is_what_was_packed() {
        let ends = Ends { source: "10.20.0.1".parse().unwrap(), destination: "203.0.113.1".parse().unwrap() };
        let ip = segment::udp(ends, [7, 9], &[0; 300]);
        for carriage in
            [Carriage::Plain, Carriage::Vlan, Carriage::ALL[3], Carriage::ALL[6], Carriage::ALL[8]]
        {
            let frames = carriage.wrap(&ip, Side::Access).unwrap();
            let read = Packet::read(&frames[0].octets).unwrap();
            assert_eq!((read.volume, read.ports), (328, [7, 9]), "{carriage:?}");
            assert_eq!(frames[0].volume, 328);
        }
    }

    #[test]
    fn every_transport_carries_both_versions_both_ways() {
        for (source, destination) in [("10.20.0.1", "203.0.113.1"), ("2001:db8:20::1", "2001:db8:f::1")] {
            let ends = Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
            let ip = segment::udp(ends, [7, 9], &[0; 1200]);
            for carriage in Carriage::ALL {
                for side in Side::ALL {
                    let frames = carriage.wrap(&ip, side).unwrap();
                    let rests = frames.iter().filter(|frame| frame.nobodys.is_some()).count();
                    assert_eq!(rests, usize::from(matches!(carriage, Carriage::GtpuFragmented)));
                    assert!(frames.iter().all(|frame| frame.octets.len() <= 1514), "{carriage:?}");
                }
            }
        }
    }
}
