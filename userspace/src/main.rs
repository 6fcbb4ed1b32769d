//! The `tollfree` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tollfree::cli::run(std::env::args_os()).into()
}
