//! Bad input of every kind: a message that says what to do, an exit code of its own (docs/operators.md), and nothing
//! half applied.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod crowd;
mod first_start;
mod machine;
mod other_program;
mod running;
mod stopped;
