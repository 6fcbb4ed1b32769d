//! A TLS ClientHello built octet by octet.

/// A ClientHello that asks for `name` (RFC 8446, section 4.1.2; RFC 6066, section 3), in one record; `None` if the name is
/// too long.
pub(super) fn client_hello(name: &str) -> Option<Vec<u8>> {
    let name = prefixed(name.as_bytes())?;
    // One entry of type host_name.
    let list = prefixed(&[&[0][..], &name].concat())?;
    let extensions = [&[0, 0][..], &prefixed(&list)?, &[0, 0x2b, 0, 3, 2, 0x03, 0x04]].concat();
    // TLS 1.2's version number, 32 random octets, no session, one cipher suite, no compression.
    let fields = [&[0x03, 0x03][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0]].concat();
    let body = [&fields[..], &prefixed(&extensions)?].concat();
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
}
