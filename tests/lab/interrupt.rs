//! Ctrl-C, noticed where the lab waits, so that everything it made is removed on the way out.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{SigHandler, Signal, signal};

static REQUESTED: AtomicBool = AtomicBool::new(false);

extern "C" fn request(_: libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// Makes SIGINT, SIGTERM and SIGHUP requests to stop.
///
/// # Errors
/// If the kernel refuses a handler, which it does only for signals that cannot be caught.
pub fn install() -> Result<()> {
    for caught in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe. JUSTIFICATION: the standard
        // library has no signals, and a blocked signal mask would be inherited by the lab's servers.
        unsafe { signal(caught, SigHandler::Handler(request)) }.context("cannot catch signals")?;
    }
    Ok(())
}

/// Whether a stop was requested since the last [`take`].
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Whether a stop was requested; the next request counts anew.
pub fn take() -> bool {
    REQUESTED.swap(false, Ordering::Relaxed)
}

/// # Errors
/// If a stop was requested.
pub fn check() -> Result<()> {
    if requested() {
        bail!("stopped by a signal");
    }
    Ok(())
}
