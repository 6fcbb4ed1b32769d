use proptest::prelude::*;

use super::*;

const SESSION: &str =
    "v=0\r\no=- 1 1 IN IP4 10.20.0.11\r\ns=-\r\nc=IN IP4 10.20.0.11\r\nt=0 0\r\nm=audio 9092 RTP/AVP 0 3 4";

fn read<'a>(content_type: &str, body: &'a str) -> Result<Option<&'a str>, MultipartFault> {
    let found = session(content_type, body.as_bytes())?;
    Ok(found.map(|found| std::str::from_utf8(found).expect("a part of text")))
}

/// A body with the boundary `b`, of parts that are headers and content.
fn body(parts: &[(&str, &str)]) -> String {
    let one = |(headers, content): &(&str, &str)| format!("--b\r\n{headers}\r\n{content}\r\n");
    parts.iter().map(one).collect::<String>() + "--b--\r\n"
}

const MIXED: &str = "multipart/mixed; boundary=b";
const SDP_HEADER: &str = "Content-Type: application/sdp\r\n";

/// After the example of RFC 2046, section 5.1.1: what stands around the parts is nobody's; the first has no header and
/// no line end, the second has both.
#[test]
fn parts_are_divided_as_rfc_2046_shows() {
    let body = "Not for readers of several parts.\r\n\r\n--simple boundary\r\n\r\nimplicitly plain\r\nwithout line end\
                \r\n--simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\nexplicitly plain\r\nwith one\r\n\
                \r\n--simple boundary--\r\n\r\nNor is this.\r\n";
    let found = parts("simple boundary", body.as_bytes()).expect("parts");
    let second = "Content-type: text/plain; charset=us-ascii\r\n\r\nexplicitly plain\r\nwith one\r\n";
    assert_eq!(found, ["\r\nimplicitly plain\r\nwithout line end".as_bytes(), second.as_bytes()]);
    assert_eq!(read("multipart/mixed; boundary=\"simple boundary\"", body), Ok(None));
}

/// After RFC 3204, section 5: a session and ISUP, whose octets are no text.
#[test]
fn a_session_beside_isup_is_found() {
    let head = format!(
        "--unique-boundary-1\r\nContent-Type: application/SDP; charset=ISO-10646\r\n\r\n{SESSION}\r\n"
    );
    let isup = "\r\n--unique-boundary-1\r\nContent-Type: application/ISUP; version=nxv3;\r\n base=etsi121\r\n\
                Content-Disposition: signal; handling=optional\r\n\r\n";
    let octets = [0x01, 0x00, 0x49, 0x00, 0x00, 0x03, 0x02, 0x00, 0xff, 0x0d, 0x2d, 0x2d];
    let body = [head.as_bytes(), isup.as_bytes(), &octets, b"\r\n--unique-boundary-1--\r\n"].concat();
    let found =
        session("multipart/mixed; boundary=unique-boundary-1", &body).expect("parts").expect("a session");
    assert_eq!(found, format!("{SESSION}\r\n").as_bytes());
}

/// After RFC 6442, section 5.1: a location behind the session, whose identifiers do not matter.
#[test]
fn a_session_beside_a_location_is_found() {
    let location =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence entity=\"pres:alice@atlanta.example.com\"/>";
    let body = format!(
        "--boundary1\r\nContent-Type: application/sdp\r\n\r\n{SESSION}\r\n--boundary1\r\nContent-Type: \
         application/pidf+xml\r\nContent-ID: <target123@atlanta.example.com>\r\n\r\n{location}\r\n--boundary1--"
    );
    assert_eq!(read("multipart/mixed; boundary=boundary1", &body), Ok(Some(SESSION)));
    assert_eq!(read("Multipart/Mixed;charset=x ; BOUNDARY = \"boundary1\"", &body), Ok(Some(SESSION)));
}

/// RFC 3261, section 20.11, and RFC 3959, section 3.
#[test]
fn what_is_not_for_the_session_is_passed_over() {
    let early = "Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n";
    let plain = "Content-Type: text/plain\r\n";
    let own = "c: application/sdp\r\nContent-Disposition: SESSION; handling=required\r\n";
    for (parts, expected) in [
        (vec![(early, "v=0"), (own, SESSION)], Some(SESSION)),
        (vec![(own, SESSION), (early, "v=0")], Some(SESSION)),
        (vec![(early, "v=0")], None),
        (vec![(plain, "v=0"), ("", "v=0")], None),
    ] {
        assert_eq!(read(MIXED, &body(&parts)), Ok(expected), "{parts:?}");
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    use MultipartFault as F;
    let sdp = (SDP_HEADER, SESSION);
    let packed = format!("{SDP_HEADER}Content-Encoding: gzip\r\n");
    let written = format!("{SDP_HEADER}Content-Transfer-Encoding: base64\r\n");
    let twice = format!("{SDP_HEADER}C: text/plain\r\n");
    let nested = ("Content-Type: multipart/alternative; boundary=c\r\n", "--c\r\n\r\nx\r\n--c--");
    for (content_type, text, fault) in [
        ("multipart/mixed", body(&[sdp]), F::Boundary),
        ("multipart/mixed; boundary=", body(&[sdp]), F::Boundary),
        ("multipart/mixed; boundary=b; boundary=b", body(&[sdp]), F::Boundary),
        ("multipart/mixed; boundary=\"b \"", body(&[sdp]), F::Boundary),
        ("multipart/mixed; boundary=b\\c", body(&[sdp]), F::Boundary),
        (MIXED, body(&[sdp, sdp]), F::SecondSession),
        (MIXED, body(&[sdp, nested]), F::Nested),
        (MIXED, body(&[(&packed, SESSION)]), F::Encoded),
        (MIXED, body(&[(&written, SESSION)]), F::Encoded),
        (MIXED, body(&[(&twice, SESSION)]), F::Headers),
        (MIXED, body(&[("Content-Type application/sdp\r\n", SESSION)]), F::Headers),
        (MIXED, body(&[("X: a\nContent-Type: application/sdp\r\n", SESSION)]), F::Headers),
        (MIXED, body(&[sdp]).replace("--b--", "--b"), F::Unclosed),
        (MIXED, body(&[sdp]).replace("--b", "--c"), F::Unclosed),
        (MIXED, String::new(), F::Unclosed),
        (MIXED, body(&[sdp]) + "--b\r\n", F::Delimiter),
        (MIXED, body(&[(SDP_HEADER, "v=0\r\n--bc\r\nm=audio")]), F::Delimiter),
        (MIXED, body(&[(SDP_HEADER, "v=0\n--b\nm=audio")]), F::Delimiter),
        (MIXED, body(&[(SDP_HEADER, "v=0 --b")]), F::Delimiter),
        (MIXED, body(&[("", ""); PARTS_MAX + 1]), F::TooManyParts),
    ] {
        assert_eq!(read(content_type, &text), Err(fault), "{content_type} {text:?}");
    }
    assert_eq!(read(MIXED, &body(&[("", ""); PARTS_MAX])), Ok(None));
    let same = format!("{SDP_HEADER}Content-Encoding: identity\r\nContent-Transfer-Encoding: BINARY\r\n");
    assert_eq!(read(MIXED, &body(&[(&same, SESSION)])), Ok(Some(SESSION)));
}

/// RFC 2046, section 5.1.1: blanks may follow a delimiter.
#[test]
fn delimiters_may_be_padded() {
    let text = body(&[(SDP_HEADER, SESSION)]).replace("--b\r\n", "--b \t\r\n").replace("--b--\r\n", "--b-- ");
    assert_eq!(read(MIXED, &text), Ok(Some(SESSION)));
}

proptest! {
    #[test]
    fn random_octets_do_not_panic(
        content_type in "multipart/mixed; ?boundary=[ab\"= ]{0,4}",
        body in prop::collection::vec(prop::sample::select(b"\r\n-ab: ;\0".to_vec()), 0..120),
    ) {
        if let Ok(Some(found)) = session(&content_type, &body) {
            prop_assert!(found.len() < body.len());
        }
    }

    /// What is between delimiters comes back octet by octet, whatever it is, but for a mark.
    #[test]
    fn parts_come_back(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..=PARTS_MAX),
        preamble in "[a-z\r\n]{0,10}",
    ) {
        let mut body = if preamble.is_empty() { Vec::new() } else { format!("{preamble}\r\n").into_bytes() };
        for content in &contents {
            body.extend(b"--mark of a test\r\n");
            body.extend(content);
            body.extend(b"\r\n");
        }
        body.extend(b"--mark of a test--");
        prop_assume!(!contents.iter().any(|content| find(content, b"--mark of a test").is_some()));
        let found = parts("mark of a test", &body).expect("parts");
        prop_assert_eq!(found, contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }

    /// One description for the session is found wherever it stands; of none, none; of two, neither.
    #[test]
    fn the_session_is_found_wherever_it_stands(kinds in prop::collection::vec(0..3_usize, 0..=PARTS_MAX)) {
        let kinds_of_part = [
            ("Content-Type: application/isup\r\n", "x"),
            ("Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n", "v=0"),
            (SDP_HEADER, SESSION),
        ];
        let chosen: Vec<_> = kinds.iter().map(|kind| kinds_of_part[*kind]).collect();
        // Without a part, the first delimiter is the last.
        let expected = match kinds.iter().filter(|kind| **kind == 2).count() {
            0 => Ok(None),
            1 => Ok(Some(SESSION)),
            _ => Err(MultipartFault::SecondSession),
        };
        let text = body(&chosen);
        prop_assert_eq!(read(MIXED, &text), expected);
    }
}
