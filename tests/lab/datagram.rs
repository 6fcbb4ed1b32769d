//! Datagrams that are answered with themselves.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::namespace::Namespace;
use crate::wait;

/// A datagram crosses the lab within moments.
const LIMIT: Duration = Duration::from_secs(20);
/// Larger than any datagram.
const OCTETS_MAX: usize = 1 << 16;

/// Sends `octets` from `client` to `server`, and the same back.
///
/// # Errors
/// If a datagram does not arrive as it was sent.
pub fn exchange(
    (subscriber, client): (&Namespace, IpAddr),
    (internet, server): (&Namespace, SocketAddr),
    octets: usize,
) -> Result<()> {
    let asking = open(subscriber, SocketAddr::new(client, 0))?;
    let answering = open(internet, server)?;
    // Not all zero: what is put together from fragments in a wrong order would show.
    let sent: Vec<u8> = (0..=u8::MAX).cycle().take(octets).collect();
    let mut received = vec![0; OCTETS_MAX];
    asking.send_to(&sent, server).with_context(|| format!("cannot send to {server}"))?;
    let (length, from) =
        answering.recv_from(&mut received).with_context(|| format!("nothing at {server}"))?;
    ensure!(received[..length] == sent, "{length} other octets arrived at {server}");
    answering.send_to(&sent, from).with_context(|| format!("cannot send to {from}"))?;
    let length = asking.recv(&mut received).with_context(|| format!("nothing at {from}"))?;
    ensure!(received[..length] == sent, "{length} other octets arrived at {from}");
    Ok(())
}

/// A UDP socket of this address in a namespace, which waits no longer than a datagram needs.
///
/// It waits for the port. A program that another thread is just starting has copies of all sockets, also of one that is
/// closed here, until it is executed.
///
/// # Errors
/// If the kernel refuses, or the port does not get free.
pub fn open(namespace: &Namespace, address: SocketAddr) -> Result<UdpSocket> {
    let bind = || match UdpSocket::bind(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
        other => other.map(Some).with_context(|| format!("cannot bind {address}")),
    };
    let socket = namespace.within(|| wait::until(&format!("{address} free"), LIMIT, bind))?;
    socket.set_read_timeout(Some(LIMIT))?;
    Ok(socket)
}
