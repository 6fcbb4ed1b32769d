#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod build;
mod carriage;
mod model;
mod spoofs;
