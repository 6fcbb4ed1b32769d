//! Files of `gateway.state_dir` that say who used what.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::Connection;

/// The owner writes, and a group that the operator gives the file to reads; nobody else on the machine does.
const MODE: u32 = 0o640;

/// Opens a database, or makes one. A new one has [`MODE`], and so has what `SQLite` keeps beside it; the mode of one that is
/// there is the operator's.
///
/// # Errors
/// Whatever `SQLite` says.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    // Where it cannot be made, SQLite says why.
    let _ = OpenOptions::new().append(true).create(true).mode(MODE).open(path);
    Connection::open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn others_cannot_read_who_used_what() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger.sqlite");
        let mode = |name: &str| {
            let metadata = fs::metadata(directory.path().join(name)).expect(name);
            metadata.permissions().mode() & 0o777
        };
        let ledger = Ledger::open(&path).expect("a ledger");
        for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
            assert_eq!(mode(name) & !MODE, 0, "{name}");
        }
        drop(ledger);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
        drop(Ledger::open(&path).expect("the same ledger"));
        assert_eq!(mode("ledger.sqlite"), 0o644);
    }
}
