//! The counters of network interfaces, as the kernel has them: by them it is seen that nothing is lost on the way to
//! the gateway.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};

use crate::namespace::Namespace;
use crate::volume::Volume;

/// Longest that the list of interfaces gets here, in octets.
const LIST_OCTETS_MAX: usize = 4096;

/// The list of a namespace's interfaces; proc(5), `/proc/net/dev`.
#[derive(Debug)]
pub(super) struct Wire {
    list: File,
}

/// What an interface received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// Frames, and their octets.
    pub(super) frames: Volume,
    /// Frames that came and were dropped, or came broken.
    pub(super) lost: i64,
}

impl Received {
    /// What came after `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self { frames: self.frames - before.frames, lost: self.lost - before.lost }
    }
}

impl Wire {
    /// Opens it; it stays that of this namespace.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    pub(super) fn open(namespace: &Namespace) -> Result<Self> {
        let list = namespace.within(|| File::open("/proc/thread-self/net/dev").context("/proc/net/dev"))?;
        Ok(Self { list })
    }

    /// What `interface` has received so far.
    ///
    /// # Errors
    /// If there is no such interface.
    pub(super) fn received(&self, interface: &str) -> Result<Received> {
        let mut buffer = [0; LIST_OCTETS_MAX];
        let octets = self.list.read_at(&mut buffer, 0).context("/proc/net/dev")?;
        let list = String::from_utf8_lossy(&buffer[..octets]);
        read(&list, interface).with_context(|| format!("/proc/net/dev has no {interface}"))
    }
}

/// Columns: octets, packets, errors, drops, overruns, …
fn read(list: &str, interface: &str) -> Option<Received> {
    let line = list.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let mut columns = line.split_whitespace().map(str::parse::<i64>);
    let mut next = || columns.next()?.ok();
    let (octets, packets) = (next()?, next()?);
    let lost = next()? + next()? + next()?;
    Some(Received { frames: Volume { packets, octets }, lost })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As proc(5) shows it.
    const LIST: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
 acc0:    1000      10    1    2    3     0          0         0   999       9    0    0    0     0       0          0
acc01:       5       1    0    0    0     0          0         0     0       0    0    0    0     0       0          0
";

    #[test]
    fn an_interface_is_found_by_its_whole_name() {
        let acc0 = Received { frames: Volume { packets: 10, octets: 1000 }, lost: 6 };
        assert_eq!(read(LIST, "acc0"), Some(acc0));
        assert_eq!(read(LIST, "acc01").map(|received| received.frames.packets), Some(1));
        assert_eq!(read(LIST, "acc"), None);
    }
}
