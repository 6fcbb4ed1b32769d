//! Hellos to read.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// An extension: its type, and its data.
pub(crate) type Extension = (u16, Vec<u8>);

pub(crate) const SERVER_NAME: u16 = 0;
pub(crate) const KEY_SHARE: u16 = 51;
pub(crate) const ECH: u16 = 0xfe0d;

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap().to_be_bytes()
}

/// A server name extension with entries of these types (RFC 6066, section 3).
pub(crate) fn server_names(names: &[(u8, &[u8])]) -> Extension {
    let entry = |(kind, name): &(u8, &[u8])| [&[*kind], &length(name.len())[..], *name].concat();
    let list: Vec<u8> = names.iter().flat_map(entry).collect();
    (SERVER_NAME, [&length(list.len())[..], &list].concat())
}

pub(crate) fn server_name(name: &str) -> Extension {
    server_names(&[(0, name.as_bytes())])
}

/// A ClientHello with these extensions, as a handshake message (RFC 8446, section 4.1.2).
pub(crate) fn hello(extensions: &[Extension]) -> Vec<u8> {
    let one = |(kind, data): &Extension| [&kind.to_be_bytes()[..], &length(data.len()), data].concat();
    let extensions: Vec<u8> = extensions.iter().flat_map(one).collect();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        // A GREASE cipher suite (RFC 8701), and two true ones.
        &[0, 6, 0x5a, 0x5a, 0x13, 1, 0x13, 3],
        &[1, 0],
        &length(extensions.len()),
        &extensions,
    ]
    .concat();
    message(1, &body)
}

/// A handshake message (RFC 8446, section 4).
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

/// Handshake records of at most `most` octets each.
pub(crate) fn records(messages: &[u8], most: usize) -> Vec<u8> {
    messages.chunks(most).flat_map(|part| [&[22, 3, 1][..], &length(part.len()), part].concat()).collect()
}

/// A hello for `name` as common browsers send it with a post-quantum key share (1,216 octets; X25519MLKEM768), the name last.
pub(crate) fn post_quantum_hello(name: &str) -> Vec<u8> {
    let grease = (0x2a2a, Vec::new());
    hello(&[grease, (43, vec![4, 3, 4, 3, 3]), (KEY_SHARE, vec![9; 1216]), server_name(name)])
}

/// What rustls sends first to `name`, as records.
pub(crate) fn rustls_client(name: &str, versions: &[&'static rustls::SupportedProtocolVersion]) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut octets = Vec::new();
    client.write_tls(&mut octets).unwrap();
    octets
}
