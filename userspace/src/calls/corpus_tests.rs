//! Real captures, compared with what another dissector found in them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use serde_json::Value;
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::AllTransports;

use super::connections::Connections;
use super::dialled::request_number;
use super::fault::SipFault;
use super::frame::{Carried, FrameReader};
use super::header::Header;
use super::hotline::{HotlineMatch, Hotlines};
use super::limits::TrackerLimits;
use super::sdp::Session;
use super::sip::{Body, Message, Method, Start};
use super::stats::TrackerStats;
use super::tracker::{Action, At, Direction, Tracker};

/// Octets of capture read at once; more than any packet in the corpus.
const READ_OCTETS: usize = 1 << 20;

/// `shared/corpus` beside the project, or where `TOLLFREE_CORPUS` says.
pub(super) fn corpus() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let path = std::env::var_os("TOLLFREE_CORPUS").map_or(beside, PathBuf::from);
    if path.join("captures").is_dir() {
        return Some(path);
    }
    eprintln!("skipped: there is no corpus at {}; set TOLLFREE_CORPUS", path.display());
    None
}

/// Every capture, malformed ones too, by name.
pub(super) fn captures(corpus: &Path) -> Vec<PathBuf> {
    let is_capture = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| ["pcap", "pcapng", "cap"].iter().any(|cap| extension == *cap))
    };
    let entries = ["captures", "malformed"].into_iter().flat_map(|folder| {
        let entries = fs::read_dir(corpus.join(folder)).expect(folder);
        entries.map(|entry| entry.expect("an entry").path())
    });
    let mut found: Vec<PathBuf> = entries.filter(is_capture).collect();
    found.sort();
    found
}

/// A capture's frames, counted from 1, as Ethernet carries them; none of other links.
fn frames(path: &Path) -> Vec<(u64, Vec<u8>)> {
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
                    found.extend(ethernet(link, octets).map(|octets| (frame, octets)));
                }
                reader.consume(offset);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().expect("more of the capture"),
            // Some of the malformed captures break off.
            Err(_) => return found,
        }
    }
}

/// The frame with an Ethernet header. In Linux's cooked captures the packet's type stands where Ethernet's does, two octets
/// further on.
fn ethernet(link: Linktype, octets: &[u8]) -> Option<Vec<u8>> {
    match link {
        Linktype::ETHERNET => Some(octets.to_vec()),
        Linktype::LINUX_SLL => Some(octets.get(2..)?.to_vec()),
        _ => None,
    }
}

/// A UDP datagram, or a message of a TCP connection.
pub(super) struct Carriage {
    /// The frame that made it whole, counted from 1 over all packets of the capture.
    frame: u64,
    source: SocketAddr,
    destination: SocketAddr,
    pub(super) payload: Vec<u8>,
}

/// Every datagram and message of a capture, in the order in which they are whole; read as the controller reads copies of
/// packets, inside whatever carries them.
pub(super) fn carried(path: &Path) -> Vec<Carriage> {
    let (mut reader, mut connections, mut found) =
        (FrameReader::default(), Connections::default(), Vec::new());
    for (frame, octets) in frames(path) {
        // All come as if from subscribers: so each direction of a connection is one of its own.
        match reader.read(frame, Role::Access, &octets, &AllTransports) {
            Some(Carried::Datagram { subscriber, proxy, payload, .. }) => {
                let payload = payload.into_owned();
                found.push(Carriage { frame, source: subscriber, destination: proxy, payload });
            }
            Some(Carried::Segment(segment)) => {
                let (source, destination) = (segment.subscriber, segment.proxy);
                let messages = connections.take(frame, &segment).into_iter().flatten();
                found.extend(messages.map(|payload| Carriage { frame, source, destination, payload }));
            }
            Some(Carried::Fragment) | None => {}
        }
    }
    found
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

pub(super) fn word(method: Method<'_>) -> &str {
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

/// Captures with SIP, and how many messages of each the other dissector found.
const SIGNALLING: [(&str, usize); 14] = [
    ("arkime-gtp-iphone.pcap", 17),
    ("ndpi-FAX-Call-t38-CA-TDM-SIP-FB-1.pcap", 92),
    ("open5gs-volte.pcapng", 41),
    ("pcapplusplus-sip_non_default_port.pcap", 2),
    ("sngrep-aaa.pcap", 81),
    ("sngrep-ipip.pcap", 4),
    ("sngrep-ipv6frag.pcap", 32),
    ("suricata-sip-tcp.pcap", 2),
    ("wswiki-LtoZ_rtpFilter_fail_2.pcap", 21),
    ("wswiki-T38.pcap", 18),
    ("wswiki-nb6-telephone.pcap", 7),
    ("wswiki-sip-rtp-g729a.pcap", 6),
    ("wswiki-sip-rtp-opus.pcap", 6),
    ("wswiki-testing.ext.pcap", 7),
];

/// Messages that are not read as the other dissector reads them: capture, frame, what is read, and why that is right.
const READ_OTHERWISE: [(&str, u64, &str, &str); 7] = [
    ("open5gs-volte.pcapng", 17, "nothing", CUT_BY_THE_TUNNEL),
    ("open5gs-volte.pcapng", 88, "nothing", CUT_BY_THE_TUNNEL),
    (
        "open5gs-volte.pcapng",
        90,
        "nothing",
        "the same datagram again: whole at frame 89, with the rest of frame 88",
    ),
    (
        "open5gs-volte.pcapng",
        92,
        "nothing",
        "the same datagram again: whole at frame 91, with the rest of frame 90",
    ),
    ("sngrep-ipv6frag.pcap", 24, "has more than one Content-Type header", TWICE),
    ("sngrep-ipv6frag.pcap", 26, "has a To header that cannot be read", TWICE),
    ("sngrep-ipv6frag.pcap", 27, "has a To header that cannot be read", TWICE),
];

/// Of a tunnel's packet that is itself in fragments, the first is read, and holds no whole fragment of what is inside.
const CUT_BY_THE_TUNNEL: &str = "its first fragment is in a GTP-U packet that is itself in fragments";
/// A header or a tag: the dissector takes the first, others may take the last.
const TWICE: &str = "it says the same thing twice, so that two readers may take different ones";

/// What is expected of a capture: records of this type.
fn expected(corpus: &Path, name: &str, kind: &str) -> Vec<Value> {
    let path = corpus.join(format!("captures/expected/{name}.jsonl"));
    let text = fs::read_to_string(path).expect(name);
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    records.filter(|record| record["type"] == kind).collect()
}

/// What of a message differs from what is expected of it; `None`: nothing.
fn difference(payload: &[u8], record: &Value) -> Option<String> {
    let message = match Message::parse(payload) {
        Ok(message) => message,
        Err(fault) => return Some(fault.to_string()),
    };
    for (field, value) in told(&message).as_object().expect("an object") {
        if *value != record[field] {
            return Some(format!("{field}: {value}"));
        }
    }
    let (found, expected) = (streams(&message), expected_streams(record));
    if found != expected {
        return Some(format!("media: {found}"));
    }
    // Of `tel:` URIs the other dissector tells no user.
    let uri = record["ruri"].as_str().filter(|uri| uri.starts_with("sip:")).unwrap_or_default();
    let number = request_number(uri).map(|number| number.digits);
    let is_number = |user: &&str| user.trim_start_matches('+').bytes().all(|octet| octet.is_ascii_digit());
    let user = record["ruri_user"].as_str().and_then(|user| user.split(';').next()).filter(is_number);
    (user != number.as_deref()).then(|| format!("number: {number:?}"))
}

/// Every message of these captures is read, and as the other dissector reads it: over UDP and TCP, in fragments, in tunnels.
#[test]
fn messages_are_read_as_another_dissector_reads_them() {
    let Some(corpus) = corpus() else { return };
    let mut otherwise = Vec::new();
    for (name, messages) in SIGNALLING {
        let mut found: HashMap<u64, VecDeque<Carriage>> = HashMap::new();
        for carriage in carried(&corpus.join("captures").join(name)) {
            found.entry(carriage.frame).or_default().push_back(carriage);
        }
        let records = expected(&corpus, name, "sip");
        for record in &records {
            let frame = record["frame"].as_u64().expect("a frame number");
            let difference = match found.get_mut(&frame).and_then(VecDeque::pop_front) {
                Some(carriage) => difference(&carriage.payload, record),
                None => Some("nothing".to_owned()),
            };
            otherwise.extend(difference.map(|difference| (name, frame, difference)));
        }
        assert_eq!(records.len(), messages, "{name}");
    }
    let argued: Vec<_> =
        READ_OTHERWISE.iter().map(|(name, frame, read, _)| (*name, *frame, (*read).to_owned())).collect();
    assert_eq!(otherwise, argued);
}

/// No capture but these has messages that the other dissector found.
#[test]
fn no_signalling_is_left_out() {
    let Some(corpus) = corpus() else { return };
    for path in captures(&corpus).iter().filter(|path| path.starts_with(corpus.join("captures"))) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let is_known = SIGNALLING.iter().any(|(known, _)| *known == name) || name == DOUBTFUL;
        assert!(is_known || expected(&corpus, name, "sip").is_empty(), "{name}");
    }
}

/// Read below.
const DOUBTFUL: &str = "suricata-sip_compact_form.pcap";

/// Its `From` has backslashes outside a quoted string, so that readers disagree where the quotes end; without
/// them, its `Content-Length` ends in front of the `m=` line, so there is no stream.
#[test]
fn a_doubtful_message_is_refused() {
    let Some(corpus) = corpus() else { return };
    let found = carried(&corpus.join("captures").join(DOUBTFUL));
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

/// A capture's signalling as a tracker sees it for whom the first caller is the only subscriber; its streams that become
/// free, by their ends.
fn granted(path: &Path, anyone: &Anyone) -> (BTreeSet<(SocketAddr, SocketAddr)>, TrackerStats) {
    let start: jiff::Timestamp = "2020-02-03T00:00:00Z".parse().expect("a time");
    let mut tracker = Tracker::new(TrackerLimits::default());
    let (mut caller, mut streams) = (None, BTreeSet::new());
    for Carriage { frame, source, destination, payload } in carried(path) {
        if payload.starts_with(b"INVITE ") && caller.is_none() {
            caller = Some(source.ip());
        }
        let at = At { wall: start, monotonic_ns: frame };
        let (direction, ours, theirs) = if caller == Some(source.ip()) {
            (Direction::Uplink, source, destination)
        } else {
            (Direction::Downlink, destination, source)
        };
        for action in tracker.message(at, direction, ours, theirs, &payload, anyone) {
            if let Action::Grant { stream, .. } = action {
                streams.insert((stream.subscriber, stream.remote));
            }
        }
    }
    (streams, tracker.stats().clone())
}

/// Streams of RTP that the other dissector found by their calls' signalling are free, and, of those captures, no others; but
/// as listed: a capture, how many of its streams are free, how many are not, and why.
const STREAMS: [(&str, usize, usize, &str); 9] = [
    ("arkime-gtp-iphone.pcap", 1, 0, ""),
    ("ndpi-FAX-Call-t38-CA-TDM-SIP-FB-1.pcap", 0, 2, "it asks for no number: there are letters in it"),
    ("open5gs-volte.pcapng", 1, 2, "those of the called subscriber, who did not call"),
    ("sngrep-aaa.pcap", 1, 0, ""),
    ("wswiki-LtoZ_rtpFilter_fail_2.pcap", 1, 0, ""),
    ("wswiki-nb6-telephone.pcap", 1, 0, ""),
    ("wswiki-sip-rtp-g729a.pcap", 0, 1, "it asks for a name, not for a number"),
    ("wswiki-sip-rtp-opus.pcap", 0, 1, "it asks for a name, not for a number"),
    ("wswiki-testing.ext.pcap", 1, 2, "its video, which no rule frees here"),
];

#[test]
fn streams_of_calls_are_free() {
    let Some(corpus) = corpus() else { return };
    let anyone = Anyone(vec!["0.0.0.0/0".parse().expect("a network"), "::/0".parse().expect("a network")]);
    let mut found = Vec::new();
    for (name, _) in SIGNALLING {
        let (streams, _) = granted(&corpus.join("captures").join(name), &anyone);
        let end = |record: &Value, address: &str, port: &str| {
            let address =
                record[address].as_str().expect("an address").parse::<IpAddr>().expect("an address");
            let port = record[port].as_u64().and_then(|port| u16::try_from(port).ok());
            SocketAddr::new(address, port.expect("a port"))
        };
        let records = expected(&corpus, name, "rtp").into_iter().filter(|record| record["by"] == "sdp");
        let seen: BTreeSet<_> = records
            .map(|record| (end(&record, "src", "sport"), end(&record, "dst", "dport")))
            .map(|(one, other)| if streams.contains(&(other, one)) { (other, one) } else { (one, other) })
            .collect();
        let (free, charged) = (seen.intersection(&streams).count(), seen.difference(&streams).count());
        if free + charged > 0 {
            found.push((name, free, charged));
        }
    }
    let is_argued =
        |(_, _, charged, reason): &(&str, usize, usize, &str)| *charged == 0 || !reason.is_empty();
    assert!(STREAMS.iter().all(is_argued), "what is charged needs a reason");
    let argued: Vec<_> = STREAMS.iter().map(|(name, free, charged, _)| (*name, *free, *charged)).collect();
    assert_eq!(found, argued);
}

/// Nothing in any capture makes the readers or the tracker panic, whatever its port; some are calls that are followed.
#[test]
fn nothing_in_the_corpus_panics() {
    let Some(corpus) = corpus() else { return };
    let anyone = Anyone(vec!["0.0.0.0/0".parse().expect("a network"), "::/0".parse().expect("a network")]);
    let stats: Vec<TrackerStats> = captures(&corpus).iter().map(|path| granted(path, &anyone).1).collect();
    assert!(stats.iter().map(|stats| stats.invited).sum::<u64>() > 0);
    assert!(stats.iter().flat_map(|stats| stats.faults).sum::<u64>() > 0);
}
