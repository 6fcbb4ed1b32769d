//! Now.

use std::time::Instant;

use jiff::Timestamp;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For waiting.
    pub monotonic: Instant,
    /// For people, and for what outlives a restart.
    pub wall: Timestamp,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: Timestamp::now() }
    }
}
