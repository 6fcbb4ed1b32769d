//! One ClientHello.

use tls_parser::{
    SNIType, TlsExtension, TlsExtensionType, TlsHandshakeType, parse_tls_extension_sni_content,
    parse_tls_extension_unknown, parse_tls_handshake_client_hello,
};

use crate::inspect::{Hidden, HostName, Reading};

/// Encrypted Client Hello (RFC 9849, section 10.1).
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// Encrypted server name, its forerunner (draft-ietf-tls-esni-02): still in use here and there.
const ENCRYPTED_SERVER_NAME: u16 = 0xffce;

/// Longest ClientHello that is read, in octets. Reason: with post-quantum key shares and session tickets, hellos have two
/// thousand octets; the longest that captures show has 11,414.
pub(crate) const HELLO_OCTETS_MAX: usize = 16 << 10;

/// Reads the ClientHello that a sequence of handshake messages begins with.
pub fn read_handshake(messages: &[u8]) -> Reading {
    if messages.first().is_some_and(|&kind| kind != TlsHandshakeType::ClientHello.0) {
        return Reading::hidden(messages.len(), Hidden::NotRecognised);
    }
    let Some((&[_, high, middle, low], behind)) = messages.split_first_chunk() else {
        return Reading::Incomplete;
    };
    let octets = u32::from_be_bytes([0, high, middle, low]) as usize;
    if octets > HELLO_OCTETS_MAX {
        return Reading::hidden(messages.len(), Hidden::TooLong);
    }
    let Some(hello) = behind.get(..octets) else { return Reading::Incomplete };
    Reading::Complete { octets: messages.len() - behind.len() + octets, said: name(hello) }
}

/// The name in a ClientHello's body. Stricter than servers need be: what two readers may understand differently is not
/// understood.
fn name(hello: &[u8]) -> Result<HostName, Hidden> {
    let (behind, contents) = parse_tls_handshake_client_hello(hello).map_err(|_| Hidden::NotRecognised)?;
    if !behind.is_empty() {
        return Err(Hidden::NotRecognised);
    }
    let mut server_name = None;
    let mut kinds = Vec::new();
    let mut rest = contents.ext.unwrap_or_default();
    while !rest.is_empty() {
        let Ok((behind, TlsExtension::Unknown(TlsExtensionType(kind), data))) =
            parse_tls_extension_unknown(rest)
        else {
            return Err(Hidden::NotRecognised);
        };
        rest = behind;
        kinds.push(kind);
        if kind == TlsExtensionType::ServerName.0 && server_name.replace(data).is_some() {
            return Err(Hidden::ConflictingHosts);
        }
    }
    kinds.sort_unstable();
    if kinds.windows(2).any(|pair| pair[0] == pair[1]) {
        // RFC 8446, section 4.2: no extension comes twice.
        return Err(Hidden::NotRecognised);
    }
    let name =
        server_name.map_or(Err(Hidden::NoName), |data| HostName::parse(host(data)?).map_err(Hidden::from));
    let has = |kind| kinds.binary_search(&kind).is_ok();
    if has(ENCRYPTED_SERVER_NAME) {
        // Nobody sends it for show: the name outside is not the one that is asked for.
        Err(Hidden::Ech { outer: None })
    } else if has(ENCRYPTED_CLIENT_HELLO) {
        Err(Hidden::Ech { outer: name.ok() })
    } else {
        name
    }
}

/// The only host name of a server name extension.
fn host(extension: &[u8]) -> Result<&[u8], Hidden> {
    let Ok((&[], TlsExtension::SNI(names))) = parse_tls_extension_sni_content(extension) else {
        return Err(Hidden::NotRecognised);
    };
    let [(SNIType::HostName, name)] = names[..] else {
        return Err(if names.len() > 1 { Hidden::ConflictingHosts } else { Hidden::NotRecognised });
    };
    // List length, type and length of the name: nothing else is there.
    if extension.len() == 2 + 1 + 2 + name.len() { Ok(name) } else { Err(Hidden::NotRecognised) }
}
