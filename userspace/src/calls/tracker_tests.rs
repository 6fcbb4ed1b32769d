use std::collections::HashSet;

use ipnet::IpNet;
use proptest::prelude::*;
use tollfree_core::plan::RuleClass;

use super::Direction::{Downlink, Uplink};
use super::*;
use crate::calls::hotline::HotlineMatch;
use crate::calls::stream::StreamKind;
use crate::policy::CallTerms;

#[path = "dialog_tests.rs"]
mod dialogs;
#[path = "told_tests.rs"]
mod told;

const SUBSCRIBER: &str = "10.20.0.11:5060";
const PROXY: &str = "192.0.2.10:5060";
/// What the subscriber dials in most tests.
const HOTLINE: &str = "sip:19003228@example.vn;user=phone";
const AN: &str = "An <sip:an@example.vn>;tag=an1";
const TO: &str = "<sip:19003228@example.vn>";
const DESK: &str = "<sip:19003228@example.vn>;tag=desk1";
/// Another end that rings for the same INVITE.
const FORK: &str = "<sip:19003228@example.vn>;tag=desk2";
/// Grant and revocation of the stream that [`OFFER`] and [`ANSWER`] come to.
const GRANT: &str = "grant 10.20.0.11:40000 198.51.100.7:5000";
const REVOKE: &str = "revoke 10.20.0.11:40000 198.51.100.7:5000";
const RULE: u32 = 7;
const SECOND_NS: u64 = 1_000_000_000;

/// One hotline in two spellings, under one rule.
struct Policy {
    rule: u32,
    media: Vec<IpNet>,
    terms: CallTerms,
    is_emergency: bool,
    /// Whose assertions are true.
    trusted: Vec<std::net::IpAddr>,
}

impl Policy {
    fn new() -> Self {
        let networks = ["198.51.100.0/25", "2001:db8:5bc::/48"];
        let media = networks.map(|net| net.parse().expect("a network")).to_vec();
        Self { rule: RULE, media, terms: CallTerms::default(), is_emergency: false, trusted: vec![] }
    }
}

impl Hotlines for Policy {
    fn find(&self, dialled: &str) -> Option<HotlineMatch<'_>> {
        ["19003228", "+8419003228"].contains(&dialled).then_some(HotlineMatch {
            rule: self.rule,
            class: RuleClass::FreePriority,
            number: "19003228",
            media: &self.media,
            terms: self.terms,
            is_emergency: self.is_emergency,
        })
    }

    fn serves(&self, domain: &str) -> bool {
        domain == "example.vn"
    }

    fn trusts(&self, host: std::net::IpAddr) -> bool {
        self.trusted.contains(&host)
    }
}

fn at(second: u64) -> At {
    let start: Timestamp = "2020-02-03T00:00:00Z".parse().expect("a time");
    At { wall: start + Duration::from_secs(second), monotonic_ns: second * SECOND_NS }
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

/// A session description with one `c=` and these `m=` values.
fn description(address: &str, media: &[&str]) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    let session =
        format!("v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n");
    media.iter().fold(session, |session, media| session + "m=" + media + "\r\na=rtcp-mux\r\n")
}

fn audio(address: &str, port: u16) -> String {
    description(address, &[&format!("audio {port} RTP/AVP 8 0")])
}

fn offer() -> String {
    audio("10.20.0.11", 40000)
}

fn answer() -> String {
    audio("198.51.100.7", 5000)
}

/// A message: first line, `CSeq`, branch, `From`, `To`, session description.
fn sip(start: &str, cseq: &str, branch: &str, from: &str, to: &str, body: &str) -> String {
    let content_type = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP client.example.vn:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: call1@10.20.0.11\r\nCSeq: {cseq}\r\n{content_type}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The subscriber's first INVITE.
fn invite_to(uri: &str, body: &str) -> String {
    sip(&format!("INVITE {uri} SIP/2.0"), "1 INVITE", "a", AN, TO, body)
}

fn invite() -> String {
    invite_to(HOTLINE, &offer())
}

/// The response to it.
fn response(status: &str, body: &str) -> String {
    sip(&format!("SIP/2.0 {status}"), "1 INVITE", "a", AN, DESK, body)
}

fn ok() -> String {
    response("200 OK", &answer())
}

/// A request of the hotline's end.
fn from_desk(method: &str, number: u32, branch: &str, body: &str) -> String {
    let start = format!("{method} sip:an@10.20.0.11 SIP/2.0");
    sip(&start, &format!("{number} {method}"), branch, DESK, AN, body)
}

/// A request of the subscriber's end, after the answer.
fn from_an(method: &str, number: u32, branch: &str, body: &str) -> String {
    let start = format!("{method} sip:desk@192.0.2.10 SIP/2.0");
    sip(&start, &format!("{number} {method}"), branch, AN, DESK, body)
}

/// The same message with `RSeq`.
fn reliable(text: &str) -> String {
    text.replacen("Max-Forwards: 70", "RSeq: 1", 1)
}

fn bye() -> String {
    from_desk("BYE", 231, "bye", "")
}

/// One message of a dialog, and the actions in short that it must bring.
type Row = (Direction, String, &'static [&'static str]);

/// Actions in short: `grant OURS THEIRS`, `change OURS THEIRS`, `revoke OURS THEIRS`, `ended CAUSE`, `text RULE`.
fn short(actions: &[Action]) -> Vec<String> {
    let ends = |stream: &Stream| format!("{} {}", stream.subscriber, stream.remote);
    let one = |action: &Action| match action {
        Action::Grant { stream, .. } => format!("grant {}", ends(stream)),
        Action::Change { stream, .. } => format!("change {}", ends(stream)),
        Action::Revoke { stream } => format!("revoke {}", ends(stream)),
        Action::Ended(record) => format!("ended {}", record.cause.name()),
        Action::Text { rule } => format!("text {rule}"),
    };
    actions.iter().map(one).collect()
}

/// A tracker with its clock and policy.
struct Lab {
    tracker: Tracker,
    policy: Policy,
    second: u64,
}

impl Lab {
    fn new() -> Self {
        Self { tracker: Tracker::new(TrackerLimits::default()), policy: Policy::new(), second: 0 }
    }

    fn with(messages: &[(Direction, String)]) -> Self {
        let mut lab = Self::new();
        for (direction, message) in messages {
            lab.see(*direction, message);
        }
        lab
    }

    /// A call that was answered.
    fn talking() -> Self {
        Self::with(&[(Uplink, invite()), (Downlink, ok())])
    }

    fn see(&mut self, direction: Direction, message: &str) -> Vec<Action> {
        self.see_between(direction, SUBSCRIBER, PROXY, message)
    }

    /// One message a second.
    fn see_between(&mut self, direction: Direction, ours: &str, proxy: &str, message: &str) -> Vec<Action> {
        self.second += 1;
        let now = at(self.second);
        let (ours, proxy) = (socket(ours), socket(proxy));
        self.tracker.message(now, direction, ours, proxy, message.as_bytes(), &self.policy)
    }

    /// Plays rows of direction, message and expected actions.
    fn play(&mut self, name: &str, rows: &[Row]) {
        for (index, (direction, message, expected)) in rows.iter().enumerate() {
            let actions = short(&self.see(*direction, message));
            assert_eq!(actions, *expected, "{name}, row {index}: {message}");
        }
    }

    /// Packets of every free stream pass in this second.
    fn hear(&mut self, second: u64) {
        let streams: Vec<Stream> = self.tracker.active().flat_map(|call| call.streams).collect();
        for stream in &streams {
            self.tracker.heard(stream, at(second).monotonic_ns);
        }
    }

    fn mismatches(&self) -> u64 {
        self.tracker.stats().mismatches.iter().sum()
    }
}

/// The record among the actions.
fn record(actions: &[Action]) -> CallRecord {
    let record = actions.iter().find_map(|action| match action {
        Action::Ended(record) => Some(record.clone()),
        _ => None,
    });
    record.expect("a record")
}

/// The flow of RFC 3665, section 3.1.
#[test]
fn an_answered_call_is_free_until_bye() {
    let mut lab = Lab::new();
    assert_eq!(lab.see(Uplink, &invite()), []);
    assert_eq!(lab.see(Downlink, &response("100 Trying", "")), []);
    assert_eq!(lab.see(Downlink, &response("180 Ringing", "")), []);
    let stream = Stream {
        subscriber: socket("10.20.0.11:40000"),
        remote: socket("198.51.100.7:5000"),
        kind: StreamKind::Audio,
    };
    let grant = Grant {
        rule: RULE,
        class: RuleClass::FreePriority as u32,
        valid_until_ns: (4 + 4 * 3600) * SECOND_NS,
        rate_octets_per_second: 16_000,
        silence_ns: 60 * SECOND_NS,
    };
    assert_eq!(lab.see(Downlink, &ok()), [Action::Grant { stream, grant }]);
    assert_eq!(lab.see(Uplink, &from_an("ACK", 1, "ack", "")), []);
    let active: Vec<_> = lab.tracker.active().collect();
    assert_eq!(active.len(), 1);
    assert_eq!((active[0].number, active[0].streams.clone()), ("19003228", vec![stream]));

    let expected = CallRecord {
        uid: active[0].uid.to_owned(),
        call_id: "call1@10.20.0.11".to_owned(),
        rule: RULE,
        number: "19003228".to_owned(),
        caller: AN.to_owned(),
        is_caller_asserted: false,
        charging_id: None,
        subscriber: socket(SUBSCRIBER).ip(),
        proxy: Some(socket(PROXY)),
        invited: at(1).wall,
        answered: Some(at(4).wall),
        ended: at(6).wall,
        cause: Cause::Hangup { by: Downlink },
        media: vec![stream],
        refusals: vec![],
    };
    assert_eq!(lab.see(Downlink, &bye()), [Action::Revoke { stream }, Action::Ended(expected)]);
    assert_eq!(lab.tracker.active().len(), 0);
    assert_eq!((lab.tracker.holders.len(), lab.tracker.subscribers.len(), lab.mismatches()), (0, 0, 0));
}

/// Plays dialogs, each on its own.
fn play_all(lab: impl Fn() -> Lab, dialogs: &[(&str, Vec<Row>)]) {
    for (name, rows) in dialogs {
        lab().play(name, rows);
    }
}

#[test]
fn answered_calls_end_as_they_should() {
    let again = sip(&format!("INVITE {HOTLINE} SIP/2.0"), "2 INVITE", "b", AN, TO, &offer());
    let again_ok = sip("SIP/2.0 200 OK", "2 INVITE", "b", AN, DESK, &answer());
    let none: &'static [&str] = &[];
    let grant: &[&str] = &[GRANT];
    let dialogs = [
        (
            "subscriber hangs up",
            vec![
                (Uplink, invite(), none),
                (Downlink, ok(), grant),
                (Uplink, from_an("BYE", 2, "bye", ""), &[REVOKE, "ended hangup-subscriber"]),
                (Downlink, sip("SIP/2.0 200 OK", "2 BYE", "bye", AN, DESK, ""), none),
            ],
        ),
        (
            "credentials are asked for (RFC 3665, section 3.3)",
            vec![
                (Uplink, invite(), none),
                (Downlink, response("407 Proxy Authentication Required", ""), none),
                (Uplink, sip("ACK sip:x@y SIP/2.0", "1 ACK", "a", AN, DESK, ""), none),
                (Uplink, again, none),
                (Downlink, response("407 Proxy Authentication Required", ""), none),
                (Downlink, again_ok, grant),
            ],
        ),
        (
            "retransmissions",
            vec![
                (Uplink, invite(), none),
                (Uplink, invite(), none),
                (Downlink, ok(), grant),
                (Uplink, invite(), none),
                (Downlink, ok(), none),
                (Downlink, bye(), &[REVOKE, "ended hangup-remote"]),
                (Downlink, bye(), none),
                (Downlink, ok(), none),
            ],
        ),
    ];
    play_all(Lab::new, &dialogs);
}

#[test]
fn unanswered_calls_end_as_they_should() {
    let cancel = sip(&format!("CANCEL {HOTLINE} SIP/2.0"), "1 CANCEL", "a", AN, TO, "");
    let cancel_ok = sip("SIP/2.0 200 OK", "1 CANCEL", "a", AN, DESK, "");
    let none: &'static [&str] = &[];
    let dialogs = [
        (
            "cancelled (RFC 3665, section 3.8)",
            vec![
                (Uplink, invite(), none),
                (Downlink, response("180 Ringing", ""), none),
                (Uplink, cancel.clone(), none),
                (Downlink, cancel_ok, none),
                (Downlink, response("487 Request Terminated", ""), &["ended cancelled"]),
            ],
        ),
        (
            "answered while cancelled (RFC 3261, section 9.1)",
            vec![
                (Uplink, invite(), none),
                (Uplink, cancel, none),
                (Downlink, ok(), &[GRANT]),
                (Uplink, from_an("BYE", 2, "bye", ""), &[REVOKE, "ended hangup-subscriber"]),
            ],
        ),
        (
            "redirected",
            vec![
                (Uplink, invite(), none),
                (Downlink, response("302 Moved Temporarily", ""), &["ended redirected"]),
                (Downlink, ok(), none),
            ],
        ),
        (
            "busy",
            vec![
                (Uplink, invite(), none),
                (Downlink, response("486 Busy Here", ""), &["ended rejected"]),
                (Downlink, ok(), none),
            ],
        ),
        (
            "sent to another number before the answer",
            vec![
                (Uplink, invite(), none),
                (Uplink, invite_to("sip:19001111@example.vn", &offer()), &["ended redialled"]),
                (Downlink, ok(), none),
            ],
        ),
    ];
    play_all(Lab::new, &dialogs);
}

#[test]
fn only_whole_numbers_of_this_network_are_followed() {
    for (uri, is_followed) in [
        (HOTLINE, true),
        ("tel:+84-1900-3228", true),
        ("tel:19003228;phone-context=+84", true),
        ("tel:19003228;phone-context=example.vn", true),
        ("sip:%319003228@example.vn", true),
        ("sip:1900322@example.vn", false),
        ("sip:190032280@example.vn", false),
        ("tel:19003228;phone-context=+1", false),
        ("tel:19003228;phone-context=other.example", false),
        ("sip:19003228@other.example", false),
        ("sip:19003228;rn=0900000000@example.vn;user=phone", false),
        ("sip:x19003228@example.vn", false),
    ] {
        let mut lab = Lab::with(&[(Uplink, invite_to(uri, &offer()))]);
        let stats = lab.tracker.stats();
        assert_eq!(
            (stats.invited, stats.not_hotline),
            (u64::from(is_followed), u64::from(!is_followed)),
            "{uri}"
        );
        let expected: &[&str] = if is_followed { &[GRANT] } else { &[] };
        assert_eq!(short(&lab.see(Downlink, &ok())), expected, "{uri}");
    }
}

#[test]
fn media_that_is_not_the_calls_own_is_charged() {
    let theirs = |media: &[&str]| description("198.51.100.7", media);
    let ours = |media: &[&str]| description("10.20.0.11", media);
    let two = ["audio 40000 RTP/AVP 0", "audio 40002 RTP/AVP 0"];
    for (offer, answer, refusal) in [
        (offer(), audio("203.0.113.66", 5000), Refusal::RemoteAddress),
        (offer(), audio("198.51.100.128", 5000), Refusal::RemoteAddress),
        (offer(), audio("2001:db8:5bc::7", 5000), Refusal::RemoteAddress),
        (audio("10.20.0.12", 40000), audio("0.0.0.0", 5000), Refusal::SubscriberAddress),
        (audio("10.20.0.12", 40000), answer(), Refusal::SubscriberAddress),
        (audio("198.51.100.9", 40000), answer(), Refusal::SubscriberAddress),
        (audio("::ffff:10.20.0.11", 40000), answer(), Refusal::SubscriberAddress),
        (audio("0.0.0.0", 40000), audio("203.0.113.66", 5000), Refusal::SubscriberAddress),
        (ours(&two), answer(), Refusal::StreamCount),
        (offer(), theirs(&["audio 0 RTP/AVP 0"]), Refusal::NoStream),
        (offer(), theirs(&["video 5000 RTP/AVP 31"]), Refusal::NotAudio),
        (ours(&["video 40000 RTP/AVP 31"]), theirs(&["video 5000 RTP/AVP 31"]), Refusal::NotAudio),
        (ours(&["audio 40000 udptl t38"]), theirs(&["audio 5000 udptl t38"]), Refusal::NotRtp),
        (offer(), "v=0\r\nc=IN IP4 sbc.example.vn\r\n".to_owned(), Refusal::Malformed),
        ("v=1\r\n".to_owned(), answer(), Refusal::Malformed),
        (offer(), String::new(), Refusal::NoSession),
    ] {
        let mut lab = Lab::with(&[(Uplink, invite_to(HOTLINE, &offer))]);
        assert_eq!(lab.see(Downlink, &response("200 OK", &answer)), [], "{offer} {answer}");
        assert_eq!(lab.tracker.stats().refusals[refusal.number()], 1, "{refusal}: {offer} {answer}");
        let record = record(&lab.see(Downlink, &bye()));
        assert_eq!((record.refusals, record.media), (vec![refusal], vec![]), "{offer} {answer}");
    }
}

#[test]
fn one_stream_of_several_is_free() {
    let ours =
        description("10.20.0.11", &["video 1 RTP/AVP 31", "audio 40000 RTP/AVP 0", "audio 2 RTP/AVP 0"]);
    let theirs =
        description("198.51.100.7", &["video 0 RTP/AVP 31", "audio 5000 RTP/AVP 0", "audio 3 RTP/AVP 0"]);
    let mut lab = Lab::with(&[(Uplink, invite_to(HOTLINE, &ours))]);
    assert_eq!(short(&lab.see(Downlink, &response("200 OK", &theirs))), [GRANT]);
    assert_eq!(lab.tracker.stats().refusals[Refusal::TooManyStreams.number()], 1);
}

/// RFC 3204: ISUP stands beside the session, in the INVITE and in its answer.
#[test]
fn a_session_among_several_parts_is_free() {
    let mixed = |text: &str, session: &str| {
        let body = format!(
            "--x\r\nContent-Type: application/sdp\r\n\r\n{session}\r\n--x\r\nContent-Type: \
             application/ISUP;version=itu-t92+\r\n\r\nisup\r\n--x--\r\n"
        );
        let (head, _) = text.split_once("Content-Type").expect("a body");
        let length = body.len();
        format!("{head}Content-Type: multipart/mixed;boundary=x\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let mut lab = Lab::with(&[(Uplink, mixed(&invite(), &offer()))]);
    assert_eq!(short(&lab.see(Downlink, &mixed(&ok(), &answer()))), [GRANT]);
}

#[test]
fn bodies_whose_parts_cannot_be_told_are_charged() {
    let text = invite().replace("application/sdp", "multipart/mixed;boundary=x");
    let mut lab = Lab::with(&[(Uplink, text)]);
    assert_eq!(lab.see(Downlink, &ok()), []);
    assert_eq!(record(&lab.see(Downlink, &bye())).refusals, [Refusal::NotSdp]);
}

/// Each is sent in place of the true answer, which still counts afterwards.
#[test]
fn forged_answers_change_nothing() {
    let elsewhere = "203.0.113.1:5060";
    let answer =
        |cseq, branch, from, to| sip("SIP/2.0 200 OK", cseq, branch, from, to, &audio("198.51.100.9", 9));
    let good = answer("1 INVITE", "a", AN, DESK);
    let other_call = good.replace("call1@", "call2@");
    for (name, ours, proxy, message, mismatch) in [
        ("from another proxy", SUBSCRIBER, elsewhere, good.clone(), Some(Mismatch::Socket)),
        ("from another port", SUBSCRIBER, "192.0.2.10:5061", good.clone(), Some(Mismatch::Socket)),
        ("to another subscriber", "10.20.0.12:5060", PROXY, good.clone(), Some(Mismatch::Socket)),
        ("to another port", "10.20.0.11:5061", PROXY, good, Some(Mismatch::Socket)),
        ("wrong number", SUBSCRIBER, PROXY, answer("2 INVITE", "a", AN, DESK), Some(Mismatch::Sequence)),
        ("wrong method", SUBSCRIBER, PROXY, answer("1 UPDATE", "a", AN, DESK), Some(Mismatch::Sequence)),
        ("wrong branch", SUBSCRIBER, PROXY, answer("1 INVITE", "x", AN, DESK), Some(Mismatch::Branch)),
        ("no tag", SUBSCRIBER, PROXY, answer("1 INVITE", "a", AN, TO), Some(Mismatch::Tag)),
        ("wrong caller", SUBSCRIBER, PROXY, answer("1 INVITE", "a", "<sip:an@x>;tag=an2", DESK), None),
        ("wrong call", SUBSCRIBER, PROXY, other_call, None),
    ] {
        let mut lab = Lab::with(&[(Uplink, invite())]);
        assert_eq!(lab.see_between(Downlink, ours, proxy, &message), [], "{name}");
        let counted = mismatch.map_or(lab.tracker.stats().untracked, |mismatch| {
            lab.tracker.stats().mismatches[mismatch.number()]
        });
        assert_eq!((counted, lab.mismatches()), (1, u64::from(mismatch.is_some())), "{name}");
        assert_eq!(short(&lab.see(Downlink, &ok())), [GRANT], "{name}");
    }
    let mut lab = Lab::with(&[(Uplink, ok()), (Downlink, ok()), (Downlink, invite())]);
    assert_eq!(lab.tracker.stats().untracked, 3, "before any INVITE, or in the wrong direction");
    assert_eq!(lab.see(Uplink, &invite()), []);
}

/// The call goes on, and ends with the true BYE.
#[test]
fn forged_requests_change_nothing() {
    let elsewhere = "203.0.113.1:5060";
    let wrong_tag = bye().replace("tag=desk1", "tag=desk2");
    let no_tag = sip("BYE sip:x@y SIP/2.0", "9 BYE", "bye", AN, TO, "");
    let update = from_desk("UPDATE", 230, "u", &audio("198.51.100.9", 9)).replace("desk1", "desk2");
    for (name, direction, ours, proxy, message, mismatch) in [
        ("wrong tag", Downlink, SUBSCRIBER, PROXY, wrong_tag, Mismatch::Tag),
        ("no tag", Uplink, SUBSCRIBER, PROXY, no_tag, Mismatch::Tag),
        ("update with a wrong tag", Downlink, SUBSCRIBER, PROXY, update, Mismatch::Tag),
        ("another proxy", Downlink, SUBSCRIBER, elsewhere, bye(), Mismatch::Socket),
        ("another subscriber", Downlink, "10.20.0.12:5060", PROXY, bye(), Mismatch::Socket),
        ("used number", Uplink, SUBSCRIBER, PROXY, from_an("BYE", 1, "bye", ""), Mismatch::Sequence),
        ("unasked answer", Uplink, SUBSCRIBER, PROXY, from_desk_answer(), Mismatch::Unasked),
    ] {
        let mut lab = Lab::talking();
        assert_eq!(lab.see_between(direction, ours, proxy, &message), [], "{name}");
        let stats = lab.tracker.stats();
        assert_eq!((stats.mismatches[mismatch.number()], lab.mismatches()), (1, 1), "{name}");
        assert_eq!(short(&lab.see(Downlink, &bye())), [REVOKE, "ended hangup-remote"], "{name}");
    }
    let mut lab = Lab::with(&[(Uplink, invite()), (Downlink, bye())]);
    assert_eq!(lab.tracker.stats().mismatches[Mismatch::Early.number()], 1, "before the answer");
    assert_eq!(short(&lab.see(Downlink, &ok())), [GRANT]);
}

#[test]
fn forged_parts_of_a_transaction_change_nothing() {
    let branch = |lab: &Lab| lab.tracker.stats().mismatches[Mismatch::Branch.number()];
    let cancel = sip(&format!("CANCEL {HOTLINE} SIP/2.0"), "1 CANCEL", "x", AN, TO, "");
    let repeated = invite().replace("z9hG4bKa", "z9hG4bKx");
    let mut lab = Lab::with(&[(Uplink, invite()), (Uplink, cancel), (Uplink, repeated)]);
    assert_eq!(branch(&lab), 2);
    let busy = response("486 Busy Here", "");
    assert_eq!(short(&lab.see(Downlink, &busy)), ["ended rejected"], "it was never cancelled");

    let mut lab = Lab::talking();
    lab.see(Uplink, &from_an("INVITE", 2, "r", &audio("10.20.0.11", 40010)));
    let ok = sip("SIP/2.0 200 OK", "2 INVITE", "r", AN, DESK, &answer());
    assert_eq!(lab.see(Downlink, &ok.replace("desk1", "desk2")), []);
    assert_eq!(lab.tracker.stats().mismatches[Mismatch::Tag.number()], 1);
    assert_eq!(short(&lab.see(Downlink, &ok)), [REVOKE, "grant 10.20.0.11:40010 198.51.100.7:5000"]);
}

/// The subscriber answers an INVITE that the hotline never sent.
fn from_desk_answer() -> String {
    sip("SIP/2.0 200 OK", "5 INVITE", "r", DESK, AN, &audio("10.20.0.11", 9))
}

/// The answer to a change of the session.
fn ok_to(cseq: &str, from: &str, to: &str, body: &str) -> String {
    sip("SIP/2.0 200 OK", cseq, "r", from, to, body)
}

#[test]
fn a_changed_session_moves_the_grant() {
    let none: &'static [&str] = &[];
    let moved: &[&str] = &[REVOKE, "grant 10.20.0.11:40010 198.51.100.7:5010"];
    let (ours, theirs) = (audio("10.20.0.11", 40010), audio("198.51.100.7", 5010));
    let changes = [
        (
            "subscriber's INVITE",
            vec![
                (Uplink, from_an("INVITE", 2, "r", &ours), none),
                (Uplink, from_an("INVITE", 2, "r", &ours), none),
                (Downlink, ok_to("2 INVITE", AN, DESK, &theirs), moved),
                (Downlink, ok_to("2 INVITE", AN, DESK, &theirs), none),
            ],
        ),
        (
            "hotline's INVITE",
            vec![
                (Downlink, from_desk("INVITE", 5, "r", &theirs), none),
                (Uplink, ok_to("5 INVITE", DESK, AN, &ours), moved),
            ],
        ),
        (
            "subscriber's UPDATE",
            vec![
                (Uplink, from_an("UPDATE", 2, "r", &ours), none),
                (Downlink, ok_to("2 UPDATE", AN, DESK, &theirs), moved),
            ],
        ),
        (
            "the same again",
            vec![
                (Uplink, from_an("INVITE", 2, "r", &offer()), none),
                (Downlink, ok_to("2 INVITE", AN, DESK, &answer()), none),
            ],
        ),
    ];
    play_all(Lab::talking, &changes);
}

#[test]
fn a_session_that_is_not_free_takes_the_grant_away() {
    let none: &'static [&str] = &[];
    let (ours, theirs) = (audio("10.20.0.11", 40010), audio("198.51.100.7", 5010));
    let changes = [
        (
            "an UPDATE without a session",
            vec![
                (Uplink, from_an("UPDATE", 2, "r", ""), none),
                (Downlink, ok_to("2 UPDATE", AN, DESK, ""), none),
            ],
        ),
        (
            "refused",
            vec![
                (Uplink, from_an("INVITE", 2, "r", &ours), none),
                (Downlink, sip("SIP/2.0 488 Not Acceptable Here", "2 INVITE", "r", AN, DESK, ""), none),
                (Downlink, ok_to("2 INVITE", AN, DESK, &theirs), none),
            ],
        ),
        (
            "to an outside address",
            vec![
                (Downlink, from_desk("INVITE", 5, "r", &audio("203.0.113.66", 5000)), none),
                (Uplink, ok_to("5 INVITE", DESK, AN, &ours), &[REVOKE]),
            ],
        ),
        (
            "to another subscriber's address",
            vec![
                (Uplink, from_an("INVITE", 2, "r", &audio("10.20.0.12", 40000)), none),
                (Downlink, ok_to("2 INVITE", AN, DESK, &theirs), &[REVOKE]),
            ],
        ),
        (
            "held and resumed",
            vec![
                (Uplink, from_an("INVITE", 2, "r", &audio("0.0.0.0", 40000)), none),
                (Downlink, ok_to("2 INVITE", AN, DESK, &answer()), &[REVOKE]),
                (Uplink, from_an("INVITE", 3, "r", &offer()), none),
                (Downlink, ok_to("3 INVITE", AN, DESK, &answer()), &[GRANT]),
            ],
        ),
    ];
    play_all(Lab::talking, &changes);
}

/// RFC 3261, section 13.2.1: the 2xx offers, the ACK answers.
#[test]
fn a_late_offer_is_answered_by_the_ack() {
    let none: &'static [&str] = &[];
    let rows: Vec<Row> = vec![
        (Uplink, invite_to(HOTLINE, ""), none),
        (Downlink, ok(), none),
        (Downlink, ok(), none),
        (Uplink, from_an("ACK", 1, "ack", &offer()).replace("desk1", "desk2"), none),
        (Uplink, from_an("ACK", 1, "ack", &offer()), &[GRANT]),
        (Uplink, from_an("ACK", 1, "ack", &offer()), none),
        (Downlink, bye(), &[REVOKE, "ended hangup-remote"]),
    ];
    Lab::new().play("late offer", &rows);
    let mut lab = Lab::with(&[(Uplink, invite_to(HOTLINE, "")), (Downlink, ok())]);
    assert_eq!(lab.see(Uplink, &from_an("ACK", 1, "ack", "")), []);
    assert_eq!(record(&lab.see(Downlink, &bye())).refusals, [Refusal::NoSession]);
}

#[test]
fn both_families_are_followed() {
    let (ours, proxy) = ("[2001:db8:20:11::5]:5060", "[2001:db8:99::10]:5060");
    let mut lab = Lab::new();
    let invite = invite_to(HOTLINE, &audio("2001:db8:20:11::5", 40000));
    assert_eq!(lab.see_between(Uplink, ours, proxy, &invite), []);
    let ok = response("200 OK", &audio("2001:db8:5bc::7", 5000));
    let granted = short(&lab.see_between(Downlink, ours, proxy, &ok));
    assert_eq!(granted, ["grant [2001:db8:20:11::5]:40000 [2001:db8:5bc::7]:5000"]);
}

#[test]
fn calls_without_end_expire() {
    let mut lab = Lab::with(&[(Uplink, invite())]);
    assert_eq!(lab.tracker.expire(at(32)), []);
    assert_eq!(short(&lab.tracker.expire(at(33))), ["ended no-response"]);

    let mut lab = Lab::with(&[(Uplink, invite()), (Downlink, response("180 Ringing", ""))]);
    assert_eq!(lab.tracker.expire(at(181)), []);
    lab.second = 180;
    lab.see(Downlink, &response("180 Ringing", ""));
    assert_eq!(lab.tracker.expire(at(360)), []);
    let actions = lab.tracker.expire(at(361));
    assert_eq!(short(&actions), ["ended unanswered"]);
    assert_eq!((record(&actions).answered, record(&actions).ended), (None, at(361).wall));

    let mut lab = Lab::talking();
    lab.hear(1 + 4 * 3600);
    assert_eq!(lab.tracker.expire(at(1 + 4 * 3600)), []);
    assert_eq!(short(&lab.tracker.expire(at(2 + 4 * 3600))), [REVOKE, "ended max-duration"]);
    assert_eq!(lab.tracker.expire(at(u64::from(u32::MAX))), []);
}

#[test]
fn a_new_grant_does_not_outlast_the_call() {
    let mut lab = Lab::talking();
    lab.second = 3600;
    lab.see(Uplink, &from_an("INVITE", 2, "r", &audio("10.20.0.11", 40010)));
    let actions = lab.see(Downlink, &sip("SIP/2.0 200 OK", "2 INVITE", "r", AN, DESK, &answer()));
    let Some(Action::Grant { grant, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(grant.valid_until_ns, (2 + 4 * 3600) * SECOND_NS);
}

#[test]
fn a_later_call_takes_the_same_stream_over() {
    let mut lab = Lab::talking();
    let second = |text: String| text.replace("call1@", "call2@");
    assert_eq!(lab.see(Uplink, &second(invite())), []);
    assert_eq!(short(&lab.see(Downlink, &second(ok()))), [REVOKE, "ended superseded", GRANT]);
    assert_eq!(lab.see(Downlink, &bye()), []);
    assert_eq!(short(&lab.see(Downlink, &second(bye()))), [REVOKE, "ended hangup-remote"]);
}

/// An edit of a policy.
type Change = fn(&mut Policy);

#[test]
fn calls_end_with_their_policy() {
    let changes: [(Change, bool); 3] = [
        (|_| {}, false),
        (|policy| policy.rule += 1, true),
        (|policy| policy.media = vec!["198.51.100.64/26".parse().expect("a network")], true),
    ];
    for (change, is_over) in changes {
        let mut lab = Lab::talking();
        change(&mut lab.policy);
        let expected: &[&str] = if is_over { &[REVOKE, "ended policy-ended"] } else { &[] };
        assert_eq!(short(&lab.tracker.policy_changed(at(9), &lab.policy)), expected);
    }
    let mut lab = Lab::with(&[(Uplink, invite())]);
    lab.policy.rule += 1;
    assert_eq!(lab.see(Downlink, &ok()), [], "the policy changed between INVITE and answer");
    assert_eq!(record(&lab.see(Downlink, &bye())).refusals, [Refusal::NoLongerListed]);
}

#[test]
fn one_call_keeps_only_so_many_streams() {
    let mut lab = Lab::talking();
    for change in 1..=u32::try_from(MEDIA_PER_CALL_MAX).expect("a small number") {
        let port = 40_000 + u16::try_from(change).expect("a port");
        lab.see(Uplink, &from_an("INVITE", 1 + change, "r", &audio("10.20.0.11", port)));
        let cseq = format!("{} INVITE", 1 + change);
        lab.see(Downlink, &sip("SIP/2.0 200 OK", &cseq, "r", AN, DESK, &answer()));
    }
    let record = record(&lab.see(Downlink, &bye()));
    assert_eq!(record.media.len(), MEDIA_PER_CALL_MAX);
    assert_eq!(record.refusals, [Refusal::TooManyStreams]);
    assert_eq!(lab.tracker.stats().granted, lab.tracker.stats().revoked);
}

#[test]
fn half_open_calls_are_bounded() {
    const INVITES: u32 = 100_000;
    let limits = TrackerLimits { calls_max: 1000, ..TrackerLimits::default() };
    let mut lab = Lab { tracker: Tracker::new(limits), ..Lab::new() };
    let text = invite();
    for index in 0..INVITES {
        // Ten of each subscriber.
        let [_, b, c, d] = (index / 10).to_be_bytes();
        let ours = format!("10.{b}.{c}.{d}:5060");
        lab.see_between(Uplink, &ours, PROXY, &text.replace("call1@", &format!("call{index}@")));
    }
    let stats = lab.tracker.stats();
    let refused_each = 10 - u64::from(CallTerms::CALLS_PER_SUBSCRIBER_MAX);
    // A thousand calls are four of each of the first 250 subscribers; then there is no room for anyone.
    assert_eq!((stats.invited, lab.tracker.active().len()), (1000, 1000));
    assert_eq!(stats.subscriber_full, 250 * refused_each);
    assert_eq!(stats.full, u64::from(INVITES) - 2500);
    assert_eq!(lab.tracker.expire(at(u64::from(INVITES) + 180)).len(), 1000);
    assert_eq!(lab.tracker.subscribers.len(), 0);
}

#[test]
fn one_prefix_is_one_subscriber() {
    let mut lab = Lab::new();
    lab.policy.terms.calls_per_subscriber_max = 2;
    for index in 1..=5 {
        let text = invite().replace("call1@", &format!("call{index}@"));
        lab.see_between(Uplink, &format!("[2001:db8:20:11::{index}]:5060"), "[2001:db8:99::10]:5060", &text);
    }
    assert_eq!((lab.tracker.stats().invited, lab.tracker.stats().subscriber_full), (2, 3));
}

#[test]
fn what_is_not_sip_is_counted() {
    let mut lab =
        Lab::with(&[(Uplink, "\r\n\r\n".to_owned()), (Uplink, "GET / HTTP/1.1\r\n\r\n".to_owned())]);
    assert_eq!(lab.see(Downlink, "SIP/2.0 200 OK\r\n\r\n"), []);
    let stats = lab.tracker.stats();
    assert_eq!((stats.messages, stats.faults.iter().sum::<u64>(), stats.faults[0]), (3, 3, 1));
}

#[test]
fn names_are_all_different() {
    for names in [&Refusal::NAMES[..], &Mismatch::NAMES[..]] {
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }
    assert_eq!((Refusal::NoLongerListed.name(), Mismatch::Early.name()), ("no-longer-listed", "early"));
}

/// A message of some call, right or slightly wrong.
fn any_message() -> impl Strategy<Value = (Direction, usize, String)> {
    let session = prop::sample::select(vec![
        String::new(),
        offer(),
        answer(),
        audio("10.20.0.12", 40000),
        audio("10.20.0.11", 40002),
        audio("198.51.100.9", 5002),
        audio("203.0.113.66", 5000),
    ]);
    let starts = [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "UPDATE",
        "PRACK",
        "SIP/2.0 180",
        "SIP/2.0 183",
        "SIP/2.0 481",
        "SIP/2.0 200",
        "SIP/2.0 200",
        "SIP/2.0 486",
    ];
    let start = prop::sample::select(starts.to_vec());
    let method = prop::sample::select(vec!["INVITE", "INVITE", "UPDATE", "PRACK", "BYE"]);
    let ends = prop::sample::select(vec![(AN, TO), (AN, DESK), (AN, FORK), (DESK, AN)]);
    let direction = prop::sample::select(vec![Uplink, Downlink]);
    (direction, 0..2_usize, start, method, 1..4_u32, ends, session, 1..3_u8).prop_map(
        |(direction, subscriber, start, method, number, (from, to), body, call)| {
            let (start, method) = if start.starts_with("SIP") {
                (format!("{start} x"), method)
            } else {
                (format!("{start} {HOTLINE} SIP/2.0"), start)
            };
            let text = sip(&start, &format!("{number} {method}"), "a", from, to, &body);
            let text = if start.contains("183") { reliable(&text) } else { text };
            (direction, subscriber, text.replace("call1@", &format!("call{call}@")))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever arrives: each grant is a subscriber's own stream to a media network, and is revoked exactly
    /// once.
    #[test]
    fn grants_balance(messages in prop::collection::vec(any_message(), 0..60)) {
        let subscribers = [SUBSCRIBER, "10.20.0.12:5060"];
        let mut lab = Lab::new();
        let mut free = HashSet::new();
        let mut apply = |actions: Vec<Action>| {
            for action in actions {
                match action {
                    Action::Grant { stream, grant } => {
                        assert!(free.insert(stream), "granted twice");
                        assert_eq!(grant.rule, RULE);
                        let remote = stream.remote.ip();
                        assert!(Policy::new().media.iter().any(|net| net.contains(&remote)));
                        assert!(subscribers.iter().any(|ours| socket(ours).ip() == stream.subscriber.ip()));
                    }
                    Action::Change { stream, .. } => assert!(free.contains(&stream), "changed, not granted"),
                    Action::Revoke { stream } => assert!(free.remove(&stream), "revoked twice"),
                    Action::Ended(record) => assert!(record.media.iter().all(|stream| !free.contains(stream))),
                    Action::Text { .. } => panic!("a text without a rule that frees it"),
                }
            }
            free.clone()
        };
        for (direction, subscriber, text) in messages {
            let actions = lab.see_between(direction, subscribers[subscriber], PROXY, &text);
            let free = apply(actions);
            let saved = lab.tracker.take_changes();
            for call in saved {
                let text = serde_json::to_string(&call).expect("JSON");
                prop_assert_eq!(serde_json::from_str::<SavedCall>(&text).expect("a call"), call);
            }
            let active: HashSet<_> = lab.tracker.active().flat_map(|call| call.streams).collect();
            prop_assert_eq!(active, free);
        }
        let actions = lab.tracker.expire(at(1_000_000));
        prop_assert!(apply(actions).is_empty());
        let Tracker { calls, subscribers, holders, .. } = &lab.tracker;
        prop_assert_eq!((calls.len(), subscribers.len(), holders.len()), (0, 0, 0));
        let stats = lab.tracker.stats();
        prop_assert_eq!((stats.invited, stats.granted), (stats.ended, stats.revoked));
    }
}
