//! What happens before a case's frame arrives, on either plane.

use tollfree_core::address::SubscriberId;
use tollfree_core::flow::{FlowKey, Promise};
use tollfree_core::interface::Role;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A frame arrives on the interface of this role.
    Frame(Role, Vec<u8>),
    /// Nothing comes for so many nanoseconds.
    Rest(u64),
    /// Evidence says this of every flow.
    Told(Promise),
    /// The subscriber was answered about a name that rules list, and is waited with until then, in nanoseconds.
    Heard(SubscriberId, u64),
    /// The subscriber's signalling is waited with until then, in nanoseconds.
    Signalled(SubscriberId, u64),
    /// A flow turns out to have been opened under another plan, which promised this.
    Promised(FlowKey, Promise),
    /// The controller takes out what has rested for long enough, and gives the places back.
    Swept,
    /// The day ends.
    NextDay,
    /// No room is left to count towards a ceiling.
    QuotasFull,
}

/// How long nothing comes, all in all, in nanoseconds.
pub(crate) fn rested_ns(events: &[Event]) -> u64 {
    events.iter().map(|event| if let Event::Rest(ns) = event { *ns } else { 0 }).sum()
}
