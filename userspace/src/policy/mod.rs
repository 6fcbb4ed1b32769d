//! What was promised: policies, their validation, and the plan they compile to.
//!
//! [`load`] reads a directory of TOML files, one policy each, into a [`PolicySet`], or tells every fault of
//! every file. What this version does not enforce is refused, never accepted and left undone. [`compile()`]
//! turns the set, and the addresses that its names have at the moment, into a [`Plan`]: exactly what the
//! kernel looks up.

pub mod call_terms;
pub mod compile;
pub mod digest;
pub mod domain;
mod fault;
pub mod file;
pub mod ground;
pub mod hidden_name;
pub mod hotline;
mod inherit;
pub mod key;
pub mod mode;
pub mod names;
pub mod network;
mod normal;
pub mod number;
#[cfg(test)]
mod number_oracle;
pub mod numbering;
pub mod pattern;
pub mod plan;
pub mod port;
pub mod set;
pub mod site;
pub mod suffix;
pub mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub mod wire_name;

pub use call_terms::CallTerms;
pub use compile::{CompileError, CompileInput, compile};
pub use digest::DocumentDigest;
pub use domain::DomainName;
pub use file::Policy;
pub use ground::{AddressClass, CrowdedAddress, Ground};
pub use hidden_name::HiddenName;
pub use hotline::Hotline;
pub use inherit::{NAMED_SETS_MAX, deciding};
pub use key::RuleKey;
pub use mode::Mode;
pub use names::NameIndex;
pub use number::{NationalNumber, NumberingPlan};
pub use pattern::DomainPattern;
pub use plan::{HotlineEntry, HotlineTable, Plan, PlanRule};
pub use port::PortRange;
pub use set::{PolicyFile, PolicySet, load};
pub use site::{Evidence, Site};
pub use suffix::SuffixList;
pub use terms::SiteTerms;
pub use wire_name::WireName;
