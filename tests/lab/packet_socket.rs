//! Whole frames of an interface (packet(7)).

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike as _, bind, recv, send, socket,
};

use crate::namespace::Namespace;

/// Frames of one interface, both ways, but not those that it sent itself.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens the interface `interface` in `namespace`.
    ///
    /// # Errors
    /// If there is no such interface.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        namespace.within(|| {
            // The list has an entry with the link-layer address of each interface.
            let address = getifaddrs()?
                .filter(|entry| entry.interface_name == interface)
                .filter_map(|entry| entry.address)
                .find(|address| address.family() == Some(AddressFamily::Packet))
                .with_context(|| format!("no interface {interface}"))?;
            let (kind, protocol) = (SockType::Raw, SockProtocol::EthAll);
            let socket = socket(AddressFamily::Packet, kind, SockFlag::SOCK_CLOEXEC, protocol)?;
            bind(socket.as_raw_fd(), &address).with_context(|| format!("cannot open {interface}"))?;
            Ok(Self { socket })
        })
    }

    /// Waits for a frame; returns its length in octets. A frame that is longer than `frame` is cut.
    ///
    /// # Errors
    /// If the interface is gone.
    pub fn receive(&self, frame: &mut [u8]) -> Result<usize> {
        recv(self.socket.as_raw_fd(), frame, MsgFlags::empty()).context("cannot read frames")
    }

    /// Sends a frame, from its link-layer header on.
    ///
    /// # Errors
    /// If it is longer than the link allows, or the interface is gone.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = send(self.socket.as_raw_fd(), frame, MsgFlags::empty());
        sent.map(drop).with_context(|| format!("cannot send a frame of {} octets", frame.len()))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
