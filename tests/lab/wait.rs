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
    despite_signals(what, limit, || {
        let answer = probe()?;
        if answer.is_none() {
            interrupt::check()?;
        }
        Ok(answer)
    })
}

/// The same, but a signal does not end it: for what has to be done on the way out, too.
///
/// # Errors
/// The probe's own; or that `what` did not come in time.
pub fn despite_signals<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {limit:?}");
        }
        thread::sleep(POLL);
    }
}
