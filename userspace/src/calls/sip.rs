//! One SIP message in one datagram (RFC 3261), read without copying.
//!
//! The reader is strict where two readers could disagree (repeated headers, lone line ends, a cut body): what
//! it does not take is charged, and a subscriber must not be able to show the gateway one call and the proxy
//! another.

use super::fault::SipFault;
use super::header::{self, Header};
use super::multipart::{self, MULTIPART_MIXED};

/// Octets of a message that is read. Reason: over UDP a request above 1300 octets should not occur (RFC 3261,
/// section 18.1.1); mobile networks' reassembled INVITEs reach about four times that.
pub const MESSAGE_OCTETS_MAX: usize = 8192;
/// Headers of a message. Reason: a real one has 10 to 40; each proxy on the way adds two.
pub const HEADERS_MAX: usize = 128;
/// Octets of one header, folded lines included. Reason: the longest in use, authorisation and service routes,
/// stay below half of it.
pub const HEADER_OCTETS_MAX: usize = 2048;
/// Octets of a `Call-ID`, tag or branch. Reason: they are kept for as long as the call; real ones are below
/// 100.
pub const TOKEN_OCTETS_MAX: usize = 256;
/// First `CSeq` number that is not allowed (RFC 3261, section 8.1.1.5).
pub const CSEQ_LIMIT: u32 = 1 << 31;

/// The media type of session descriptions (RFC 8866, section 8.1).
pub(super) const SDP: &str = "application/sdp";
/// SIP's version, compared without regard to case (RFC 3261, section 7.1).
const VERSION: &str = "SIP/2.0";

/// A message that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Request or response.
    pub start: Start<'a>,
    /// `Call-ID`.
    pub call_id: &'a str,
    /// `From`; its tag is always there.
    pub from: Party<'a>,
    /// `To`.
    pub to: Party<'a>,
    /// `CSeq`.
    pub cseq: CSeq<'a>,
    /// Branch of the topmost `Via`.
    pub branch: &'a str,
    /// `Content-Type`, if there is one.
    pub content_type: Option<&'a str>,
    /// `Content-Disposition`.
    pub disposition: Option<&'a str>,
    /// The first `P-Asserted-Identity`; true only where its sender is trusted (RFC 3325, section 4).
    pub asserted_identity: Option<&'a str>,
    /// The charging identifier of `P-Charging-Vector`; true only where its sender is trusted (RFC 7315, section 5.6).
    pub charging_id: Option<&'a str>,
    /// Whether it has `RSeq`: a provisional response that is acknowledged by PRACK (RFC 3262).
    pub is_reliable: bool,
    /// Seconds of `Session-Expires` (RFC 4028).
    pub session_expires: Option<u32>,
    /// As long as `Content-Length` says, or to the end of the datagram (RFC 3261, section 18.3).
    pub body: &'a [u8],
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// What is asked for.
        method: Method<'a>,
        /// Of whom: the Request-URI.
        uri: &'a str,
    },
    /// A status line.
    Response {
        /// 100 to 699.
        status: u16,
    },
}

/// A request's method; case-sensitive (RFC 3261, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'a> {
    /// Opens a call or changes it.
    Invite,
    /// Confirms the final response to an INVITE.
    Ack,
    /// Ends a call.
    Bye,
    /// Withdraws an INVITE.
    Cancel,
    /// Changes a call without ringing (RFC 3311).
    Update,
    /// Confirms a provisional response (RFC 3262).
    Prack,
    /// Carries a text (RFC 3428).
    Message,
    /// Any other token.
    Other(&'a str),
}

impl<'a> Method<'a> {
    /// The method that a token names.
    pub(super) fn from_token(token: &'a str) -> Self {
        match token {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "UPDATE" => Self::Update,
            "PRACK" => Self::Prack,
            "MESSAGE" => Self::Message,
            other => Self::Other(other),
        }
    }
}

/// One end of a call, as `From` or `To` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party<'a> {
    /// The whole value.
    pub text: &'a str,
    /// Its tag, which names this end of the dialog. Compared octet by octet: each side copies the other's.
    pub tag: Option<&'a str>,
}

/// Number and method of a request within its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below [`CSEQ_LIMIT`].
    pub number: u32,
    /// The method it numbers.
    pub method: Method<'a>,
}

/// What of a message's body concerns a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// There is none.
    None,
    /// A session description, alone or as the only one of several parts.
    Sdp(&'a [u8]),
    /// Of another type, or of several parts that hold no session description, or where it cannot be told which it is.
    Other,
}

impl<'a> Message<'a> {
    /// Reads a datagram's payload.
    ///
    /// # Errors
    /// The [`SipFault`] that keeps it from being followed.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, SipFault> {
        if datagram.len() > MESSAGE_OCTETS_MAX {
            return Err(SipFault::TooLong { octets: datagram.len() });
        }
        if datagram.iter().all(|octet| b"\r\n\0".contains(octet)) {
            return Err(SipFault::KeepAlive);
        }
        // Line ends may precede the start line (RFC 3261, section 7.5).
        let start = datagram.iter().position(|octet| !b"\r\n".contains(octet)).unwrap_or_default();
        let datagram = &datagram[start..];
        let end = datagram.windows(4).position(|four| four == b"\r\n\r\n").ok_or(SipFault::Unterminated)?;
        let head = std::str::from_utf8(&datagram[..end]).map_err(|_| SipFault::NotUtf8)?;
        if has_lone_line_end(head) {
            return Err(SipFault::LoneLineEnd);
        }
        let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
        Values::read(rest)?.into_message(parse_start(first)?, &datagram[end + 4..])
    }

    /// The body, by what it is to a call.
    pub fn body(&self) -> Body<'a> {
        match self.content_type {
            _ if self.body.is_empty() => Body::None,
            _ if !header::is_session(self.disposition) => Body::Other,
            Some(content_type) if header::is_type(content_type, SDP) => Body::Sdp(self.body),
            Some(content_type) if header::is_type(content_type, MULTIPART_MIXED) => {
                multipart::session(content_type, self.body).ok().flatten().map_or(Body::Other, Body::Sdp)
            }
            _ => Body::Other,
        }
    }
}

/// Headers' values as they stand, each at most once.
#[derive(Default)]
struct Values<'a> {
    call_id: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    cseq: Option<&'a str>,
    via: Option<&'a str>,
    content_type: Option<&'a str>,
    disposition: Option<&'a str>,
    content_length: Option<&'a str>,
    asserted_identity: Option<&'a str>,
    charging_vector: Option<&'a str>,
    reliable: Option<&'a str>,
    session_expires: Option<&'a str>,
}

impl<'a> Values<'a> {
    fn read(mut rest: &'a str) -> Result<Self, SipFault> {
        let mut values = Self::default();
        for _ in 0..HEADERS_MAX {
            if rest.is_empty() {
                return Ok(values);
            }
            let (line, after) = split_header(rest);
            rest = after;
            if line.len() > HEADER_OCTETS_MAX {
                return Err(SipFault::HeaderTooLong { octets: line.len() });
            }
            let (name, value) = line.split_once(':').ok_or(SipFault::HeaderName)?;
            let name = name.trim_end_matches([' ', '\t']);
            if !header::is_token(name) {
                return Err(SipFault::HeaderName);
            }
            if let Some(header) = Header::from_name(name) {
                values.keep(header, header::trim(value))?;
            }
        }
        if rest.is_empty() { Ok(values) } else { Err(SipFault::TooManyHeaders) }
    }

    fn keep(&mut self, header: Header, value: &'a str) -> Result<(), SipFault> {
        let slot = match header {
            Header::CallId => &mut self.call_id,
            Header::From => &mut self.from,
            Header::To => &mut self.to,
            Header::CSeq => &mut self.cseq,
            Header::Via => &mut self.via,
            Header::ContentType => &mut self.content_type,
            Header::ContentDisposition => &mut self.disposition,
            Header::ContentLength => &mut self.content_length,
            Header::AssertedIdentity => &mut self.asserted_identity,
            Header::ChargingVector => &mut self.charging_vector,
            Header::RSeq => &mut self.reliable,
            Header::SessionExpires => &mut self.session_expires,
        };
        match slot {
            None => *slot = Some(value),
            Some(_) if header.may_repeat() => {}
            Some(_) => return Err(SipFault::Repeated { header }),
        }
        Ok(())
    }

    fn into_message(self, start: Start<'a>, body: &'a [u8]) -> Result<Message<'a>, SipFault> {
        let need = |value: Option<&'a str>, header| value.ok_or(SipFault::Missing { header });
        let from = header::party(Header::From, need(self.from, Header::From)?)?;
        if from.tag.is_none() {
            return Err(SipFault::Value { header: Header::From });
        }
        let cseq = header::cseq(need(self.cseq, Header::CSeq)?)?;
        if let Start::Request { method, .. } = start
            && method != cseq.method
        {
            return Err(SipFault::MethodMismatch);
        }
        let body = match self.content_length {
            Some(value) => body.get(..header::content_length(value)?).ok_or(SipFault::BodyCut)?,
            None => body,
        };
        Ok(Message {
            start,
            call_id: header::call_id(need(self.call_id, Header::CallId)?)?,
            from,
            to: header::party(Header::To, need(self.to, Header::To)?)?,
            cseq,
            branch: header::branch(need(self.via, Header::Via)?)?,
            content_type: self.content_type,
            disposition: self.disposition,
            asserted_identity: self.asserted_identity,
            charging_id: self.charging_vector.and_then(header::charging_id),
            is_reliable: self.reliable.is_some(),
            session_expires: self.session_expires.map(header::session_expires).transpose()?,
            body,
        })
    }
}

/// Splits off the first header: a line, and those that continue it (RFC 3261, section 7.3.1).
pub(super) fn split_header(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(offset) = text[from..].find("\r\n") {
        let end = from + offset;
        let after = &text[end + 2..];
        if !after.starts_with([' ', '\t']) {
            return (&text[..end], after);
        }
        from = end + 2;
    }
    (text, "")
}

/// Whether a CR or LF stands outside a CRLF pair.
fn has_lone_line_end(text: &str) -> bool {
    let mut before = 0;
    for octet in text.bytes() {
        if (before == b'\r') != (octet == b'\n') {
            return true;
        }
        before = octet;
    }
    before == b'\r'
}

/// Single blanks separate the parts (RFC 3261, sections 7.1, 7.2).
fn parse_start(line: &str) -> Result<Start<'_>, SipFault> {
    let mut parts = line.splitn(3, ' ');
    let (Some(first), Some(second), Some(third)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(SipFault::StartLine);
    };
    if first.eq_ignore_ascii_case(VERSION) {
        let status =
            header::decimal(second).filter(|status| second.len() == 3 && (100..700).contains(status));
        return status.map(|status| Start::Response { status }).ok_or(SipFault::StartLine);
    }
    let is_uri = second.starts_with(|first: char| first.is_ascii_alphabetic())
        && second.bytes().all(|octet| octet.is_ascii_graphic());
    if is_uri && header::is_token(first) && third.eq_ignore_ascii_case(VERSION) {
        return Ok(Start::Request { method: Method::from_token(first), uri: second });
    }
    Err(SipFault::StartLine)
}

#[cfg(test)]
#[path = "sip_tests.rs"]
mod tests;
