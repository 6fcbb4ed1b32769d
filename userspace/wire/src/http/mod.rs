//! Hosts of HTTP/1 requests (RFC 9112, section 3).

#[cfg(test)]
mod tests;

use httparse::{EMPTY_HEADER, Header, Request, Status};

use crate::inspect::{Hidden, HostName, Reading};

/// Longest request line and header section that is read, in octets. Servers refuse more than 8 KiB (nginx, Apache) to
/// 16 KiB of either.
pub(crate) const HEAD_OCTETS_MAX: usize = 16 << 10;

/// Most header fields of a request: Apache's default, and more than clients send.
const FIELDS_MAX: usize = 100;

/// Reads the request that a stream begins with: its Host field, and the target's authority where it has one.
pub fn read(stream: &[u8]) -> Reading {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut request = Request::new(&mut fields);
    match request.parse(&stream[..stream.len().min(HEAD_OCTETS_MAX)]) {
        Ok(Status::Complete(octets)) => Reading::Complete { octets, said: host(&request) },
        Ok(Status::Partial) if stream.len() < HEAD_OCTETS_MAX => Reading::Incomplete,
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Reading::hidden(stream.len(), Hidden::TooLong)
        }
        Err(_) => Reading::hidden(stream.len(), Hidden::NotRecognised),
    }
}

fn host(request: &Request<'_, '_>) -> Result<HostName, Hidden> {
    if request.method.is_some_and(|method| method.eq_ignore_ascii_case("CONNECT")) {
        return Err(Hidden::Connect);
    }
    let is_host = |field: &&Header<'_>| field.name.eq_ignore_ascii_case("host");
    let mut hosts = request.headers.iter().filter(is_host).map(|field| field.value);
    let field = hosts.next();
    if hosts.next().is_some() {
        return Err(Hidden::ConflictingHosts);
    }
    match (authority(request.path.unwrap_or_default())?, field) {
        (None, None) => Err(Hidden::NoName),
        (None, Some(field)) => Ok(HostName::parse_authority(field)?),
        (Some(authority), None) => Ok(HostName::parse_authority(authority)?),
        (Some(authority), Some(field)) => {
            let (target, field) = (HostName::parse_authority(authority), HostName::parse_authority(field));
            if target == field { Ok(target?) } else { Err(Hidden::ConflictingHosts) }
        }
    }
}

/// The authority of a target in absolute form, if it is in that form (RFC 9112, section 3.2).
fn authority(target: &str) -> Result<Option<&[u8]>, Hidden> {
    if target.starts_with('/') || target == "*" {
        return Ok(None);
    }
    let (_scheme, rest) = target.split_once("://").ok_or(Hidden::NotRecognised)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Ok(Some(&rest.as_bytes()[..end]))
}
