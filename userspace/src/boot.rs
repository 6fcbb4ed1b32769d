//! Which run of this machine it is: the kernel's counters last as long as that.

use std::{fs, io};

/// Names this boot among all boots, as `/proc/sys/kernel/random/boot_id` does (random(4)).
///
/// # Errors
/// Whatever reading that file gives.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
