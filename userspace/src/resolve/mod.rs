//! Addresses of the names that policies list, kept fresh.
//!
//! [`Resolver`] asks the configured servers; [`Scheduler`] decides when, and what stays: it keeps the last
//! good answer through failures and empty answers, and lets an address go only after a grace period. [`run`]
//! ties the two together and hands out [`Resolved`].

mod answer;
mod hygiene;
mod resolver;
mod saved;
mod schedule;
mod status;
mod task;

pub use answer::{Outcome, Question};
pub use hygiene::{Refusal, check_address};
pub use resolver::{ProbeError, Resolver, ResolverError, ResolverSettings};
pub use saved::SavedAddress;
pub use schedule::{ADDRESSES_MAX, Moment, Scheduler};
pub use status::{NameStatus, Resolved};
pub use task::{LOOKUPS_MAX, Lookup, run};
