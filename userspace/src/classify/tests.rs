//! A capture written here, and what must be found in it: lengths and times are those it was written with.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::policy::{self, PolicySet};

/// 2020-02-01T00:00:00Z, in seconds since the Unix epoch.
const START: u32 = 1_580_515_200;

const SUBSCRIBER: [u8; 4] = [10, 20, 0, 11];
const PORTAL: [u8; 4] = [203, 0, 113, 7];
const MORE_FRAGMENTS: u16 = 0x2000;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2; 6][..], &[4; 6], &ether_type.to_be_bytes(), payload].concat()
}

/// An IPv4 packet without options; its checksum is left out, because nothing here looks at it.
fn ipv4(
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    fragment: (u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("a short packet").to_be_bytes();
    let (identification, offset) = (fragment.0.to_be_bytes(), fragment.1.to_be_bytes());
    let start = [&[0x45, 0][..], &length, &identification, &offset, &[64, protocol, 0, 0]].concat();
    [&start[..], &source, &destination, payload].concat()
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a short datagram");
    [&[source, destination, length, 0].map(u16::to_be_bytes).concat()[..], payload].concat()
}

fn tcp(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    let ports = [source, destination].map(u16::to_be_bytes).concat();
    [&ports[..], &[0; 8], &[5 << 4, flags], &[0; 6]].concat()
}

fn vlan(id: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x8100, &[&id.to_be_bytes()[..], &[8, 0], payload].concat())
}

/// A TCP segment of the one connection there is, in VLAN 100.
fn segment(uplink: bool, flags: u8) -> Vec<u8> {
    let (source, destination, header) = if uplink {
        (SUBSCRIBER, PORTAL, tcp(50_000, 443, flags))
    } else {
        (PORTAL, SUBSCRIBER, tcp(443, 50_000, flags))
    };
    vlan(100, &ipv4(source, destination, 6, (0, 0), &header))
}

/// DNS of another subscriber, in GTP-U.
fn tunnelled() -> Vec<u8> {
    let inner = ipv4([10, 20, 0, 12], [198, 51, 100, 9], 17, (0, 0), &udp(5000, 53, &[0; 10]));
    let length = u16::try_from(inner.len()).expect("a short packet").to_be_bytes();
    let gtp = [&[0x30, 255][..], &length, &[0, 0, 0, 1], &inner].concat();
    ethernet(0x0800, &ipv4([192, 0, 2, 1], [192, 0, 2, 2], 17, (0, 0), &udp(2152, 2152, &gtp)))
}

/// Seconds since [`START`], and the frame.
fn frames() -> Vec<(u32, Vec<u8>)> {
    let from_portal =
        |offset, payload: &[u8]| ethernet(0x0800, &ipv4(PORTAL, SUBSCRIBER, 17, (7, offset), payload));
    let datagram = udp(443, 6000, &[0; 24]);
    let padded = [segment(true, ACK), vec![0; 6]].concat();
    vec![
        (0, segment(true, SYN)),
        (1, segment(false, SYN | ACK)),
        (2, tunnelled()),
        // The rest of a datagram comes before its beginning.
        (3, from_portal(24 / 8, &datagram[24..])),
        (4, from_portal(MORE_FRAGMENTS, &datagram[..24])),
        (5, ethernet(0x0806, &[0; 28])),
        (7, padded),
    ]
}

fn capture(frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, 1].map(u32::to_le_bytes).concat();
    for (seconds, frame) in frames {
        let length = u32::try_from(frame.len()).expect("a short frame");
        file.extend([START + seconds, 250_000, length, length].map(u32::to_le_bytes).concat());
        file.extend(frame);
    }
    file
}

/// Where the capture and the policy are, until the test ends.
struct Files {
    directory: TempDir,
    capture: PathBuf,
}

impl Files {
    fn new(capture: &[u8]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("x.pcap");
        fs::write(&path, capture).expect("a file");
        Self { directory, capture: path }
    }

    /// Free from the beginning until six seconds later.
    fn policies(&self) -> PolicySet {
        let policy = r#"
            [policy]
            id = "health"
            legal_basis = "05"
            authority = "Ministry"
            valid_from = 2020-02-01T00:00:00Z
            valid_until = 2020-02-01T00:00:06Z
            [[site]]
            id = "portal"
            networks = ["203.0.113.0/24"]
            ports = ["tcp/443", "udp/443"]
            evidence = "address"
            class = "free"
            rating_group = 9001
        "#;
        fs::write(self.directory.path().join("health.toml"), policy).expect("a file");
        policy::load(self.directory.path()).expect("a good policy")
    }

    fn classify(&self, options: &Options<'_>) -> (Report, Result<(), ClassifyError>) {
        classify(&self.capture, options, &mut Progress::new(&mut |_| {}))
    }
}

fn options<'a>(policies: Option<&'a PolicySet>, subscribers: &str) -> Options<'a> {
    let subscribers = subscribers.parse().expect("subscribers");
    Options { tunnels: &Tunnels::All, subscribers, policies, gateway_id: "", region: None }
}

fn json_lines(report: &Report) -> Vec<Value> {
    let mut json = Vec::new();
    report.write_json(&mut json).expect("room in memory");
    let lines = json.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect()
}

/// The three flows and the summary that are in [`frames`], without a policy.
fn expected(files: &Files) -> [Value; 4] {
    let at = |seconds: u32| f64::from(START + seconds) + 0.25;
    [
        json!({
            "type": "flow", "ipv": 4, "proto": 6, "src": "10.20.0.11", "sport": 50000, "dst": "203.0.113.7",
            "dport": 443, "packets": [2, 1], "ip_bytes": [80, 40], "encap": ["eth/vlan:100"], "frag_packets": 0,
            "first": at(0), "last": at(7), "names": [],
        }),
        json!({
            "type": "flow", "ipv": 4, "proto": 17, "src": "10.20.0.12", "sport": 5000, "dst": "198.51.100.9",
            "dport": 53, "packets": [1, 0], "ip_bytes": [38, 0],
            "encap": ["eth/ip4:192.0.2.1>192.0.2.2/udp:2152>2152/gtp:0x00000001"], "frag_packets": 0,
            "first": at(2), "last": at(2), "names": [],
        }),
        json!({
            "type": "flow", "ipv": 4, "proto": 17, "src": "203.0.113.7", "sport": 443, "dst": "10.20.0.11",
            "dport": 6000, "packets": [2, 0], "ip_bytes": [72, 0], "encap": ["eth"], "frag_packets": 2,
            "first": at(3), "last": at(4), "names": [],
        }),
        json!({
            "type": "summary", "file": files.capture.to_string_lossy(), "packets": 7, "ip_packets": 6,
            "ip_bytes": 230, "unattributed": { "not-ip": 1 },
        }),
    ]
}

/// `line` with `fields` besides.
fn with(line: &Value, fields: &Value) -> Value {
    let mut line = line.clone();
    let (Some(object), Some(fields)) = (line.as_object_mut(), fields.as_object()) else {
        panic!("no objects")
    };
    object.extend(fields.clone());
    line
}

#[test]
fn flows_are_told_in_json() {
    let files = Files::new(&capture(&frames()));
    let (report, result) = files.classify(&options(None, "initiator"));
    result.expect("a good file");
    assert_eq!(json_lines(&report), expected(&files));
}

#[test]
fn each_packet_is_decided_at_its_own_time() {
    let files = Files::new(&capture(&frames()));
    let policies = files.policies();
    let (report, result) = files.classify(&options(Some(&policies), "initiator"));
    result.expect("a good file");
    let charged = |free: u64, charged: u64| {
        json!({
            "decision": "charged", "policy": null, "rule": null, "reason": "not-listed",
            "volume": { "free": free, "charged": charged },
        })
    };
    let [first, second, third, summary] = expected(&files);
    // Seven seconds after the beginning, the policy has ended.
    let expected = [
        with(&first, &charged(80, 40)),
        with(&second, &charged(0, 38)),
        with(&third, &charged(0, 72)),
        summary,
    ];
    assert_eq!(json_lines(&report), expected);
}

#[test]
fn subscribers_are_those_of_the_prefixes() {
    let files = Files::new(&capture(&frames()[..5]));
    let policies = files.policies();
    let (report, result) = files.classify(&options(Some(&policies), "10.20.0.11"));
    result.expect("a good file");
    let lines = json_lines(&report);
    let said = |line: usize| {
        let field = |name: &str| lines[line][name].as_str().unwrap_or("null").to_owned();
        ["subscriber", "decision", "policy", "rule", "reason"].map(field)
    };
    assert_eq!(said(0), ["src", "free", "health", "portal", "address"]);
    assert_eq!(said(1), ["null", "unattributed", "null", "null", "transit"]);
    // Nothing that a stranger sends opens a flow, and its first packet's ports were not known yet.
    assert_eq!(said(2), ["dst", "charged", "health", "portal", "no-flow"]);
    assert_eq!(lines[0]["volume"], json!({ "free": 80, "charged": 0 }));
    assert_eq!(lines[1]["volume"], json!({ "free": 0, "charged": 0, "unattributed": 38 }));
    assert_eq!(lines[2]["volume"], json!({ "free": 0, "charged": 72 }));
    assert_eq!(lines[3]["unattributed"], json!({ "not-ip": 0, "transit": 1 }));
}

#[test]
fn a_tunnel_that_is_not_the_carriers_is_the_outer_flow() {
    let files = Files::new(&capture(&frames()[2..3]));
    let listed = Tunnels::Listed(crate::memory::MemoryTransports::default());
    let (report, result) = files.classify(&Options { tunnels: &listed, ..options(None, "initiator") });
    result.expect("a good file");
    let lines = json_lines(&report);
    assert_eq!(lines[0]["src"], "192.0.2.1");
    assert_eq!(lines[0]["dport"], 2152);
    // The inner packet's 38, GTP-U's 8, UDP's 8 and IPv4's 20.
    assert_eq!(lines[0]["ip_bytes"], json!([74, 0]));
}

#[test]
fn the_rest_of_a_tunnels_datagram_is_on_the_outer_flow_and_counted_with_its_beginning() {
    let inner = ipv4([10, 20, 0, 12], PORTAL, 6, (0, 0), &[&tcp(5000, 443, SYN)[..], &[0; 32]].concat());
    let gtp = [&[0x30, 255, 0, 72, 0, 0, 0, 1][..], &inner].concat();
    let outer = udp(2152, 2152, &gtp);
    let fragment = |offset, payload: &[u8]| {
        ethernet(0x0800, &ipv4([192, 0, 2, 1], [192, 0, 2, 2], 17, (9, offset), payload))
    };
    let frames = [(0, fragment(MORE_FRAGMENTS, &outer[..64])), (1, fragment(64 / 8, &outer[64..]))];
    let files = Files::new(&capture(&frames));
    let policies = files.policies();
    let (report, result) = files.classify(&options(Some(&policies), "initiator"));
    result.expect("a good file");
    let lines = json_lines(&report);
    assert_eq!((&lines[0]["src"], &lines[0]["ip_bytes"]), (&json!("10.20.0.12"), &json!([72, 0])));
    // 88 octets of UDP in all, of which the first fragment carries 64.
    assert_eq!((&lines[1]["sport"], &lines[1]["ip_bytes"]), (&json!(null), &json!([44, 0])));
    assert_eq!(lines[1]["reason"], "tunnel-fragment");
    assert_eq!(lines[1]["volume"], json!({ "free": 0, "charged": 0 }));
}

#[test]
fn the_carriers_own_messages_are_on_the_outer_flow_and_nobodys() {
    let echo = ethernet(
        0x0800,
        &ipv4([192, 0, 2, 1], [192, 0, 2, 2], 17, (0, 0), &udp(2152, 2152, &[0x30, 1, 0, 0, 0, 0, 0, 0])),
    );
    let files = Files::new(&capture(&[(0, echo)]));
    let policies = files.policies();
    let (report, result) = files.classify(&options(Some(&policies), "initiator"));
    result.expect("a good file");
    let lines = json_lines(&report);
    assert_eq!((&lines[0]["sport"], &lines[0]["ip_bytes"]), (&json!(2152), &json!([36, 0])));
    assert_eq!((&lines[0]["decision"], &lines[0]["reason"]), (&json!("unattributed"), &json!("own")));
    assert_eq!(lines[1]["unattributed"], json!({ "not-ip": 0, "own": 1 }));
}

#[test]
fn the_table_is_read_at_a_glance() {
    let files = Files::new(&capture(&frames()));
    let policies = files.policies();
    let (report, _) = files.classify(&options(Some(&policies), "10.20.0.0/16"));
    let expected = "\
PROTO  SOURCE            DESTINATION      PACKETS  OCTETS  SUBSCRIBER  DECISION  REASON      RULE           FREE  CHARGED  ENCAPSULATION
tcp    10.20.0.11:50000  203.0.113.7:443  2+1      80+40   src         charged   not-listed  -              80    40       eth/vlan:100
udp    10.20.0.12:5000   198.51.100.9:53  1+0      38+0    src         charged   not-listed  -              0     38       eth/ip4:192.0.2.1>192.0.2.2/udp:2152>2152/gtp:0x00000001
udp    203.0.113.7:443   10.20.0.11:6000  2+0      72+0    dst         charged   no-flow     health/portal  0     72       eth
FILE: 7 packets; on 3 flows 6 packets, 230 octets; not-ip 1
";
    assert_eq!(render(&report).replace(files.capture.to_str().expect("a path in UTF-8"), "FILE"), expected);
}

#[test]
fn a_flow_has_the_name_that_it_asks_for() {
    let request = b"GET / HTTP/1.1\r\nHost: NCOV.moh.gov.vn:443\r\n\r\n";
    let mut octets = [&tcp(50_000, 443, ACK)[..], request].concat();
    // Its sequence number comes after the SYN's, 0.
    octets[7] = 1;
    let asks = ethernet(0x0800, &ipv4(SUBSCRIBER, PORTAL, 6, (0, 0), &octets));
    let mut frames = frames();
    frames.push((8, asks));
    let files = Files::new(&capture(&frames));
    let (report, result) = files.classify(&options(None, "initiator"));
    result.expect("a good file");
    let lines = json_lines(&report);
    assert_eq!(lines[0]["names"], json!([{ "name": "ncov.moh.gov.vn", "via": "http" }]));
    assert_eq!(lines[1]["names"], json!([]));
    let table = render(&report);
    let rows: Vec<Vec<_>> = table.lines().take(3).map(|row| row.split_whitespace().collect()).collect();
    assert_eq!([rows[0][5], rows[1][5], rows[2][5]], ["NAME", "ncov.moh.gov.vn", "-"]);
}

#[test]
fn a_flow_met_in_its_midst_is_turned_by_the_first_syn() {
    let frames = [(0, segment(false, ACK)), (1, segment(true, SYN)), (2, segment(false, SYN))];
    let files = Files::new(&capture(&frames));
    let (report, _) = files.classify(&options(None, "initiator"));
    let flows: Vec<_> = report.flows().collect();
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].sport, flows[0].packets), (Some(50_000), [1, 2]));
}

#[test]
fn a_fragment_whose_first_never_comes_is_on_a_flow_without_ports() {
    let files = Files::new(&capture(&frames()[3..4]));
    let (report, _) = files.classify(&options(None, "initiator"));
    let flows: Vec<_> = report.flows().collect();
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].sport, flows[0].dport, flows[0].ip_bytes), (None, None, [28, 0]));
}

#[test]
fn a_file_cut_short_gives_what_comes_before_and_an_error() {
    let whole = capture(&frames());
    let files = Files::new(&whole[..whole.len() - 1]);
    for policies in [None, Some(&files.policies())] {
        let (report, result) = files.classify(&options(policies, "initiator"));
        assert_eq!(report.summary().packets, 6);
        assert!(matches!(result, Err(ClassifyError::Capture(CaptureError::Truncated { .. }))), "{result:?}");
    }
    let absent = files.directory.path().join("absent.pcap");
    let (report, result) = classify(&absent, &options(None, "initiator"), &mut Progress::new(&mut |_| {}));
    assert_eq!(report.flows().count(), 0);
    assert!(matches!(result, Err(ClassifyError::Capture(CaptureError::Io { .. }))), "{result:?}");
}

#[test]
fn packets_of_unknown_link_types_are_counted_and_told() {
    let mut file = capture(&frames());
    file[20] = 147;
    let (report, result) = Files::new(&file).classify(&options(None, "initiator"));
    assert_eq!((report.summary().packets, report.summary().ip_packets), (7, 0));
    let expected =
        matches!(result, Err(ClassifyError::Capture(CaptureError::LinkType { link_type: 147, packets: 7 })));
    assert!(expected, "{result:?}");
}

proptest! {
    #[test]
    fn no_packet_makes_it_panic_and_none_is_lost(
        link_type in prop_oneof![Just(1_u16), Just(101), Just(113), Just(276), Just(9), Just(50), Just(51), Just(104)],
        sample in 0_usize..7,
        head in prop::collection::vec(any::<u8>(), 0..20),
        flips in prop::collection::vec((0_usize..80, any::<u8>()), 0..6),
        kept in 0_usize..90,
        beyond in 0_usize..100_000,
    ) {
        let mut octets = [head, frames()[sample].1.clone()].concat();
        for (place, octet) in flips {
            if let Some(there) = octets.get_mut(place) {
                *there = octet;
            }
        }
        let wire_octets = octets.len() + beyond;
        octets.truncate(kept);
        let options = options(None, "initiator");
        let mut look = FirstLook::new(&options);
        look.take(&Record { at_ns: None, link_type, octets: &octets, wire_octets, end_offset: 0 });
        look.table.close();
        let told = look.summary.unattributed.values().sum::<u64>() + look.table.flows().len() as u64;
        prop_assert_eq!(look.summary.packets, 1);
        prop_assert!(told >= 1, "the packet is nowhere");
    }
}
