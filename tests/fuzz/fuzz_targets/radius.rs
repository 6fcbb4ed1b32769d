//! Accounting-Requests: no panic on any octets, whether their sender knows the secret or not, and no change of hands that
//! the bindings do not show afterwards.
//!
//! An input is a datagram. It is read as it is, and then, as a client would send it, as the attributes of a request that
//! is signed.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use ipnet::IpNet;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use md5::{Digest as _, Md5};
use tollfree::identity::radius::packet::{
    ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, HEADER_OCTETS, PACKET_OCTETS_MAX,
};
use tollfree::identity::radius::{Packet, Secret};
use tollfree::identity::{Bindings, SessionLimits};

const SECRET: &[u8] = b"xyzzy5461";

static KNOWN: LazyLock<Secret> = LazyLock::new(|| Secret::new(SECRET.to_vec()).expect("not empty"));
static POOLS: LazyLock<[IpNet; 2]> =
    LazyLock::new(|| ["10.0.0.0/8", "2000::/3"].map(|pool| pool.parse().expect("a network")));

/// A request with these attributes, signed (RFC 2866, section 3).
fn signed(attributes: &[u8]) -> Vec<u8> {
    let attributes = &attributes[..attributes.len().min(PACKET_OCTETS_MAX - HEADER_OCTETS)];
    let length = u16::try_from(HEADER_OCTETS + attributes.len()).expect("bounded above").to_be_bytes();
    let header = [ACCOUNTING_REQUEST, 1, length[0], length[1]];
    let digest = Md5::digest([&header[..], &[0; 16], attributes, SECRET].concat());
    [&header[..], &digest, attributes].concat()
}

fuzz_target!(|input: &[u8]| {
    if let Ok(packet) = Packet::parse(input) {
        // Nobody guesses a digest; but whatever comes of it, it does not panic.
        let _ = packet.verify(&KNOWN);
    }
    let request = signed(input);
    let Ok(packet) = Packet::parse(&request) else { return };
    let Ok(verified) = packet.verify(&KNOWN) else { return };
    let response = verified.response(&KNOWN);
    assert!(response.len() <= request.len() && response[0] == ACCOUNTING_RESPONSE);
    assert_eq!(usize::from(u16::from_be_bytes([response[2], response[3]])), response.len());
    let at = Timestamp::UNIX_EPOCH;
    let Ok(accounting) = verified.accounting(IpAddr::V4(Ipv4Addr::LOCALHOST), at) else { return };
    let Some(event) = accounting.event else { return };
    let mut bindings = Bindings::new(&*POOLS, SessionLimits::default());
    for change in bindings.apply(&event, at) {
        assert!(change.before.is_none() && change.after.is_some(), "{change:?}");
        if let Some(subscriber) = change.block.subscriber() {
            assert_eq!(bindings.identity(subscriber), change.after);
        }
    }
    assert!(bindings.apply(&event, at).is_empty(), "the same again changed something");
});
