//! Who a subscriber is: which address belongs to which MSISDN and IMSI, from when on.
//!
//! Two sources. A [`file`](mod@file) lists addresses that do not change hands. A [`radius`] listener hears from access
//! servers when a session begins, goes on and ends. [`Bindings`] holds both, and says of each event which addresses
//! changed hands: there, records are split. A session wins over the file while it lives.
//!
//! What is not known for certain is nobody's: a record without an identity can be joined later, one with the wrong
//! identity bills the wrong person. So an address that two sessions claim goes to the later one, what comes late
//! changes nothing, and a session that falls silent is forgotten.
//!
//! [`Bindings`] reads neither socket nor clock. Everything in it is a [`Block`], which is one subscriber or several: a
//! delegated /56 is one entry, not 256.

pub mod bindings;
pub mod block;
pub mod change;
mod ended;
pub mod event;
pub mod file;
pub mod imsi;
pub mod journal;
pub mod kept;
pub mod msisdn;
mod person;
pub mod radius;
mod sessions;
pub mod status;

pub use bindings::{Bindings, Lease, Source};
pub use block::Block;
pub use change::Change;
pub use event::{Event, Moment, Nas, Report, SessionKey};
pub use file::SubscriberFile;
pub use imsi::Imsi;
pub use journal::SessionJournal;
pub use kept::Kept;
pub use msisdn::Msisdn;
pub use person::Identity;
pub use sessions::SessionLimits;
pub use status::{BindingStatus, IdentityStatus, RadiusStatus};

#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod tests;
