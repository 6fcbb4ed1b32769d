//! What must be there before anything is touched.

use aya::util::KernelVersion;
use nix::net::if_::if_nametoindex;
use nix::unistd::Uid;

use super::DataplaneError;
use super::pins::check_file_system;
use crate::config::Config;

/// Oldest kernel supported. Reason: `bpf_xdp_load_bytes` came with 5.18; 6.1 is the oldest long-term kernel that has it.
pub const KERNEL_OLDEST: (u8, u8, u16) = (6, 1, 0);

/// Checks privileges, kernel, file system and interfaces.
///
/// # Errors
/// The first that is missing; nothing was changed then.
pub fn preflight(config: &Config) -> Result<(), DataplaneError> {
    if !Uid::effective().is_root() {
        return Err(DataplaneError::NotRoot);
    }
    check_kernel()?;
    check_file_system(&config.gateway.bpffs)?;
    for interface in &config.interfaces {
        if_nametoindex(interface.name.as_str())
            .map_err(|_| DataplaneError::NoInterface { name: interface.name.clone() })?;
    }
    Ok(())
}

fn check_kernel() -> Result<(), DataplaneError> {
    let (major, minor, patch) = KERNEL_OLDEST;
    // A release that cannot be read is left to the loader, which says what it lacks.
    if KernelVersion::current().is_ok_and(|current| current < KernelVersion::new(major, minor, patch)) {
        return Err(too_old());
    }
    Ok(())
}

fn too_old() -> DataplaneError {
    let (major, minor, _) = KERNEL_OLDEST;
    let found = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_else(|_| "unknown".into());
    DataplaneError::KernelTooOld { found, oldest: format!("{major}.{minor}") }
}
