//! The file of addresses that do not change hands.
//!
//! CSV (RFC 4180), UTF-8, with the header `prefix,msisdn,imsi`. A line that begins with `#` is a comment. `prefix` is an
//! address or a network, IPv6 /64 or shorter; `msisdn` or `imsi` may be empty, but not both.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, Trim};
use ipnet::IpNet;

use super::block::Block;
use super::imsi::ImsiError;
use super::msisdn::MsisdnError;
use super::person::Identity;
use crate::diagnostic::{Diagnostic, Diagnostics, Explain};
use crate::document::fault::ShapeFault;
use crate::document::file;
use crate::policy::network::{NetworkError, parse_network};

/// The columns, in order.
pub const COLUMNS: [&str; 3] = ["prefix", "msisdn", "imsi"];
/// Faults that are told. Reason: enough to see what they have in common.
pub const FAULTS_MAX: usize = 100;
/// Longest IPv6 prefix, in bits: a subscriber's.
const IPV6_PREFIX_MAX: u8 = 64;
/// Characters of a field that a message repeats. Reason: it should fit on a line.
const EXCERPT_CHARS_MAX: usize = 60;

/// A checked file: who has which network. No network stands in it twice; one may be a part of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriberFile {
    entries: Vec<(Block, Identity)>,
}

impl SubscriberFile {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// All faults of the file, at most [`FAULTS_MAX`].
    pub fn load(path: &Path) -> Result<Self, Diagnostics> {
        let octets = file::read(path).map_err(|fault| Diagnostics::new(vec![fault]))?;
        Self::parse(&path.to_string_lossy(), &octets)
    }

    /// Checks the content of a file; faults are told as being in `name`.
    ///
    /// # Errors
    ///
    /// All faults of the content, at most [`FAULTS_MAX`].
    pub fn parse(name: &str, octets: &[u8]) -> Result<Self, Diagnostics> {
        let mut reader = Reader { name, faults: Vec::new(), seen: BTreeMap::new(), entries: Vec::new() };
        reader.read(octets);
        if reader.faults.is_empty() {
            return Ok(Self { entries: reader.entries });
        }
        Err(Diagnostics::new(reader.faults))
    }

    /// Who has which network, in the file's order.
    pub fn entries(&self) -> &[(Block, Identity)] {
        &self.entries
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum LineFault {
    #[error("the first line is not the columns' names")]
    Header,
    #[error("the line has {found} fields, not {}", COLUMNS.len())]
    Fields { found: usize },
    #[error("{0}")]
    Network(NetworkError),
    #[error("the network is longer than /64, and an IPv6 subscriber is a /64")]
    LongerThanSubscriber,
    #[error("the network is inside ::/8, which is reserved")]
    Reserved,
    #[error("line {line} has the same network")]
    Twice { line: u64 },
    #[error("{0}")]
    Msisdn(MsisdnError),
    #[error("{0}")]
    Imsi(ImsiError),
    #[error("the line has neither an MSISDN nor an IMSI")]
    Nobody,
}

impl Explain for LineFault {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Header => format!("write {} as the first line", COLUMNS.join(",")).into(),
            Self::Fields { .. } => {
                format!("write {}; leave a field empty if it is not known", COLUMNS.join(",")).into()
            }
            Self::Network(NetworkError::Syntax) => {
                "write an address or a network, as in 10.20.0.11, 10.20.8.0/24 or 2001:db8:20:11::/64".into()
            }
            Self::Network(error) => error.help(),
            Self::LongerThanSubscriber => "write a prefix of /64 or shorter".into(),
            Self::Reserved => "write the network that the subscriber really has".into(),
            Self::Twice { .. } => "remove one of the two".into(),
            Self::Msisdn(error) => error.help(),
            Self::Imsi(error) => error.help(),
            Self::Nobody => "write one of them, or remove the line".into(),
        }
    }
}

struct Reader<'n> {
    name: &'n str,
    faults: Vec<Diagnostic>,
    seen: BTreeMap<Block, u64>,
    entries: Vec<(Block, Identity)>,
}

impl Reader<'_> {
    fn read(&mut self, octets: &[u8]) {
        if let Err(error) = str::from_utf8(octets) {
            let before = &octets[..error.valid_up_to()];
            let last_line = before.split(|&octet| octet == b'\n').next_back().unwrap_or_default();
            let line = before.split(|&octet| octet == b'\n').count() as u64;
            let column = String::from_utf8_lossy(last_line).chars().count() + 1;
            self.fault(line, column, "", &ShapeFault::Encoding);
            return;
        }
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(Trim::All)
            .from_reader(octets);
        let mut record = ByteRecord::new();
        let mut is_first = true;
        // Reading from memory, with lines of any number of fields, cannot fail.
        while self.faults.len() < FAULTS_MAX && reader.read_byte_record(&mut record).is_ok_and(|more| more) {
            let start = record.position().map_or((1, 0), |position| (position.line(), position.byte()));
            let line = Line::new(&record, octets, start);
            if std::mem::take(&mut is_first) { self.header(&line) } else { self.entry(&line) }
        }
        if is_first {
            self.fault(1, 1, "", &LineFault::Header);
        }
    }

    fn header(&mut self, line: &Line<'_>) {
        if line.fields != COLUMNS {
            self.fault(line.number, 1, &line.fields.join(","), &LineFault::Header);
        }
    }

    fn entry(&mut self, line: &Line<'_>) {
        let [network, msisdn, imsi] = line.fields[..] else {
            let fault = LineFault::Fields { found: line.fields.len() };
            return self.fault(line.number, 1, &line.fields.join(","), &fault);
        };
        let before = self.faults.len();
        let block = self.field(line, 0, network, |text| block(text).map(Some)).flatten();
        let msisdn = self.field(line, 1, msisdn, |text| optional(text, LineFault::Msisdn)).flatten();
        let imsi = self.field(line, 2, imsi, |text| optional(text, LineFault::Imsi)).flatten();
        if let Some(block) = block
            && let Some(first) = self.seen.insert(block, line.number)
        {
            self.fault(line.number, line.columns[0], network, &LineFault::Twice { line: first });
        }
        match (block, Identity::new(msisdn, imsi)) {
            (Some(block), Some(identity)) => self.entries.push((block, identity)),
            (_, None) if self.faults.len() == before => {
                self.fault(line.number, line.columns[1], "", &LineFault::Nobody);
            }
            _ => {}
        }
    }

    fn field<T>(
        &mut self,
        line: &Line<'_>,
        index: usize,
        text: &str,
        parse: impl Fn(&str) -> Result<T, LineFault>,
    ) -> Option<T> {
        parse(text).map_err(|fault| self.fault(line.number, line.columns[index], text, &fault)).ok()
    }

    fn fault(&mut self, line: u64, column: usize, text: &str, fault: &dyn Explain) {
        let mut excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).map(visible).collect();
        if text.chars().nth(EXCERPT_CHARS_MAX).is_some() {
            excerpt.push('…');
        }
        let message = if excerpt.is_empty() { fault.to_string() } else { format!("{excerpt}: {fault}") };
        self.faults.push(Diagnostic {
            file: self.name.to_owned(),
            line: usize::try_from(line).unwrap_or(usize::MAX),
            column,
            message,
            help: fault.help().into_owned(),
        });
    }
}

/// One line's fields, and where they begin.
struct Line<'r> {
    number: u64,
    fields: Vec<&'r str>,
    /// In characters, from 1; as many as fields.
    columns: Vec<usize>,
}

impl<'r> Line<'r> {
    /// `start` is the line and octet where the reader began to look for the record.
    fn new(record: &'r ByteRecord, octets: &[u8], start: (u64, u64)) -> Self {
        let fields: Vec<_> = record.iter().map(|field| str::from_utf8(field).unwrap_or_default()).collect();
        let rest = usize::try_from(start.1).ok().and_then(|start| octets.get(start..)).unwrap_or_default();
        // The reader went over these.
        let is_skipped = |line: &[u8]| line.is_empty() || line == b"\r" || line.starts_with(b"#");
        let mut lines = (start.0..).zip(rest.split(|&octet| octet == b'\n'));
        let (number, text) = lines.find(|(_, line)| !is_skipped(line)).unwrap_or((start.0, b""));
        // No right field has a comma in it, so commas tell where the fields begin, quoted or not.
        let text = String::from_utf8_lossy(text);
        let mut columns = vec![1];
        columns.extend(text.chars().enumerate().filter(|(_, c)| *c == ',').map(|(at, _)| at + 2));
        columns.resize(fields.len().max(1), 1);
        Self { number, fields, columns }
    }
}

fn block(text: &str) -> Result<Block, LineFault> {
    let network = match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => parse_network(&format!("{address}/32")),
        _ => parse_network(text),
    }
    .map_err(LineFault::Network)?;
    if matches!(network, IpNet::V6(_)) && network.prefix_len() > IPV6_PREFIX_MAX {
        return Err(LineFault::LongerThanSubscriber);
    }
    Block::new(network).ok_or(LineFault::Reserved)
}

fn optional<T: std::str::FromStr>(
    text: &str,
    fault: impl Fn(T::Err) -> LineFault,
) -> Result<Option<T>, LineFault> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(fault) }
}

/// A control character could rewrite the terminal that shows it.
fn visible(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}
