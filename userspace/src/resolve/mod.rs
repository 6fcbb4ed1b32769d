//! Addresses of the names that policies list, kept fresh.
//!
//! [`Resolver`] asks the configured servers; [`Scheduler`] decides when, and what stays: it keeps the last
//! good answer through failures and empty answers, and lets an address go only after a grace period. [`run`]
//! ties the two together and hands out [`Resolved`].

mod agenda;
mod answer;
mod dnssec;
mod hygiene;
mod moment;
mod pace;
mod records;
mod resolver;
mod saved;
mod schedule;
mod server;
mod settings;
mod slot;
mod status;
mod task;
mod terms;
#[cfg(test)]
mod tests;

pub use answer::{Answered, Kind, Outcome, Question, ServiceHints};
pub use dnssec::{Dnssec, Security, SecurityError};
pub use hygiene::{Hygiene, Refusal};
pub use moment::Moment;
pub use resolver::{ProbeError, Resolver, ResolverError};
pub use saved::SavedAddress;
pub use schedule::Scheduler;
pub use settings::ResolverSettings;
pub use slot::{ADDRESSES_MAX, CHANGE_WINDOW, HINTS_INTERVAL_MIN, NEW_ADDRESSES_MAX};
pub use status::{NameStatus, Resolved};
pub use task::{LOOKUPS_MAX, Lookup, PUBLISH_INTERVAL, run};
pub use terms::NameTerms;
