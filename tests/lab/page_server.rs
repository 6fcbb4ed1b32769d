//! A web server that answers on every address of its namespace, and a client for it.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::shutdown;

use crate::namespace::Namespace;

/// Where it listens: nginx has the usual ports.
pub const PORT: u16 = 8080;
/// What it answers with, in octets: several packets.
const PAGE_OCTETS: usize = 5000;
/// Longest request. Reason: the lab's own are shorter.
const REQUEST_OCTETS_MAX: usize = 1024;
/// A page comes within moments.
const LIMIT: Duration = Duration::from_secs(20);

/// A running web server. It ends when dropped.
#[derive(Debug)]
pub struct PageServer {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl PageServer {
    /// Starts it.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(internet: &Namespace) -> Result<Self> {
        let listener =
            internet.within(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).context("cannot listen"))?;
        let accepting = listener.try_clone()?;
        let thread = thread::spawn(move || {
            for client in accepting.incoming() {
                let Ok(client) = client else { return };
                // A client that goes away is its own affair: what it missed shows there.
                thread::spawn(move || drop(serve(client)));
            }
        });
        Ok(Self { listener, thread: Some(thread) })
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        // Makes accept(2) return. An error would mean that it has already.
        let _ = shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn serve(mut client: TcpStream) -> Result<()> {
    client.set_read_timeout(Some(LIMIT))?;
    let mut request = Vec::new();
    let mut octets = [0; REQUEST_OCTETS_MAX];
    while !request.ends_with(b"\r\n\r\n") {
        let length = client.read(&mut octets)?;
        ensure!(length > 0 && request.len() < REQUEST_OCTETS_MAX, "no request");
        request.extend(&octets[..length]);
    }
    write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {PAGE_OCTETS}\r\nConnection: close\r\n\r\n")?;
    client.write_all(&[b'x'; PAGE_OCTETS])?;
    client.shutdown(Shutdown::Write)?;
    // The client closes after it has read everything: no reset follows.
    client.read_to_end(&mut request)?;
    Ok(())
}

/// Opens the page of `name` at `address`. In the subscriber's namespace.
///
/// # Errors
/// If it does not come, whole and soon.
pub fn fetch(name: &str, address: IpAddr) -> Result<()> {
    let mut server = TcpStream::connect_timeout(&(address, PORT).into(), LIMIT)
        .with_context(|| format!("cannot connect to {address}"))?;
    server.set_read_timeout(Some(LIMIT))?;
    write!(server, "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    server.read_to_end(&mut page).with_context(|| format!("the page of {name} at {address}"))?;
    ensure!(page.len() > PAGE_OCTETS, "the page of {name} has only {} octets", page.len());
    Ok(())
}
