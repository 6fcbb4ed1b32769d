//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt;

/// Between two looks at a condition: short beside what is waited for, long beside what a look costs.
const POLL: Duration = Duration::from_millis(20);

/// Calls `probe` until it answers, at most for `limit`.
///
/// # Errors
/// The probe's own; a signal to stop; or that `what` did not come in time.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        interrupt::check()?;
        if Instant::now() >= deadline {
            bail!("{what}: not within {limit:?}");
        }
        thread::sleep(POLL);
    }
}
