use proptest::prelude::*;

use super::*;
use crate::calls::header::Header;

/// Every header that must be there, each with the least it may hold.
const HEADERS: [&str; 5] = [
    "Via: SIP/2.0/UDP 10.20.0.11:5060;branch=z9hG4bK74bf9",
    "From: An <sip:an@example.vn>;tag=9fxced76sl",
    "To: <sip:19003228@example.vn>",
    "Call-ID: 3848276298220188511@example.vn",
    "CSeq: 2 INVITE",
];
const START: &str = "INVITE sip:19003228@example.vn SIP/2.0";

/// A message of `START` and `HEADERS`, in which a line is replaced by that of the same index, and lines are
/// added.
fn message(replaced: &[(usize, &str)], added: &[&str], body: &str) -> String {
    let mut lines = [vec![START], HEADERS.to_vec(), added.to_vec()].concat();
    for (index, line) in replaced {
        lines[*index] = line;
    }
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

fn fault_of(text: &str) -> SipFault {
    Message::parse(text.as_bytes()).expect_err(text)
}

#[test]
fn a_request_is_read() {
    let text = message(&[], &["Content-Type: application/sdp", "Content-Length: 5"], "v=0\r\nmore");
    let message = Message::parse(text.as_bytes()).expect("a message");
    let expected = Message {
        start: Start::Request { method: Method::Invite, uri: "sip:19003228@example.vn" },
        call_id: "3848276298220188511@example.vn",
        from: Party { text: "An <sip:an@example.vn>;tag=9fxced76sl", tag: Some("9fxced76sl") },
        to: Party { text: "<sip:19003228@example.vn>", tag: None },
        cseq: CSeq { number: 2, method: Method::Invite },
        branch: "z9hG4bK74bf9",
        content_type: Some("application/sdp"),
        disposition: None,
        asserted_identity: None,
        charging_id: None,
        is_reliable: false,
        session_expires: None,
        body: b"v=0\r\n",
    };
    assert_eq!(message, expected);
    assert_eq!(message.body(), Body::Sdp(b"v=0\r\n"));
}

/// RFC 3261, section 20.11, and RFC 3959, section 3.
#[test]
fn a_description_is_the_sessions_unless_it_says_otherwise() {
    for (disposition, body) in [
        ("session", Body::Sdp(b"v=0")),
        ("SESSION ;handling=optional", Body::Sdp(b"v=0")),
        ("early-session", Body::Other),
        ("render", Body::Other),
    ] {
        let added = ["Content-Type: application/sdp", &format!("Content-Disposition: {disposition}")];
        let text = message(&[], &added, "v=0");
        assert_eq!(Message::parse(text.as_bytes()).expect("a message").body(), body, "{disposition}");
    }
}

#[test]
fn what_records_and_timers_need_is_read() {
    let added = [
        "P-Charging-Vector: icid-value=\"AyretyU0dm+6O2IrT5tAFrbHLso=023551024\";orig-ioi=home1.net",
        "RSeq: 988789",
        "x : 1800 ; refresher=uac",
    ];
    let text = message(&[], &added, "");
    let read = Message::parse(text.as_bytes()).expect("a message");
    assert_eq!(read.charging_id, Some("AyretyU0dm+6O2IrT5tAFrbHLso=023551024"));
    assert_eq!((read.is_reliable, read.session_expires), (true, Some(1800)));
    // An identifier that cannot be read is none; a timer that cannot be read could keep a call free.
    let text = message(&[], &["P-Charging-Vector: term-ioi=x"], "");
    assert_eq!(Message::parse(text.as_bytes()).expect("a message").charging_id, None);
    for value in ["", "-1", "90 s", "4294967296"] {
        let fault = fault_of(&message(&[], &[&format!("Session-Expires: {value}")], ""));
        assert_eq!(fault, SipFault::Value { header: Header::SessionExpires }, "{value}");
    }
}

#[test]
fn a_response_is_read() {
    let added = ["P-Asserted-Identity: <tel:+8419003228>", "p-asserted-identity: <sip:b@example.vn>"];
    let start = [(0, "SIP/2.0 200 OK and more"), (5, "CSeq: 7 BYE"), (3, "To: sip:an@example.vn;TAG=x")];
    let text = message(&start, &added, "");
    let message = Message::parse(text.as_bytes()).expect("a message");
    assert_eq!(message.start, Start::Response { status: 200 });
    assert_eq!(message.cseq, CSeq { number: 7, method: Method::Bye });
    assert_eq!(message.to.tag, Some("x"));
    assert_eq!(message.asserted_identity, Some("<tel:+8419003228>"));
    assert_eq!(message.body(), Body::None);
}

/// The kinds of RFC 4475, section 3.1.1: odd, but valid.
#[test]
fn odd_but_valid_messages_are_read() {
    let odd = "\r\n\r\n\
        INVITE sip:19003228@example.vn;unknownparam SIP/2.0\r\n\
        TO :\r\n sip:19003228@example.vn ;   tag    = 1918181833n\r\n\
        from   : \"A \\\\\\\" <quoted>; tag=no \"       <sip:an@example.vn>\r\n  ;\r\n  tag = 98asjd8\r\n\
        i:an.0ha0isndaksdj@10.0.0.1\r\n\
        cseq: 0009\r\n  INVITE\r\n\
        NewFangledHeader:   newfangled value\r\n continued;,,\r\n\
        Unknown.Header-1:\r\n\
        v:  SIP  / 2.0  / TCP  spindle.example.vn ;\r\n  note = \"a;branch=no,\" ; branch  = \
        z9hG4bK9ikj8  , SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKother\r\n\
        Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKthird\r\n\
        c: Application / SDP ; charset=utf-8\r\n\
        l:3\r\n\r\nv=0";
    let message = Message::parse(odd.as_bytes()).expect("a message");
    assert_eq!(message.to.tag, Some("1918181833n"));
    assert_eq!(message.from.tag, Some("98asjd8"));
    assert_eq!(message.call_id, "an.0ha0isndaksdj@10.0.0.1");
    assert_eq!(message.cseq, CSeq { number: 9, method: Method::Invite });
    assert_eq!(message.branch, "z9hG4bK9ikj8");
    assert_eq!(message.body(), Body::Sdp(b"v=0"));
}

/// Odd in one line each.
#[test]
fn single_odd_lines_are_read() {
    for (index, line) in [
        (0, "INVITE tel:+84-1900-3228 sip/2.0"),
        (0, "SIP/2.0 100 "),
        (2, "From: \"<sip:no@x>;tag=1\" <sip:an@example.vn;tag=no>;tag=9fxced76sl"),
        (2, "From: sip:an@example.vn;tag=9fxced76sl"),
        (2, "f: Nguyễn An <sip:an@example.vn>;x=\"a;tag=b\";tag=9fxced76sl"),
        (5, "CSeq: 2147483647 INVITE"),
    ] {
        let text = message(&[(index, line)], &[], "");
        let message = Message::parse(text.as_bytes()).expect(line);
        assert_eq!(message.from.tag, Some("9fxced76sl"), "{line}");
    }
}

/// The kinds of RFC 4475, sections 3.1.2 and 3.3: what is refused, and why.
#[test]
fn lines_that_cannot_be_trusted_are_refused() {
    let value = |header| SipFault::Value { header };
    for (index, line, fault) in [
        (0, "INVITE  sip:19003228@example.vn SIP/2.0", SipFault::StartLine),
        (0, "INVITE sip:19003228@example.vn  SIP/2.0", SipFault::StartLine),
        (0, "INVITE sip:19003228@example.vn SIP/2.0 ", SipFault::StartLine),
        (0, "INVITE sip:19003228@example.vn; lr SIP/2.0", SipFault::StartLine),
        (0, "INVITE <sip:19003228@example.vn> SIP/2.0", SipFault::StartLine),
        (0, "INVITE sip:19003228@example.vn SIP/7.0", SipFault::StartLine),
        (0, "INVITE sip:19003228@example.vn HTTP/1.1", SipFault::StartLine),
        (0, "IN\"VITE sip:19003228@example.vn SIP/2.0", SipFault::StartLine),
        (0, "SIP/2.0 4294967301 better not break the receiver", SipFault::StartLine),
        (0, "SIP/2.0 099 OK", SipFault::StartLine),
        (0, "SIP/2.0 700 OK", SipFault::StartLine),
        (0, "SIP/2.0 200", SipFault::StartLine),
        (0, "BYE sip:19003228@example.vn SIP/2.0", SipFault::MethodMismatch),
        (0, "invite sip:19003228@example.vn SIP/2.0", SipFault::MethodMismatch),
        (1, "Via: SIP/2.0/UDP 10.20.0.11", value(Header::Via)),
        (1, "Via: SIP/2.0/UDP 10.20.0.11;branch", value(Header::Via)),
        (1, "Via: SIP/2.0/UDP 10.20.0.11;branch=", value(Header::Via)),
        (1, "Via: SIP/2.0/UDP 10.20.0.11, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx", value(Header::Via)),
        (1, "Via: SIP/2.0/UDP h;branch=z9hG4bKx;branch=z9hG4bKy", value(Header::Via)),
        (2, "From: <sip:an@example.vn>", value(Header::From)),
        (2, "From: <sip:an@example.vn;tag=1", value(Header::From)),
        (2, "From: \"An <sip:an@example.vn>;tag=1", value(Header::From)),
        (2, "From: <sip:an@example.vn>;tag=1;tag=2", value(Header::From)),
        (2, "From: <sip:an@example.vn>;tag=1, <sip:b@example.vn>;tag=2", value(Header::From)),
        (2, "From: <sip:an@example.vn> tag=1", value(Header::From)),
        (3, "To: <sip:an@example.vn>;tag=", value(Header::To)),
        (3, "To: <sip:an@example.vn>;tag=a b", value(Header::To)),
        (4, "Call-ID:", value(Header::CallId)),
        (4, "Call-ID: a b", value(Header::CallId)),
        (5, "CSeq: 2147483648 INVITE", value(Header::CSeq)),
        (5, "CSeq: 36893488147419103232 INVITE", value(Header::CSeq)),
        (5, "CSeq: -1 INVITE", value(Header::CSeq)),
        (5, "CSeq: +1 INVITE", value(Header::CSeq)),
        (5, "CSeq: 1", value(Header::CSeq)),
        (5, "CSeq: INVITE 1", value(Header::CSeq)),
        (5, "CSeq: 1 INVITE INVITE", value(Header::CSeq)),
        (5, "CSeq: 1 ACK", SipFault::MethodMismatch),
        (5, "CSeq 2 INVITE", SipFault::HeaderName),
        (5, ": 2 INVITE", SipFault::HeaderName),
        (5, "C Seq: 2 INVITE", SipFault::HeaderName),
        (5, "Subject: a\rb", SipFault::LoneLineEnd),
        (5, "Subject: a\nCSeq: 2 INVITE", SipFault::LoneLineEnd),
    ] {
        assert_eq!(fault_of(&message(&[(index, line)], &[], "")), fault, "{line}");
    }
}

#[test]
fn each_needed_header_must_be_there_once() {
    let headers = [Header::Via, Header::From, Header::To, Header::CallId, Header::CSeq];
    for (index, header) in headers.into_iter().enumerate() {
        let text = message(&[(index + 1, "Subject: none")], &[], "");
        assert_eq!(fault_of(&text), SipFault::Missing { header });
        if header != Header::Via {
            let text = message(&[], &[HEADERS[index]], "");
            assert_eq!(fault_of(&text), SipFault::Repeated { header });
        }
    }
    for (pair, header) in [
        (["Content-Length: 0", "l: 0"], Header::ContentLength),
        (["Content-Type: application/sdp", "c: text/plain"], Header::ContentType),
        (["i: other", "Subject: none"], Header::CallId),
    ] {
        assert_eq!(fault_of(&message(&[], &pair, "")), SipFault::Repeated { header });
    }
}

#[test]
fn bodies_are_as_long_as_they_say() {
    let value = SipFault::Value { header: Header::ContentLength };
    for (length, fault) in [("6", SipFault::BodyCut), ("-1", value), ("+1", value), ("x", value), ("", value)]
    {
        let text = message(&[], &[&format!("Content-Length: {length}")], "v=0\r\n");
        assert_eq!(fault_of(&text), fault, "{length}");
    }
    let huge = message(&[], &["Content-Length: 36893488147419103232"], "v=0\r\n");
    assert_eq!(fault_of(&huge), value);
    for (content_type, expected) in [
        ("application/sdp", Body::Sdp(b"v=0")),
        ("APPLICATION/SDP;charset=x", Body::Sdp(b"v=0")),
        ("application/sdpfrag", Body::Other),
        ("multipart/mixed;boundary=application/sdp", Body::Other),
        ("sdp", Body::Other),
    ] {
        let text = message(&[], &[&format!("Content-Type: {content_type}")], "v=0");
        assert_eq!(
            Message::parse(text.as_bytes()).map(|message| message.body()),
            Ok(expected),
            "{content_type}"
        );
    }
    assert_eq!(Message::parse(message(&[], &[], "v=0").as_bytes()).map(|m| m.body()), Ok(Body::Other));
}

#[test]
fn limits_are_where_they_are_said_to_be() {
    assert_eq!(fault_of("\r\n\r\n"), SipFault::KeepAlive);
    assert_eq!(fault_of(""), SipFault::KeepAlive);
    assert_eq!(fault_of("\0"), SipFault::KeepAlive);
    assert_eq!(fault_of(START), SipFault::Unterminated);
    assert_eq!(fault_of("\r\n\r\nX"), SipFault::Unterminated);
    let whole = message(&[], &[], "");
    assert_eq!(Message::parse(&[whole.as_bytes(), b"\xff"].concat()).map(|m| m.body), Ok(&b"\xff"[..]));
    let latin = whole.as_bytes().iter().map(|octet| if *octet == b'A' { 0xe9 } else { *octet });
    assert_eq!(Message::parse(&latin.collect::<Vec<_>>()), Err(SipFault::NotUtf8));

    let fill = MESSAGE_OCTETS_MAX - whole.len();
    assert!(Message::parse(message(&[], &[], &"x".repeat(fill)).as_bytes()).is_ok());
    let long = message(&[], &[], &"x".repeat(fill + 1));
    assert_eq!(fault_of(&long), SipFault::TooLong { octets: MESSAGE_OCTETS_MAX + 1 });

    let most = vec!["a:"; HEADERS_MAX - HEADERS.len()];
    assert!(Message::parse(message(&[], &most, "").as_bytes()).is_ok());
    assert_eq!(fault_of(&message(&[], &[most, vec!["a:"]].concat(), "")), SipFault::TooManyHeaders);

    let subject = format!("Subject:\r\n {}", "x".repeat(HEADER_OCTETS_MAX - 11));
    assert!(Message::parse(message(&[], &[&subject], "").as_bytes()).is_ok());
    let fault = SipFault::HeaderTooLong { octets: HEADER_OCTETS_MAX + 1 };
    assert_eq!(fault_of(&message(&[], &[&format!("{subject}x")], "")), fault);

    let call_id = |octets| message(&[(4, &format!("Call-ID: {}", "x".repeat(octets)))], &[], "");
    assert!(Message::parse(call_id(TOKEN_OCTETS_MAX).as_bytes()).is_ok());
    assert_eq!(fault_of(&call_id(TOKEN_OCTETS_MAX + 1)), SipFault::Value { header: Header::CallId });
}

#[test]
fn faults_have_names_of_their_own() {
    let names: std::collections::HashSet<_> = SipFault::NAMES.into_iter().collect();
    assert_eq!(names.len(), SipFault::COUNT);
    let fault = SipFault::Repeated { header: Header::CallId };
    assert_eq!(
        (fault.name(), fault.to_string().as_str()),
        ("repeated-header", "has more than one Call-ID header")
    );
}

/// One header line in some valid spelling: name, compact form and case, white space, folding.
fn spelled(names: [&'static str; 2], value: String) -> impl Strategy<Value = String> {
    let colon = prop::sample::select(vec![":", ": ", " :", "\t: ", ":\r\n ", " : \r\n\t"]);
    (any::<bool>(), any::<bool>(), colon, 0..3_usize).prop_map(
        move |(is_compact, is_upper, colon, blanks)| {
            let name = names[usize::from(is_compact)];
            let name = if is_upper { name.to_uppercase() } else { name.to_lowercase() };
            format!("{name}{colon}{value}{}\r\n", " ".repeat(blanks))
        },
    )
}

/// A message in some spelling, its call, tags and branch, and its number.
fn spelled_message() -> impl Strategy<Value = (String, [String; 4], u32)> {
    let word = || "[a-zA-Z0-9.!%*_+`'~-]{1,20}";
    ([word(), word(), word(), word()], 0..CSEQ_LIMIT, 0..120_usize).prop_flat_map(|(words, number, seed)| {
        let [call_id, from, to, branch] = words.clone();
        let lines = (
            spelled(["Call-ID", "i"], call_id),
            spelled(["From", "f"], format!("\"a;tag=x\" <sip:a@b;tag=y> ; Tag = {from}")),
            spelled(["To", "t"], format!("sip:a@b;x=\"\\\";tag=z\";tag={to}")),
            spelled(["CSeq", "cseq"], format!("{number} \t INVITE")),
            spelled(
                ["Via", "v"],
                format!("SIP/2.0/UDP h;rport ;branch={branch}, SIP/2.0/UDP i;branch=other"),
            ),
        );
        lines.prop_map(move |(a, b, c, d, e)| {
            let mut lines = [a, b, c, d, e, "X-Other: Call-ID: 5\r\n".to_owned()];
            let turn = seed % lines.len();
            lines.rotate_left(turn);
            (format!("{START}\r\n{}\r\n", lines.concat()), words.clone(), number)
        })
    })
}

proptest! {
    #[test]
    fn spelling_does_not_change_a_message((text, words, number) in spelled_message()) {
        let message = Message::parse(text.as_bytes()).expect("a message");
        let [call_id, from, to, branch] = &words;
        prop_assert_eq!(message.call_id, call_id);
        prop_assert_eq!(message.from.tag, Some(from.as_str()));
        prop_assert_eq!(message.to.tag, Some(to.as_str()));
        prop_assert_eq!(message.branch, branch);
        prop_assert_eq!(message.cseq, CSeq { number, method: Method::Invite });
    }

    #[test]
    fn random_octets_do_not_panic(datagram in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Message::parse(&datagram);
    }

    #[test]
    fn mutated_messages_do_not_panic(
        (text, ..) in spelled_message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut datagram = text.into_bytes();
        for (index, octet) in changes {
            let index = index.index(datagram.len());
            datagram[index] = octet;
        }
        let _ = Message::parse(&datagram);
        // Without its last octets, the headers have no end.
        datagram.truncate(cut.index(datagram.len()));
        let _ = Message::parse(&datagram);
    }
}
