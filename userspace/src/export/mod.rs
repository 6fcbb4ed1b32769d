//! What other systems are handed.

pub mod csv;
mod new_file;
