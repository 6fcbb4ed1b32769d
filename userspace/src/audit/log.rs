//! The writer of the log.
//!
//! An append is durable at one point: when the new checkpoint is in place beside the key (`<key>.head`).
//! Before it, all entries and tiles are on the disk; after it, it is published. So a crash leaves the old log
//! or the new one, and a directory that was restored from an old copy is noticed instead of being signed a
//! second time.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use tlog_tiles::{EMPTY_HASH, Hash, record_hash};

use super::digest::{Digest, policy_digest};
use super::disk;
use super::error::AuditError;
use super::key::Key;
use super::statement::{AddressStatement, Statement};
use super::tree::{self, ENTRIES_MAX, Edge, Published, TILE_WIDTH};

/// Name of the signed tree head.
const CHECKPOINT: &str = "checkpoint";
/// Name of the verifier key.
const VKEY: &str = "vkey";
/// Name of the stored policies.
const POLICIES: &str = "policies";

/// An audit log, open for appending; one process at a time.
pub struct Log {
    directory: PathBuf,
    head_path: PathBuf,
    key: Key,
    /// Held for the lock on the directory.
    _lock: File,
    /// `None` after an append that failed: what is on the disk is then read again.
    state: Option<State>,
}

/// The log as it was signed last.
struct State {
    size: u64,
    edge: Edge,
    /// The last entry bundle while it is not full.
    bundle: Vec<u8>,
    stated: Stated,
}

/// What the log says is in force.
#[derive(Clone, Default)]
struct Stated {
    epoch: Option<u32>,
    addresses: BTreeSet<AddressStatement>,
}

impl Stated {
    /// Takes in the next statement; false if its addresses do not follow from those before.
    fn follow(&mut self, statement: &Statement) -> bool {
        match statement {
            Statement::Activation(activation) => {
                *self = Self { epoch: Some(activation.epoch), addresses: BTreeSet::new() };
                true
            }
            Statement::Addresses(change) => {
                change.removed.iter().all(|address| self.addresses.remove(address))
                    && change.added.iter().all(|address| self.addresses.insert(address.clone()))
            }
            Statement::Rules(_) | Statement::Refused(_) => true,
        }
    }
}

impl Log {
    /// Opens the log in `directory`, whose checkpoints are signed for `origin` with the key at `key_path`;
    /// makes what does not exist, and finishes or undoes what a crash interrupted.
    ///
    /// The directory is public; the key, and the last signed checkpoint (`<key>.head`), must be elsewhere.
    /// `origin` names the log for ever: a host and a path, such as `gw1.example.net/audit`.
    ///
    /// # Errors
    /// [`AuditError`]; none of them changes what is published.
    pub fn open(directory: &Path, key_path: &Path, origin: &str) -> Result<Self, AuditError> {
        if !signed_note::is_key_name_valid(origin) || origin.chars().any(char::is_control) {
            return Err(AuditError::Origin { origin: origin.to_owned() });
        }
        disk::make_directories(directory)?;
        let lock = lock(directory)?;
        refuse_published(directory, key_path)?;
        let key = Key::open(key_path, origin)?;
        let mut head_path = key_path.as_os_str().to_owned();
        head_path.push(".head");
        let mut log = Self {
            directory: directory.to_owned(),
            head_path: head_path.into(),
            key,
            _lock: lock,
            state: None,
        };
        log.state = Some(log.read_signed()?);
        Ok(log)
    }

    /// How many entries the log has; `None` while it is not known, after an append that failed.
    pub fn size(&self) -> Option<u64> {
        self.state.as_ref().map(|state| state.size)
    }

    /// The epoch of the last activation in the log. The next one must be greater.
    pub fn last_epoch(&self) -> Option<u32> {
        self.state.as_ref().and_then(|state| state.stated.epoch)
    }

    /// Addresses that the log lists under its last epoch; `None` while it is not known, after an append that failed.
    pub fn addresses(&self) -> Option<&BTreeSet<AddressStatement>> {
        self.state.as_ref().map(|state| &state.stated.addresses)
    }

    /// The key that verifies the log, for those who audit it.
    pub fn vkey(&self) -> &str {
        self.key.vkey()
    }

    /// Reads again what was signed last, after an append that failed; returns how many entries the log has.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn recover(&mut self) -> Result<u64, AuditError> {
        let state = self.read_signed()?;
        let size = state.size;
        self.state = Some(state);
        Ok(size)
    }

    /// Appends the statements, all or none, and returns the indexes of their entries. They are durable and
    /// published when this returns.
    ///
    /// # Errors
    /// A statement that the verifier would not accept is refused. When the disk fails, the statements may be
    /// in the log or not; [`Log::recover`] tells.
    pub fn append(&mut self, statements: &[Statement]) -> Result<Range<u64>, AuditError> {
        let state = match self.state.take() {
            Some(state) => state,
            None => self.read_signed()?,
        };
        let size = state.size;
        let (entries, stated) = match self.encode(statements, state.stated.clone()) {
            Ok(encoded) => encoded,
            Err(error) => {
                self.state = Some(state);
                return Err(error);
            }
        };
        self.state = Some(if entries.is_empty() { state } else { self.grow(state, &entries, stated)? });
        Ok(size..size + entries.len() as u64)
    }

    /// Stores the files of the policy with this `digest`, by name and content, so that a regulator can read
    /// what the digest means. Durable when this returns; storing it again changes nothing.
    ///
    /// # Errors
    /// Files of another digest, names that are no single file's, and what the disk refuses.
    pub fn store_policy(&self, digest: Digest, files: &[(String, Vec<u8>)]) -> Result<(), AuditError> {
        let found = Digest(policy_digest(files));
        if found != digest {
            return Err(AuditError::PolicyDiffers { digest, found });
        }
        let place = self.policy_path(digest);
        if files.is_empty() || place.is_dir() {
            return Ok(());
        }
        for (position, (name, _)) in files.iter().enumerate() {
            let is_repeated = files[..position].iter().any(|(other, _)| other == name);
            if is_repeated || !is_single_name(name) {
                return Err(AuditError::PolicyFileName { name: name.clone() });
            }
        }
        let beside = disk::temporary(&place);
        if beside.exists() {
            disk::remove(&beside)?;
        }
        let files: Vec<_> =
            files.iter().map(|(name, content)| (beside.join(name), content.clone())).collect();
        disk::write_all(&files)?;
        disk::rename(&beside, &place)
    }

    fn policy_path(&self, digest: Digest) -> PathBuf {
        self.directory.join(POLICIES).join(digest.to_string())
    }

    /// The statements as entries, and what is in force with them.
    fn encode(
        &self,
        statements: &[Statement],
        mut stated: Stated,
    ) -> Result<(Vec<Vec<u8>>, Stated), AuditError> {
        let mut entries = Vec::with_capacity(statements.len());
        for statement in statements {
            self.check(statement, stated.epoch)?;
            if !stated.follow(statement) {
                return Err(AuditError::AddressesDiffer { epoch: stated.epoch });
            }
            entries.push(statement.to_entry()?);
        }
        Ok((entries, stated))
    }

    /// Refuses what does not belong behind an activation of epoch `last`.
    fn check(&self, statement: &Statement, last: Option<u32>) -> Result<(), AuditError> {
        match statement {
            Statement::Activation(activation) => {
                let epoch = activation.epoch;
                if let Some(last) = last.filter(|&last| epoch <= last) {
                    return Err(AuditError::EpochNotNew { epoch, last });
                }
                let digest = activation.policy_digest;
                let is_empty = digest == Digest(policy_digest::<&str, &[u8]>(&[]));
                if !is_empty && !self.policy_path(digest).is_dir() {
                    return Err(AuditError::PolicyNotStored { digest });
                }
                Ok(())
            }
            Statement::Rules(super::Rules { epoch, .. })
            | Statement::Addresses(super::Addresses { epoch, .. }) => {
                if last == Some(*epoch) {
                    Ok(())
                } else {
                    Err(AuditError::EpochNotInForce { epoch: *epoch, last })
                }
            }
            Statement::Refused(_) => Ok(()),
        }
    }

    /// Writes the log with `entries` behind it.
    fn grow(&self, state: State, entries: &[Vec<u8>], stated: Stated) -> Result<State, AuditError> {
        let State { size, mut edge, mut bundle, .. } = state;
        let grown = size + entries.len() as u64;
        if grown > ENTRIES_MAX {
            return Err(AuditError::Full { entries: grown, max: ENTRIES_MAX });
        }
        let mut files = bundles(size, &mut bundle, entries)?;
        let (tiles, root) = edge.grow(size, entries)?;
        files.extend(tiles);
        let files: Vec<_> =
            files.into_iter().map(|(path, octets)| (self.directory.join(path), octets)).collect();
        disk::write_all(&files)?;
        let checkpoint = self.key.sign(grown, root)?;
        disk::write(&self.head_path, &checkpoint, disk::PRIVATE)?;
        disk::write(&self.directory.join(CHECKPOINT), &checkpoint, disk::PUBLIC)?;
        // The append is durable already, and partial tiles that stay are still true.
        if let Err(error) = remove_partials(&files) {
            tracing::warn!(%error, "partial tiles of full ones stay in the audit log");
        }
        Ok(State { size: grown, edge, bundle, stated })
    }

    /// Reads what was signed last, publishes it if a crash came in between, and removes what was never
    /// signed.
    fn read_signed(&self) -> Result<State, AuditError> {
        let (head, size, root) = self.signed_last()?;
        let edge = Edge::read(&self.directory, size, root)?;
        let bundle = self.read_edge_bundle(size, &edge)?;
        let stated = self.read_stated(size)?;
        self.publish(VKEY, format!("{}\n", self.key.vkey()).as_bytes())?;
        self.publish(CHECKPOINT, &head)?;
        self.remove_leftovers(size)?;
        Ok(State { size, edge, bundle, stated })
    }

    /// The last signed checkpoint, its size and its root.
    fn signed_last(&self) -> Result<(Vec<u8>, u64, Hash), AuditError> {
        let path = self.directory.join(CHECKPOINT);
        let published = disk::read(&path)?;
        let Some(head) = disk::read(&self.head_path)? else {
            if published.is_some() {
                return Err(AuditError::HeadMissing { head: self.head_path.clone(), checkpoint: path });
            }
            let head = self.key.sign(0, EMPTY_HASH)?;
            disk::write(&self.head_path, &head, disk::PRIVATE)?;
            return Ok((head, 0, EMPTY_HASH));
        };
        let signed = self
            .key
            .verify(&head)
            .filter(|signed| signed.size() <= ENTRIES_MAX)
            .ok_or_else(|| AuditError::Head { path: self.head_path.clone() })?;
        if let Some(octets) = published.filter(|octets| *octets != head) {
            let published = self.key.verify(&octets).ok_or(AuditError::Head { path })?;
            // The same tree with more signatures, by witnesses, is no other history.
            let is_same = published.size() == signed.size() && published.hash() == signed.hash();
            if published.size() >= signed.size() && !is_same {
                let (directory, published) = (self.directory.clone(), published.size());
                return Err(AuditError::HeadDiffers { directory, published, signed: signed.size() });
            }
        }
        Ok((head, signed.size(), *signed.hash()))
    }

    fn publish(&self, name: &str, octets: &[u8]) -> Result<(), AuditError> {
        let path = self.directory.join(name);
        if disk::read(&path)?.is_some_and(|published| published == octets) {
            return Ok(());
        }
        disk::write(&path, octets, disk::PUBLIC)
    }

    /// The last entry bundle, if it is not full; its entries are checked against the tree.
    fn read_edge_bundle(&self, size: u64, edge: &Edge) -> Result<Vec<u8>, AuditError> {
        let width = u64::from(TILE_WIDTH);
        let first = size - size % width;
        if first == size {
            return Ok(Vec::new());
        }
        let (path, octets) = self.read_bundle(first / width, size)?;
        let damaged = || AuditError::Damaged { path: path.clone() };
        let entries = split_bundle(&octets).ok_or_else(damaged)?;
        let leaves = (first..size).map(|index| edge.leaf(index));
        if !entries.iter().map(|entry| Some(record_hash(entry))).eq(leaves) {
            return Err(damaged());
        }
        Ok(octets)
    }

    /// What is in force: the last activation, looked for from the end, and what was stated after it.
    fn read_stated(&self, size: u64) -> Result<Stated, AuditError> {
        let mut later = Vec::new();
        'search: for index in (0..size.div_ceil(u64::from(TILE_WIDTH))).rev() {
            let (path, octets) = self.read_bundle(index, size)?;
            let entries = split_bundle(&octets).ok_or(AuditError::Damaged { path })?;
            for entry in entries.into_iter().rev() {
                let statement = Statement::from_entry(entry)?;
                let is_activation = matches!(statement, Statement::Activation(_));
                later.push(statement);
                if is_activation {
                    break 'search;
                }
            }
        }
        let mut stated = Stated::default();
        for statement in later.iter().rev() {
            if !stated.follow(statement) {
                return Err(AuditError::AddressesDiffer { epoch: stated.epoch });
            }
        }
        Ok(stated)
    }

    fn read_bundle(&self, index: u64, size: u64) -> Result<(PathBuf, Vec<u8>), AuditError> {
        let rest = size - index * u64::from(TILE_WIDTH);
        let width = u32::try_from(rest).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
        let path = self.directory.join(tree::tile_path(&tree::bundle(index, width)));
        let octets = disk::read(&path)?.ok_or_else(|| AuditError::Damaged { path: path.clone() })?;
        Ok((path, octets))
    }

    /// Removes what an interrupted append left: temporary files, and tiles ahead of `size`.
    fn remove_leftovers(&self, size: u64) -> Result<(), AuditError> {
        let signed = tree::paths_until(size);
        let mut files = Vec::new();
        list(&self.directory, &mut files)?;
        for path in files {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let relative = path.strip_prefix(&self.directory).unwrap_or(&path);
            let is_tile = relative.starts_with("tile") && name.bytes().all(|octet| octet.is_ascii_digit());
            let is_signed = relative.to_str().is_some_and(|relative| signed.contains(relative));
            if disk::is_temporary(name) || is_tile && !is_signed {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Locks the log against a second writer.
fn lock(directory: &Path) -> Result<File, AuditError> {
    let file = File::open(directory).map_err(AuditError::io("open", directory))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::InUse { directory: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(AuditError::io("lock", directory)(error)),
    }
}

/// Refuses a key that would be published; makes the directory it is to be in.
fn refuse_published(directory: &Path, key_path: &Path) -> Result<(), AuditError> {
    let canonical = |path: &Path| fs::canonicalize(path).map_err(AuditError::io("find", path));
    let parent = key_path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk::make_directories(parent)?;
    if canonical(parent)?.starts_with(canonical(directory)?) {
        return Err(AuditError::KeyPublished { key: key_path.to_owned(), directory: directory.to_owned() });
    }
    Ok(())
}

fn is_single_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let is_normal = matches!(components.next(), Some(Component::Normal(first)) if first == name);
    is_normal && components.next().is_none() && !name.starts_with('.') && !name.contains('\0')
}

/// The entry bundles that `entries` fill behind `size` others; `bundle` is the last one, not full, before and
/// after.
fn bundles(size: u64, bundle: &mut Vec<u8>, entries: &[Vec<u8>]) -> Result<Vec<Published>, AuditError> {
    let width = u64::from(TILE_WIDTH);
    let mut files = Vec::new();
    for (index, entry) in (size..).zip(entries) {
        let length =
            u16::try_from(entry.len()).map_err(|_| super::StatementError::TooLong { octets: entry.len() })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
        if (index + 1).is_multiple_of(width) {
            files.push((tree::tile_path(&tree::bundle(index / width, TILE_WIDTH)), std::mem::take(bundle)));
        }
    }
    let grown = size + entries.len() as u64;
    if let Some(rest) = u32::try_from(grown % width).ok().filter(|&rest| rest > 0) {
        files.push((tree::tile_path(&tree::bundle(grown / width, rest)), bundle.clone()));
    }
    Ok(files)
}

/// The entries of a bundle; `None` if a length is wrong.
fn split_bundle(mut octets: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = octets.split_first_chunk() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        octets = rest;
    }
    octets.is_empty().then_some(entries)
}

/// Removes the partial tiles of the full ones among `files`. Those of tiles that are not full stay: they
/// belong to checkpoints that were published (C2SP tlog-tiles, "Partial Tiles").
fn remove_partials(files: &[(PathBuf, Vec<u8>)]) -> Result<(), AuditError> {
    for (path, _) in files {
        let partials = tree::partials_of(path);
        if partials.is_dir() {
            disk::remove(&partials)?;
        }
    }
    Ok(())
}

/// All files under `directory`, and directories of temporary name.
fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), AuditError> {
    let read = AuditError::io("list", directory);
    for entry in fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(read)? {
        let kind = entry.file_type().map_err(AuditError::io("list", entry.path()))?;
        let is_temporary = entry.file_name().to_str().is_some_and(disk::is_temporary);
        if kind.is_dir() && !is_temporary {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
