#![allow(clippy::unwrap_used, reason = "a test may panic")]

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use rustls::Side;

use super::samples::{Attempt, Protocol, V1, V2, crypto, protect};
use super::{CryptoFrame, FrameError, Initial, InitialKeys, Packet, Packets, Sender, Version, crypto_frames};
use crate::inspect::{HostName, Reading};
use crate::tls::read_handshake;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// RFC 9001, appendix A: the client's first Destination Connection ID, in both RFCs.
const FIRST: &str = "8394c8f03e515708";

/// RFC 9001, appendix A.2: the client's CRYPTO frame, in both RFCs.
const CLIENT_FRAME: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413\
    011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005\
    00050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400\
    0d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff\
    0801100104800075300901100f088394c8f03e51570806048000ffff";

/// RFC 9001, appendix A.3: the server's ACK and CRYPTO frames, in both RFCs.
const SERVER_FRAMES: &str = "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a\
    1200130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304";

/// What an RFC gives of its packets.
struct Vector {
    protocol: Protocol,
    version: Version,
    /// The client's header without protection, how the packet begins with it, and how it ends.
    client_header: &'static str,
    client_begin: &'static str,
    client_end: &'static str,
    /// The server's whole packet.
    server: &'static str,
}

const VECTORS: [Vector; 2] = [
    // RFC 9001, appendices A.2 and A.3.
    Vector {
        protocol: V1,
        version: Version::V1,
        client_header: "c300000001088394c8f03e5157080000449e00000002",
        client_begin: "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
        client_end: "e221af44860018ab0856972e194cd934",
        server: "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a9\
            9f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795\
            d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
    },
    // RFC 9369, appendices A.2 and A.3.
    Vector {
        protocol: V2,
        version: Version::V2,
        client_header: "d36b3343cf088394c8f03e5157080000449e00000002",
        client_begin: "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
        client_end: "a18b2faa745b6fe189cf772a9f84cbfc",
        server: "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf872630179153\
            58230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2c984c707f0a0812d\
            8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
    },
];

fn only(datagram: &[u8]) -> Initial<'_> {
    let packets: Vec<_> = Packets::new(datagram).collect();
    let [Packet::Initial(initial)] = packets[..] else { panic!("{packets:?}") };
    initial
}

#[test]
fn packets_of_rfc_9001_and_rfc_9369() {
    for vector in VECTORS {
        let keys = InitialKeys::derive(vector.version, &hex(FIRST)).unwrap();
        let mut frames = hex(CLIENT_FRAME);
        frames.resize(1162, 0);
        let client =
            protect(vector.protocol, Side::Client, &hex(FIRST), hex(vector.client_header), 4, &frames);
        assert_eq!(client.len(), 1200);
        assert!(client.starts_with(&hex(vector.client_begin)) && client.ends_with(&hex(vector.client_end)));
        let initial = only(&client);
        assert_eq!((initial.version, initial.destination.octets()), (vector.version, &hex(FIRST)[..]));
        assert_eq!(keys.open(Sender::Client, &initial), Some(frames));
        assert_eq!(keys.open(Sender::Server, &initial), None);
        let server = hex(vector.server);
        let initial = only(&server);
        assert_eq!(initial.source.octets(), hex("f067a5502a4262b5"));
        assert_eq!(keys.open(Sender::Server, &initial), Some(hex(SERVER_FRAMES)));
        assert_eq!(keys.open(Sender::Client, &initial), None);
    }
}

#[test]
fn the_hello_of_rfc_9001_asks_for_example_com() {
    let payload = hex(CLIENT_FRAME);
    let frames = crypto_frames(&payload).unwrap();
    let [CryptoFrame { offset: 0, data }] = frames[..] else { panic!("{frames:?}") };
    let name = Ok(HostName::parse(b"example.com").unwrap());
    assert_eq!(read_handshake(data), Reading::Complete { octets: data.len(), said: name });
}

/// RFC 9001, appendix A.4, and RFC 9369, appendix A.4: Retry packets.
#[test]
fn retry_is_told_apart_in_both_versions() {
    for text in [
        "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
        "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6",
    ] {
        let datagram = hex(text);
        let packets: Vec<_> = Packets::new(&datagram).collect();
        assert!(matches!(packets[..], [Packet::Retry]), "{packets:?}");
    }
}

#[test]
fn packets_of_a_datagram_are_told_apart() {
    let attempt = Attempt { protocol: V1, first: b"firstfirst" };
    let initial = attempt.client(b"firstfirst", 0, &[1; 30]);
    let mut later = initial.clone();
    later[0] ^= 0x10;
    // A 0-RTT packet has no token.
    let token_at = 5 + 1 + 10 + 1 + 9;
    later.drain(token_at..token_at + 2);
    let datagram = [&initial[..], &later, &initial, &[0x40; 30]].concat();
    let packets: Vec<_> = Packets::new(&datagram).collect();
    assert!(
        matches!(packets[..], [Packet::Initial(_), Packet::Later, Packet::Initial(_), Packet::Short]),
        "{packets:?}"
    );
    let cut: Vec<_> = Packets::new(&initial[..initial.len() - 1]).collect();
    assert!(matches!(cut[..], [Packet::Other]), "{cut:?}");
    let versions = hex("80000000000008f067a5502a4262b500000001");
    assert!(matches!(Packets::new(&versions).next(), Some(Packet::VersionNegotiation)));
    assert!(matches!(Packets::new(b"\xc0\x1a\x2a\x3a\x4a").next(), Some(Packet::OtherVersion(0x1a2a_3a4a))));
    let long_id = [&[0xc3, 0, 0, 0, 1, 21][..], &[0; 60]].concat();
    assert!(matches!(Packets::new(&long_id).next(), Some(Packet::Other)));
    assert!(Packets::new(b"").next().is_none());
}

#[test]
fn a_changed_packet_does_not_open() {
    let attempt = Attempt { protocol: V1, first: b"firstfirst" };
    let keys = InitialKeys::derive(Version::V1, b"firstfirst").unwrap();
    let good = attempt.client(b"firstfirst", 7, &crypto(0, b"hello"));
    assert!(keys.open(Sender::Client, &only(&good)).is_some());
    for at in (6..good.len()).filter(|at| ![16, 26, 27, 28, 29].contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(keys.open(Sender::Client, &only(&bad)), None, "at {at}");
    }
    let other = InitialKeys::derive(Version::V1, b"otherother").unwrap();
    assert!(other.open(Sender::Client, &only(&good)).is_none());
}

#[test]
fn frames_of_every_kind() {
    let payload = [
        &[0, 0, 1][..],
        // ACK with one further range, and with ECN counts.
        &[2, 9, 0, 1, 2, 0, 3],
        &[3, 9, 0, 0, 2, 1, 1, 1],
        &crypto(5, b"abc"),
        &[0x1c, 0x41, 2, 0, 2, b'n', b'o'],
        &crypto(0, b"hello"),
    ]
    .concat();
    let frames = crypto_frames(&payload).unwrap();
    assert_eq!(frames, [CryptoFrame { offset: 5, data: b"abc" }, CryptoFrame { offset: 0, data: b"hello" }]);
    for bad in [&[4][..], &[8, 1, 2], &[6, 0, 5, 1], &[2, 9], &[0x1d, 0, 0], &[0x40]] {
        assert_eq!(crypto_frames(bad), Err(FrameError), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_datagram_makes_no_panic(
        octets in prop::collection::vec(any::<u8>(), 0..200), version in 0usize..4, kind in 0u8..4,
    ) {
        let number = [1u32, 0x6b33_43cf, 0xff00_001d, 0][version].to_be_bytes();
        let datagram = [&[0xc0 | kind << 4][..], &number, &octets].concat();
        for datagram in [&datagram, &octets] {
            for packet in Packets::new(datagram) {
                if let Packet::Initial(initial) = packet {
                    let keys = InitialKeys::derive(initial.version, initial.destination.octets()).unwrap();
                    prop_assert!(keys.open(Sender::Client, &initial).is_none());
                }
            }
        }
    }

    #[test]
    fn any_frames_make_no_panic(payload in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..100)) {
        let _ = crypto_frames(&payload);
    }
}
