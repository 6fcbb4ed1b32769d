//! Addresses of the names that policies list, kept fresh.

mod saved;

pub use saved::SavedAddress;
