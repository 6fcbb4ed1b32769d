//! Field blocks (RFC 7541).

use std::borrow::Cow;

use loona_hpack::Decoder;

use crate::inspect::{Hidden, HostName};

/// Most octets of the dynamic table: what a server has unless it says otherwise (RFC 9113, section 6.5.2), which it has
/// not yet done when the first request comes.
const TABLE_OCTETS_MAX: usize = 4096;

/// What counts of a request.
#[derive(Debug, Default)]
struct Fields {
    /// Whether there is a `:method` CONNECT: a tunnel (RFC 9113, section 8.5; RFC 8441).
    connects: bool,
    /// `:authority` and `host`, each once.
    authority: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    /// One of them came twice.
    repeated: bool,
}

impl Fields {
    fn take(&mut self, name: &[u8], value: &[u8]) {
        let place = match name {
            b":method" => {
                self.connects |= value.eq_ignore_ascii_case(b"CONNECT");
                return;
            }
            b":authority" => &mut self.authority,
            name if name.eq_ignore_ascii_case(b"host") => &mut self.host,
            _ => return,
        };
        if place.is_some() {
            self.repeated = true;
        } else {
            *place = Some(value.to_vec());
        }
    }
}

/// The name that the first request of a connection asks for.
pub(super) fn authority(block: &[u8]) -> Result<HostName, Hidden> {
    let mut decoder = Decoder::new();
    decoder.set_max_allowed_table_size(TABLE_OCTETS_MAX);
    let mut fields = Fields::default();
    let take = |name: Cow<'_, [u8]>, value: Cow<'_, [u8]>| fields.take(&name, &value);
    decoder.decode_with_cb(block, take).map_err(|_| Hidden::NotRecognised)?;
    if fields.connects {
        return Err(Hidden::Connect);
    }
    if fields.repeated {
        return Err(Hidden::ConflictingHosts);
    }
    match (fields.authority, fields.host) {
        (None, None) => Err(Hidden::NoName),
        (Some(only), None) | (None, Some(only)) => Ok(HostName::parse_authority(&only)?),
        (Some(authority), Some(host)) => {
            let (authority, host) = (HostName::parse_authority(&authority), HostName::parse_authority(&host));
            if authority == host { Ok(authority?) } else { Err(Hidden::ConflictingHosts) }
        }
    }
}
