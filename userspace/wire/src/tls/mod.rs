//! Server names in TLS `ClientHello`s (RFC 8446, section 4.1.2; RFC 6066, section 3), whatever the records they come in.

mod hello;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use tls_parser::TlsRecordType;

use crate::inspect::{Hidden, Reading};

pub use hello::read_handshake;

/// First octet of a stream of records that begins with a handshake.
pub(crate) const HANDSHAKE_RECORD: u8 = TlsRecordType::Handshake.0;

/// Longest plain record, in octets (RFC 8446, section 5.1).
const RECORD_OCTETS_MAX: usize = 1 << 14;

/// Major version of every record since SSL 3.0 (RFC 8446, section 5.1: the rest of the version says nothing).
const RECORD_VERSION_MAJOR: u8 = 3;

/// Reads the ClientHello that a stream of TLS records begins with. It may be in several records, with other messages
/// behind it in the last.
pub fn read_records(stream: &[u8]) -> Reading {
    let mut messages = Vec::new();
    let mut rest = stream;
    loop {
        if rest.first().is_some_and(|&kind| kind != HANDSHAKE_RECORD) {
            return Reading::hidden(stream.len(), Hidden::NotRecognised);
        }
        let Some((&[_, major, _, high, low], behind)) = rest.split_first_chunk() else {
            return Reading::Incomplete;
        };
        let octets = usize::from(u16::from_be_bytes([high, low]));
        if major != RECORD_VERSION_MAJOR || !(1..=RECORD_OCTETS_MAX).contains(&octets) {
            return Reading::hidden(stream.len(), Hidden::NotRecognised);
        }
        let Some((fragment, behind)) = behind.split_at_checked(octets) else { return Reading::Incomplete };
        messages.extend_from_slice(fragment);
        rest = behind;
        if let Reading::Complete { said, .. } = read_handshake(&messages) {
            return Reading::Complete { octets: stream.len() - rest.len(), said };
        }
    }
}
