//! QUIC (RFC 9000): a server that gives everybody a page, and a client whose first packets can be had for other ends.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, ConnectionId, DatagramEvent, Dir, Endpoint, EndpointConfig,
    Event, ReadError, ServerConfig, StreamEvent, StreamId, VarInt,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::namespace::Namespace;
use crate::web::WebServers;

/// What the server gives, in octets: several packets.
const PAGE_OCTETS: usize = 16_000;
/// Larger than any datagram of either side.
const DATAGRAM_OCTETS_MAX: usize = 1 << 11;
/// Between two looks at whether the server is to end.
const POLL: Duration = Duration::from_millis(50);
/// A read from a socket cannot wait for no time at all.
const POLL_MIN: Duration = Duration::from_millis(1);
/// A page comes within moments.
const LIMIT: Duration = Duration::from_secs(20);

/// A socket, and the connections that are on it.
struct Driver {
    socket: UdpSocket,
    endpoint: Endpoint,
    connections: HashMap<ConnectionHandle, Connection>,
}

impl Driver {
    fn new(socket: UdpSocket, server: Option<ServerConfig>) -> Self {
        let endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), server.map(Arc::new), false, None);
        Self { socket, endpoint, connections: HashMap::new() }
    }

    /// Takes a datagram or lets some time pass, and then sends what there is to send.
    fn step(&mut self) -> Result<()> {
        let next = self.connections.values_mut().filter_map(Connection::poll_timeout).min();
        let wait = next.map_or(POLL, |at| at.saturating_duration_since(Instant::now()));
        self.socket.set_read_timeout(Some(wait.clamp(POLL_MIN, POLL)))?;
        let mut datagram = [0; DATAGRAM_OCTETS_MAX];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, from)) => self.take(from, &datagram[..length])?,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
            Err(error) => return Err(error).context("cannot receive"),
        }
        let now = Instant::now();
        self.connections.values_mut().for_each(|connection| connection.handle_timeout(now));
        self.flush()
    }

    fn take(&mut self, from: SocketAddr, datagram: &[u8]) -> Result<()> {
        let (now, mut answer) = (Instant::now(), Vec::new());
        match self.endpoint.handle(now, from, None, None, datagram.into(), &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(connection) = self.connections.get_mut(&handle) {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                // One that is faulty is not accepted: what was meant to work shows that it does not.
                if let Ok((handle, connection)) = self.endpoint.accept(incoming, now, &mut answer, None) {
                    self.connections.insert(handle, connection);
                }
            }
            Some(DatagramEvent::Response(transmit)) => {
                self.socket.send_to(&answer[..transmit.size], transmit.destination)?;
            }
            None => {}
        }
        Ok(())
    }

    /// Sends all that connections have to say.
    fn flush(&mut self) -> Result<()> {
        for (handle, connection) in &mut self.connections {
            loop {
                while let Some(event) = connection.poll_endpoint_events() {
                    if let Some(event) = self.endpoint.handle_event(*handle, event) {
                        connection.handle_event(event);
                    }
                }
                let mut datagram = Vec::new();
                let Some(transmit) = connection.poll_transmit(Instant::now(), 1, &mut datagram) else {
                    break;
                };
                self.socket.send_to(&datagram[..transmit.size], transmit.destination)?;
            }
        }
        self.connections.retain(|_, connection| !connection.is_drained());
        Ok(())
    }
}

/// A running server. It ends when dropped.
#[derive(Debug)]
pub struct QuicServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl QuicServer {
    /// Starts it at `address`, with the web servers' certificate.
    ///
    /// # Errors
    /// If the address is taken, or the certificate cannot be read.
    pub fn start(internet: &Namespace, address: SocketAddr, web: &WebServers) -> Result<Self> {
        let certificates = CertificateDer::pem_file_iter(web.certificate())?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(web.key())?;
        let config = ServerConfig::with_single_cert(certificates, key)?;
        let socket =
            internet.within(|| listen(address).with_context(|| format!("cannot listen at {address}")))?;
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let thread = thread::spawn(move || serve(Driver::new(socket, Some(config)), &ends));
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for QuicServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What went wrong there, its clients have told.
            let _ = thread.join();
        }
    }
}

/// A socket at an IPv6 address that the host need not know as its own: it is enough that it gets what is sent there.
fn listen(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_freebind_v6(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn serve(mut driver: Driver, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        driver.step()?;
        for connection in driver.connections.values_mut() {
            while let Some(event) = connection.poll() {
                if matches!(event, Event::Connected) {
                    give_page(connection)?;
                }
            }
        }
        driver.flush()?;
    }
    Ok(())
}

fn give_page(connection: &mut Connection) -> Result<()> {
    let stream = connection.streams().open(Dir::Uni).context("the client takes no stream")?;
    let mut stream = connection.send_stream(stream);
    // It is within what a client takes at once.
    ensure!(stream.write(&[b'x'; PAGE_OCTETS])? == PAGE_OCTETS, "the page is too long");
    Ok(stream.finish()?)
}

/// A client, on a socket of its own.
pub struct QuicClient {
    driver: Driver,
    config: ClientConfig,
    server: SocketAddr,
}

impl fmt::Debug for QuicClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicClient").field("server", &self.server).finish_non_exhaustive()
    }
}

impl QuicClient {
    /// One at `client` that trusts `authority` (a certificate in PEM). In the subscriber's namespace.
    ///
    /// # Errors
    /// If the address is taken, or the certificate cannot be read.
    pub fn open(client: SocketAddr, server: SocketAddr, authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let config = ClientConfig::with_root_certificates(Arc::new(roots))?;
        Ok(Self { driver: Driver::new(UdpSocket::bind(client)?, None), config, server })
    }

    /// From now on, all connections begin with this Destination Connection ID, from which their first keys follow (RFC 9001,
    /// section 5.2).
    pub fn begin_with(&mut self, id: [u8; 8]) {
        self.config.initial_dst_cid_provider(Arc::new(move || ConnectionId::new(&id)));
    }

    /// The first datagram of a connection that asks for `name`: not sent, and none follows.
    ///
    /// # Errors
    /// If the name is none.
    pub fn initial(&self, name: &str) -> Result<Vec<u8>> {
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None);
        let now = Instant::now();
        let (_, mut connection) = endpoint.connect(now, self.config.clone(), self.server, name)?;
        let mut datagram = Vec::new();
        let transmit = connection.poll_transmit(now, 1, &mut datagram).context("a client says nothing")?;
        datagram.truncate(transmit.size);
        Ok(datagram)
    }

    /// Sends a datagram that has this many hops left.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn send(&self, datagram: &[u8], hops: u8) -> Result<()> {
        let socket = SockRef::from(&self.driver.socket);
        let before = socket.unicast_hops_v6()?;
        socket.set_unicast_hops_v6(hops.into())?;
        self.driver.socket.send_to(datagram, self.server)?;
        Ok(socket.set_unicast_hops_v6(before)?)
    }

    /// Opens a connection that asks for `name`, takes the page, and ends it.
    ///
    /// # Errors
    /// If the page does not come, whole and soon.
    pub fn fetch(&mut self, name: &str) -> Result<()> {
        let (handle, connection) =
            self.driver.endpoint.connect(Instant::now(), self.config.clone(), self.server, name)?;
        self.driver.connections.insert(handle, connection);
        self.driver.flush()?;
        let (deadline, mut page) = (Instant::now() + LIMIT, Page::default());
        while !page.is_whole {
            ensure!(Instant::now() < deadline, "{name}: {} octets came, and no end", page.octets);
            self.driver.step()?;
            let connection = self.driver.connections.get_mut(&handle).context("the connection is gone")?;
            page.take(connection)?;
        }
        ensure!(page.octets == PAGE_OCTETS, "the page of {name} has {} octets", page.octets);
        let connection = self.driver.connections.get_mut(&handle).context("the connection is gone")?;
        connection.close(Instant::now(), VarInt::from_u32(0), b"".as_slice().into());
        self.driver.flush()
    }
}

/// What came of a page.
#[derive(Debug, Default)]
struct Page {
    stream: Option<StreamId>,
    octets: usize,
    is_whole: bool,
}

impl Page {
    fn take(&mut self, connection: &mut Connection) -> Result<()> {
        while let Some(event) = connection.poll() {
            match event {
                Event::ConnectionLost { reason } => bail!("the connection was lost: {reason}"),
                Event::Stream(StreamEvent::Opened { dir: Dir::Uni }) => {
                    self.stream = connection.streams().accept(Dir::Uni);
                }
                _ => {}
            }
        }
        let Some(stream) = self.stream.filter(|_| !self.is_whole) else { return Ok(()) };
        let mut stream = connection.recv_stream(stream);
        let mut chunks = stream.read(true).map_err(|error| anyhow!("{error}"))?;
        loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => self.octets += chunk.bytes.len(),
                Ok(None) => {
                    self.is_whole = true;
                    break;
                }
                Err(ReadError::Blocked) => break,
                Err(error) => return Err(error).context("the page"),
            }
        }
        // What it asks to be sent is sent with the next step.
        let _ = chunks.finalize();
        Ok(())
    }
}
