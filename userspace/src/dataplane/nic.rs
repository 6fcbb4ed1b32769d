//! What the NIC itself counted.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tollfree_core::interface::Mode;

use super::DataplaneError;

/// Statistics of this process's network namespace.
const STATISTICS: &str = "/proc/self/net/dev";
/// Octets of an Ethernet header.
const ETHERNET_HEADER_OCTETS: u64 = 14;
/// `ETHTOOL_GDRVINFO` (linux/ethtool.h): asks for the driver's name.
const ETHTOOL_GDRVINFO: u32 = 3;
/// `ETHTOOL_GFLAGS`: asks for flags of old, large receive offload among them.
const ETHTOOL_GFLAGS: u32 = 0x25;
/// `ETHTOOL_GGRO`: asks for generic receive offload.
const ETHTOOL_GGRO: u32 = 0x2b;
/// `ETH_FLAG_LRO`: large receive offload is on.
const ETH_FLAG_LRO: u32 = 1 << 15;

/// Received packets and octets, as the driver counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NicCounts {
    /// Frames.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
}

impl NicCounts {
    /// Of the interface called `name`.
    pub fn read(name: &str) -> Result<Self, DataplaneError> {
        let text =
            fs::read_to_string(STATISTICS).map_err(DataplaneError::io(format!("reading {STATISTICS}")))?;
        find(&text, name).ok_or_else(|| DataplaneError::NoInterface { name: name.into() })
    }

    /// What was counted since `earlier`, in frames and octets from the Ethernet header on.
    ///
    /// Where its program runs in the driver, veth counts octets without that header (seen on Linux 6.18).
    pub fn since(self, earlier: Self, name: &str, mode: Mode) -> Result<Self, DataplaneError> {
        let packets = self.packets.wrapping_sub(earlier.packets);
        let octets = self.octets.wrapping_sub(earlier.octets);
        let headers = mode == Mode::Native && driver(name)? == "veth";
        Ok(Self { packets, octets: octets + if headers { packets * ETHERNET_HEADER_OCTETS } else { 0 } })
    }
}

/// Whether the interface merges received packets before they can be counted: generic or large receive offload is on. A
/// driver that does not say has neither.
///
/// # Errors
/// [`DataplaneError::Io`] if the kernel refuses the question.
pub fn merges(name: &str) -> Result<bool, DataplaneError> {
    let asked = |command| {
        let mut value = EthtoolValue { command, data: 0 };
        match ethtool(name, &mut value) {
            Ok(()) => Ok(value.data),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(0),
            Err(error) => Err(DataplaneError::io(format!("asking for the offloads of {name}"))(error)),
        }
    };
    Ok(asked(ETHTOOL_GGRO)? != 0 || asked(ETHTOOL_GFLAGS)? & ETH_FLAG_LRO != 0)
}

/// What an ethtool command reads or writes.
///
/// # Safety
/// Begins with the command's number, and is what that command fills: all octet patterns are valid, and as long as the
/// kernel takes it to be.
unsafe trait EthtoolCommand {}

/// `struct ethtool_drvinfo` (linux/ethtool.h).
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

// SAFETY: made for `ETHTOOL_GDRVINFO` alone.
unsafe impl EthtoolCommand for DriverInfo {}

/// `struct ethtool_value` (linux/ethtool.h).
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

// SAFETY: made for `ETHTOOL_GGRO` and `ETHTOOL_GFLAGS` alone.
unsafe impl EthtoolCommand for EthtoolValue {}

/// The name of an interface's driver.
fn driver(name: &str) -> Result<String, DataplaneError> {
    let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    ethtool(name, &mut info).map_err(DataplaneError::io(format!("asking for the driver of {name}")))?;
    let name = CStr::from_bytes_until_nul(&info.driver).unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

/// Has the kernel carry out a command.
fn ethtool<C: EthtoolCommand>(name: &str, command: &mut C) -> io::Result<()> {
    let descriptor = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: all zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last octet stays zero: it ends the name.
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = std::ptr::from_mut(command).cast();
    // SAFETY: the request holds a name that ends, and points to a structure of the form that the command fills,
    // which outlives the call. JUSTIFICATION: no library in use wraps it.
    if unsafe { libc::ioctl(descriptor.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The first two receive columns of an interface's line.
fn find(text: &str, name: &str) -> Option<NicCounts> {
    text.lines().find_map(|line| {
        let (interface, columns) = line.split_once(':')?;
        if interface.trim() != name {
            return None;
        }
        let mut columns = columns.split_ascii_whitespace();
        let octets = columns.next()?.parse().ok()?;
        let packets = columns.next()?.parse().ok()?;
        Some(NicCounts { packets, octets })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes\n    \
                    lo:       0       0    0    0    0     0          0         0        0\n \
                    acc0:    1480      12    0    0    0     0          0         0     9999 5 0 0 0 0 0 0\n";
        assert_eq!(find(text, "acc0"), Some(NicCounts { packets: 12, octets: 1480 }));
        assert_eq!(find(text, "acc"), None);
    }
}
