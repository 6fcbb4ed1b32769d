//! A session description among other parts of a body (RFC 2046, section 5.1; RFC 5621): beside ISUP (RFC 3204) or a
//! location (RFC 6442).
//!
//! Where two readers could find different parts, none is found.

use super::header::{is_session, is_token, is_type, parameter, trim};
use super::sip::{HEADERS_MAX, SDP, split_header};

/// The media type of bodies that are read so.
pub(super) const MULTIPART_MIXED: &str = "multipart/mixed";
/// Parts of a body. Reason: a session, a location, ISUP, a history of charging: four; more are nobody's.
pub const PARTS_MAX: usize = 8;
/// Characters of a boundary (RFC 2046, section 5.1.1).
const BOUNDARY_CHARACTERS_MAX: usize = 70;
const LINE_END: &[u8] = b"\r\n";

/// Why the parts of a body cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartFault {
    /// `Content-Type` has no boundary, two, or one of characters that are not allowed.
    #[error("has no boundary that can be read")]
    Boundary,
    /// The boundary stands where no delimiter is: readers disagree whether it is one.
    #[error("has its boundary within a part")]
    Delimiter,
    /// No delimiter, or none that closes the last part.
    #[error("is cut: no delimiter closes its last part")]
    Unclosed,
    /// More than [`PARTS_MAX`].
    #[error("has more parts than are read")]
    TooManyParts,
    /// A part's headers cannot be read, or one that matters stands twice.
    #[error("has a part whose headers cannot be read")]
    Headers,
    /// A session description that is packed or written in other characters.
    #[error("has an encoded session description")]
    Encoded,
    /// More than one session description.
    #[error("has two session descriptions")]
    SecondSession,
    /// A part that has parts: whether what is in there counts is the reader's choice.
    #[error("has parts within a part")]
    Nested,
}

/// The one session description among the parts of `body`; `None`: there is none.
///
/// `content_type`: the value of the message's header, of type `multipart/mixed`. A description that is not for the
/// session itself, such as one for early media (RFC 3959), is passed over.
///
/// # Errors
/// The [`MultipartFault`] for which it cannot be told which part that is.
pub fn session<'a>(content_type: &str, body: &'a [u8]) -> Result<Option<&'a [u8]>, MultipartFault> {
    let boundary = boundary(content_type).ok_or(MultipartFault::Boundary)?;
    let mut found = None;
    for part in parts(boundary, body)? {
        let part = Part::read(part)?;
        if is_multipart(part.content_type) {
            return Err(MultipartFault::Nested);
        }
        if !part.is_session() {
            continue;
        }
        if part.is_encoded {
            return Err(MultipartFault::Encoded);
        }
        if found.replace(part.body).is_some() {
            return Err(MultipartFault::SecondSession);
        }
    }
    Ok(found)
}

/// The boundary parameter, without quotes (RFC 2046, section 5.1.1).
fn boundary(content_type: &str) -> Option<&str> {
    let (_, parameters) = content_type.split_once(';')?;
    let value = parameter(parameters, "boundary").ok()??;
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&octet);
    ((1..=BOUNDARY_CHARACTERS_MAX).contains(&bare.len())
        && bare.bytes().all(is_allowed)
        && !bare.ends_with(' '))
    .then_some(bare)
}

/// What stands between the delimiters, from a part's first header on. What is in front of the first and behind the last
/// is nobody's.
fn parts<'a>(boundary: &str, body: &'a [u8]) -> Result<Vec<&'a [u8]>, MultipartFault> {
    let mark = [b"--", boundary.as_bytes()].concat();
    let mut parts = Vec::new();
    let mut begin = None;
    let mut is_closed = false;
    let mut from = 0;
    while let Some(offset) = find(&body[from..], &mark) {
        let delimiter = delimiter(body, from + offset, mark.len()).ok_or(MultipartFault::Delimiter)?;
        if is_closed {
            return Err(MultipartFault::Delimiter);
        }
        if let Some(begin) = begin.replace(delimiter.end) {
            if parts.len() == PARTS_MAX {
                return Err(MultipartFault::TooManyParts);
            }
            // Two delimiters may share a line end: then nothing is between them.
            parts.push(body.get(begin..delimiter.begin).unwrap_or_default());
        }
        is_closed = delimiter.is_last;
        from = delimiter.end;
    }
    if is_closed { Ok(parts) } else { Err(MultipartFault::Unclosed) }
}

/// A line that divides parts, with the line end in front of it, which is not the part's.
struct Delimiter {
    begin: usize,
    end: usize,
    is_last: bool,
}

/// The delimiter whose mark of `octets` octets is at `at`; `None`: it is none.
fn delimiter(body: &[u8], at: usize, octets: usize) -> Option<Delimiter> {
    let begin = if at == 0 { 0 } else { at.checked_sub(2).filter(|begin| &body[*begin..at] == LINE_END)? };
    let rest = &body[at + octets..];
    let (rest, is_last) = rest.strip_prefix(b"--").map_or((rest, false), |rest| (rest, true));
    let padding = rest.iter().position(|octet| !b" \t".contains(octet)).unwrap_or(rest.len());
    let rest = &rest[padding..];
    let line_end = if rest.starts_with(LINE_END) { LINE_END.len() } else { 0 };
    // Only the last may be without a line end, where the body ends with it.
    (line_end > 0 || (is_last && rest.is_empty())).then(|| Delimiter {
        begin,
        end: body.len() - rest.len() + line_end,
        is_last,
    })
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|window| window == wanted)
}

/// One part.
struct Part<'a> {
    content_type: Option<&'a str>,
    disposition: Option<&'a str>,
    is_encoded: bool,
    body: &'a [u8],
}

impl<'a> Part<'a> {
    fn read(part: &'a [u8]) -> Result<Self, MultipartFault> {
        // A part without any header begins with the line end in front of its content (RFC 2046, section 5.1).
        let (head, body) = if let Some(body) = part.strip_prefix(LINE_END) {
            (&part[..0], body)
        } else {
            let end = find(part, b"\r\n\r\n").ok_or(MultipartFault::Headers)?;
            (&part[..end], &part[end + 4..])
        };
        let mut rest = std::str::from_utf8(head).map_err(|_| MultipartFault::Headers)?;
        let mut part = Self { content_type: None, disposition: None, is_encoded: false, body };
        for _ in 0..HEADERS_MAX {
            if rest.is_empty() {
                return Ok(part);
            }
            let (line, after) = split_header(rest);
            rest = after;
            part.header(line).ok_or(MultipartFault::Headers)?;
        }
        if rest.is_empty() { Ok(part) } else { Err(MultipartFault::Headers) }
    }

    /// `None`: it cannot be read, or stands twice.
    fn header(&mut self, line: &'a str) -> Option<()> {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.trim_end_matches([' ', '\t']), trim(value));
        if !is_token(name) || is_lone_line_end(line) {
            return None;
        }
        let is_named = |wanted: &[&str]| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
        if is_named(&["Content-Type", "c"]) {
            return self.content_type.replace(value).is_none().then_some(());
        }
        if is_named(&["Content-Disposition"]) {
            return self.disposition.replace(value).is_none().then_some(());
        }
        let is_plain = |wanted: &[&str]| wanted.iter().any(|wanted| value.eq_ignore_ascii_case(wanted));
        self.is_encoded |= is_named(&["Content-Encoding", "e"]) && !is_plain(&["identity"]);
        // In SIP all that is sent is as it is (RFC 3261, section 27.5; RFC 5621, section 4).
        self.is_encoded |= is_named(&["Content-Transfer-Encoding"]) && !is_plain(&["7bit", "8bit", "binary"]);
        Some(())
    }

    /// Whether it describes the session.
    fn is_session(&self) -> bool {
        self.content_type.is_some_and(|content_type| is_type(content_type, SDP))
            && is_session(self.disposition)
    }
}

/// Whether a CR or LF stands outside the line ends that fold a header.
fn is_lone_line_end(line: &str) -> bool {
    line.split("\r\n").any(|piece| piece.contains(['\r', '\n']))
}

fn is_multipart(content_type: Option<&str>) -> bool {
    let kind = content_type.and_then(|content_type| content_type.split_once('/')).map(|(kind, _)| trim(kind));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("multipart"))
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
