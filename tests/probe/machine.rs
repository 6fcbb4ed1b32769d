//! The machine under the probe: all of an emulated one, or a part of this one.

use std::io;
use std::os::fd::AsRawFd as _;
use std::process;

use anyhow::{Context as _, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::termios::tcdrain;

/// The interface that every network namespace has.
pub(crate) const LOOPBACK: &str = "lo";
const BPF_MOUNT: &str = "/sys/fs/bpf";
const INIT: u32 = 1;

/// A machine, or namespaces, with a bpf file system of its own and the loopback interface up.
pub(crate) struct Machine {
    emulated: bool,
}

impl Machine {
    pub(crate) fn prepare() -> Result<Self> {
        let machine = Self { emulated: process::id() == INIT };
        if machine.emulated {
            for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
                mount_new(kind, target)?;
            }
        } else {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).context("the probe needs root")?;
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("private mounts")?;
        }
        mount_new("bpf", BPF_MOUNT)?;
        raise(LOOPBACK)?;
        Ok(machine)
    }

    /// Powers an emulated machine off; of namespaces nothing is left when the probe exits.
    pub(crate) fn end(self) -> Result<()> {
        if self.emulated {
            // What was written must have left the serial line.
            tcdrain(io::stdout())?;
            reboot(RebootMode::RB_POWER_OFF)?;
        }
        Ok(())
    }
}

fn mount_new(kind: &str, target: &str) -> Result<()> {
    mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("mounting {target}"))
}

/// Sets an interface's flag `IFF_UP`.
fn raise(name: &str) -> Result<()> {
    let descriptor = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: all zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last octet stays zero: it ends the name.
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP)?;
    // SAFETY: the request holds a name that ends and flags, which is what the command reads. JUSTIFICATION: no library in
    // use wraps it, and an emulated machine has no `ip`.
    if unsafe { libc::ioctl(descriptor.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } != 0 {
        bail!("raising {name}: {}", io::Error::last_os_error());
    }
    Ok(())
}
