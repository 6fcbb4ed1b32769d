//! The headers that following a call needs, and how their values are taken apart (RFC 3261, sections 7.3, 20,
//! 25).

use super::fault::SipFault;
use super::sip::{CSEQ_LIMIT, CSeq, Method, Party, TOKEN_OCTETS_MAX};

/// Linear white space: blanks, and line ends of folded headers (RFC 3261, section 25.1).
const LWS: [char; 4] = [' ', '\t', '\r', '\n'];

/// A header that is read; all others are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `Call-ID`, `i`.
    CallId,
    /// `From`, `f`.
    From,
    /// `To`, `t`.
    To,
    /// `CSeq`.
    CSeq,
    /// `Via`, `v`.
    Via,
    /// `Content-Type`, `c`.
    ContentType,
    /// `Content-Disposition`.
    ContentDisposition,
    /// `Content-Length`, `l`.
    ContentLength,
    /// `P-Asserted-Identity` (RFC 3325).
    AssertedIdentity,
    /// `P-Charging-Vector` (RFC 7315, section 5.6).
    ChargingVector,
    /// `RSeq` (RFC 3262).
    RSeq,
    /// `Session-Expires`, `x` (RFC 4028, section 4).
    SessionExpires,
}

impl Header {
    /// Names and compact forms (RFC 3261, section 7.3.3).
    const ALL: [(Self, &'static str, Option<&'static str>); 12] = [
        (Self::CallId, "Call-ID", Some("i")),
        (Self::From, "From", Some("f")),
        (Self::To, "To", Some("t")),
        (Self::CSeq, "CSeq", None),
        (Self::Via, "Via", Some("v")),
        (Self::ContentType, "Content-Type", Some("c")),
        (Self::ContentDisposition, "Content-Disposition", None),
        (Self::ContentLength, "Content-Length", Some("l")),
        (Self::AssertedIdentity, "P-Asserted-Identity", None),
        (Self::ChargingVector, "P-Charging-Vector", None),
        (Self::RSeq, "RSeq", None),
        (Self::SessionExpires, "Session-Expires", Some("x")),
    ];

    /// As RFC 3261 writes it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(header, ..)| *header == self).map_or("unknown", |(_, name, _)| name)
    }

    /// Names are case-insensitive (RFC 3261, section 7.3.1).
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let is_named = |(_, long, compact): &&(Self, &str, Option<&str>)| {
            name.eq_ignore_ascii_case(long)
                || compact.is_some_and(|compact| name.eq_ignore_ascii_case(compact))
        };
        Self::ALL.iter().find(is_named).map(|(header, ..)| *header)
    }

    /// Whether it may stand more than once (RFC 3261, section 7.3.1; RFC 3325, section 9.1).
    pub(super) const fn may_repeat(self) -> bool {
        matches!(self, Self::Via | Self::AssertedIdentity | Self::ChargingVector)
    }
}

/// Whether a body, or a part of one, with this `Content-Disposition` describes the session: descriptions do unless they say
/// otherwise (RFC 3261, section 20.11), as those of early media do (RFC 3959).
pub(super) fn is_session(disposition: Option<&str>) -> bool {
    let disposition = disposition.map(|value| trim(value.split(';').next().unwrap_or_default()));
    disposition.is_none_or(|disposition| disposition.eq_ignore_ascii_case("session"))
}

/// Without white space around it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(LWS)
}

/// Characters of a token (RFC 3261, section 25.1).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet))
}

/// One word of bounded length without white space or control characters, which a `Call-ID` or tag must be.
fn is_word(text: &str) -> bool {
    (1..=TOKEN_OCTETS_MAX).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Where the first of `wanted` stands outside quoted strings (RFC 3261, section 25.1, `quoted-string`).
fn find_unquoted(text: &str, wanted: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (index, octet) in text.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if !is_quoted && wanted.contains(&octet) => return Some(index),
            _ => {}
        }
    }
    None
}

/// Whether every quoted string ends (RFC 3261, section 25.1): where one does not, readers disagree on all that follows.
fn is_balanced(text: &str) -> bool {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for octet in text.bytes() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    !is_quoted
}

/// The value of the parameter `wanted` in `;name=value;…`. `Err` where it stands twice or has no value.
pub(super) fn parameter<'a>(mut rest: &'a str, wanted: &str) -> Result<Option<&'a str>, ()> {
    let mut found = None;
    while !rest.is_empty() {
        let end = find_unquoted(rest, b";").unwrap_or(rest.len());
        let (name, value) = rest[..end].split_once('=').unwrap_or((&rest[..end], ""));
        if trim(name).eq_ignore_ascii_case(wanted)
            && (trim(value).is_empty() || found.replace(trim(value)).is_some())
        {
            return Err(());
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(found)
}

/// `Call-ID`: one word, compared octet by octet (RFC 3261, section 20.8).
pub(super) fn call_id(value: &str) -> Result<&str, SipFault> {
    is_word(value).then_some(value).ok_or(SipFault::Value { header: Header::CallId })
}

/// `From` or `To`: a name and address, or an address alone, and parameters (RFC 3261, section 20.10).
pub(super) fn party(header: Header, value: &str) -> Result<Party<'_>, SipFault> {
    let fault = SipFault::Value { header };
    if !is_balanced(value) {
        return Err(fault);
    }
    let parameters = match find_unquoted(value, b"<") {
        Some(open) => {
            let close = value[open..].find('>').ok_or(fault)?;
            let rest = trim(&value[open + close + 1..]);
            if !rest.is_empty() && !rest.starts_with(';') {
                return Err(fault);
            }
            rest
        }
        // Without brackets, what follows a semicolon belongs to the header, not to the URI.
        None => find_unquoted(value, b";").map_or("", |start| &value[start..]),
    };
    match parameter(parameters, "tag") {
        Ok(tag) if tag.is_none_or(is_word) => Ok(Party { text: value, tag }),
        _ => Err(fault),
    }
}

/// `CSeq`: a number below 2^31 and a method (RFC 3261, section 8.1.1.5).
pub(super) fn cseq(value: &str) -> Result<CSeq<'_>, SipFault> {
    let fault = SipFault::Value { header: Header::CSeq };
    let mut words = value.split(LWS).filter(|word| !word.is_empty());
    let (Some(digits), Some(method), None) = (words.next(), words.next(), words.next()) else {
        return Err(fault);
    };
    let number = decimal::<u32>(digits).filter(|number| *number < CSEQ_LIMIT).ok_or(fault)?;
    if !is_token(method) {
        return Err(fault);
    }
    Ok(CSeq { number, method: Method::from_token(method) })
}

/// The branch of the topmost `Via` (RFC 3261, section 20.42), which names the transaction.
pub(super) fn branch(value: &str) -> Result<&str, SipFault> {
    let top = &value[..find_unquoted(value, b",").unwrap_or(value.len())];
    let parameters = find_unquoted(top, b";").map_or("", |start| &top[start..]);
    match parameter(parameters, "branch") {
        Ok(Some(branch)) if is_word(branch) => Ok(branch),
        _ => Err(SipFault::Value { header: Header::Via }),
    }
}

/// `Content-Length`: octets of the body.
pub(super) fn content_length(value: &str) -> Result<usize, SipFault> {
    decimal(value).ok_or(SipFault::Value { header: Header::ContentLength })
}

/// `Session-Expires`: seconds that a session lasts without a refresh (RFC 4028, section 4).
pub(super) fn session_expires(value: &str) -> Result<u32, SipFault> {
    let seconds = trim(value.split(';').next().unwrap_or_default());
    let fault = SipFault::Value { header: Header::SessionExpires };
    if seconds.is_empty() { Err(fault) } else { decimal(seconds).ok_or(fault) }
}

/// The `icid-value` of a `P-Charging-Vector` (RFC 7315, section 5.6), without its quotes.
pub(super) fn charging_id(value: &str) -> Option<&str> {
    let quoted = parameter(value, "icid-value").ok()??;
    let bare = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted);
    is_word(bare).then_some(bare)
}

/// Whether a `Content-Type` is `wanted`, as in `application/sdp`, whatever its parameters.
pub(super) fn is_type(content_type: &str, wanted: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.split_once('/').zip(wanted.split_once('/')).is_some_and(|((kind, subtype), wanted)| {
        trim(kind).eq_ignore_ascii_case(wanted.0) && trim(subtype).eq_ignore_ascii_case(wanted.1)
    })
}

/// Digits alone: the standard library's `parse` would take a sign, too.
pub(super) fn decimal<N: std::str::FromStr>(digits: &str) -> Option<N> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
