//! What access servers said, kept on disk before it is answered.
//!
//! A controller that is killed would otherwise know nobody until each session's next Interim-Update, which may be hours
//! away, and its records would name nobody until then. The next controller takes the last state that was kept, and what
//! was said after it, in order: [`Bindings`](super::Bindings) reads no clock, so it is where the one before was.
//!
//! What is kept is worth nothing once access servers may have given up repeating what nobody answered: a wrong name on a
//! record is worse than none. So it is void after [`AWAY_MAX`], and after a reboot, when the counters are gone too; which is
//! why nothing here waits for the disk. A file that cannot be written is removed, and made anew later.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::change::Change;
use super::event::Event;
use super::kept::Kept;
use crate::state_file;

/// For how long a controller may have been away and still believe what was kept. Reason: access servers repeat an
/// unanswered message every 16 seconds at least (RFC 5080, section 2.2.1), so what they said meanwhile is said again soon.
pub const AWAY_MAX: SignedDuration = SignedDuration::from_mins(1);
/// Events after which the state is kept anew, if there are not more sessions than that; then it is as many as there are.
/// Reason: reading so many takes a start half a second, and they are some 50 MB.
const EVENTS_MAX: i64 = 100_000;
/// How long another program that looks into the file may hold it up. Reason: an answer waits for it.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);
/// The layout of the file, as `user_version` says it.
const VERSION: u32 = 1;

const SCHEMA: &str = "
    CREATE TABLE controller (
        boot_id TEXT NOT NULL,
        alive_s INTEGER NOT NULL, -- when it was last known to live, in seconds since the Unix epoch
        in_state INTEGER NOT NULL, -- the last event that is in the state
        recorded INTEGER NOT NULL -- the last event that the ledger knows of
    ) STRICT;
    CREATE TABLE state (position INTEGER PRIMARY KEY, kept TEXT NOT NULL) STRICT; -- JSON
    CREATE TABLE unrecorded (position INTEGER PRIMARY KEY, change TEXT NOT NULL) STRICT; -- JSON; with that state
    CREATE TABLE events (number INTEGER PRIMARY KEY, said TEXT NOT NULL) STRICT; -- JSON; after that state
";

/// Why sessions are not kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot keep who has which address in {}: {reason}; make room there, else records name nobody after a restart until \
     access servers report again", path.display()
)]
pub struct JournalError {
    path: PathBuf,
    reason: String,
}

/// An event, and when it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What an access server says.
    pub event: Event,
    /// When its request arrived.
    pub at: Timestamp,
}

/// What is known at some event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Sessions, in the order in which they are to be restored.
    pub kept: Vec<Kept>,
    /// What changed hands, and the ledger does not know of.
    pub unrecorded: Vec<Change>,
}

/// What an earlier controller kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// What it knew.
    pub state: State,
    /// What was said then.
    pub events: Vec<Said>,
    /// Of how many of `events`, the first, the ledger knows.
    pub recorded: usize,
}

/// The journal. The listener writes it before it answers, and the engine in between. By default it keeps nothing.
#[derive(Debug, Default)]
pub struct SessionJournal {
    path: Option<PathBuf>,
    boot_id: String,
    file: Mutex<File>,
}

#[derive(Debug, Default)]
struct File {
    /// `None`: nothing is kept now.
    connection: Option<Connection>,
    /// Why nothing is.
    reason: String,
    /// The number of the last event, whether it is kept or not.
    last: i64,
    /// The last event that is in the state, and how long the state is.
    in_state: i64,
    state_rows: i64,
}

impl SessionJournal {
    /// Opens the journal at `path`, and reads what is in it if that is still worth something at `now`. Whatever is wrong
    /// with the file, it is begun anew then; [`SessionJournal::tend`] tells if that fails too.
    pub fn open(path: &Path, boot_id: &str, now: Timestamp) -> (Self, Earlier) {
        let (mut file, earlier) = read(path, boot_id, now).unwrap_or_else(|error| {
            tracing::warn!("{}: {error}; who had which address is not known", path.display());
            (File::default(), Earlier::default())
        });
        if file.connection.is_none() {
            file.begin(path, boot_id, now);
        }
        (Self { path: Some(path.to_owned()), boot_id: boot_id.to_owned(), file: Mutex::new(file) }, earlier)
    }

    /// The number of the last event.
    pub fn last(&self) -> i64 {
        self.file().last
    }

    /// Keeps an event, and hands it on with its number: one more than the last one's, whether it could be kept or not.
    /// Events are handed on in the order of their numbers.
    pub fn append(&self, said: Said, hand_on: impl FnOnce(Said, i64)) {
        let mut file = self.file();
        file.last += 1;
        let number = file.last;
        self.write(&mut file, |connection| {
            let mut insert = connection.prepare_cached("INSERT INTO events (number, said) VALUES (?, ?)")?;
            insert.execute(params![number, json(&said)?]).map(drop)
        });
        hand_on(said, number);
    }

    /// The ledger knows of all events up to `number`.
    pub fn recorded(&self, number: i64) {
        self.write(&mut self.file(), |connection| {
            // Each is right without the other: a change that is taken for unrecorded names nobody.
            connection.execute("DELETE FROM unrecorded", [])?;
            connection.prepare_cached("UPDATE controller SET recorded = ?")?.execute([number]).map(drop)
        });
    }

    /// The controller lives at `now`, and knows all events up to `applied`; `state` is what it knows then. Worth calling
    /// every few seconds; it costs little unless much was said since the state was kept.
    ///
    /// # Errors
    /// [`JournalError`] if nothing is kept.
    pub fn tend(
        &self,
        now: Timestamp,
        applied: i64,
        state: impl FnOnce() -> State,
    ) -> Result<(), JournalError> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut file = self.file();
        // What was said while nothing is kept has to be in the state.
        if file.connection.is_none() && applied == file.last {
            file.begin(path, &self.boot_id, now);
            self.keep(&mut file, applied, &state());
        } else if file.last - file.in_state > EVENTS_MAX.max(file.state_rows) {
            self.keep(&mut file, applied, &state());
        }
        self.write(&mut file, |connection| {
            connection
                .prepare_cached("UPDATE controller SET alive_s = ?")?
                .execute([now.as_second()])
                .map(drop)
        });
        if file.connection.is_some() {
            return Ok(());
        }
        Err(JournalError { path: path.clone(), reason: file.reason.clone() })
    }

    /// Keeps `state`, which has all events up to `applied` in it, in their place.
    fn keep(&self, file: &mut File, applied: i64, state: &State) {
        self.write(file, |connection| {
            let transaction = connection.transaction()?;
            transaction.execute_batch("DELETE FROM state; DELETE FROM unrecorded")?;
            transaction.execute("DELETE FROM events WHERE number <= ?", [applied])?;
            transaction.execute("UPDATE controller SET in_state = ?", [applied])?;
            insert_all(&transaction, "INSERT INTO state (kept) VALUES (?)", &state.kept)?;
            insert_all(&transaction, "INSERT INTO unrecorded (change) VALUES (?)", &state.unrecorded)?;
            transaction.commit()
        });
        file.in_state = applied;
        file.state_rows = count(&state.kept);
    }

    /// Writes, if anything is kept. Where it cannot, what is kept would soon be false, so it is removed.
    fn write(&self, file: &mut File, write: impl FnOnce(&mut Connection) -> rusqlite::Result<()>) {
        let written = file.connection.as_mut().map(write);
        if let (Some(Err(error)), Some(path)) = (written, &self.path) {
            file.reason = error.to_string();
            file.connection = None;
            if let Err(error) = remove(path) {
                tracing::error!("cannot remove {}: {error}; remove it", path.display());
            }
        }
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    /// Begins anew, if it can.
    fn begin(&mut self, path: &Path, boot_id: &str, now: Timestamp) {
        match create(path, boot_id, now) {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => self.reason = error.to_string(),
        }
    }
}

/// Makes an empty file, in place of what is there.
fn create(path: &Path, boot_id: &str, now: Timestamp) -> Result<Connection, Fault> {
    remove(path)?;
    let mut connection = state_file::open(path)?;
    set_up(&connection)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute("INSERT INTO controller VALUES (?, ?, 0, 0)", params![boot_id, now.as_second()])?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "OFF")
}

fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Why a file cannot be read or made.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    #[error("another version's layout, {0}")]
    Version(u32),
}

/// What is at `path`: nothing if there is no file, or an old one.
fn read(path: &Path, boot_id: &str, now: Timestamp) -> Result<(File, Earlier), Fault> {
    let nothing = (File::default(), Earlier::default());
    if !path.exists() {
        return Ok(nothing);
    }
    let connection = state_file::open(path)?;
    set_up(&connection)?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        return Err(Fault::Version(version));
    }
    let controller = "SELECT alive_s, in_state, recorded FROM controller WHERE boot_id = ?";
    let controller = connection.query_row(controller, [boot_id], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    let Some((alive_s, in_state, recorded)) = controller.optional()? else { return Ok(nothing) };
    // In either direction: a clock that was set says nothing of how long it was.
    if now.as_second().abs_diff(alive_s) > AWAY_MAX.unsigned_abs().as_secs() {
        return Ok(nothing);
    }
    let state = State {
        kept: select(&connection, "SELECT kept FROM state ORDER BY position")?,
        unrecorded: select(&connection, "SELECT change FROM unrecorded ORDER BY position")?,
    };
    let events: Vec<Said> = select(&connection, "SELECT said FROM events ORDER BY number")?;
    let (state_rows, last) = (count(&state.kept), in_state + count(&events));
    let recorded = usize::try_from(recorded - in_state).unwrap_or(0).min(events.len());
    let file = File { connection: Some(connection), reason: String::new(), last, in_state, state_rows };
    Ok((file, Earlier { state, events, recorded }))
}

fn insert_all<T: Serialize>(connection: &Connection, statement: &str, values: &[T]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(statement)?;
    values.iter().try_for_each(|value| insert.execute([json(value)?]).map(drop))
}

fn select<T: DeserializeOwned>(connection: &Connection, statement: &str) -> rusqlite::Result<Vec<T>> {
    let value = |row: &Row<'_>| {
        let text = row.get_ref(0)?.as_str()?;
        serde_json::from_str(text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        })
    };
    connection.prepare(statement)?.query_map([], value)?.collect()
}

fn count<T>(values: &[T]) -> i64 {
    i64::try_from(values.len()).unwrap_or(i64::MAX)
}

fn json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
