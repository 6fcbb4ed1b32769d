//! Names a second, per core: flows from their SYN or first Initial to the decision.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result};
use criterion::{Criterion, Throughput};
use etherparse::PacketBuilder;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::ring::default_provider;
use rustls::quic::{Keys, Version};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Side};
use tollfree_wire::inspect::{Direction, Evidence, Finding, Inspector, Limits};

const WARM_UP: Duration = Duration::from_millis(300);
const MEASUREMENT: Duration = Duration::from_secs(3);

const NAME: &str = "ncov.moh.gov.vn";
const CLIENT: ([u8; 4], u16) = ([10, 20, 0, 11], 40_000);
const SERVER: ([u8; 4], u16) = ([203, 0, 113, 7], 443);
/// The client's first Destination Connection ID.
const FIRST_ID: &[u8; 8] = b"first-id";
/// Octets of an Initial's payload that make its datagram 1,200 octets long, as a client's must be (RFC 9000, section 14.1).
const PADDED_OCTETS: usize = 1156;

/// A flow's packets, the last of which decides it.
type Flow = Vec<(Direction, Vec<u8>)>;

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .without_plots()
        .configure_from_args();
    let hello = client_hello()?;
    measure(&mut criterion, "TLS", &tcp(&hello, hello.len())?);
    measure(&mut criterion, "TLS in four segments", &tcp(&hello, hello.len().div_ceil(4))?);
    let request = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nAccept: */*\r\n\r\n");
    measure(&mut criterion, "HTTP", &tcp(request.as_bytes(), request.len())?);
    // QUIC carries the handshake message without the record's header of five octets.
    measure(&mut criterion, "QUIC", &quic(&hello[5..])?);
    criterion.final_summary();
    Ok(())
}

fn measure(criterion: &mut Criterion, name: &str, flow: &Flow) {
    let mut group = criterion.benchmark_group("inspect");
    group.throughput(Throughput::Elements(1));
    let mut inspector = Inspector::new(Limits::default());
    let mut number = 0;
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            number += 1;
            let found = inspect(&mut inspector, number, black_box(flow));
            assert!(matches!(found, Some(Finding { evidence: Evidence::Name { .. }, .. })), "{found:?}");
            inspector.forget(number);
        });
    });
    group.finish();
}

fn inspect(inspector: &mut Inspector, number: u64, flow: &Flow) -> Option<Finding> {
    flow.iter().filter_map(|(direction, ip)| inspector.take(number, 0, *direction, ip)).last()
}

/// What rustls sends first.
fn client_hello() -> Result<Vec<u8>> {
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut octets = Vec::new();
    ClientConnection::new(config.into(), NAME.try_into()?)?.write_tls(&mut octets)?;
    Ok(octets)
}

/// A TCP flow: handshake, the stream in segments of at most so many octets, and its acknowledgement.
fn tcp(stream: &[u8], most: usize) -> Result<Flow> {
    let up = |sequence| PacketBuilder::ipv4(CLIENT.0, SERVER.0, 64).tcp(CLIENT.1, SERVER.1, sequence, 65_000);
    let down = || PacketBuilder::ipv4(SERVER.0, CLIENT.0, 64).tcp(SERVER.1, CLIENT.1, 500, 65_000);
    let mut flow = Vec::new();
    let mut push =
        |direction, builder: etherparse::PacketBuilderStep<etherparse::TcpHeader>, payload: &[u8]| {
            let mut ip = Vec::new();
            builder.write(&mut ip, payload)?;
            flow.push((direction, ip));
            Ok::<_, anyhow::Error>(())
        };
    push(Direction::Uplink, up(0).syn(), b"")?;
    push(Direction::Downlink, down().syn().ack(1), b"")?;
    let mut sequence = 1;
    for part in stream.chunks(most) {
        push(Direction::Uplink, up(sequence).ack(501), part)?;
        sequence += u32::try_from(part.len())?;
    }
    push(Direction::Downlink, down().ack(sequence), b"")?;
    Ok(flow)
}

/// A QUIC flow: the client's Initial, and the server's with the beginning of a handshake.
fn quic(hello: &[u8]) -> Result<Flow> {
    let length = u16::try_from(hello.len())? | 0x4000;
    let mut frames = [&[6, 0][..], &length.to_be_bytes(), hello].concat();
    frames.resize(PADDED_OCTETS, 0);
    let datagram = |direction, payload: Vec<u8>| {
        let (from, to) = if direction == Direction::Uplink { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let mut ip = Vec::new();
        PacketBuilder::ipv4(from.0, to.0, 64).udp(from.1, to.1).write(&mut ip, &payload)?;
        Ok::<_, anyhow::Error>((direction, ip))
    };
    let answer = [6, 0, 4, 2, 0, 0, 0].iter().copied().chain([0; 60]).collect();
    Ok(vec![
        datagram(Direction::Uplink, initial(Side::Client, frames)?)?,
        datagram(Direction::Downlink, initial(Side::Server, answer)?)?,
    ])
}

/// A protected Initial packet of version 1 (RFC 9001, section 5).
fn initial(side: Side, mut payload: Vec<u8>) -> Result<Vec<u8>> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().context("a suite of TLS 1.3")?;
    let algorithm = suite.quic.context("a suite for QUIC")?;
    let keys = Keys::initial(Version::V1, suite, algorithm, FIRST_ID, side).local;
    let length = u16::try_from(4 + payload.len() + 16)? | 0x4000;
    let mut header = [&[0xc3, 0, 0, 0, 1, 8][..], FIRST_ID, &[0, 0], &length.to_be_bytes(), &[0; 4]].concat();
    let tag = keys.packet.encrypt_in_place(0, &header, &mut payload)?;
    payload.extend_from_slice(tag.as_ref());
    let number_at = header.len() - 4;
    let (first, rest) = header.split_first_mut().context("a header")?;
    keys.header.encrypt_in_place(&payload[..16], first, &mut rest[number_at - 1..])?;
    Ok([header, payload].concat())
}
