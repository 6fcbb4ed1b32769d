//! Hellos of TLS clients, built octet by octet.

/// Supported versions: TLS 1.3 alone (RFC 8446, section 4.2.1).
const VERSIONS: [u8; 7] = [0, 0x2b, 0, 3, 2, 0x03, 0x04];
/// An extension that says nothing, as browsers begin with (RFC 8701).
const GREASE: [u8; 4] = [0x2a, 0x2a, 0, 0];

/// A ClientHello that asks for `name` (RFC 8446, section 4.1.2; RFC 6066, section 3), in one record; `None` if the name is
/// too long.
pub(super) fn client_hello(name: &str) -> Option<Vec<u8>> {
    hello(&[&server_name(name)?, &VERSIONS[..]].concat())
}

/// The same as browsers send it, with an Encrypted Client Hello (RFC 9849, section 5): `name` is outside.
pub(super) fn encrypted_client_hello(name: &str) -> Option<Vec<u8>> {
    // X25519 (RFC 8446, section 4.2.8), with a share of 32 octets.
    let share = [&[0, 0x1d][..], &prefixed(&[9; 32])?].concat();
    let key_share = [&[0, 0x33][..], &prefixed(&prefixed(&share)?)?].concat();
    // Outer, HKDF-SHA256, AES-128-GCM, a configuration's number, the sender's share, and what is encrypted.
    let encrypted = [&[0, 0, 1, 0, 1, 0x5a][..], &prefixed(&[7; 32])?, &prefixed(&[3; 144])?].concat();
    let encrypted = [&[0xfe, 0x0d][..], &prefixed(&encrypted)?].concat();
    hello(&[&GREASE[..], &server_name(name)?, &VERSIONS, &key_share, &encrypted].concat())
}

/// One entry of type `host_name`.
fn server_name(name: &str) -> Option<Vec<u8>> {
    let list = prefixed(&[&[0][..], &prefixed(name.as_bytes())?].concat())?;
    Some([&[0, 0][..], &prefixed(&list)?].concat())
}

fn hello(extensions: &[u8]) -> Option<Vec<u8>> {
    // TLS 1.2's version number, 32 random octets, no session, one cipher suite, no compression.
    let fields = [&[0x03, 0x03][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0]].concat();
    let body = [&fields[..], &prefixed(extensions)?].concat();
    let message = [&[1, 0][..], &prefixed(&body)?].concat();
    Some([&[22, 0x03, 0x01][..], &prefixed(&message)?].concat())
}

/// Octets with their number in front, in two octets.
fn prefixed(octets: &[u8]) -> Option<Vec<u8>> {
    Some([&u16::try_from(octets.len()).ok()?.to_be_bytes()[..], octets].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8446, sections 4.1.2 and 5.1: the lengths are those of what follows them.
    #[test]
    fn lengths_are_those_of_the_rfc() {
        let hello = client_hello("a.vn").unwrap_or_default();
        // SNI: type and length 4, list length 2, entry type 1, name length 2, name 4; versions: 7.
        let extensions = 4 + 2 + 1 + 2 + 4 + 7;
        let body = 2 + 32 + 1 + 4 + 2 + 2 + extensions;
        assert_eq!(hello.len(), 5 + 4 + body);
        assert_eq!(hello[..5], [22, 3, 1, 0, u8::try_from(4 + body).unwrap_or_default()]);
        assert_eq!(hello[5..9], [1, 0, 0, u8::try_from(body).unwrap_or_default()]);
    }

    /// RFC 9849, section 5: type 1, suite 4, configuration 1, share and payload with their lengths; RFC 8701: 4.
    #[test]
    fn an_encrypted_hello_has_what_the_rfc_asks_for() {
        let [plain, encrypted] =
            [client_hello("a.vn"), encrypted_client_hello("a.vn")].map(Option::unwrap_or_default);
        let key_share = 4 + 2 + 2 + 2 + 32;
        let extension = 4 + 1 + 4 + 1 + 2 + 32 + 2 + 144;
        assert_eq!(encrypted.len(), plain.len() + 4 + key_share + extension);
    }
}
