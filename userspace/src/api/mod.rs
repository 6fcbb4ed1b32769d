//! What the controller answers: status and calls on a socket of its own, metrics for Prometheus, and free numbers and
//! calls for equipment that sees signalling where the gateway does not.

mod calls;
mod client;
mod numbers;
mod problem;
mod server;
#[cfg(test)]
mod tests;
mod token;

pub use calls::{CallRequest, LiveCall, LiveStream};
pub use client::{ClientError, calls, status};
pub use numbers::{FreeNumber, NumberAnswer, NumbersSource, look_up};
pub use server::{ApiSources, ServerError, StatusSource, serve_api, serve_metrics, serve_socket};
pub use token::Token;

use std::path::{Path, PathBuf};

/// The socket that the controller answers on.
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("tollfree.sock")
}
