//! A start that fails leaves nothing.

use std::path::Path;

use crate::dataplane;

/// Takes programs and maps back when dropped, unless they are to be kept.
#[derive(Debug)]
pub(super) struct Rollback<'a> {
    directory: Option<&'a Path>,
}

impl<'a> Rollback<'a> {
    /// Of what is pinned in `directory`, unless it `is_running`: then it was there before.
    pub(super) fn new(directory: &'a Path, is_running: bool) -> Self {
        Self { directory: (!is_running).then_some(directory) }
    }

    pub(super) fn keep(mut self) {
        self.directory = None;
    }
}

impl Drop for Rollback<'_> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.directory.map(dataplane::detach) {
            // The error that ended the start is the one to return.
            tracing::error!("taking back what was begun: {error}; `tollfree detach` tries again");
        }
    }
}
