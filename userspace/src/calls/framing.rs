//! Where a message ends in a stream (RFC 3261, section 18.3).

use super::fault::SipFault;
use super::header::{self, Header};
use super::sip::{HEADERS_MAX, MESSAGE_OCTETS_MAX, split_header};

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// Not yet a whole message.
    Partial,
    /// Line ends that only keep the path open (RFC 5626, section 3.5.1; RFC 3261, section 7.5).
    Blank {
        /// How many octets.
        octets: usize,
    },
    /// A message.
    Message {
        /// Behind its last octet.
        end: usize,
    },
    /// Where it ends cannot be told: nor where the next begins.
    Fault(SipFault),
}

/// Looks at the octets of a stream from the end of the last message on.
pub(super) fn frame(octets: &[u8]) -> Framed {
    let blank = octets.iter().position(|octet| !b"\r\n".contains(octet)).unwrap_or(octets.len());
    if blank > 0 {
        return Framed::Blank { octets: blank };
    }
    if octets.is_empty() {
        return Framed::Partial;
    }
    let too_long = |octets| Framed::Fault(SipFault::TooLong { octets });
    let Some(head) = octets.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if octets.len() > MESSAGE_OCTETS_MAX { too_long(octets.len()) } else { Framed::Partial };
    };
    let body = match body_octets(&octets[..head]) {
        Ok(body) => body,
        Err(fault) => return Framed::Fault(fault),
    };
    let end = (head + 4).saturating_add(body);
    if end > MESSAGE_OCTETS_MAX {
        too_long(end)
    } else if end > octets.len() {
        Framed::Partial
    } else {
        Framed::Message { end }
    }
}

/// `Content-Length`, which must be there over streams (RFC 3261, section 18.3); twice, it would mean two ends.
fn body_octets(head: &[u8]) -> Result<usize, SipFault> {
    let head = std::str::from_utf8(head).map_err(|_| SipFault::NotUtf8)?;
    let mut rest = head.split_once("\r\n").map_or("", |(_, rest)| rest);
    let mut found = None;
    for _ in 0..HEADERS_MAX {
        if rest.is_empty() {
            break;
        }
        let (line, after) = split_header(rest);
        rest = after;
        let Some((name, value)) = line.split_once(':') else { continue };
        if Header::from_name(name.trim_end_matches([' ', '\t'])) != Some(Header::ContentLength) {
            continue;
        }
        let octets = header::content_length(header::trim(value))?;
        if found.replace(octets).is_some() {
            return Err(SipFault::Repeated { header: Header::ContentLength });
        }
    }
    found.ok_or(SipFault::Missing { header: Header::ContentLength })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(length: &str, body: &str) -> String {
        format!("MESSAGE sip:a@b SIP/2.0\r\n{length}\r\n\r\n{body}")
    }

    #[test]
    fn messages_end_where_they_say() {
        let whole = message("Content-Length: 4", "abcd");
        let end = whole.len();
        assert_eq!(frame((whole.clone() + "SIP/2.0 200").as_bytes()), Framed::Message { end });
        for cut in 1..end {
            assert_eq!(frame(&whole.as_bytes()[..cut]), Framed::Partial, "{cut}");
        }
        assert_eq!(frame(b"\r\n\r\nINVITE"), Framed::Blank { octets: 4 });
        assert_eq!(frame(b""), Framed::Partial);
        for folded in ["l:4", "L :\r\n 4", "CONTENT-LENGTH\t: 4 "] {
            let whole = message(folded, "abcd");
            assert_eq!(frame(whole.as_bytes()), Framed::Message { end: whole.len() }, "{folded}");
        }
    }

    #[test]
    fn without_an_end_there_is_no_next() {
        let length = Header::ContentLength;
        for (text, fault) in [
            (message("Max-Forwards: 1", "abcd"), SipFault::Missing { header: length }),
            (message("l: 4\r\nContent-Length: 4", "abcd"), SipFault::Repeated { header: length }),
            (message("l: -4", "abcd"), SipFault::Value { header: length }),
            (message("l: 99999999999999999999", ""), SipFault::Value { header: length }),
            (message("l: 18446744073709551615", ""), SipFault::TooLong { octets: usize::MAX }),
        ] {
            assert_eq!(frame(text.as_bytes()), Framed::Fault(fault), "{text}");
        }
        let endless = "a".repeat(MESSAGE_OCTETS_MAX + 1);
        assert_eq!(frame(endless.as_bytes()), Framed::Fault(SipFault::TooLong { octets: endless.len() }));
    }

    proptest! {
        #[test]
        fn random_octets_do_not_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Framed::Message { end } = frame(&octets) {
                prop_assert!(end <= octets.len());
            }
        }
    }
}
