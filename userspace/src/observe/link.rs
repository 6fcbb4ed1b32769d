//! An interface's frames, out of the kernel.

use std::fmt;
use std::io;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, SocketError};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, setsockopt, socket};
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};
use pnet_datalink::{Channel, Config, DataLinkReceiver, NetworkInterface};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::ObserveError;
use super::interface::Interface;
use super::observer::Frames;

/// Octets that may wait to be read. Reason: some ten thousand frames, which take tens of milliseconds to count.
const RECEIVE_BUFFER_OCTETS: usize = 32 * 1024 * 1024;

/// Octets of one frame that are read. Reason: more than the kernel ever merges into one (`GRO_MAX_SIZE`, half of this).
const FRAME_OCTETS_MAX: usize = 1024 * 1024;

/// What there is to wait for: frames, and the error that an interface which went down leaves.
pub(super) const READINESS: Interest = Interest::READABLE.add(Interest::ERROR);

sockopt_impl!(
    /// Frames that this machine sends are not given (Linux 4.20).
    IgnoreOutgoing,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool
);
sockopt_impl!(
    /// Frames since the last time that this was asked.
    Statistics,
    GetOnly,
    libc::SOL_PACKET,
    libc::PACKET_STATISTICS,
    libc::tpacket_stats
);

/// The frames that arrive on an interface, whoever they are for.
pub(super) struct Link {
    interface: Interface,
    /// The receiver's own socket, for what it does not tell.
    socket: OwnedFd,
    receiver: Box<dyn DataLinkReceiver>,
    arrived: u64,
    lost: u64,
    read: u64,
    downs: u64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("interface", &self.interface)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Reads from `interface` from now on.
    pub(super) fn open(interface: Interface) -> Result<Self, ObserveError> {
        let refused = |errno: Errno| match errno {
            Errno::EPERM | Errno::EACCES => ObserveError::NotAllowed { name: interface.name.clone() },
            other => ObserveError::Socket { name: interface.name.clone(), source: other.into() },
        };
        // Without a protocol it receives nothing until it is bound, and so nothing of other interfaces.
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).map_err(refused)?;
        setsockopt(&socket, IgnoreOutgoing, &true).map_err(refused)?;
        // Past the system's bound where that is allowed.
        setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER_OCTETS)
            .or_else(|_| setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER_OCTETS))
            .map_err(refused)?;
        let receiver = receive(&interface, &socket)
            .map_err(|source| ObserveError::Socket { name: interface.name.clone(), source })?;
        Ok(Self { interface, socket, receiver, arrived: 0, lost: 0, read: 0, downs: 0 })
    }

    /// To wait for frames, or for an error, with [`READINESS`].
    pub(super) fn readiness(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let descriptor = self.socket.try_clone()?;
        // SAFETY: the descriptor is open, and is owned by what is returned, which neither replaces nor closes it before its
        // own end. JUSTIFICATION: the runtime has no other way to wait for a socket that is not its own.
        Ok(unsafe { AsyncFd::register_with_interest(descriptor, READINESS) }?)
    }

    pub(super) const fn interface(&self) -> &Interface {
        &self.interface
    }

    /// How many of the frames that have arrived by now are still to be read.
    pub(super) fn waiting(&mut self) -> Result<u64, ObserveError> {
        let since = getsockopt(&self.socket, Statistics).map_err(|errno| ObserveError::Socket {
            name: self.interface.name.clone(),
            source: errno.into(),
        })?;
        self.arrived += u64::from(since.tp_packets);
        self.lost += u64::from(since.tp_drops);
        Ok((self.arrived - self.lost).saturating_sub(self.read))
    }

    /// Frames that arrived while the receive buffer was full, as of the last [`Link::waiting`].
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// How often the interface went down.
    pub(super) const fn downs(&self) -> u64 {
        self.downs
    }
}

impl Frames for Link {
    fn next(&mut self) -> Result<Option<&[u8]>, ObserveError> {
        match self.receiver.next() {
            Ok(frame) => {
                self.read += 1;
                Ok(Some(frame))
            }
            Err(error) => {
                self.downs += u64::from(went_down(&self.interface, &self.socket, error)?);
                Ok(None)
            }
        }
    }
}

/// Binds `socket` to the interface, and reads from it without waiting.
fn receive(interface: &Interface, socket: &OwnedFd) -> io::Result<Box<dyn DataLinkReceiver>> {
    let target = NetworkInterface {
        name: interface.name.clone(),
        description: String::new(),
        index: interface.index,
        mac: None,
        ips: Vec::new(),
        flags: 0,
    };
    let config = Config {
        write_buffer_size: 0,
        read_buffer_size: FRAME_OCTETS_MAX,
        read_timeout: Some(Duration::ZERO),
        promiscuous: true,
        // Closed by the receiver, and where it cannot be made.
        socket_fd: Some(socket.try_clone()?.into_raw_fd()),
        ..Config::default()
    };
    match pnet_datalink::channel(&target, config)? {
        Channel::Ethernet(_, receiver) => Ok(receiver),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// What an error of the receiver means: nothing to read, an interface that went down, or the end.
fn went_down(interface: &Interface, socket: &OwnedFd, error: io::Error) -> Result<bool, ObserveError> {
    if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
        return Ok(false);
    }
    // The receiver waits before it reads, and tells of a socket's error only that there is one.
    let errno = match error.raw_os_error() {
        Some(errno) => errno,
        None => getsockopt(socket, SocketError).unwrap_or_default(),
    };
    let name = &interface.name;
    match Errno::from_raw(errno) {
        Errno::ENETDOWN if if_nametoindex(name.as_str()) == Ok(interface.index) => Ok(true),
        Errno::ENETDOWN => Err(ObserveError::NoInterface { name: name.clone() }),
        _ => Err(ObserveError::Socket { name: name.clone(), source: error }),
    }
}
