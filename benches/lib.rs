//! What benchmarks and tests of the kernel programs share: the programs loaded without interfaces, frames for them,
//! and a plan that decides these frames.

pub mod file_system;
pub mod frame;
pub mod harness;
pub mod sample;
