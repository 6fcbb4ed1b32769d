//! What other systems are handed.

pub mod csv;
