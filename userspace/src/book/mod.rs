//! The address book: which name has which address, since when, from which answer, and until when.
//!
//! [`AddressBook`] takes what the gateway's resolver found for exact names, and [`Lesson`]s: answers of trusted
//! resolvers to subscribers, heard on the wire. It holds what hygiene and its bounds let it hold, keeps an address
//! while flows use it, and knows of addresses that unrelated names share. [`Coverage`] tells it which rules cover a
//! name. What changes for the data plane comes out as [`Change`]s; what is to be remembered, as [`HoldingEvent`]s.
//!
//! Nothing here waits, reads a clock or writes a file. [`explain()`] reads what was remembered.

mod address_book;
mod answer;
mod change;
mod coverage;
mod explain;
mod known;
mod lesson;
mod limits;
mod pair;
mod passers_by;
mod place;
mod status;
mod teachers;
#[cfg(test)]
mod tests;
mod then;

pub use address_book::AddressBook;
pub use answer::{Answer, SavedAnswers, Source, SourceError};
pub use change::{Change, Holding, HoldingEvent};
pub use coverage::{Coverage, NoCoverage};
pub use explain::explain;
pub use explain::{ExplainError, Explained, Explanation};
pub(crate) use explain::{gives, is_at, times};
pub use lesson::{Lesson, Refused, Taught};
pub use limits::{
    KEPT_MAX, NAMES_MAX, NEW_NAMES_MAX, PAIRS_MAX, PASSERS_BY_MAX, PLACES_MAX, SHARING_REMEMBERED,
    TEACHERS_MAX, USE_REPORT_MAX, WANTED_MAX, WITNESSES_MAX,
};
pub use status::BookStatus;
pub use then::{ActivationThen, PolicyThen};
