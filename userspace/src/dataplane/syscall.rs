//! The `bpf` system call, for the commands that aya has no function for.

use std::io;

/// Gives the kernel a command; what it answers in `attributes` is there even after some errors.
///
/// # Errors
/// The kernel's error number.
///
/// # Safety
/// `T` is a prefix of `union bpf_attr` (linux/bpf.h) for `command`. Every address in it stays valid during the call,
/// for as many octets as the command reads or writes there.
pub(super) unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the size is that of what is passed; the rest is the caller's promise. JUSTIFICATION: there is no other
    // way to these commands.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}
