//! Debian's kernels, downloaded and unpacked, not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tollfree_tests::{binary, command};

use crate::setup::packages;
use crate::step;

const NAME: &str = "linux-image-";
/// The flavour for virtual machines: the same code with fewer drivers, and so the smallest package.
const FLAVOUR: &str = "-cloud-amd64";

/// A kernel's package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    name: String,
}

impl Package {
    /// The newest package whose version is `version`, or begins with it and a dot, a hyphen or a plus.
    pub(super) fn find(version: &str) -> Result<Self> {
        if let Some(package) = newest(&names(version)?, version) {
            return Ok(package);
        }
        packages::refresh()?;
        newest(&names(version)?, version).with_context(|| {
            format!(
                "Debian's package lists have no kernel {version} of the flavour{FLAVOUR}; \
                 `apt-cache pkgnames {NAME}` shows those there are"
            )
        })
    }

    /// Downloads it unless that was done before, and returns where its kernel is.
    pub(super) fn kernel(&self) -> Result<PathBuf> {
        let directory = binary::workspace().join("target/kernels");
        let kernel = directory.join(&self.name);
        if kernel.exists() {
            return Ok(kernel);
        }
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        // In a directory of its own, so that an interrupted download leaves nothing that looks whole.
        let scratch = tempfile::tempdir_in(&directory)?;
        self.unpack(scratch.path())?;
        fs::rename(only_file(&scratch.path().join("boot"))?, &kernel)
            .with_context(|| kernel.display().to_string())?;
        Ok(kernel)
    }

    fn unpack(&self, directory: &Path) -> Result<()> {
        let mut download = Command::new("apt-get");
        // As root: the directory need not be readable to apt's own user.
        download.args(["download", "-qq", "-o", "APT::Sandbox::User=root", &self.name]);
        step::run(&format!("download {}", self.name), download.current_dir(directory))?;
        let mut unpack = Command::new("sh");
        // Only the kernel itself: its modules are many times as large.
        unpack.args(["-c", "dpkg-deb --fsys-tarfile \"$0\" | tar --extract --wildcards './boot/vmlinuz-*'"]);
        unpack.arg(only_file(directory)?).current_dir(directory);
        step::run(&format!("unpack {}", self.name), &mut unpack)
    }
}

/// The package with the highest numbers among those of the version and the flavour.
fn newest(names: &str, version: &str) -> Option<Package> {
    let fits = |name: &&str| {
        let rest = name.strip_prefix(NAME).and_then(|name| name.strip_prefix(version));
        let rest = rest.and_then(|rest| rest.strip_suffix(FLAVOUR));
        // Without a number behind it, 6.12 would be a package that depends on the kernel, and holds none.
        rest.is_some_and(|rest| {
            rest.starts_with(['.', '-', '+']) || (rest.is_empty() && numbers(version).len() > 2)
        })
    };
    let name = names.lines().map(str::trim).filter(fits).max_by_key(|name| numbers(name))?;
    Some(Package { name: name.to_owned() })
}

fn numbers(name: &str) -> Vec<u32> {
    name.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Names of all packages that are kernels of a version, and more.
fn names(version: &str) -> Result<String> {
    command::run(Command::new("apt-cache").args(["pkgnames", &format!("{NAME}{version}")]), "")
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let entry = entries.next().with_context(|| format!("{}: nothing there", directory.display()))??;
    Ok(entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = "linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-56-cloud-amd64\n\
                         linux-image-6.1.0-57-amd64\nlinux-image-6.1.0-58-cloud-amd64-unsigned\n\
                         linux-image-6.12-cloud-amd64\nlinux-image-6.12.117+deb12-cloud-amd64\n\
                         linux-image-6.12.99+deb12-cloud-amd64\n";

    fn found(version: &str) -> Option<String> {
        newest(NAMES, version).map(|package| package.name)
    }

    #[test]
    fn the_newest_of_a_series_is_found() {
        assert_eq!(found("6.1").as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(found("6.12").as_deref(), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(found("5.10"), None);
    }

    #[test]
    fn one_kernel_can_be_named() {
        for version in ["6.1.0-9", "6.12.99", "6.12.99+deb12"] {
            let name = found(version).expect("it is there");
            assert!(name.strip_prefix(NAME).is_some_and(|name| name.starts_with(version)), "{name}");
        }
    }
}
