//! The cases of RFC 4475, each written after its description there, and what it says of them.

use super::dialled::request_number;
use super::fault::SipFault;
use super::header::Header;
use super::sip::{Body, Message, Method, Start};

/// Headers that every message needs, in which nothing is unusual.
const PLAIN: [&str; 7] = [
    "To: sip:j.user@example.com",
    "From: sip:caller@example.net;tag=134161461246",
    "Max-Forwards: 7",
    "Call-ID: case.0ha0isndaksdjasdf3234nas",
    "CSeq: 8 INVITE",
    "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw",
    "Content-Length: 0",
];

/// A message with `start`, [`PLAIN`] in which headers of the same name are replaced, and these headers.
fn message(start: &str, headers: &[&str], body: &str) -> String {
    let name = |line: &str| line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    let replaced: Vec<String> = headers.iter().map(|line| name(line)).collect();
    let plain = PLAIN.iter().filter(|line| !replaced.contains(&name(line)));
    let lines: Vec<&str> = [start].into_iter().chain(plain.copied()).chain(headers.iter().copied()).collect();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

const INVITE: &str = "INVITE sip:j.user@example.com SIP/2.0";

/// Section 3.1.1: valid messages, however they look.
pub(super) fn valid() -> Vec<(&'static str, String)> {
    let long = format!("Subject: {}", "x".repeat(1800));
    let unusual = "!interesting-Method0123456789_*+`.%indeed'~";
    let unusual_start = format!(
        "{unusual} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com SIP/2.0"
    );
    let unusual_cseq = format!("CSeq: 139122385 {unusual}");
    vec![
        (
            "3.1.1.1, a short tortuous INVITE",
            message(
                "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
                &[
                    "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
                    "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8",
                    "MaX-fOrWaRdS: 0068",
                    "cseq: 0009\r\n  INVITE",
                    "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw",
                    "s :",
                    "NewFangledHeader:   newfangled value\r\n continued newfangled value",
                    "UnknownHeaderWithUnusualValue: ;;,,;;,;",
                    "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8",
                    "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue",
                ],
                "",
            ),
        ),
        (
            "3.1.1.2, the wide range of valid characters",
            message(
                &unusual_start,
                &[
                    "To: \"BEL:\\\u{7} NUL:\\\0 DEL:\\\u{7f}\" <sip:1_unusual.URI@example.com>",
                    "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\";tag=_token~1'+`*%!-.",
                    &unusual_cseq,
                    "extensionHeader-!.%*+_`'~:\u{fe7}",
                ],
                "",
            ),
        ),
        (
            "3.1.1.3, valid use of the % escaping mechanism",
            message(
                "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
                &["To: sip:%75se%72@example.com", "From: <sip:I%20have%20spaces@example.net>;tag=938"],
                "",
            ),
        ),
        (
            "3.1.1.4, escaped nulls in URIs",
            message(
                INVITE,
                &["To: sip:null-%00-null@example.com", "From: sip:null-%00-null@example.com;tag=8"],
                "",
            ),
        ),
        (
            "3.1.1.6, no LWS between display name and <",
            message(INVITE, &["From: caller<sip:caller@example.com>;tag=323"], ""),
        ),
        ("3.1.1.7, long values in header fields", message(INVITE, &[&long], "")),
        (
            "3.1.1.9, semicolon-separated parameters in the user part",
            message("INVITE sip:user;par=u%40example.net@example.com SIP/2.0", &[], ""),
        ),
        (
            "3.1.1.10, varied and unknown transport types",
            message(INVITE, &["Via: SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bK39129sdfasdf"], ""),
        ),
        (
            "3.1.1.12, unusual reason phrase",
            message(
                "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e} - \u{43f}\u{440}\u{43e}\u{441}\u{442}\u{43e}\u{435}",
                &[],
                "",
            ),
        ),
        ("3.1.1.13, empty reason phrase", message("SIP/2.0 100 ", &[], "")),
    ]
}

#[test]
fn valid_messages_are_read() {
    for (name, text) in valid() {
        assert!(Message::parse(text.as_bytes()).is_ok(), "{name}: {:?}", Message::parse(text.as_bytes()));
    }
}

#[test]
fn valid_messages_mean_what_they_say() {
    // 3.1.1.5: percent-encoding in a method means nothing: it is another method.
    let escaped =
        message("RE%47IST%45R sip:registrar.example.com SIP/2.0", &["CSeq: 29344 RE%47IST%45R"], "");
    let start = Message::parse(escaped.as_bytes()).map(|message| message.start);
    let method = Method::Other("RE%47IST%45R");
    assert_eq!(start, Ok(Start::Request { method, uri: "sip:registrar.example.com" }));
    // 3.1.1.8: what follows the body in the datagram is no part of the message.
    let extra = message("REGISTER sip:example.com SIP/2.0", &["CSeq: 8 REGISTER"], INVITE);
    let read = Message::parse(extra.as_bytes()).expect("a message");
    assert_eq!((read.body(), read.cseq.method), (Body::None, Method::Other("REGISTER")));
    // 3.1.1.11: parts of which none is a session description; here, they are cut.
    let parts = ["Content-Type: multipart/mixed;boundary=7a9cbec02ceef655", "Content-Length: 5"];
    let text = message(
        "MESSAGE sip:kumiko@example.org SIP/2.0",
        &[&parts[..], &["CSeq: 1 MESSAGE"]].concat(),
        "--7a9",
    );
    assert_eq!(Message::parse(text.as_bytes()).map(|message| message.body()), Ok(Body::Other));
}

/// Section 3.1.2, and 3.3.8: messages that are refused.
pub(super) fn invalid() -> Vec<(&'static str, String, SipFault)> {
    let value = |header| SipFault::Value { header };
    vec![
        (
            "3.1.2.2, Content-Length larger than the message",
            message(INVITE, &["Content-Length: 9999"], "v=0"),
            SipFault::BodyCut,
        ),
        (
            "3.1.2.3, negative Content-Length",
            message(INVITE, &["Content-Length: -999"], ""),
            value(Header::ContentLength),
        ),
        (
            "3.1.2.4, scalar fields with overlarge values",
            message(INVITE, &["CSeq: 36893488147419103232 INVITE"], ""),
            value(Header::CSeq),
        ),
        (
            "3.1.2.5, response with overlarge values",
            message("SIP/2.0 503 Service Unavailable", &["CSeq: 9292394834772304023312 OPTIONS"], ""),
            value(Header::CSeq),
        ),
        (
            "3.1.2.6, unterminated quoted string",
            message(INVITE, &["To: \"Mr. J. User <sip:j.user@example.com>"], ""),
            value(Header::To),
        ),
        (
            "3.1.2.7, <> enclosing the Request-URI",
            message("INVITE <sip:user@example.com> SIP/2.0", &[], ""),
            SipFault::StartLine,
        ),
        (
            "3.1.2.8, LWS in the Request-URI",
            message("INVITE sip:user@example.com; lr SIP/2.0", &[], ""),
            SipFault::StartLine,
        ),
        (
            "3.1.2.9, several SP in the request line",
            message("INVITE  sip:user@example.com  SIP/2.0", &[], ""),
            SipFault::StartLine,
        ),
        (
            "3.1.2.10, SP at the end of the request line",
            message("INVITE sip:user@example.com SIP/2.0 ", &[], ""),
            SipFault::StartLine,
        ),
        (
            "3.1.2.16, unknown protocol version",
            message("OPTIONS sip:t.watson@example.org SIP/7.0", &["CSeq: 1 OPTIONS"], ""),
            SipFault::StartLine,
        ),
        (
            "3.1.2.17, start line and CSeq mismatch",
            message("OPTIONS sip:user@example.com SIP/2.0", &[], ""),
            SipFault::MethodMismatch,
        ),
        (
            "3.1.2.18, unknown method with CSeq mismatch",
            message("NEWMETHOD sip:user@example.com SIP/2.0", &[], ""),
            SipFault::MethodMismatch,
        ),
        (
            "3.1.2.19, overlarge response code",
            message("SIP/2.0 4294967301 better not break the receiver", &[], ""),
            SipFault::StartLine,
        ),
        (
            "3.3.8, multiple values in single-value required fields",
            message(INVITE, &["Call-ID: multi01.fhn2323orihawfdoa3o4r52o3irsdf", "Call-ID: other"], ""),
            SipFault::Repeated { header: Header::CallId },
        ),
    ]
}

#[test]
fn invalid_messages_are_refused() {
    for (name, text, fault) in invalid() {
        assert_eq!(Message::parse(text.as_bytes()), Err(fault), "{name}");
    }
    // 3.3.1: without what every message needs.
    for name in ["To", "From", "Call-ID", "CSeq", "Via"] {
        let lines: Vec<&str> =
            PLAIN.into_iter().filter(|line| !line.starts_with(&format!("{name}:"))).collect();
        let text = format!("{INVITE}\r\n{}\r\n\r\n", lines.join("\r\n"));
        assert!(
            matches!(Message::parse(text.as_bytes()), Err(SipFault::Missing { header }) if header.name() == name)
        );
    }
}

/// Well-formed Request-URIs that ask for no number of this network: an element refuses or forwards the request, and the call
/// is not free.
#[test]
fn request_uris_that_are_no_number_free_nothing() {
    for (name, uri) in [
        (
            "3.1.2.11, escaped headers in a SIP Request-URI",
            "sip:user@example.com?Route=%3Csip:example.com%3E",
        ),
        ("3.3.2, Request-URI with an unknown scheme", "nobodyKnowsThisScheme:totallyopaquecontent"),
        ("3.3.3, Request-URI with a known but atypical scheme", "soap.beep://192.0.2.103:3002"),
        ("3.1.1.9, parameters in the user part", "sip:19003228;par=u%40example.net@example.com"),
        ("3.1.1.3, escaping that hides an at sign", "sip:19003228%40example.com@example.net"),
    ] {
        let text = message(&format!("INVITE {uri} SIP/2.0"), &[], "");
        assert!(Message::parse(text.as_bytes()).is_ok(), "{name}");
        assert_eq!(request_number(uri), None, "{name}");
    }
}

/// Section 3.4.1 keeps the INVITE of RFC 2543, without branch and tag. Nothing tells its transaction from another's here: it
/// goes through, and is charged.
#[test]
fn legacy_invites_are_not_followed() {
    let text = message(
        INVITE,
        &["Via: SIP/2.0/UDP iftgw.example.com", "From: <sip:+13035551111@ift.client.example.net>"],
        "",
    );
    assert_eq!(Message::parse(text.as_bytes()), Err(SipFault::Value { header: Header::From }));
}
