//! A call as it is kept while it goes on, so that a controller that is killed loses none.

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::key::CallKey;
use super::record::{CallRecord, Cause};
use super::stream::Stream;
use super::tracker::At;

/// All that is known of a call that goes on: its dialogs, what they negotiate, what is granted. Written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedCall {
    pub(super) key: CallKey,
    pub(super) call: Call,
}

impl SavedCall {
    /// See [`CallRecord::uid`].
    pub fn uid(&self) -> &str {
        &self.call.uid
    }

    /// Every stream that was free at some time.
    pub fn media(&self) -> &[Stream] {
        &self.call.media
    }

    /// What is free now.
    pub fn granted(&self) -> impl Iterator<Item = Stream> {
        self.call.granted.iter().map(|granted| granted.stream)
    }

    /// The record of a call that cannot be gone on with, because the kernel no longer has its grants: it ended, as far as
    /// it is known, at `at`.
    pub fn into_partial(self, at: At) -> CallRecord {
        self.call.into_record(self.key, at, Cause::Partial)
    }
}
