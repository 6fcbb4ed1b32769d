//! `cargo xtask setup`: what building and testing need beyond rustup, cargo, a C compiler and root.

mod kernel_toolchain;
mod linker;
pub(crate) mod packages;

use anyhow::{Result, ensure};
use nix::unistd::geteuid;

/// Installs what is missing; says nothing, and takes no time, if nothing is.
pub(crate) fn run() -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "root is needed, to install Debian packages, to make network namespaces and to load XDP programs: \
         run it in a root shell"
    );
    packages::install(packages::ALWAYS)?;
    kernel_toolchain::install()?;
    linker::install()
}
