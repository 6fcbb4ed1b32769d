//! `tollfree classify --json` against captures by others, with independently made expectations.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tollfree::classify::{ClassifyError, Options, Progress, Report, Subscribers, Tunnels, classify};
use tollfree_tests::corpus;

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| matches!(extension, "pcap" | "pcapng" | "cap"))
    };
    let mut files: Vec<_> = entries.filter(is_capture).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn run(path: &Path) -> (Report, Result<(), ClassifyError>) {
    let options = Options {
        tunnels: &Tunnels::All,
        subscribers: Subscribers::Initiator,
        policies: None,
        gateway_id: "",
        region: None,
    };
    classify(path, &options, &mut Progress::new(&mut |_| {}))
}

/// A line of an expected file, or of what was found; other types of line are of no concern.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Flow(Flow),
    Dns(Message),
    Capture(Totals),
    Summary(Totals),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Totals {
    packets: u64,
    ip_packets: u64,
    ip_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Flow {
    /// Only in expected files.
    #[serde(default)]
    id: u32,
    ipv: u8,
    proto: u8,
    src: IpAddr,
    sport: Option<u16>,
    dst: IpAddr,
    dport: Option<u16>,
    packets: [u64; 2],
    ip_bytes: [u64; 2],
    encap: Vec<Encap>,
    #[serde(default)]
    frag_packets: u64,
    first: f64,
    last: f64,
}

/// Expected files tell more of an encapsulation than what is found does.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Encap {
    Text(String),
    Counted { stack: String },
}

impl Flow {
    fn stacks(&self) -> Vec<&str> {
        let stacks = self.encap.iter().map(|encap| match encap {
            Encap::Text(stack) | Encap::Counted { stack } => stack.as_str(),
        });
        stacks.collect()
    }

    /// Whether 5-tuple, initiator, packets, volume, encapsulations and fragments agree.
    fn is_like(&self, other: &Self) -> bool {
        let told = |flow: &Self| {
            let Self { src, sport, packets, ip_bytes, frag_packets, .. } = *flow;
            (flow.key(), src, sport, packets, ip_bytes, frag_packets)
        };
        told(self) == told(other) && self.stacks() == other.stacks()
    }

    /// Whether both times agree to the microsecond, which nanoseconds may have been rounded to either way.
    fn is_at_the_time_of(&self, other: &Self) -> bool {
        let close = |a: f64, b: f64| (a - b).abs() < 1.5e-6;
        close(self.first, other.first) && close(self.last, other.last)
    }

    /// The 5-tuple, the same from both sides.
    fn key(&self) -> (u8, u8, [(IpAddr, Option<u16>); 2]) {
        let mut sides = [(self.src, self.sport), (self.dst, self.dport)];
        sides.sort();
        (self.ipv, self.proto, sides)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: Option<u16>| port.map_or_else(|| "-".to_owned(), |port| port.to_string());
        let (sport, dport, stacks) = (port(self.sport), port(self.dport), self.stacks());
        let Self { proto, src, dst, packets, ip_bytes, frag_packets, first, last, .. } = self;
        write!(f, "{proto} {src} {sport} > {dst} {dport} packets {packets:?} octets {ip_bytes:?} ")?;
        write!(f, "fragments {frag_packets} in {stacks:?} from {first} to {last}")
    }
}

/// A message of a name server, as far as it is compared.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Message {
    /// Only in expected files: there are multicast DNS and others too, which go to other ports.
    kind: Option<String>,
    frame: u64,
    src: IpAddr,
    sport: u16,
    dst: IpAddr,
    dport: u16,
    transport: String,
    id: u16,
    response: bool,
    opcode: u8,
    rcode: Option<u16>,
    aa: bool,
    tc: bool,
    questions: Vec<Question>,
    answers: Vec<ResourceRecord>,
    authority: Vec<ResourceRecord>,
    additional: Vec<ResourceRecord>,
    edns: Option<Edns>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Question {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct ResourceRecord {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    ttl: u32,
    #[serde(default)]
    data: serde_json::Value,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Edns {
    udp_size: u16,
    #[serde(rename = "do")]
    wants_dnssec: bool,
    options: Vec<u16>,
}

impl Message {
    /// In the notation that both sides share: data where it is an address or a name, and the root's name.
    fn shared(mut self) -> Self {
        self.kind = None;
        let name = |name: &mut String| {
            if name == "<Root>" {
                ".".clone_into(name);
            }
        };
        self.questions.iter_mut().for_each(|question| name(&mut question.name));
        for record in [&mut self.answers, &mut self.authority, &mut self.additional].into_iter().flatten() {
            name(&mut record.name);
            if !["A", "AAAA", "CNAME", "NS", "PTR"].contains(&&record.kind[..]) {
                record.data = serde_json::Value::Null;
            }
        }
        self
    }
}

struct Lines {
    messages: Vec<Message>,
    flows: Vec<Flow>,
    totals: Totals,
}

fn lines(text: &str) -> Lines {
    let (mut flows, mut messages, mut totals) = (Vec::new(), Vec::new(), None);
    for line in text.lines() {
        match serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")) {
            Line::Flow(flow) => flows.push(flow),
            Line::Dns(message) if message.kind.as_ref().is_none_or(|kind| kind == "dns") => {
                messages.push(message.shared());
            }
            Line::Capture(of_file) | Line::Summary(of_file) => totals = Some(of_file),
            Line::Dns(_) | Line::Other => {}
        }
    }
    Lines { messages, flows, totals: totals.unwrap() }
}

/// An argued difference from one expected file.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Exception {
    file: String,
    /// Expected flows, by their ids, that are not found as they are expected.
    #[serde(default)]
    flows: BTreeSet<u32>,
    /// Those that are, but for the times of their first and last packets.
    #[serde(default)]
    times: BTreeSet<u32>,
    /// Flows found that are not expected.
    #[serde(default)]
    instead: usize,
    /// DNS messages that are expected and not found, or found and not expected, by their packets.
    #[serde(default)]
    messages: BTreeSet<u64>,
    /// Why what is found is right.
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// How what is found differs from what is expected, with everything that a person needs to judge it.
#[derive(Debug, Default)]
struct Difference {
    flows: BTreeSet<u32>,
    times: BTreeSet<u32>,
    instead: usize,
    messages: BTreeSet<u64>,
    explanation: Vec<String>,
}

impl Difference {
    fn is_none(&self) -> bool {
        self.flows.is_empty() && self.times.is_empty() && self.instead == 0 && self.messages.is_empty()
    }

    /// Whether it is exactly what is excepted.
    fn is_as(&self, exception: &Exception) -> bool {
        self.flows == exception.flows
            && self.times == exception.times
            && self.instead == exception.instead
            && self.messages == exception.messages
    }
}

fn compare(expected: &Lines, found: &Lines) -> Difference {
    let mut difference = Difference::default();
    compare_messages(expected, found, &mut difference);
    let mut unmatched: BTreeMap<_, _> = found.flows.iter().map(|flow| (flow.key(), flow)).collect();
    assert_eq!(unmatched.len(), found.flows.len(), "one flow was found twice");
    for flow in &expected.flows {
        let found = unmatched.remove(&flow.key());
        match found {
            Some(found) if found.is_like(flow) && found.is_at_the_time_of(flow) => continue,
            Some(found) if found.is_like(flow) => difference.times.insert(flow.id),
            _ => difference.flows.insert(flow.id),
        };
        let found = found.map_or_else(|| "nothing".to_owned(), Flow::to_string);
        difference.explanation.push(format!("  flow {} expected: {flow}\n  found: {found}", flow.id));
    }
    difference.instead = unmatched.len();
    for flow in unmatched.values() {
        difference.explanation.push(format!("  not expected: {flow}"));
    }
    if difference.flows.is_empty() && difference.instead == 0 {
        assert_eq!(found.totals, expected.totals, "the flows agree, but not the totals");
        let order = |lines: &Lines| lines.flows.iter().map(Flow::key).collect::<Vec<_>>();
        assert_eq!(order(found), order(expected), "the flows agree, but not their order");
    }
    difference
}

fn compare_messages(expected: &Lines, found: &Lines, difference: &mut Difference) {
    for (wanted, others, word) in
        [(expected, found, "expected, but not found"), (found, expected, "found, but not expected")]
    {
        for message in wanted.messages.iter().filter(|message| !others.messages.contains(message)) {
            difference.messages.insert(message.frame);
            difference.explanation.push(format!("  {word}: {message:?}"));
        }
    }
}

/// What is wrong with a file's result; `None` if it is as it must be.
fn verdict(file: &str, difference: &Difference, exception: Option<&Exception>) -> Option<String> {
    let explanation = difference.explanation.join("\n");
    match exception {
        None if difference.is_none() => None,
        None => Some(format!("{file}: differs\n{explanation}")),
        Some(exception) if difference.is_as(exception) => None,
        Some(exception) => Some(format!(
            "{file}: excepted are flows {:?}, times {:?}, {} others and messages {:?}; different are {:?}, {:?}, {} and \
             {:?}\n{explanation}",
            exception.flows,
            exception.times,
            exception.instead,
            exception.messages,
            difference.flows,
            difference.times,
            difference.instead,
            difference.messages
        )),
    }
}

/// The argued differences, by file.
fn exceptions() -> BTreeMap<String, Exception> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus_exceptions.toml");
    let Exceptions { exception: list } = toml::from_str(&fs::read_to_string(list).unwrap()).unwrap();
    let mut by_file = BTreeMap::new();
    for exception in list {
        let Exception { file, flows, times, instead, messages, reason } = &exception;
        assert!(reason.len() > 40, "{file}: a reason is needed");
        let is_something = !flows.is_empty() || !times.is_empty() || *instead > 0 || !messages.is_empty();
        assert!(is_something, "{file}: excepts nothing");
        let other = by_file.insert(file.clone(), exception);
        assert_eq!(other, None, "a file is listed twice");
    }
    by_file
}

#[test]
fn every_flow_is_as_expected_or_excepted_with_a_reason() {
    let Some(corpus) = corpus::find() else { return };
    let mut exceptions = exceptions();
    let mut faults = Vec::new();
    let (mut checked, mut flows, mut excepted, mut messages) = (0, 0, 0, 0);
    for path in files(&corpus.join("captures")) {
        let file = name(&path);
        let expected = corpus.join("captures/expected").join(format!("{file}.jsonl"));
        let Ok(expected) = fs::read_to_string(expected) else { continue };
        let (report, result) = run(&path);
        if let Err(error) = result {
            faults.push(format!("{file}: {error}"));
        }
        let mut json = Vec::new();
        report.write_json(&mut json).unwrap();
        let expected = lines(&expected);
        let difference = compare(&expected, &lines(std::str::from_utf8(&json).unwrap()));
        checked += 1;
        flows += expected.flows.len();
        messages += expected.messages.len();
        excepted += difference.flows.len();
        faults.extend(verdict(&file, &difference, exceptions.remove(&file).as_ref()));
    }
    faults.extend(exceptions.keys().map(|file| format!("{file}: excepted, but not there")));
    eprintln!(
        "{checked} captures, {flows} flows expected, {excepted} of them excepted; {messages} DNS messages"
    );
    assert!(checked > 80, "only {checked} captures were compared");
    assert!(messages > 700, "only {messages} DNS messages were compared");
    assert!(faults.is_empty(), "{} captures differ:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn malformed_captures_are_read_without_panic_to_a_report_that_adds_up() {
    let Some(corpus) = corpus::find() else { return };
    let files = files(&corpus.join("malformed"));
    assert!(files.len() > 90, "only {} malformed captures", files.len());
    for path in files {
        let (report, _) = run(&path);
        let on_flows: u64 = report.flows().map(|flow| flow.packets.iter().sum::<u64>()).sum();
        let summary = report.summary();
        assert_eq!(on_flows, summary.ip_packets, "{}", path.display());
        assert!(summary.ip_packets <= summary.packets, "{}", path.display());
    }
}
