//! A second classifier, for tests only: written from the standards and from what is promised, not from the core.
//!
//! It is slow and obvious on purpose: lists are searched from end to end, headers are slices, and the innermost
//! packet is found by recursion. [`answer::Gateway::answer`] says for one frame after the other what
//! [`tollfree_core`] has to say. [`generate`] makes sequences of frames that are likely to tell the two apart.
#![forbid(unsafe_code)]

pub mod answer;
pub mod arrival;
pub mod compare;
pub mod generate;
pub mod read;
pub mod step;
pub mod world;
