//! Requests as access servers send them, and as nobody should.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use proptest::prelude::*;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::accounting::{ADDRESSES_MAX, Accounting};
use super::answered::{ANSWERED_KEPT, ANSWERED_MAX, Answered};
use super::attribute::kind;
use super::authenticator::BadAuthenticator;
use super::*;
use crate::identity::journal::Said;
use crate::identity::{Block, Event, Identity, Moment, Nas, RadiusStatus, Report, SessionKey};

const SECRET: &[u8] = b"xyzzy5461";
/// A Start with identifier 7, by the formulas of RFC 2866, section 3 and RFC 3162, section 2.3, computed apart from this
/// program. Its attributes: status, session, NAS-IP-Address, NAS-Identifier, Framed-IP-Address, Calling-Station-Id,
/// 3GPP-IMSI, Framed-IPv6-Prefix, two of Proxy-State.
const START: &str = "0407006eebf7e9c98ae54a3bfcaf2f45719f2bb22806000000012c0a30303030413142320406c00002412006\
                     7067773108060a14000b1f0d38343930313233343536371a17000028af011134353230313132333435363738\
                     3930610c004020010db8002000112104703121047032";
/// The answer to it (RFC 2866, section 4.2).
const START_RESPONSE: &str = "0507001c934e35f6ba527ad2485717cfcb021bb12104703121047032";
/// The same with Message-Authenticator (RFC 2869, section 5.14).
const START_WITH_MAC: &str = "040700804ddd36cf4812ccdaaa7cc8b7f914b01a2806000000012c0a30303030413142320406c00002412006\
                              7067773108060a14000b1f0d38343930313233343536371a17000028af011134353230313132333435363738\
                              3930610c004020010db800200011210470312104703250128e76fdc812c9c05cdbe4cde764a7e249";

fn octets(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal digits")
}

fn secret() -> Secret {
    Secret::new(SECRET.to_vec()).expect("not empty")
}

fn at() -> Timestamp {
    "2020-02-01T00:00:00Z".parse().expect("a time")
}

fn source() -> IpAddr {
    IpAddr::from([192, 0, 2, 65])
}

fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len() + 2).expect("an attribute's length");
    [&[kind, length], value].concat()
}

/// A request that is signed as it must be (RFC 2866, section 3).
fn request(identifier: u8, attributes: &[u8], secret: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + attributes.len()).expect("a packet's length").to_be_bytes();
    let header = [4, identifier, length[0], length[1]];
    let digest = Md5::digest([&header[..], &[0; 16], attributes, secret].concat());
    [&header[..], &digest, attributes].concat()
}

fn accounting(attributes: &[Vec<u8>]) -> Result<Accounting, PacketFault> {
    let request = request(1, &attributes.concat(), SECRET);
    let verified = Packet::parse(&request)?.verify(&secret()).expect("signed with the secret");
    verified.accounting(source(), at())
}

fn status(value: u8) -> Vec<u8> {
    attribute(kind::ACCT_STATUS_TYPE, &[0, 0, 0, value])
}

fn session() -> Vec<u8> {
    attribute(kind::ACCT_SESSION_ID, b"1")
}

fn block(text: &str) -> Block {
    Block::new(text.parse().expect("a network")).expect("a block")
}

fn start_report() -> Report {
    let nas = Nas { address: Some(source()), identifier: Some("pgw1".into()) };
    Report {
        session: SessionKey { nas, id: "0000A1B2".into() },
        identity: Identity::new("84901234567".parse().ok(), "452011234567890".parse().ok()),
        blocks: vec![block("10.20.0.11/32"), block("2001:db8:20:11::/64")],
        moment: Moment::new(at(), 0, None),
    }
}

#[test]
fn a_start_is_read_and_answered() {
    for start in [octets(START), octets(START_WITH_MAC), [octets(START), vec![0; 5]].concat()] {
        let packet = Packet::parse(&start).expect("a packet");
        assert_eq!(packet.identifier(), 7);
        let verified = packet.verify(&secret()).expect("signed with the secret");
        let accounting = verified.accounting(source(), at()).expect("a request");
        assert_eq!(accounting.event, Some(Event::Alive(start_report())));
        assert!(!accounting.has_unreadable_identity);
    }
    let start = octets(START);
    let verified = Packet::parse(&start).expect("a packet").verify(&secret()).expect("signed");
    assert_eq!(HEXLOWER.encode(&verified.response(&secret())), START_RESPONSE);
}

#[test]
fn another_secret_does_not_verify() {
    let other = Secret::new(b"xyzzy5462".to_vec()).expect("not empty");
    for start in [START, START_WITH_MAC] {
        let start = octets(start);
        let packet = Packet::parse(&start).expect("a packet");
        assert_eq!(packet.verify(&other), Err(BadAuthenticator));
    }
}

#[test]
fn a_message_authenticator_that_is_wrong_does_not_verify() {
    let mut attributes = octets(START_WITH_MAC)[20..].to_vec();
    *attributes.last_mut().expect("an octet") ^= 1;
    // Signed anew, so that only Message-Authenticator is wrong.
    let request = request(7, &attributes, SECRET);
    assert_eq!(Packet::parse(&request).expect("a packet").verify(&secret()), Err(BadAuthenticator));
}

#[test]
fn packets_whose_lengths_do_not_agree_are_refused() {
    let fault = |octets: &[u8]| Packet::parse(octets).expect_err("a fault");
    assert_eq!(fault(&[]), PacketFault::Cut { octets: 0 });
    let start = octets(START);
    assert_eq!(fault(&start[..start.len() - 1]), PacketFault::Cut { octets: start.len() - 1 });
    let with = |changes: &[(usize, u8)]| {
        let mut start = start.clone();
        for &(at, octet) in changes {
            start[at] = octet;
        }
        fault(&start)
    };
    assert_eq!(with(&[(3, 19), (2, 0)]), PacketFault::Length { octets: 19 });
    assert_eq!(with(&[(2, 0x10), (3, 1)]), PacketFault::Length { octets: 4097 });
    assert_eq!(with(&[(0, 1)]), PacketFault::Code { code: 1 });
    for length in [0, 1, 255] {
        assert_eq!(with(&[(21, length)]), PacketFault::AttributeLength { kind: kind::ACCT_STATUS_TYPE });
    }
    // One octet is left of the last attribute.
    let cut = request(1, &[status(1), vec![kind::PROXY_STATE]].concat(), SECRET);
    assert_eq!(fault(&cut), PacketFault::AttributeLength { kind: kind::PROXY_STATE });
    let mac = attribute(kind::MESSAGE_AUTHENTICATOR, &[0; 16]);
    let twice = request(1, &[mac.clone(), mac].concat(), SECRET);
    assert_eq!(fault(&twice), PacketFault::Repeated { kind: kind::MESSAGE_AUTHENTICATOR });
    let short = request(1, &attribute(kind::MESSAGE_AUTHENTICATOR, &[0; 15]), SECRET);
    assert_eq!(fault(&short), PacketFault::Value { kind: kind::MESSAGE_AUTHENTICATOR });
}

#[test]
fn a_packet_of_a_header_alone_says_nothing() {
    assert_eq!(accounting(&[]), Err(PacketFault::Missing { kind: kind::ACCT_STATUS_TYPE }));
}

#[test]
fn each_status_is_its_event() {
    let nas = Nas { address: Some(source()), identifier: None };
    let moment = Moment::new(at(), 0, None);
    let session_key = SessionKey { nas: nas.clone(), id: "1".into() };
    let report = Report { session: session_key, identity: None, blocks: vec![], moment };
    for (value, event) in [
        (1, Some(Event::Alive(report.clone()))),
        (2, Some(Event::Ended(report.clone()))),
        (3, Some(Event::Alive(report))),
        (7, Some(Event::Reset { nas: nas.clone(), moment })),
        (8, Some(Event::Reset { nas, moment })),
        // Tunnel-Start (RFC 2867), and Failed.
        (9, None),
        (15, None),
    ] {
        let read = accounting(&[status(value), session()]).expect("a request");
        assert_eq!(read.event, event, "Acct-Status-Type {value}");
    }
    let missing = Err(PacketFault::Missing { kind: kind::ACCT_SESSION_ID });
    assert_eq!(accounting(&[status(1)]), missing);
    assert!(accounting(&[status(7)]).is_ok(), "a restart is of no session");
}

#[test]
fn what_may_stand_once_does_not_stand_twice() {
    let imsi = [&10415_u32.to_be_bytes()[..], &attribute(1, b"452011234567890")].concat();
    for (kind, value) in [
        (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 1][..]),
        (kind::ACCT_SESSION_ID, b"1"),
        (kind::FRAMED_IP_ADDRESS, &[10, 20, 0, 11]),
        (kind::CALLING_STATION_ID, b"84901234567"),
        (kind::NAS_IP_ADDRESS, &[192, 0, 2, 65]),
        (kind::NAS_IDENTIFIER, b"pgw1"),
        (kind::ACCT_DELAY_TIME, &[0, 0, 0, 1]),
        (kind::EVENT_TIMESTAMP, &[0, 0, 0, 1]),
        (kind::VENDOR_SPECIFIC, &imsi),
    ] {
        let twice = vec![attribute(kind, value); 2];
        assert_eq!(accounting(&twice), Err(PacketFault::Repeated { kind }), "type {kind}");
    }
}

#[test]
fn values_of_wrong_length_are_refused() {
    let prefix = |length: u8, octets: usize| [vec![0, length], vec![0x20; octets]].concat();
    for (kind, value) in [
        (kind::ACCT_STATUS_TYPE, vec![1]),
        (kind::ACCT_SESSION_ID, vec![]),
        (kind::FRAMED_IP_ADDRESS, vec![10, 20, 0]),
        (kind::FRAMED_IPV6_ADDRESS, vec![0x20; 15]),
        (kind::FRAMED_IPV6_PREFIX, vec![0]),
        (kind::FRAMED_IPV6_PREFIX, prefix(64, 7)),
        (kind::FRAMED_IPV6_PREFIX, prefix(64, 17)),
        (kind::FRAMED_IPV6_PREFIX, prefix(129, 16)),
        // A bit past the length is set.
        (kind::FRAMED_IPV6_PREFIX, prefix(56, 8)),
        // Everybody's addresses.
        (kind::DELEGATED_IPV6_PREFIX, prefix(0, 0)),
        (kind::DELEGATED_IPV6_PREFIX, vec![0, 47, 0x20, 1, 0x0d, 0xb8, 0, 0]),
        (kind::VENDOR_SPECIFIC, vec![0, 0, 0x28]),
        (kind::VENDOR_SPECIFIC, [&10415_u32.to_be_bytes()[..], &[1, 9, b'4']].concat()),
    ] {
        assert_eq!(accounting(&[attribute(kind, &value)]), Err(PacketFault::Value { kind }), "{value:?}");
    }
}

#[test]
fn all_kinds_of_addresses_are_a_sessions() {
    let address = "2001:db8:20:13::1".parse::<std::net::Ipv6Addr>().expect("an address").octets();
    let read = accounting(&[
        status(1),
        session(),
        attribute(kind::FRAMED_IP_ADDRESS, &[10, 20, 0, 11]),
        // The prefix may be written in full (RFC 3162, section 2.3).
        attribute(kind::FRAMED_IPV6_PREFIX, &[&[0, 64][..], &address[..8], &[0; 8]].concat()),
        attribute(kind::DELEGATED_IPV6_PREFIX, &[0, 56, 0x20, 1, 0x0d, 0xb8, 0, 0x20, 0x11]),
        attribute(kind::FRAMED_IPV6_ADDRESS, &address),
    ]);
    let Ok(Accounting { event: Some(Event::Alive(report)), .. }) = read else { panic!("{read:?}") };
    let wanted = ["10.20.0.11/32", "2001:db8:20:13::/64", "2001:db8:20:1100::/56", "2001:db8:20:13::/64"];
    assert_eq!(report.blocks, wanted.map(block));
}

#[test]
fn a_session_has_a_bounded_number_of_addresses() {
    let prefix =
        |number: u8| attribute(kind::FRAMED_IPV6_PREFIX, &[0, 64, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, number]);
    let with = |count: usize| {
        let prefixes = (0..count).map(|number| prefix(u8::try_from(number).expect("few")));
        accounting(&[status(1), session()].into_iter().chain(prefixes).collect::<Vec<_>>())
    };
    assert!(with(ADDRESSES_MAX).is_ok());
    assert_eq!(with(ADDRESSES_MAX + 1), Err(PacketFault::TooManyAddresses));
}

#[test]
fn identities_that_cannot_be_read_are_left_out() {
    let vendor = |vendor: u32, inner: &[u8]| {
        attribute(kind::VENDOR_SPECIFIC, &[&vendor.to_be_bytes()[..], inner].concat())
    };
    let number = |text: &[u8]| attribute(kind::CALLING_STATION_ID, text);
    let imsi = |text: &[u8]| vendor(10415, &attribute(1, text));
    let both = Identity::new("84901234567".parse().ok(), "452011234567890".parse().ok());
    let only_number = Identity::new("84901234567".parse().ok(), None);
    for (attributes, identity, unreadable) in [
        (vec![number(b"+84901234567"), imsi(b"452011234567890")], both, false),
        (vec![number(b"84901234567"), imsi(b"45201x")], only_number, true),
        (vec![number(b"00-10-A4-23-19-C0")], None, true),
        (vec![number(b"\xff\xfe")], None, true),
        // Another vendor's attribute of the same type, however it is made.
        (vec![number(b"84901234567"), vendor(9, &[1, 200])], only_number, false),
        // Another attribute of 3GPP's in front of it (TS 29.061, clause 16.4.7).
        (
            vec![
                number(b"84901234567"),
                vendor(10415, &[attribute(2, &[0; 4]), attribute(1, b"452011234567890")].concat()),
            ],
            both,
            false,
        ),
    ] {
        let read = accounting(&[vec![status(1), session()], attributes].concat()).expect("a request");
        let Some(Event::Alive(report)) = &read.event else { panic!("{read:?}") };
        assert_eq!((report.identity, read.has_unreadable_identity), (identity, unreadable));
    }
}

#[test]
fn an_access_server_has_the_name_that_it_gives_itself() {
    let six = "2001:db8::65".parse::<std::net::Ipv6Addr>().expect("an address");
    let four = attribute(kind::NAS_IP_ADDRESS, &[192, 0, 2, 99]);
    let named = attribute(kind::NAS_IDENTIFIER, b"pgw1");
    let of_six = attribute(kind::NAS_IPV6_ADDRESS, &six.octets());
    let nas = |address: Option<IpAddr>, name: Option<&str>| Nas { address, identifier: name.map(Into::into) };
    let of_four = Some(IpAddr::from([192, 0, 2, 99]));
    for (attributes, wanted) in [
        (vec![], nas(Some(source()), None)),
        (vec![named.clone()], nas(None, Some("pgw1"))),
        (vec![four.clone(), named], nas(of_four, Some("pgw1"))),
        (vec![of_six.clone()], nas(Some(six.into()), None)),
        (vec![of_six.clone(), four.clone()], nas(of_four, None)),
        (vec![four, of_six], nas(of_four, None)),
    ] {
        let read = accounting(&[vec![status(7)], attributes].concat()).expect("a request");
        assert_eq!(read.event, Some(Event::Reset { nas: wanted, moment: Moment::new(at(), 0, None) }));
    }
}

#[test]
fn a_late_message_is_from_earlier() {
    let delay = attribute(kind::ACCT_DELAY_TIME, &[0, 0, 0, 90]);
    let stamp = attribute(kind::EVENT_TIMESTAMP, &[0, 0, 1, 0]);
    let read = accounting(&[status(7), delay, stamp]).expect("a request");
    let Some(Event::Reset { moment, .. }) = read.event else { panic!("{read:?}") };
    assert_eq!(moment, Moment::new(at(), 90, Some(256)));
}

#[test]
fn an_answer_is_remembered_for_thirty_seconds() {
    let client = |port: u16| SocketAddr::new(source(), port);
    let (one, other) = (request(1, &status(7), SECRET), request(2, &status(7), SECRET));
    let packets = [&one, &other].map(|octets| Packet::parse(octets).expect("a packet"));
    let start = std::time::Instant::now();
    let mut answered = Answered::default();
    answered.insert(client(1), &packets[0], start);
    assert!(answered.contains(client(1), &packets[0], start + ANSWERED_KEPT / 2));
    assert!(!answered.contains(client(2), &packets[0], start));
    assert!(!answered.contains(client(1), &packets[1], start));
    assert!(!answered.contains(client(1), &packets[0], start + ANSWERED_KEPT));
}

#[test]
fn the_first_answer_is_forgotten_when_there_are_too_many() {
    let one = request(1, &status(7), SECRET);
    let packet = Packet::parse(&one).expect("a packet");
    let client = |number: usize| {
        let number = u32::try_from(number).expect("few");
        SocketAddr::new(std::net::Ipv4Addr::from_bits(number).into(), 1)
    };
    let now = std::time::Instant::now();
    let mut answered = Answered::default();
    (0..=ANSWERED_MAX).for_each(|number| answered.insert(client(number), &packet, now));
    assert!(!answered.contains(client(0), &packet, now));
    assert!(
        answered.contains(client(1), &packet, now) && answered.contains(client(ANSWERED_MAX), &packet, now)
    );
}

/// A listener that takes requests from 127.0.0.1, with a queue of one event; its counters; and a client.
async fn listener() -> (Listener, mpsc::Receiver<Received>, UdpSocket) {
    let (events, received) = mpsc::channel(1);
    let clients = [("127.0.0.1/32".parse().expect("a network"), secret())].into_iter().collect();
    let listen = |address: &str| address.parse().expect("an address with a port");
    let listener =
        Listener::bind(&[listen("127.0.0.1:0")], clients, events, Arc::default()).await.expect("a free port");
    let client = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    client.connect(listener.addresses()[0]).await.expect("it is on this machine");
    (listener, received, client)
}

async fn answer(client: &UdpSocket, request: &[u8]) -> Vec<u8> {
    client.send(request).await.expect("it is sent");
    let mut response = vec![0; 4096];
    let octets = client.recv(&mut response).await.expect("an answer");
    response.truncate(octets);
    response
}

#[tokio::test]
async fn a_request_is_answered_once_there_is_room_for_it() {
    let (listener, mut received, client) = listener().await;
    let counters = listener.counters();
    let running = tokio::spawn(listener.run());
    let start = octets(START);
    assert_eq!(answer(&client, &start).await, octets(START_RESPONSE));
    // The same again is answered again, and not taken again, although there is no room.
    assert_eq!(answer(&client, &start).await, octets(START_RESPONSE));
    let reset = request(8, &status(7), SECRET);
    // Not answered; the next one's answer is then the first that comes.
    client.send(&reset).await.expect("it is sent");
    client.send(&request(9, &status(7), b"wrong")).await.expect("it is sent");
    client.send(&[4, 9]).await.expect("it is sent");
    client.send(&request(9, &status(1), SECRET)).await.expect("it is sent");
    assert_eq!(answer(&client, &request(10, &status(9), SECRET)).await[..2], [5, 10]);
    let Some(Received { said: Said { event: Event::Alive(report), at }, number: 1 }) = received.recv().await
    else {
        panic!("no start")
    };
    assert_eq!(report, Report { moment: Moment::new(at, 0, None), ..start_report() });
    assert_eq!(answer(&client, &reset).await[..2], [5, 8]);
    let wanted = RadiusStatus {
        accepted: 2,
        duplicates: 1,
        ignored: 1,
        overloaded: 1,
        unknown_client: 0,
        bad_authenticator: 1,
        malformed: 2,
        unreadable_identity: 0,
    };
    assert_eq!(counters.status(), wanted);
    drop(received);
    running.await.expect("it does not panic").expect("no socket failed");
}

#[tokio::test]
async fn nobody_else_is_answered() {
    let (listener, _received, _client) = listener().await;
    let counters = listener.counters();
    let address = listener.addresses()[0];
    tokio::spawn(listener.run());
    let stranger = UdpSocket::bind("127.0.0.2:0").await.expect("all of 127.0.0.0/8 is this machine's");
    stranger.send_to(&octets(START), address).await.expect("it is sent");
    while counters.status().unknown_client == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counters.status(), RadiusStatus { unknown_client: 1, ..RadiusStatus::default() });
    let nothing = stranger.try_recv(&mut [0; 1]).expect_err("no answer");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>) {
        let _ = Packet::parse(&octets);
    }

    #[test]
    fn any_attributes_of_a_signed_request_are_read_or_refused(
        attributes in prop::collection::vec((prop::sample::select(&KINDS[..]), prop::collection::vec(any::<u8>(), 0..24)), 0..12),
    ) {
        let encoded: Vec<u8> = attributes.iter().flat_map(|(kind, value)| attribute(*kind, value)).collect();
        let request = request(1, &encoded, SECRET);
        match Packet::parse(&request) {
            Err(PacketFault::Value { kind } | PacketFault::Repeated { kind }) => {
                prop_assert_eq!(kind, kind::MESSAGE_AUTHENTICATOR);
            }
            Err(fault) => prop_assert!(false, "{}", fault),
            Ok(packet) => {
                let read: Vec<_> = packet.attributes().map(|a| (a.kind, a.value.to_vec())).collect();
                prop_assert_eq!(&read, &attributes);
                let has_mac = attributes.iter().any(|(kind, _)| *kind == kind::MESSAGE_AUTHENTICATOR);
                let verified = packet.verify(&secret());
                prop_assert_eq!(verified.is_err(), has_mac, "a random one is wrong");
                if let Ok(verified) = verified {
                    let _ = verified.accounting(source(), at());
                    prop_assert!(verified.response(&secret()).len() <= request.len());
                }
            }
        }
    }

    #[test]
    fn a_request_that_was_changed_on_its_way_is_never_taken(at in 0_usize..128, change in 1..=255_u8) {
        let mut start = octets(START_WITH_MAC);
        start[at] ^= change;
        let verified = Packet::parse(&start).map(|packet| packet.verify(&secret()).is_ok());
        prop_assert!(verified != Ok(true));
    }

    #[test]
    fn times_are_never_out_of_bounds(delay_s: u32, seconds in -377_705_023_201..=253_402_207_200_i64) {
        let at = Timestamp::from_second(seconds).expect("within jiff's bounds");
        let _ = Moment::new(at, delay_s, None);
    }
}

/// All types that are read, and one that is not.
const KINDS: [u8; 16] = [
    1,
    kind::NAS_IP_ADDRESS,
    kind::FRAMED_IP_ADDRESS,
    kind::VENDOR_SPECIFIC,
    kind::CALLING_STATION_ID,
    kind::NAS_IDENTIFIER,
    kind::PROXY_STATE,
    kind::ACCT_STATUS_TYPE,
    kind::ACCT_DELAY_TIME,
    kind::ACCT_SESSION_ID,
    kind::EVENT_TIMESTAMP,
    kind::MESSAGE_AUTHENTICATOR,
    kind::NAS_IPV6_ADDRESS,
    kind::FRAMED_IPV6_PREFIX,
    kind::DELEGATED_IPV6_PREFIX,
    kind::FRAMED_IPV6_ADDRESS,
];
