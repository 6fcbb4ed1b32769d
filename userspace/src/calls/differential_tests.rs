//! Our readers of SIP and SDP against others' (`ezk-sip-types`, `sdp-types`): over real captures, the messages of RFC 4475,
//! and generated ones. Where they differ is listed and argued in `tests/sip_differences.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use bytes::Bytes;
use ezk_sip_types::header::typed::{CSeq, CallID, FromTo};
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::uri::{SipUri, SipUriUserPart};
use ezk_sip_types::{Headers, Name};
use proptest::prelude::*;
use serde::Deserialize;

use super::corpus_tests::{captures, carried, corpus, word};
use super::dialled::request_number;
use super::fault::SipFault;
use super::sdp::Session;
use super::sip::{Body, Message, Start};
use super::torture_tests;

/// What a message says, as far as both readers tell.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// Method or status.
    start: String,
    call_id: String,
    from_tag: Option<String>,
    to_tag: Option<String>,
    /// Number and method.
    cseq: (u32, String),
    /// The number that the Request-URI asks for, without separators.
    number: Option<String>,
    /// Port and address of each section of the session description.
    media: Option<Vec<(u16, Option<IpAddr>)>>,
}

fn ours(octets: &[u8]) -> Result<Said, SipFault> {
    let message = Message::parse(octets)?;
    let (start, number) = match message.start {
        Start::Request { method, uri } => (word(method).to_owned(), request_number(uri)),
        Start::Response { status } => (status.to_string(), None),
    };
    let media = match message.body() {
        Body::Sdp(body) => Session::parse(body).ok(),
        Body::None | Body::Other => None,
    };
    Ok(Said {
        start,
        call_id: message.call_id.to_owned(),
        from_tag: message.from.tag.map(str::to_owned),
        to_tag: message.to.tag.map(str::to_owned),
        cseq: (message.cseq.number, word(message.cseq.method).to_owned()),
        number: number.map(|number| number.digits),
        media: media.map(|session| session.streams.iter().map(|one| (one.port, one.address)).collect()),
    })
}

fn theirs(octets: &[u8]) -> Option<Said> {
    let source = Bytes::copy_from_slice(octets);
    let mut lines = PullParser::new(&source, 0);
    let line = std::str::from_utf8(lines.next()?.ok()?).ok()?;
    let (start, number) = match line.parse().ok()? {
        MessageLine::Request(request) => (request.method.to_string(), number(&request.uri)),
        MessageLine::Response(response) => (response.code.into_u16().to_string(), None),
    };
    let mut headers = Headers::new();
    for line in &mut lines {
        let line = std::str::from_utf8(line.ok()?).ok()?;
        let (_, line) = Line::parse(&source, line).ok()?;
        headers.insert(line.name, line.value);
    }
    let cseq: CSeq = headers.get_named().ok()?;
    let from: FromTo = headers.get(Name::FROM).ok()?;
    let to: FromTo = headers.get(Name::TO).ok()?;
    let call_id: CallID = headers.get_named().ok()?;
    let body = octets.get(lines.head_end()..)?;
    Some(Said {
        start,
        call_id: call_id.0.to_string(),
        from_tag: from.tag.map(|tag| tag.to_string()),
        to_tag: to.tag.map(|tag| tag.to_string()),
        cseq: (cseq.cseq, cseq.method.to_string()),
        number,
        media: media(&headers, body),
    })
}

/// The user part as a number (RFC 3261, section 19.1.6): what is in front of its parameters, without separators.
fn number(uri: &SipUri) -> Option<String> {
    let user = match &uri.user_part {
        SipUriUserPart::Empty => return None,
        SipUriUserPart::User(user) => user.as_str(),
        SipUriUserPart::UserPw(both) => both.user.as_str(),
    };
    let bare = user.split(';').next().unwrap_or_default();
    let bare: String = bare.chars().filter(|c| !"-.()".contains(*c)).collect();
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    (!digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit())).then_some(bare)
}

fn media(headers: &Headers, body: &[u8]) -> Option<Vec<(u16, Option<IpAddr>)>> {
    let first = |name: &Name| headers.get_raw(name).next().map(|value| value.trim().to_owned());
    let content_type = first(&Name::CONTENT_TYPE)?;
    if !content_type.to_ascii_lowercase().starts_with("application/sdp") {
        return None;
    }
    let length = match first(&Name::CONTENT_LENGTH) {
        Some(length) => length.parse().ok()?,
        None => body.len(),
    };
    let session = sdp_types::Session::parse(body.get(..length)?).ok()?;
    let address = |connection: &sdp_types::Connection| connection.connection_address.parse::<IpAddr>().ok();
    let one = |media: &sdp_types::Media| {
        let connection = media.connections.first().or(session.connection.as_ref());
        (media.port, connection.and_then(address))
    };
    Some(session.medias.iter().map(one).collect())
}

/// In what the two differ; of what is refused here, why.
fn differences(ours: &Result<Said, SipFault>, theirs: Option<&Said>) -> Vec<String> {
    let (ours, theirs) = match (ours, theirs) {
        (Err(_), None) => return Vec::new(),
        (Err(fault), Some(_)) => return vec![format!("refused-here: {}", fault.name())],
        (Ok(_), None) => return vec!["refused-there".to_owned()],
        (Ok(ours), Some(theirs)) => (ours, theirs),
    };
    let fields = [
        ("start", ours.start == theirs.start),
        ("call-id", ours.call_id == theirs.call_id),
        ("from-tag", ours.from_tag == theirs.from_tag),
        ("to-tag", ours.to_tag == theirs.to_tag),
        ("cseq", ours.cseq == theirs.cseq),
        ("number", ours.number == theirs.number),
        ("media", ours.media == theirs.media),
    ];
    fields.into_iter().filter(|(_, is_same)| !is_same).map(|(field, _)| field.to_owned()).collect()
}

#[derive(Deserialize)]
struct Listed {
    difference: Vec<ListedDifference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedDifference {
    /// A capture, or a section of RFC 4475.
    source: String,
    /// In what they differ.
    fields: Vec<String>,
    /// How many messages do.
    messages: u64,
    reason: String,
}

/// Differences found, by source and fields, with how many messages have them.
type Found = BTreeMap<(String, Vec<String>), u64>;

fn listed(of_captures: bool) -> Found {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/sip_differences.toml");
    let text = std::fs::read_to_string(path).expect("the list");
    let listed: Listed = toml::from_str(&text).expect("a list of differences");
    let mut found = Found::new();
    for ListedDifference { source, fields, messages, reason } in listed.difference {
        assert!(!reason.trim().is_empty(), "{source}: a difference needs a reason");
        if of_captures == source.contains(".pcap") {
            let before = found.insert((source.clone(), fields), messages);
            assert_eq!(before, None, "{source} stands twice");
        }
    }
    found
}

fn note(found: &mut Found, source: &str, octets: &[u8]) -> bool {
    let (ours, theirs) = (ours(octets), theirs(octets));
    let fields = differences(&ours, theirs.as_ref());
    if !fields.is_empty() {
        *found.entry((source.to_owned(), fields)).or_default() += 1;
    }
    ours.is_ok() && theirs.is_some()
}

/// Every datagram and every message over TCP of every capture, malformed ones too, whatever its port.
#[test]
fn captures_are_read_as_others_read_them() {
    let Some(corpus) = corpus() else { return };
    let (mut found, mut read, mut sources) = (Found::new(), 0, BTreeSet::new());
    for path in captures(&corpus) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        for carriage in carried(&path) {
            if note(&mut found, &name, &carriage.payload) {
                read += 1;
                sources.insert(name.clone());
            }
        }
    }
    assert_eq!(found, listed(true), "of {read} messages of {sources:?}");
    assert!(read >= 123, "only {read} messages were compared");
}

#[test]
fn rfc_4475_is_read_as_others_read_it() {
    let mut found = Found::new();
    let valid = torture_tests::valid();
    let invalid = torture_tests::invalid().into_iter().map(|(name, text, _)| (name, text));
    for (name, text) in valid.into_iter().chain(invalid) {
        note(&mut found, name.split(',').next().unwrap_or(name), text.as_bytes());
    }
    assert_eq!(found, listed(false));
}

/// Header lines in any order, folded, in either form, with blanks around.
fn header(long: &'static str, compact: &'static str, value: String) -> impl Strategy<Value = String> {
    (any::<bool>(), prop::sample::select(vec![":", " : ", ":\r\n ", "\t: \r\n\t"])).prop_map(
        move |(is_compact, colon)| {
            let name = if is_compact { compact } else { long };
            format!("{name}{colon}{value}")
        },
    )
}

fn description() -> impl Strategy<Value = String> {
    let section =
        (any::<[u8; 4]>(), any::<bool>(), 0..=u16::MAX, prop::sample::select(vec!["audio", "video"]));
    (any::<[u8; 4]>(), prop::collection::vec(section, 0..4)).prop_map(|(session, sections)| {
        // No call goes to a group of hosts.
        let address =
            |octets: [u8; 4]| std::net::Ipv4Addr::from([octets[0] % 224, octets[1], octets[2], octets[3]]);
        let session = address(session);
        let head = format!("v=0\r\no=- 1 1 IN IP4 {session}\r\ns=-\r\nc=IN IP4 {session}\r\nt=0 0\r\n");
        sections.into_iter().fold(head, |text, (own, has_own, port, kind)| {
            let media = format!("{text}m={kind} {port} RTP/AVP 0 8\r\n");
            if has_own { format!("{media}c=IN IP4 {}\r\n", address(own)) } else { media }
        })
    })
}

fn message() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        ("(INVITE|ACK|BYE|CANCEL|UPDATE|PRACK|OPTIONS|MESSAGE)", "\\+?[0-9]{1,15}", any::<bool>()).prop_map(
            |(method, user, is_phone)| {
                let phone = if is_phone { ";user=phone" } else { "" };
                (format!("{method} sip:{user}@example.vn:5060{phone} SIP/2.0"), method)
            }
        ),
        (100..700_u16, "(INVITE|BYE)", "[A-Za-z ]{0,12}")
            .prop_map(|(status, method, phrase)| (format!("SIP/2.0 {status} {phrase}"), method)),
    ];
    let party = |has_tag: bool| {
        let tag = if has_tag { "[A-Za-z0-9.~_-]{1,20}" } else { "" };
        ("([A-Za-z]{1,8} ?|\"[A-Za-z ;,<>@]{0,10}\" ?)?", "[a-z0-9]{1,10}", tag).prop_map(
            |(name, user, tag)| {
                let tag = if tag.is_empty() { tag } else { format!(";tag={tag}") };
                format!("{name}<sip:{user}@example.vn;transport=udp>{tag}")
            },
        )
    };
    let ids = ("[A-Za-z0-9.+%!*'-]{1,20}(@[a-z0-9.-]{1,12})?", 0..1_u32 << 31, "[A-Za-z0-9]{1,20}");
    (start, party(true), any::<bool>().prop_flat_map(party), ids, description()).prop_flat_map(
        |((start, method), from, to, (call_id, number, branch), body)| {
            let lines = (
                header("From", "f", from),
                header("To", "t", to),
                header("Call-ID", "i", call_id),
                header("CSeq", "CSeq", format!("{number} {method}")),
                header("Via", "v", format!("SIP/2.0/UDP 10.20.0.11:5060;branch=z9hG4bK{branch}")),
                header("Content-Type", "c", "application/sdp".to_owned()),
                header("Content-Length", "l", body.len().to_string()),
            );
            let lines = lines.prop_map(|(a, b, c, d, e, f, g)| vec![a, b, c, d, e, f, g]);
            (Just(start), lines.prop_shuffle(), Just(body))
                .prop_map(|(start, lines, body)| format!("{start}\r\n{}\r\n\r\n{body}", lines.join("\r\n")))
        },
    )
}

proptest! {
    /// Sound messages, however they are written.
    #[test]
    fn generated_messages_are_read_as_others_read_them(text in message()) {
        prop_assert_eq!(ours(text.as_bytes()).ok(), theirs(text.as_bytes()));
    }
}
