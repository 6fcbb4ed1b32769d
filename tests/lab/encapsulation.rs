//! How a carrier packs its subscribers' packets: built here octet by octet, apart from Tollfree's own parser.

use crate::address::Family;
use crate::packet::Carriage;
use crate::topology::Side;

/// Ether types (IEEE 802 numbers).
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// IEEE 802.1Q, clause 9.6: a customer's tag.
const ETHERTYPE_CUSTOMER_TAG: u16 = 0x8100;
/// IEEE 802.1Q, clause 9.6: a service provider's tag.
const ETHERTYPE_SERVICE_TAG: u16 = 0x88a8;
/// RFC 2516, section 4: a `PPPoE` session's packet.
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;
const ETHERNET_OCTETS: usize = 14;
/// IEEE 802.3, clause 3.2.8: 64 octets with the frame check sequence, which no capture shows.
const FRAME_OCTETS_MIN: usize = 60;

/// The service provider's VLAN, with priority 3.
const SERVICE_TAG: u16 = 3 << 13 | 0x064;
/// The customer's VLAN.
const CUSTOMER_TAG: u16 = 1007;
const PPPOE_SESSION: u16 = 0x2a01;
/// RFC 2516, section 4: version 1, type 1.
const PPPOE_VERSION_TYPE: u8 = 0x11;
/// RFC 1332, section 2; RFC 5072, section 2.
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// TS 29.281, clause 4.4.2: GTP-U's UDP port.
pub const GTPU_PORT: u16 = 2152;
/// TS 29.281, clause 5.1: version 1, protocol type GTP.
const GTPU_VERSION: u8 = 0x30;
/// TS 29.281, clause 5.1: a header extension follows.
const GTPU_EXTENDED: u8 = 0x04;
/// TS 29.281, clause 5.1: a sequence number is there.
const GTPU_SEQUENCED: u8 = 0x02;
/// TS 29.281, clause 6.1: a T-PDU, which is a subscriber's packet.
const GTPU_TPDU: u8 = 255;
/// TS 29.281, clause 5.2.1, figure 5.2.1-3: PDU session container.
const GTPU_SESSION_CONTAINER: u8 = 0x85;
/// Octets of GTP-U's mandatory header.
const GTPU_OCTETS: usize = 8;
/// Tunnel endpoint identifier, different in each direction.
const TEID: [u32; 2] = [0x1000_0001, 0x2000_0002];
/// TS 38.415, clause 5.5.3.3: some `QoS` flow.
const QOS_FLOW: u8 = 9;

/// Directly in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A service provider's tag and a customer's.
    Qinq,
    /// A `PPPoE` session.
    Pppoe,
    /// A `PPPoE` session behind both tags.
    QinqPppoe,
}

impl Framing {
    const fn tagged(self) -> bool {
        matches!(self, Self::Qinq | Self::QinqPppoe)
    }

    const fn in_session(self) -> bool {
        matches!(self, Self::Pppoe | Self::QinqPppoe)
    }

    /// A frame that carries the IP packet `ip`, padded as Ethernet wants it; `None` if it is no IP packet.
    pub fn wrap(self, ip: &[u8], source: [u8; 6], destination: [u8; 6]) -> Option<Vec<u8>> {
        let ethertype = ethertype(ip)?;
        let mut frame = [destination, source].concat();
        if self.tagged() {
            let tags = [ETHERTYPE_SERVICE_TAG, SERVICE_TAG, ETHERTYPE_CUSTOMER_TAG, CUSTOMER_TAG];
            frame.extend(tags.map(u16::to_be_bytes).concat());
        }
        if self.in_session() {
            let protocol = if ethertype == ETHERTYPE_IPV4 { PPP_IPV4 } else { PPP_IPV6 };
            let octets = u16::try_from(ip.len()).ok()?.checked_add(2)?;
            frame.extend(ETHERTYPE_PPPOE_SESSION.to_be_bytes());
            frame.extend([PPPOE_VERSION_TYPE, 0]);
            frame.extend([PPPOE_SESSION, octets, protocol].map(u16::to_be_bytes).concat());
        } else {
            frame.extend(ethertype.to_be_bytes());
        }
        frame.extend(ip);
        frame.resize(frame.len().max(FRAME_OCTETS_MIN), 0);
        Some(frame)
    }

    /// The IP packet in a frame, with what is padded behind it; `None` if it is not framed so.
    ///
    /// The kernel takes the outermost tag off before a packet socket sees the frame, so that one may be missing.
    pub fn unwrap(self, frame: &[u8]) -> Option<&[u8]> {
        let mut at = ETHERNET_OCTETS - 2;
        if self.tagged() {
            at += if short(frame, at)? == ETHERTYPE_SERVICE_TAG { 4 } else { 0 };
            let tag = (short(frame, at)?, short(frame, at + 2)?);
            if tag != (ETHERTYPE_CUSTOMER_TAG, CUSTOMER_TAG) {
                return None;
            }
            at += 4;
        }
        let (ethertype, mut ip) = (short(frame, at)?, frame.get(at + 2..)?);
        if !self.in_session() {
            return matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6).then_some(ip);
        }
        if ethertype != ETHERTYPE_PPPOE_SESSION || short(ip, 2)? != PPPOE_SESSION {
            return None;
        }
        ip = ip.get(..6 + usize::from(short(ip, 4)?))?;
        matches!(short(ip, 6)?, PPP_IPV4 | PPP_IPV6).then_some(&ip[8..])
    }
}

/// A plain frame that carries the IP packet `ip`; `None` if it is no IP packet.
pub fn plain_frame(ip: &[u8], source: [u8; 6], destination: [u8; 6]) -> Option<Vec<u8>> {
    Some([&destination[..], &source, &ethertype(ip)?.to_be_bytes(), ip].concat())
}

/// The IP packet in a plain frame; `None` if there is none.
pub fn plain_packet(frame: &[u8]) -> Option<&[u8]> {
    let is_ip = matches!(short(frame, ETHERNET_OCTETS - 2)?, ETHERTYPE_IPV4 | ETHERTYPE_IPV6);
    frame.get(ETHERNET_OCTETS..).filter(|_| is_ip)
}

/// What GTP-U's optional part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GtpuOption {
    /// Nothing, and then it is not there.
    None,
    /// A sequence number.
    Sequence,
    /// A PDU session container, as between a 5G base station and its user plane function.
    SessionContainer,
}

impl GtpuOption {
    /// A T-PDU that carries the IP packet `ip` away from `side`; `None` if it is too long.
    pub fn wrap(self, ip: &[u8], side: Side) -> Option<Vec<u8>> {
        // TS 38.415, clause 5.5.2: PDU type 1 is uplink information, 0 downlink; in the upper four bits.
        let (teid, pdu_type) = match side {
            Side::Access => (TEID[0], 1 << 4),
            Side::Core => (TEID[1], 0),
        };
        let (flags, optional) = match self {
            Self::None => (0, vec![]),
            Self::Sequence => (GTPU_SEQUENCED, vec![0x12, 0x34, 0, 0]),
            Self::SessionContainer => {
                (GTPU_EXTENDED, vec![0, 0, 0, GTPU_SESSION_CONTAINER, 1, pdu_type, QOS_FLOW, 0])
            }
        };
        let octets = u16::try_from(optional.len() + ip.len()).ok()?;
        let mut message = vec![GTPU_VERSION | flags, GTPU_TPDU];
        message.extend(octets.to_be_bytes());
        message.extend(teid.to_be_bytes());
        message.extend(optional);
        message.extend(ip);
        Some(message)
    }

    /// The IP packet in a T-PDU; `None` if it is not one that [`GtpuOption::wrap`] makes.
    pub fn unwrap(self, message: &[u8]) -> Option<&[u8]> {
        let (flags, octets) = match self {
            Self::None => (0, 0),
            Self::Sequence => (GTPU_SEQUENCED, 4),
            Self::SessionContainer => (GTPU_EXTENDED, 8),
        };
        let is_tpdu = message.get(..2)? == [GTPU_VERSION | flags, GTPU_TPDU];
        message.get(GTPU_OCTETS + octets..).filter(|_| is_tpdu)
    }
}

/// How everything between the tunnel ends is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encapsulation {
    /// In frames.
    Framing(Framing),
    /// In GTP-U, over this IP version.
    Gtpu(Family, GtpuOption),
}

impl Encapsulation {
    /// Those that the lab carries traffic in.
    pub const ALL: [Self; 7] = [
        Self::Framing(Framing::Qinq),
        Self::Framing(Framing::Pppoe),
        Self::Framing(Framing::QinqPppoe),
        Self::Gtpu(Family::V4, GtpuOption::None),
        Self::Gtpu(Family::V4, GtpuOption::SessionContainer),
        Self::Gtpu(Family::V6, GtpuOption::Sequence),
        Self::Gtpu(Family::V6, GtpuOption::SessionContainer),
    ];

    /// What checks call it.
    pub fn name(self) -> String {
        match self {
            Self::Framing(Framing::Qinq) => "qinq".to_owned(),
            Self::Framing(Framing::Pppoe) => "pppoe".to_owned(),
            Self::Framing(Framing::QinqPppoe) => "qinq-pppoe".to_owned(),
            Self::Gtpu(family, option) => {
                let option = match option {
                    GtpuOption::None => "",
                    GtpuOption::Sequence => "-sequence",
                    GtpuOption::SessionContainer => "-session",
                };
                format!("gtpu-{}{option}", family.name())
            }
        }
    }

    /// Whether a packet between the tunnel ends can be too long, and be fragmented outside.
    pub const fn fragments(self) -> bool {
        matches!(self, Self::Gtpu(..))
    }

    /// What a capture shows in front of a packet that is packed so.
    pub fn carriage(self) -> Carriage {
        match self {
            Self::Framing(framing) => {
                let tags = if framing.tagged() { 2 } else { 0 };
                Carriage { tags, pppoe: framing.in_session(), ..Carriage::default() }
            }
            Self::Gtpu(family, option) => {
                let extensions = usize::from(option == GtpuOption::SessionContainer);
                Carriage { gtpu: Some((family, extensions)), ..Carriage::default() }
            }
        }
    }
}

/// The Ether type of an IP packet, by its version.
fn ethertype(ip: &[u8]) -> Option<u16> {
    match ip.first()? >> 4 {
        4 => Some(ETHERTYPE_IPV4),
        6 => Some(ETHERTYPE_IPV6),
        _ => None,
    }
}

fn short(octets: &[u8], offset: usize) -> Option<u16> {
    octets.get(offset..)?.first_chunk().copied().map(u16::from_be_bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;
    use crate::packet::Packet;
    use proptest::prelude::*;

    const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

    /// An IPv4 packet of 28 octets, UDP from 7 to 9 without payload.
    const DATAGRAM: [u8; 28] =
        [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 20, 0, 11, 203, 0, 113, 10, 0, 7, 0, 9, 0, 8, 0, 0];

    /// IEEE 802.1Q, clause 9: service tag with priority 3 and VLAN 100, customer tag with VLAN 1007, padding.
    #[test]
    fn tagged_frames_are_as_the_standard_says() {
        let frame = Framing::Qinq.wrap(&DATAGRAM, MACS[0], MACS[1]).unwrap();
        let header = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0x60, 100, 0x81, 0, 0x03, 0xef, 8, 0];
        assert_eq!(frame, [&header[..], &DATAGRAM, &[0; 10]].concat());
    }

    /// RFC 2516, section 4: version and type 1, code 0, session, length with PPP's protocol.
    #[test]
    fn sessions_are_as_the_rfc_says() {
        let frame = Framing::Pppoe.wrap(&DATAGRAM, MACS[0], MACS[1]).unwrap();
        assert_eq!(frame[12..22], [0x88, 0x64, 0x11, 0, 0x2a, 0x01, 0, 30, 0, 0x21]);
        assert_eq!(frame.len(), FRAME_OCTETS_MIN);
        assert_eq!(Framing::Pppoe.unwrap(&frame), Some(&DATAGRAM[..]), "without the padding");
    }

    /// TS 29.281, clause 5.1, and TS 38.415, clause 5.5.2: uplink information of `QoS` flow 9.
    #[test]
    fn tpdus_are_as_the_specification_says() {
        let message = GtpuOption::SessionContainer.wrap(&DATAGRAM, Side::Access).unwrap();
        let header = [0x34, 255, 0, 36, 0x10, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10, 9, 0];
        assert_eq!(message, [&header[..], &DATAGRAM].concat());
        let message = GtpuOption::None.wrap(&DATAGRAM, Side::Core).unwrap();
        assert_eq!(message[..8], [0x30, 255, 0, 28, 0x20, 0, 0, 2]);
    }

    #[test]
    fn the_kernel_may_have_taken_the_outer_tag_off() {
        for framing in [Framing::Qinq, Framing::QinqPppoe] {
            let frame = framing.wrap(&[&DATAGRAM[..], &[0; 40]].concat(), MACS[0], MACS[1]).unwrap();
            let without = [&frame[..12], &frame[16..]].concat();
            assert_eq!(framing.unwrap(&frame), framing.unwrap(&without));
            assert!(framing.unwrap(&without).unwrap().starts_with(&DATAGRAM));
        }
    }

    #[test]
    fn what_a_capture_shows_is_what_was_packed() {
        for framing in [Framing::Qinq, Framing::Pppoe, Framing::QinqPppoe] {
            let frame = framing.wrap(&DATAGRAM, MACS[0], MACS[1]).unwrap();
            let packet = Packet::read(&frame).unwrap();
            assert_eq!(packet.carriage, Encapsulation::Framing(framing).carriage());
            assert_eq!((packet.volume, packet.ports), (28, [7, 9]));
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_unwrapped_or_refused(octets in prop::collection::vec(any::<u8>(), 0..96)) {
            for framing in [Framing::Qinq, Framing::Pppoe, Framing::QinqPppoe] {
                let _ = framing.unwrap(&octets);
            }
            for option in [GtpuOption::None, GtpuOption::Sequence, GtpuOption::SessionContainer] {
                let _ = option.unwrap(&octets);
            }
            let _ = plain_packet(&octets);
        }

        #[test]
        fn what_is_wrapped_comes_out_again(v6: bool, rest in prop::collection::vec(any::<u8>(), 60..1500)) {
            let ip = [&[if v6 { 0x60 } else { 0x45 }][..], &rest].concat();
            for framing in [Framing::Qinq, Framing::Pppoe, Framing::QinqPppoe] {
                let frame = framing.wrap(&ip, MACS[0], MACS[1]).unwrap();
                prop_assert_eq!(framing.unwrap(&frame), Some(&ip[..]));
            }
            for option in [GtpuOption::None, GtpuOption::Sequence, GtpuOption::SessionContainer] {
                let message = option.wrap(&ip, Side::Access).unwrap();
                prop_assert_eq!(option.unwrap(&message), Some(&ip[..]));
            }
            let frame = plain_frame(&ip, MACS[0], MACS[1]).unwrap();
            prop_assert_eq!(plain_packet(&frame), Some(&ip[..]));
        }
    }
}
