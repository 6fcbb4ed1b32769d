//! TOML files that people write, read so that every fault in them is found at once, with its place.
//!
//! A serde draft would stop at the first unknown key or wrong type. So a [`section::Section`] hands out the
//! checked values of one table, puts each fault into the file's [`report::Report`], and goes on;
//! [`report::Report::finish`] gives the result only if there was none.

pub(crate) mod fault;
pub(crate) mod file;
pub(crate) mod identifier;
pub(crate) mod report;
pub(crate) mod section;
