//! The core and the model, side by side.

mod bytes;
mod core;
mod difference;
mod histogram;
mod minimise;
mod tables;

pub use self::core::{Controls, Core, grant_key};
pub use difference::{Difference, compare};
pub use histogram::{Histogram, NOT_MODELLED};
pub use minimise::minimise;
pub use tables::ListTables;
