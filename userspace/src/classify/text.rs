//! What was found, for a person.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::dns::{DnsQuestion, DnsRecord, DnsReport};
use super::report::{FlowReport, Report, Side};

/// The flows as a table, messages of name servers as another, and the summary.
pub fn render(report: &Report) -> String {
    let flows: Vec<FlowReport<'_>> = report.flows().collect();
    let decided = flows.iter().any(|flow| flow.verdict.is_some());
    let sided = flows.iter().any(|flow| flow.subscriber.is_some());
    let named = flows.iter().any(|flow| !flow.names.is_empty());
    let columns = Columns { sided, named, decided };
    let mut rows = vec![header(columns)];
    rows.extend(flows.iter().map(|flow| row(flow, columns)));
    let mut text = align(&rows);
    if !report.messages().is_empty() {
        let head = ["PACKET", "FROM", "TO", "ID", "QUESTION", "ANSWER"].map(str::to_owned).to_vec();
        let rows: Vec<_> = [head].into_iter().chain(report.messages().iter().map(message)).collect();
        text.push('\n');
        text.push_str(&align(&rows));
        text.push('\n');
    }
    let summary = report.summary();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{}: {} packets; on {} flows {} packets, {} octets",
        summary.file,
        summary.packets,
        flows.len(),
        summary.ip_packets,
        summary.ip_bytes
    );
    for (reason, packets) in &summary.unattributed {
        let _ = write!(text, "; {} {packets}", reason.name());
    }
    text.push('\n');
    text
}

/// Which columns there are besides those that all tables have.
#[derive(Clone, Copy, Debug)]
struct Columns {
    sided: bool,
    named: bool,
    decided: bool,
}

fn header(columns: Columns) -> Vec<String> {
    let mut row = vec!["PROTO", "SOURCE", "DESTINATION", "PACKETS", "OCTETS"];
    if columns.sided {
        row.push("SUBSCRIBER");
    }
    if columns.named {
        row.push("NAME");
    }
    if columns.decided {
        row.extend(["DECISION", "REASON", "RULE", "FREE", "CHARGED"]);
    }
    row.push("ENCAPSULATION");
    row.into_iter().map(str::to_owned).collect()
}

fn row(flow: &FlowReport<'_>, columns: Columns) -> Vec<String> {
    let [sent, received] = flow.packets;
    let [sent_octets, received_octets] = flow.ip_bytes;
    let mut row = vec![
        protocol(flow.proto),
        endpoint(flow.src, flow.sport),
        endpoint(flow.dst, flow.dport),
        format!("{sent}+{received}"),
        format!("{sent_octets}+{received_octets}"),
    ];
    if columns.sided {
        row.push(flow.subscriber.and_then(Side::name).unwrap_or("-").to_owned());
    }
    if columns.named {
        row.push(names(flow));
    }
    if columns.decided {
        row.extend(verdict(flow));
    }
    row.push(flow.encap.join(" "));
    row
}

fn names(flow: &FlowReport<'_>) -> String {
    let names: Vec<_> = flow.names.iter().map(|name| name.name.as_deref().unwrap_or("-")).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}

fn verdict(flow: &FlowReport<'_>) -> [String; 5] {
    let Some(verdict) = &flow.verdict else { return std::array::from_fn(|_| "-".to_owned()) };
    let rule = match (verdict.policy, verdict.rule) {
        (Some(policy), Some(rule)) => format!("{policy}/{rule}"),
        _ => "-".to_owned(),
    };
    let volume = |bucket| verdict.volume.get(bucket).copied().unwrap_or_default().to_string();
    [verdict.decision.to_owned(), verdict.reason.to_owned(), rule, volume("free"), volume("charged")]
}

fn message(message: &DnsReport) -> Vec<String> {
    let question = |question: &DnsQuestion| format!("{} {}", question.name, question.kind);
    let data = |record: &DnsRecord| record.data.clone().unwrap_or_else(|| record.kind.clone());
    let questions: Vec<_> = message.questions.iter().map(question).collect();
    let answers: Vec<_> = message.answers.iter().map(data).collect();
    let answer = match message.rcode {
        None => "-".to_owned(),
        Some(rcode) if answers.is_empty() => format!("rcode {rcode}"),
        Some(_) => answers.join(" "),
    };
    vec![
        message.frame.to_string(),
        endpoint(message.src, Some(message.sport)),
        endpoint(message.dst, Some(message.dport)),
        message.id.to_string(),
        questions.join(" "),
        answer,
    ]
}

/// The protocol's usual name, else its number (IANA).
fn protocol(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmp6".to_owned(),
        132 => "sctp".to_owned(),
        other => other.to_string(),
    }
}

fn endpoint(ip: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| ip.to_string(), |port| SocketAddr::from((ip, port)).to_string())
}

/// Rows with their columns below each other, two spaces apart; the last column is not padded.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths).take(columns.saturating_sub(1)) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", row.last().map_or("", String::as_str));
    }
    text
}
