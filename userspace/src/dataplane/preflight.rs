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
    check_root()?;
    // A release that cannot be read is left to the loader, which says what it lacks.
    if let Ok(running) = KernelVersion::current() {
        check_kernel(running)?;
    }
    check_file_system(&config.gateway.bpffs)?;
    for interface in &config.interfaces {
        if_nametoindex(interface.name.as_str())
            .map_err(|_| DataplaneError::NoInterface { name: interface.name.clone() })?;
    }
    Ok(())
}

/// Checks that the kernel's programs may be changed.
///
/// # Errors
/// [`DataplaneError::NotRoot`].
pub fn check_root() -> Result<(), DataplaneError> {
    if Uid::effective().is_root() { Ok(()) } else { Err(DataplaneError::NotRoot) }
}

fn check_kernel(running: KernelVersion) -> Result<(), DataplaneError> {
    let (major, minor, patch) = KERNEL_OLDEST;
    if running < KernelVersion::new(major, minor, patch) { Err(too_old()) } else { Ok(()) }
}

fn too_old() -> DataplaneError {
    let (major, minor, _) = KERNEL_OLDEST;
    let found = nix::sys::utsname::uname()
        .map_or_else(|_| "unknown".into(), |name| name.release().to_string_lossy().into_owned());
    DataplaneError::KernelTooOld { found, oldest: format!("{major}.{minor}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_refused_below_the_oldest_only() {
        for (version, is_refused) in [
            ((5, 18, 19), true),
            ((6, 0, 255), true),
            ((6, 1, 0), false),
            ((6, 12, 1), false),
            ((7, 0, 0), false),
        ] {
            let (major, minor, patch) = version;
            let checked = check_kernel(KernelVersion::new(major, minor, patch));
            assert_eq!(
                matches!(checked, Err(DataplaneError::KernelTooOld { .. })),
                is_refused,
                "{version:?}"
            );
        }
    }
}
