//! A tunnel end at work: plain IP packets on one side, the carrier's transport on the other.

use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::address::{socket, tunnel_end};
use crate::datagram;
use crate::encapsulation::{Encapsulation, Framing, GTPU_PORT, GtpuOption, plain_frame, plain_packet};
use crate::packet_socket::PacketSocket;
use crate::topology::{CORE_LINK, RAN_LINK, Side, Topology, mac};
use crate::transport::{PLAIN_INTERFACE, TRANSPORT_INTERFACE, Transport};

/// Longer than any frame.
const FRAME_OCTETS_MAX: usize = 1 << 16;

/// The programs at both tunnel ends. Ended on drop.
#[derive(Debug)]
pub struct Encapsulators([Encapsulator; 2]);

impl Encapsulators {
    /// Starts them.
    ///
    /// # Errors
    /// If this network carries nothing, or the kernel refuses a socket.
    pub fn start(topology: &Topology, encapsulation: Encapsulation) -> Result<Self> {
        let transport = topology.transport.as_ref().context("a network without transport")?;
        let [access, core] = Side::ALL.map(|side| Encapsulator::start(transport, side, encapsulation));
        Ok(Self([access?, core?]))
    }

    /// Ends them.
    ///
    /// # Errors
    /// What one of them failed by.
    pub fn stop(self) -> Result<()> {
        self.0.into_iter().try_for_each(|mut encapsulator| encapsulator.stop())
    }
}

/// One of them, on a thread of its own.
#[derive(Debug)]
struct Encapsulator {
    /// The thread ends when this end is closed.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Encapsulator {
    fn start(transport: &Transport, side: Side, encapsulation: Encapsulation) -> Result<Self> {
        let plain = PacketSocket::open(transport.end(side), PLAIN_INTERFACE)?;
        let line = Line::open(transport, side, encapsulation)?;
        let (stop, stopped) = UnixStream::pair()?;
        let name = format!("encapsulator-{}", side.name());
        let work = move || Work { plain, line, side }.run(&stopped);
        let thread = thread::Builder::new().name(name).spawn(work)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    fn stop(&mut self) -> Result<()> {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("an encapsulator panicked"))?.context("an encapsulator ended")
    }
}

impl Drop for Encapsulator {
    fn drop(&mut self) {
        // What it failed by shows in the traffic that is missing.
        let _ = self.stop();
    }
}

/// The side toward the gateway.
#[derive(Debug)]
enum Line {
    Frames {
        socket: PacketSocket,
        framing: Framing,
        source: [u8; 6],
        destination: [u8; 6],
    },
    /// The kernel fragments what is too long for the path, and puts fragments together.
    Datagrams {
        socket: UdpSocket,
        option: GtpuOption,
    },
}

impl Line {
    fn open(transport: &Transport, side: Side, encapsulation: Encapsulation) -> Result<Self> {
        let other = match side {
            Side::Access => Side::Core,
            Side::Core => Side::Access,
        };
        match encapsulation {
            Encapsulation::Framing(framing) => {
                let socket = PacketSocket::open(transport.end(side), TRANSPORT_INTERFACE)?;
                let [source, destination] = [side, other].map(|side| transport.far_end(side).mac);
                Ok(Self::Frames { socket, framing, source, destination })
            }
            Encapsulation::Gtpu(family, option) => {
                let [own, peer] = [side, other].map(|side| socket(tunnel_end(side, family), GTPU_PORT));
                let socket = datagram::open(transport.end(side), own)?;
                socket.connect(peer)?;
                Ok(Self::Datagrams { socket, option })
            }
        }
    }

    fn send(&self, ip: &[u8], side: Side) -> Result<()> {
        match self {
            Self::Frames { socket, framing, source, destination } => {
                let frame = framing.wrap(ip, *source, *destination).context("not an IP packet")?;
                socket.send(&frame)
            }
            Self::Datagrams { socket, option } => {
                let message = option.wrap(ip, side).context("too long for GTP-U")?;
                socket.send(&message).map(drop).context("cannot send GTP-U")
            }
        }
    }

    /// What came, if it is a packet packed as it should be.
    fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        match self {
            Self::Frames { socket, framing, .. } => {
                let octets = socket.receive(buffer)?;
                Ok(framing.unwrap(&buffer[..octets]))
            }
            Self::Datagrams { socket, option } => {
                let octets = socket.recv(buffer).context("cannot receive GTP-U")?;
                Ok(option.unwrap(&buffer[..octets]))
            }
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Frames { socket, .. } => socket.as_fd(),
            Self::Datagrams { socket, .. } => socket.as_fd(),
        }
    }
}

/// Everything that the thread needs.
#[derive(Debug)]
struct Work {
    plain: PacketSocket,
    line: Line,
    side: Side,
}

impl Work {
    fn run(&self, stopped: &UnixStream) -> Result<()> {
        let mut buffer = vec![0; FRAME_OCTETS_MAX];
        loop {
            let wanted = [stopped.as_fd(), self.plain.as_fd(), self.line.as_fd()];
            let mut ready = wanted.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
            match poll(&mut ready, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.context("cannot poll")?,
            };
            let [stop, plain, line] = ready.map(|one| one.any().unwrap_or(true));
            if stop {
                return Ok(());
            }
            if plain {
                let octets = self.plain.receive(&mut buffer)?;
                if let Some(ip) = plain_packet(&buffer[..octets]) {
                    self.line.send(ip, self.side)?;
                }
            }
            if line && let Some(ip) = self.line.receive(&mut buffer)? {
                // On the access side the access router, on the core side the internet.
                let [source, destination] = match self.side {
                    Side::Access => [mac(RAN_LINK, 2), mac(RAN_LINK, 1)],
                    Side::Core => [mac(CORE_LINK, 1), mac(CORE_LINK, 2)],
                };
                self.plain.send(&plain_frame(ip, source, destination).context("no IP packet came")?)?;
            }
        }
    }
}
