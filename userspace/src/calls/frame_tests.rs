use tollfree_core::packet::tunnel::AllTransports;

use super::*;

const SUBSCRIBER: [u8; 4] = [10, 20, 0, 11];
const PROXY: [u8; 4] = [192, 0, 2, 10];
const MORE_FRAGMENTS: u16 = 0x2000;

/// An Ethernet frame with an IPv4 packet (RFC 791, section 3.1) from the subscriber to the proxy.
fn ipv4(protocol: u8, identification: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("a short packet");
    let mut frame = [[2_u8; 6].as_slice(), &[4; 6], &[0x08, 0x00], &[0x45, 0]].concat();
    frame.extend(length.to_be_bytes());
    frame.extend(identification.to_be_bytes());
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend(SUBSCRIBER);
    frame.extend(PROXY);
    frame.extend(payload);
    frame
}

/// A UDP datagram (RFC 768) from port 5062 to 5060.
fn udp(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a short datagram");
    let mut datagram =
        [5062_u16.to_be_bytes(), 5060_u16.to_be_bytes(), length.to_be_bytes(), [0; 2]].concat();
    datagram.extend(payload);
    datagram
}

/// What is said of a datagram, if it is one.
fn told(carried: Option<Carried<'_>>) -> Option<(String, String, Direction, Vec<u8>)> {
    match carried? {
        Carried::Datagram { subscriber, proxy, direction, payload } => {
            Some((subscriber.to_string(), proxy.to_string(), direction, payload.into_owned()))
        }
        Carried::Segment(_) | Carried::Fragment => None,
    }
}

#[test]
fn a_datagram_is_the_same_whole_and_in_fragments() {
    let payload: Vec<u8> = (0..100).collect();
    let expected = Some((
        "10.20.0.11:5062".to_owned(),
        "192.0.2.10:5060".to_owned(),
        Direction::Uplink,
        payload.clone(),
    ));
    let mut reader = FrameReader::default();
    let whole = ipv4(17, 1, 0, &udp(&payload));
    assert_eq!(told(reader.read(1, Role::Access, &whole, &AllTransports)), expected);
    let datagram = udp(&payload);
    let first = ipv4(17, 7, MORE_FRAGMENTS, &datagram[..64]);
    let last = ipv4(17, 7, 8, &datagram[64..]);
    for order in [[&first, &last], [&last, &first]] {
        assert!(matches!(reader.read(1, Role::Access, order[0], &AllTransports), Some(Carried::Fragment)));
        assert_eq!(told(reader.read(2, Role::Access, order[1], &AllTransports)), expected);
    }
}

#[test]
fn fragments_wait_as_long_as_the_kernel_holds_them() {
    let datagram = udp(&[7; 100]);
    let first = ipv4(17, 7, MORE_FRAGMENTS, &datagram[..64]);
    let last = ipv4(17, 7, 8, &datagram[64..]);
    for (at_ns, comes_back) in [(FRAGMENT_LIFETIME_NS - 1, true), (FRAGMENT_LIFETIME_NS, false)] {
        let mut reader = FrameReader::default();
        reader.read(0, Role::Access, &first, &AllTransports);
        let read = told(reader.read(at_ns, Role::Access, &last, &AllTransports));
        assert_eq!(read.is_some(), comes_back, "{at_ns}");
    }
}

#[test]
fn ends_are_told_by_the_interface() {
    let frame = ipv4(17, 1, 0, &udp(b"x"));
    let read = told(FrameReader::default().read(1, Role::Core, &frame, &AllTransports)).expect("a datagram");
    assert_eq!(
        (read.0.as_str(), read.1.as_str(), read.2),
        ("192.0.2.10:5060", "10.20.0.11:5062", Direction::Downlink)
    );
}

#[test]
fn segments_are_told_with_their_flags() {
    // RFC 9293, section 3.1: ports, sequence 100, acknowledgement, offset of 5 words, flags, window, checksum, urgent.
    let tcp = |flags: u8, payload: &[u8]| {
        let mut segment = [40000_u16.to_be_bytes(), 5060_u16.to_be_bytes()].concat();
        segment.extend([0, 0, 0, 100, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
        segment.extend(payload);
        ipv4(6, 1, 0, &segment)
    };
    for (flags, payload, sequence, is_syn, is_end, carried) in [
        (0x18, &b"INVITE"[..], 100, false, false, &b"INVITE"[..]),
        (0x02, b"", 101, true, false, b""),
        // What a SYN or RST carries is no message (it is charged, too).
        (0x02, b"INVITE", 101, true, false, b""),
        (0x04, b"INVITE", 100, false, true, b""),
        (0x11, b"x", 100, false, true, b"x"),
    ] {
        let frame = tcp(flags, payload);
        let mut reader = FrameReader::default();
        let Some(Carried::Segment(read)) = reader.read(1, Role::Access, &frame, &AllTransports) else {
            panic!("no segment: {flags:#x}")
        };
        assert_eq!(
            (read.sequence, read.is_syn, read.is_end, read.payload),
            (sequence, is_syn, is_end, carried)
        );
        assert_eq!(read.subscriber.to_string(), "10.20.0.11:40000");
    }
}

#[test]
fn no_cut_panics() {
    let datagram = udp(&[7; 40]);
    for frame in [ipv4(17, 1, 0, &datagram), ipv4(17, 2, MORE_FRAGMENTS, &datagram), ipv4(6, 3, 0, &datagram)]
    {
        for end in 0..frame.len() {
            let mut reader = FrameReader::default();
            assert!(told(reader.read(1, Role::Access, &frame[..end], &AllTransports)).is_none(), "{end}");
        }
    }
    // The datagram's own length says more than came.
    let mut long = udp(&[7; 8]);
    long[5] = 200;
    let mut reader = FrameReader::default();
    reader.read(1, Role::Access, &ipv4(17, 9, MORE_FRAGMENTS, &long[..8]), &AllTransports);
    assert!(reader.read(1, Role::Access, &ipv4(17, 9, 1, &long[8..]), &AllTransports).is_none());
}
