//! What a client and this gateway know, and nobody else.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Permission bits that let others than the owner at the secret.
const OTHERS: u32 = 0o077;
/// Octets of a secret's file. Reason: no access server takes a longer secret.
pub const SECRET_OCTETS_MAX: u64 = 1024;

/// A shared secret (RFC 2865, section 3); never empty, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The operating system refused.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Io {
        /// The secret's file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Reading a pipe or device could wait for ever.
    #[error("{}: is not a regular file; write the secret into one", path.display())]
    NotRegular {
        /// What should be the secret's file.
        path: PathBuf,
    },
    /// Others can read it.
    #[error("{}: has mode {mode:03o}, so others can read the secret; chmod 600 it, and change the secret", path.display())]
    Exposed {
        /// The secret's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Nothing in it: everybody would know the secret.
    #[error("{}: is empty; write the client's secret into it", path.display())]
    Empty {
        /// The secret's file.
        path: PathBuf,
    },
    /// Not what a person or a tool would write.
    #[error("{}: is longer than {SECRET_OCTETS_MAX} octets; write only the client's secret into it", path.display())]
    TooLong {
        /// The secret's file.
        path: PathBuf,
    },
}

impl Secret {
    /// The secret of these octets; `None` if there are none (RFC 2865, section 3).
    pub fn new(octets: Vec<u8>) -> Option<Self> {
        (!octets.is_empty()).then_some(Self(octets))
    }

    /// Reads the secret in the file at `path`. A line end after it is not part of it.
    ///
    /// # Errors
    /// [`SecretError`]; never with what is in the file.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let io = |source| SecretError::Io { path: path.to_owned(), source };
        // Asked before opening, because opening a pipe waits for its writer.
        if !std::fs::metadata(path).map_err(io)?.is_file() {
            return Err(SecretError::NotRegular { path: path.to_owned() });
        }
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        let mut octets = Vec::new();
        file.take(SECRET_OCTETS_MAX + 1).read_to_end(&mut octets).map_err(io)?;
        if octets.len() as u64 > SECRET_OCTETS_MAX {
            return Err(SecretError::TooLong { path: path.to_owned() });
        }
        let line_end = octets.iter().rev().take_while(|octet| b"\r\n".contains(octet)).count();
        octets.truncate(octets.len() - line_end);
        Self::new(octets).ok_or_else(|| SecretError::Empty { path: path.to_owned() })
    }

    /// For computing digests, and comparing.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::OpenOptionsExt as _;

    use tempfile::TempDir;

    use super::*;

    fn write(directory: &TempDir, octets: &[u8], mode: u32) -> PathBuf {
        use std::io::Write as _;
        let path = directory.path().join("secret");
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).expect("a new file");
        file.write_all(octets).expect("it is written");
        path
    }

    fn load(octets: &[u8], mode: u32) -> Result<Secret, SecretError> {
        let directory = TempDir::new().expect("a temporary directory");
        Secret::load(&write(&directory, octets, mode))
    }

    #[test]
    fn a_secret_is_what_the_file_says_without_its_line_end() {
        for octets in [&b"xyzzy5461"[..], b"xyzzy5461\n", b"xyzzy5461\r\n"] {
            assert_eq!(load(octets, 0o600).expect("a secret").octets(), b"xyzzy5461");
        }
        assert_eq!(load(b" spaces stay \xff\n", 0o400).expect("a secret").octets(), b" spaces stay \xff");
    }

    #[test]
    fn what_others_can_read_is_no_secret() {
        for mode in [0o640, 0o604, 0o644] {
            assert!(
                matches!(load(b"x\n", mode), Err(SecretError::Exposed { mode: found, .. }) if found == mode)
            );
        }
    }

    #[test]
    fn files_that_hold_no_secret_are_refused() {
        assert!(matches!(load(b"", 0o600), Err(SecretError::Empty { .. })));
        assert!(matches!(load(b"\n", 0o600), Err(SecretError::Empty { .. })));
        assert!(matches!(load(&[b'x'; 1025], 0o600), Err(SecretError::TooLong { .. })));
        let directory = TempDir::new().expect("a temporary directory");
        assert!(matches!(Secret::load(directory.path()), Err(SecretError::NotRegular { .. })));
        assert!(matches!(Secret::load(&directory.path().join("none")), Err(SecretError::Io { .. })));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new(b"xyzzy5461".to_vec());
        assert_eq!(format!("{secret:?}"), "Some(Secret)");
    }
}
