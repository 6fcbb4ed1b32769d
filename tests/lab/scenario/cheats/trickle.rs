//! A relay that passes on what a client says one octet at a time.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow};

use crate::namespace::Namespace;

/// A relay for one connection.
pub(super) struct Trickle {
    port: u16,
    thread: JoinHandle<Result<()>>,
}

impl Trickle {
    /// Listens on the subscriber's own host, for one connection to `server`.
    pub(super) fn start(subscriber: &Namespace, server: SocketAddr) -> Result<Self> {
        subscriber.within(|| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
            let port = listener.local_addr()?.port();
            // It stays in the namespace of the thread that starts it.
            Ok(Self { port, thread: thread::spawn(move || relay(&listener, server)) })
        })
    }

    /// Where it listens.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until both sides have closed.
    pub(super) fn finish(self) -> Result<()> {
        self.thread.join().map_err(|_| anyhow!("the relay panicked"))?
    }
}

fn relay(listener: &TcpListener, server: SocketAddr) -> Result<()> {
    let (client, _) = listener.accept()?;
    let mut server = TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
    // Each octet goes out as a segment of its own.
    server.set_nodelay(true)?;
    let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let answering = thread::spawn(move || {
        let copied = io::copy(&mut answers, &mut to_client);
        // The client may have gone: then there is nobody to tell.
        let _ = to_client.shutdown(Shutdown::Write);
        copied
    });
    for octet in BufReader::new(client).bytes() {
        server.write_all(&[octet?])?;
    }
    server.shutdown(Shutdown::Write)?;
    answering.join().map_err(|_| anyhow!("the relay panicked"))??;
    Ok(())
}
