//! A file that appears at once and whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::csv::PublishError;

/// A file that is being written beside its place.
pub(super) struct NewFile<'a> {
    directory: &'a Path,
    hidden: PathBuf,
    place: PathBuf,
    rows: csv::Writer<BufWriter<File>>,
}

impl<'a> NewFile<'a> {
    /// An empty one, in the place of what a crash left behind.
    pub(super) fn create(directory: &'a Path, name: String) -> Result<Self, PublishError> {
        // The same hidden name each time.
        let hidden = directory.join(format!(".{name}.new"));
        let file = File::create(&hidden).map_err(|source| write_error(&hidden, source))?;
        let rows = csv::Writer::from_writer(BufWriter::new(file));
        Ok(Self { directory, hidden, place: directory.join(name), rows })
    }

    /// Adds a row.
    pub(super) fn row<T: AsRef<[u8]>>(
        &mut self,
        fields: impl IntoIterator<Item = T>,
    ) -> Result<(), PublishError> {
        self.rows.write_record(fields).map_err(|error| write_error(&self.hidden, system_error(error)))
    }

    /// Makes the file durable and visible.
    pub(super) fn publish(self) -> Result<PathBuf, PublishError> {
        let Self { directory, hidden, place, rows } = self;
        let sync = || {
            let mut buffer = rows.into_inner().map_err(|error| io::Error::from(error.error().kind()))?;
            buffer.flush()?;
            buffer.get_ref().sync_all()
        };
        sync().map_err(|source| write_error(&hidden, source))?;
        fs::rename(&hidden, &place).map_err(|source| write_error(&place, source))?;
        // The rename itself must survive a power cut before the ledger says that it happened.
        let sync_directory = || File::open(directory)?.sync_all();
        sync_directory().map_err(|source| write_error(directory, source))?;
        Ok(place)
    }
}

fn write_error(path: &Path, source: io::Error) -> PublishError {
    PublishError::Write { path: path.to_owned(), source }
}

/// What the system says; rows that do not fit together would be a fault of this program.
fn system_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        kind => io::Error::other(format!("{kind:?}")),
    }
}
