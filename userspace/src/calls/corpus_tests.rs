//! Real captures, compared with what another dissector found in them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use serde_json::Value;
use tollfree_core::bytes::Frame;
use tollfree_core::packet::tunnel::AllTransports;
use tollfree_core::packet::{self, protocol};

use super::fault::SipFault;
use super::header::Header;
use super::hotline::{HotlineMatch, Hotlines};
use super::sdp::Session;
use super::sip::{Body, Message, Method, Start};
use super::tracker::{At, Direction, Tracker, TrackerLimits};

/// Octets of a UDP header (RFC 768).
const UDP_OCTETS: usize = 8;
/// Octets of capture read at once; more than any packet in the corpus.
const READ_OCTETS: usize = 1 << 20;

/// `shared/corpus` beside the project, or where `TOLLFREE_CORPUS` says.
fn corpus() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let path = std::env::var_os("TOLLFREE_CORPUS").map_or(beside, PathBuf::from);
    if path.join("captures").is_dir() {
        return Some(path);
    }
    eprintln!("skipped: there is no corpus at {}; set TOLLFREE_CORPUS", path.display());
    None
}

/// A UDP datagram of a capture.
struct Datagram {
    /// Counted from 1 over all packets of the capture.
    frame: u64,
    source: SocketAddr,
    destination: SocketAddr,
    payload: Vec<u8>,
}

/// A capture's UDP datagrams in Ethernet frames.
fn datagrams(path: &PathBuf) -> Vec<Datagram> {
    let file = File::open(path).expect("the capture");
    let mut reader = create_reader(READ_OCTETS, file).expect("a capture");
    let (mut found, mut link, mut frame) = (Vec::new(), Linktype::NULL, 0);
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                let octets = match &block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        link = header.network;
                        None
                    }
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        link = interface.linktype;
                        None
                    }
                    PcapBlockOwned::Legacy(packet) => Some(packet.data),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => Some(packet.data),
                    PcapBlockOwned::NG(_) => None,
                };
                if let Some(octets) = octets {
                    frame += 1;
                    found.extend((link == Linktype::ETHERNET).then(|| datagram(frame, octets)).flatten());
                }
                reader.consume(offset);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().expect("more of the capture"),
            // Some of the malformed captures break off.
            Err(_) => return found,
        }
    }
}

fn datagram(frame: u64, octets: &[u8]) -> Option<Datagram> {
    let packet =
        packet::parse(&Frame::new(octets), packet::Start::Ethernet, 0, &AllTransports, &mut ()).ok()?;
    let end = (packet.ip_offset + usize::try_from(packet.volume_octets).ok()?).min(octets.len());
    (packet.protocol == protocol::UDP && !packet.later_fragment).then_some(Datagram {
        frame,
        source: SocketAddr::new(packet.source.to_ip(), packet.source_port),
        destination: SocketAddr::new(packet.destination.to_ip(), packet.destination_port),
        payload: octets.get(packet.transport_offset + UDP_OCTETS..end)?.to_vec(),
    })
}

/// What a message says, in the expectation's terms.
fn told(message: &Message<'_>) -> Value {
    let (method, uri, status) = match message.start {
        Start::Request { method, uri } => (Some(method), Some(uri), None),
        Start::Response { status } => (None, None, Some(status)),
    };
    serde_json::json!({
        "method": method.map(word), "ruri": uri, "status": status, "call_id": message.call_id,
        "from_tag": message.from.tag, "to_tag": message.to.tag, "branch": message.branch,
        "cseq": message.cseq.number, "cseq_method": word(message.cseq.method),
    })
}

fn word(method: Method<'_>) -> &str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Update => "UPDATE",
        Method::Prack => "PRACK",
        Method::Message => "MESSAGE",
        Method::Other(other) => other,
    }
}

/// The streams that a message describes: address and port each.
fn streams(message: &Message<'_>) -> Value {
    let Body::Sdp(body) = message.body() else {
        return Value::Null;
    };
    let session = Session::parse(body).expect("a session description");
    let one = |stream: &super::sdp::MediaSection| serde_json::json!([stream.address, stream.port]);
    session.streams.iter().map(one).collect()
}

/// The same, as the other dissector found them.
fn expected_streams(record: &Value) -> Value {
    let Some(media) = record["sdp"][0]["media"].as_array() else {
        return Value::Null;
    };
    media.iter().map(|stream| serde_json::json!([stream["c"], stream["port"]])).collect()
}

/// Every message of these captures is read, and as the other dissector reads it.
#[test]
fn messages_are_read_as_another_dissector_reads_them() {
    let Some(corpus) = corpus() else { return };
    for (name, messages) in [
        ("sngrep-aaa.pcap", 81),
        ("pcapplusplus-sip_non_default_port.pcap", 2),
        ("wswiki-sip-rtp-g729a.pcap", 6),
        ("wswiki-sip-rtp-opus.pcap", 6),
        ("wswiki-testing.ext.pcap", 7),
        ("wswiki-LtoZ_rtpFilter_fail_2.pcap", 21),
    ] {
        let captures = corpus.join("captures");
        let expected = fs::read_to_string(captures.join(format!("expected/{name}.jsonl"))).expect(name);
        let records = expected.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
        let records = records.filter(|record| record["type"] == "sip" && record["transport"] == "udp");
        let mut found: HashMap<_, _> =
            datagrams(&captures.join(name)).into_iter().map(|datagram| (datagram.frame, datagram)).collect();
        let mut compared = 0;
        for record in records {
            let frame = record["frame"].as_u64().expect("a frame number");
            let datagram = found.remove(&frame).expect("a datagram");
            let message = Message::parse(&datagram.payload);
            let message = message.unwrap_or_else(|fault| panic!("{name} frame {frame} {fault}"));
            for (field, value) in told(&message).as_object().expect("an object") {
                assert_eq!(*value, record[field], "{name} frame {frame} {field}");
            }
            assert_eq!(streams(&message), expected_streams(&record), "{name} frame {frame}");
            compared += 1;
        }
        assert_eq!(compared, messages, "{name}");
    }
}

/// Its `From` has backslashes outside a quoted string, so that readers disagree where the quotes end; without
/// them, its `Content-Length` ends in front of the `m=` line, so there is no stream.
#[test]
fn a_doubtful_message_is_refused() {
    let Some(corpus) = corpus() else { return };
    let found = datagrams(&corpus.join("captures/suricata-sip_compact_form.pcap"));
    let payload = &found[0].payload;
    assert_eq!(Message::parse(payload), Err(SipFault::Value { header: Header::From }));
    let mended: Vec<u8> = payload.iter().copied().filter(|octet| *octet != b'\\').collect();
    let message = Message::parse(&mended).expect("a message");
    let Body::Sdp(body) = message.body() else { panic!("no session description") };
    assert_eq!(Session::parse(body), Ok(Session { streams: vec![] }));
}

/// Every number is a hotline, and every network a media network.
struct Anyone(Vec<ipnet::IpNet>);

impl Hotlines for Anyone {
    fn find(&self, _dialled: &str) -> Option<HotlineMatch<'_>> {
        let class = tollfree_core::plan::RuleClass::Free;
        let terms = crate::policy::CallTerms::default();
        Some(HotlineMatch { rule: 1, class, number: "1", media: &self.0, terms, is_emergency: false })
    }
}

/// No datagram of any capture makes the tracker panic, whatever its port; some are calls that are followed.
#[test]
fn nothing_in_the_corpus_panics() {
    let Some(corpus) = corpus() else { return };
    let anyone = Anyone(vec!["0.0.0.0/0".parse().expect("a network")]);
    let start: jiff::Timestamp = "2020-02-03T00:00:00Z".parse().expect("a time");
    let mut tracker = Tracker::new(TrackerLimits::default());
    let mut callers: Vec<IpAddr> = Vec::new();
    for entry in ["captures", "malformed"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(corpus.join(folder)).expect(folder))
    {
        let path = entry.expect("an entry").path();
        if !path
            .extension()
            .is_some_and(|extension| ["pcap", "pcapng", "cap"].iter().any(|cap| extension == *cap))
        {
            continue;
        }
        for Datagram { frame, source, destination, payload } in datagrams(&path) {
            if payload.starts_with(b"INVITE ") && !callers.contains(&source.ip()) {
                callers.push(source.ip());
            }
            let at = At { wall: start, monotonic_ns: frame };
            let (direction, ours, theirs) = if callers.contains(&source.ip()) {
                (Direction::Uplink, source, destination)
            } else {
                (Direction::Downlink, destination, source)
            };
            tracker.message(at, direction, ours, theirs, &payload, &anyone);
        }
    }
    assert!(tracker.stats().invited > 0, "{:?}", tracker.stats());
    assert!(tracker.stats().faults.iter().sum::<u64>() > 0);
}
