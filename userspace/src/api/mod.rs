//! What the controller answers: status on a socket of its own, metrics for Prometheus.

mod client;
mod server;

pub use client::{ClientError, status};
pub use server::{ServerError, StatusSource, serve_metrics, serve_socket};

use std::path::{Path, PathBuf};

/// The socket that the controller answers on.
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("tollfree.sock")
}
