//! The writer and the verifier together.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use tempfile::TempDir;
use tlog_tiles::Checkpoint;

use super::disk::crash;
use super::*;

const ORIGIN: &str = "gw1.example.net/audit";

/// Steps after which a recovery must be done. Reason: it places two files and removes what one append left.
const RECOVERY_STEPS_MAX: u32 = 100;

/// A place for a log and its key.
pub(super) struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a directory") }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.root.path().join("published")
    }

    fn key(&self) -> PathBuf {
        self.root.path().join("private/key")
    }

    fn open(&self) -> Result<Log, AuditError> {
        Log::open(&self.directory(), &self.key(), ORIGIN)
    }

    /// A log of every type of file, with as few octets as that takes.
    fn tiny_log() -> Self {
        let place = Self::new();
        let mut log = place.open().expect("a log");
        let digest = store(&log, "x");
        let change = Addresses::of_change("gw1", 1, at(10), &BTreeSet::new(), &list(&["192.0.2.1"]));
        log.append(&[activation(1, 10, digest)]).expect("an append");
        log.append(&change.expect("a change")).expect("an append");
        place
    }

    /// A log with two activations, two changes of addresses and a refused policy, appended in three batches.
    pub(super) fn small_log() -> Self {
        let place = Self::new();
        let mut log = place.open().expect("a log");
        let digest = store(&log, "[policy]\nid = \"vn\"\n");
        let (first, second) = (list(&["192.0.2.1", "2001:db8::1"]), list(&["192.0.2.2", "2001:db8::1"]));
        let mut batch = vec![activation(1, 10, digest)];
        batch.extend(Addresses::of_change("gw1", 1, at(10), &BTreeSet::new(), &first).expect("a change"));
        assert_eq!(log.append(&batch).expect("an append"), 0..2);
        let change = Addresses::of_change("gw1", 1, at(20), &first, &second).expect("a change");
        assert_eq!(log.append(&change).expect("an append"), 2..3);
        let digest = store(&log, "[policy]\nid = \"vn-2\"\n");
        assert_eq!(log.append(&[refused(), activation(2, 30, digest)]).expect("an append"), 3..5);
        place
    }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn list(addresses: &[&str]) -> BTreeSet<AddressStatement> {
    let parse = |address: &&str| -> IpAddr { address.parse().expect("an address") };
    let statement = |address| AddressStatement { rules: vec![7], name: "moh.gov.vn".to_owned(), address };
    addresses.iter().map(parse).map(statement).collect()
}

fn store(log: &Log, content: &str) -> Digest {
    let files = [("vn.toml".to_owned(), content.as_bytes().to_vec()), ("empty.toml".to_owned(), Vec::new())];
    let digest = Digest(policy_digest(&files));
    log.store_policy(digest, &files).expect("a stored policy");
    digest
}

fn rule(number: u32) -> RuleStatement {
    RuleStatement {
        rule: number,
        policy: "vn".to_owned(),
        id: "moh-portal".to_owned(),
        class: ClassStatement::FreePriority,
        evidence: None,
        daily_ceiling_octets: None,
        rating_group: 9001,
        valid_from: at(0),
        valid_until: Some(at(1_000)),
    }
}

fn activation(epoch: u32, second: i64, policy_digest: Digest) -> Statement {
    Statement::Activation(Activation {
        gateway: "gw1".to_owned(),
        epoch,
        at: at(second),
        cause: ActivationCause::Start,
        policy_digest,
        rules: vec![rule(7)],
    })
}

fn refused() -> Statement {
    Statement::Refused(Refused { gateway: "gw1".to_owned(), at: at(25), policy_digest: None, faults: 3 })
}

fn refusals(count: usize) -> Vec<Statement> {
    vec![refused(); count]
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn remove_file(path: &Path) {
    fs::remove_file(path).expect("a file");
}

#[test]
fn small_log_verifies_and_tells_its_story() {
    let place = Place::small_log();
    let report = verify(&place.directory(), None).expect("a log that verifies");
    assert_eq!((report.origin.as_str(), report.size, report.entries.len()), (ORIGIN, 5, 5));
    assert_eq!(report.in_force_at(at(9)), None);
    assert!(report.addresses_at(at(9)).is_empty());
    assert_eq!(report.in_force_at(at(10)).map(|activation| activation.epoch), Some(1));
    assert_eq!(report.in_force_at(at(29)).map(|activation| activation.epoch), Some(1));
    assert_eq!(report.in_force_at(at(30)).map(|activation| activation.epoch), Some(2));
    let known = |second| report.addresses_at(at(second)).into_iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(known(10), list(&["192.0.2.1", "2001:db8::1"]));
    assert_eq!(known(20), list(&["192.0.2.2", "2001:db8::1"]));
    assert!(known(30).is_empty(), "an epoch begins with an empty list");
}

#[test]
fn every_flipped_octet_is_found() {
    let place = Place::tiny_log();
    let key = fs::read_to_string(place.directory().join("vkey")).expect("a key");
    let (mut flipped, mut kinds) = (0, BTreeSet::new());
    for path in files_below(&place.directory()) {
        let octets = fs::read(&path).expect("a file");
        for position in 0..octets.len() {
            let mut changed = octets.clone();
            changed[position] ^= 1 << (position % 8);
            fs::write(&path, &changed).expect("a file");
            // Verification is slow without optimisation; whether the key was given matters little here.
            let keys: &[_] = if position % 16 == 0 { &[None, Some(key.as_str())] } else { &[None] };
            for &key in keys {
                assert!(
                    verify(&place.directory(), key).is_err(),
                    "{} at {position}, {key:?}",
                    path.display()
                );
            }
            flipped += 1;
        }
        fs::write(&path, &octets).expect("a file");
        let kind =
            path.strip_prefix(place.directory()).expect("a file below").iter().next().map(ToOwned::to_owned);
        kinds.insert(kind.expect("a name"));
    }
    assert_eq!(kinds, ["checkpoint", "policies", "tile", "vkey"].map(Into::into).into());
    assert!(flipped > 1000, "{flipped}");
    verify(&place.directory(), None).expect("a log that verifies again");
}

#[test]
fn every_missing_longer_or_foreign_file_is_found() {
    let place = Place::small_log();
    for path in files_below(&place.directory()) {
        let octets = fs::read(&path).expect("a file");
        // Partial tiles of earlier checkpoints may be removed.
        let is_earlier = path.to_string_lossy().contains(".p/") && !path.ends_with("5");
        remove_file(&path);
        assert_eq!(verify(&place.directory(), None).is_ok(), is_earlier, "without {}", path.display());
        fs::write(&path, [octets.as_slice(), b"\n"].concat()).expect("a file");
        assert!(verify(&place.directory(), None).is_err(), "longer {}", path.display());
        fs::write(&path, &octets).expect("a file");
    }
    for name in [
        "stranger",
        "tile/0/001",
        "tile/0/000",
        "tile/0/000.p/6",
        "tile/0/000.p/05",
        "tile/7/000.p/1",
        "policies/stray",
        ".hidden",
        "tile/entries/000.p/.5.tmp",
    ] {
        let path = place.directory().join(name);
        fs::write(&path, b"")
            .or_else(|_| {
                fs::create_dir_all(path.parent().expect("a parent")).and_then(|()| fs::write(&path, b""))
            })
            .expect("a file");
        let faults = verify(&place.directory(), None).expect_err(name).faults;
        assert!(
            matches!(faults.as_slice(), [Fault::Unexpected { path }] if path.to_str() == Some(name)),
            "{faults:?}"
        );
        remove_file(&path);
    }
    verify(&place.directory(), None).expect("a log that verifies again");
}

#[test]
fn symbolic_links_are_not_followed() {
    let place = Place::small_log();
    let (vkey, elsewhere) = (place.directory().join("vkey"), place.root.path().join("vkey"));
    fs::rename(&vkey, &elsewhere).expect("a file");
    std::os::unix::fs::symlink(&elsewhere, &vkey).expect("a link");
    let faults = verify(&place.directory(), None).expect_err("a link").faults;
    assert!(faults.iter().any(|fault| matches!(fault, Fault::NotAFile { .. })), "{faults:?}");
}

#[test]
fn log_replaced_with_its_key_is_found_with_the_real_key() {
    let (real, fake) = (Place::small_log(), Place::small_log());
    let key = fs::read_to_string(real.directory().join("vkey")).expect("a key");
    assert!(verify(&fake.directory(), None).is_ok());
    assert!(verify(&fake.directory(), Some(&key)).is_err());
}

/// Every prefix of the steps of an append that fills a tile and begins a level.
#[test]
fn crash_after_any_step_leaves_the_old_log_or_the_new_one() {
    let before = Place::new();
    {
        let mut log = before.open().expect("a log");
        let digest = store(&log, "x");
        log.append(&[activation(1, 10, digest)]).expect("an append");
        log.append(&refusals(253)).expect("an append");
    }
    let (old, new) = (254, 258);
    let mut outcomes = BTreeSet::new();
    for steps in 0.. {
        let place = Place::new();
        copy(before.root.path(), place.root.path());
        let mut log = place.open().expect("a log");
        crash::after(Some(steps));
        let appended = log.append(&refusals(4));
        drop(log);
        // The recovery crashes as well, after each of its steps.
        let is_recovered = (0..RECOVERY_STEPS_MAX).any(|recovery_steps| {
            crash::after(Some(recovery_steps));
            place.open().is_ok()
        });
        crash::after(None);
        assert!(is_recovered, "after {steps} steps");
        let recovered = verify(&place.directory(), None);
        let mut log = place.open().expect("a log after a crash");
        let size = log.size().expect("a size");
        assert!(size == old || size == new, "{size} after {steps} steps");
        assert!(appended.is_err() || size == new);
        assert_eq!(recovered.expect("a log that verifies").size, size);
        assert_eq!(verify(&place.directory(), None).expect("a log that verifies").size, size);
        assert_eq!(log.last_epoch(), Some(1));
        log.append(&refusals(3)).expect("an append after a crash");
        assert_eq!(verify(&place.directory(), None).expect("a log that verifies").size, size + 3);
        outcomes.insert(size);
        if appended.is_ok() {
            break;
        }
    }
    assert_eq!(outcomes, BTreeSet::from([old, new]));
}

/// Before the recovery, nothing but files ahead of the checkpoint is wrong.
#[test]
fn crash_leaves_only_files_that_were_never_signed() {
    for steps in 0.. {
        let place = Place::new();
        let mut log = place.open().expect("a log");
        log.append(&refusals(255)).expect("an append");
        crash::after(Some(steps));
        let appended = log.append(&refusals(2));
        crash::after(None);
        if let Err(VerifyError { faults }) = verify(&place.directory(), None) {
            assert!(faults.iter().all(|fault| matches!(fault, Fault::Unexpected { .. })), "{faults:?}");
        }
        // The same process goes on, without being opened again.
        if appended.is_err() {
            let size = log.recover().expect("a recovery");
            assert_eq!(verify(&place.directory(), None).expect("a log that verifies").size, size);
            continue;
        }
        break;
    }
}

#[test]
fn crash_while_opening_the_first_time_is_recovered() {
    for steps in 0.. {
        let place = Place::new();
        crash::after(Some(steps));
        let opened = place.open().is_ok();
        crash::after(None);
        place.open().expect("a log after a crash");
        assert_eq!(verify(&place.directory(), None).expect("an empty log").size, 0);
        if opened {
            break;
        }
    }
}

#[test]
fn crash_while_storing_a_policy_is_recovered() {
    let files = [("a.toml".to_owned(), b"a".to_vec()), ("b.toml".to_owned(), b"b".to_vec())];
    let digest = Digest(policy_digest(&files));
    for steps in 0.. {
        let place = Place::new();
        let log = place.open().expect("a log");
        crash::after(Some(steps));
        let stored = log.store_policy(digest, &files).is_ok();
        crash::after(None);
        drop(log);
        let mut log = place.open().expect("a log after a crash");
        verify(&place.directory(), None).expect("a log that verifies");
        log.store_policy(digest, &files).expect("a stored policy");
        log.append(&[activation(1, 10, digest)]).expect("an append");
        verify(&place.directory(), None).expect("a log that verifies");
        if stored {
            break;
        }
    }
}

#[test]
fn old_copies_are_not_signed_again() {
    let (place, old) = (Place::small_log(), Place::new());
    copy(place.root.path(), old.root.path());
    place.open().expect("a log").append(&refusals(1)).expect("an append");
    let restored = Place::new();
    copy(&old.directory(), &restored.directory());
    copy(&place.root.path().join("private"), &restored.root.path().join("private"));
    assert!(matches!(restored.open().err(), Some(AuditError::Damaged { .. })));
    let restored = Place::new();
    copy(&place.directory(), &restored.directory());
    copy(&old.root.path().join("private"), &restored.root.path().join("private"));
    assert!(matches!(restored.open().err(), Some(AuditError::HeadDiffers { published: 6, signed: 5, .. })));
    remove_file(&restored.root.path().join("private/key.head"));
    assert!(matches!(restored.open().err(), Some(AuditError::HeadMissing { .. })));
    assert_eq!(verify(&restored.directory(), None).expect("nothing was touched").size, 6);
}

#[test]
fn damaged_edge_is_not_built_upon() {
    for name in ["tile/0/000.p/5", "tile/entries/000.p/5"] {
        let place = Place::small_log();
        let path = place.directory().join(name);
        let mut octets = fs::read(&path).expect("a file");
        octets[40] ^= 1;
        fs::write(&path, octets).expect("a file");
        assert!(matches!(place.open().err(), Some(AuditError::Damaged { .. })), "{name}");
    }
}

#[test]
fn one_process_writes_at_a_time() {
    let place = Place::new();
    let _log = place.open().expect("a log");
    assert!(matches!(place.open().err(), Some(AuditError::InUse { .. })));
}

#[test]
fn key_stays_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    drop(place.open().expect("a log"));
    let mode = fs::metadata(place.key()).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let inside = place.directory().join("sub/key");
    assert!(matches!(
        Log::open(&place.directory(), &inside, ORIGIN).err(),
        Some(AuditError::KeyPublished { .. })
    ));
    let of_another = Log::open(&place.directory(), &place.key(), "other.example").err();
    assert!(matches!(of_another, Some(AuditError::KeyOfAnother { .. })));
    fs::set_permissions(place.key(), fs::Permissions::from_mode(0o640)).expect("a mode");
    assert!(matches!(place.open().err(), Some(AuditError::KeyExposed { mode: 0o640, .. })));
    for origin in ["", "a b", "a+b", "a\nb", "a\u{1}b"] {
        assert!(matches!(
            Log::open(&place.directory(), &place.key(), origin).err(),
            Some(AuditError::Origin { .. })
        ));
    }
}

#[test]
fn statements_that_would_not_verify_are_refused() {
    let place = Place::new();
    let mut log = place.open().expect("a log");
    let digest = store(&log, "x");
    assert!(matches!(
        log.append(&[activation(1, 10, Digest([0; 32]))]),
        Err(AuditError::PolicyNotStored { .. })
    ));
    log.append(&[activation(5, 10, digest)]).expect("an append");
    assert!(matches!(
        log.append(&[activation(5, 10, digest)]),
        Err(AuditError::EpochNotNew { epoch: 5, last: 5 })
    ));
    let change =
        Addresses::of_change("gw1", 4, at(1), &BTreeSet::new(), &list(&["192.0.2.1"])).expect("a change");
    assert!(matches!(log.append(&change), Err(AuditError::EpochNotInForce { epoch: 4, last: Some(5) })));
    let too_long =
        Refused { gateway: "x".repeat(ENTRY_OCTETS_MAX), at: at(1), policy_digest: None, faults: 1 };
    assert!(matches!(log.append(&[refused(), Statement::Refused(too_long)]), Err(AuditError::Statement(_))));
    assert_eq!(log.append(&[]).expect("nothing"), 1..1);
    assert_eq!(verify(&place.directory(), None).expect("a log that verifies").size, 1);
}

#[test]
fn policies_are_stored_under_their_own_digest_and_safe_names() {
    let place = Place::new();
    let log = place.open().expect("a log");
    let store = |digest, files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(n, c)| ((*n).to_owned(), c.as_bytes().to_vec())).collect();
        log.store_policy(digest, &files)
    };
    assert!(matches!(store(Digest([0; 32]), &[("a", "b")]), Err(AuditError::PolicyDiffers { .. })));
    for name in ["", ".", "..", "../key", "/etc/x", "a/b", ".hidden", "a/", "a\0b"] {
        let digest = Digest(policy_digest(&[(name, "b")]));
        assert!(matches!(store(digest, &[(name, "b")]), Err(AuditError::PolicyFileName { .. })), "{name:?}");
    }
    let twice = [("a", "b"), ("a", "c")];
    assert!(matches!(store(Digest(policy_digest(&twice)), &twice), Err(AuditError::PolicyFileName { .. })));
    store(Digest(policy_digest::<&str, &str>(&[])), &[]).expect("a policy without files");
    verify(&place.directory(), None).expect("a log that verifies");
}

/// The writer follows its own list: after it is opened again, too.
#[test]
fn addresses_are_followed_over_a_restart() {
    let place = Place::new();
    let digest = {
        let mut log = place.open().expect("a log");
        let digest = store(&log, "x");
        let change = Addresses::of_change("gw1", 1, at(10), &BTreeSet::new(), &list(&["192.0.2.1"]));
        log.append(&[activation(1, 10, digest)]).expect("an append");
        log.append(&change.expect("a change")).expect("an append");
        digest
    };
    let mut log = place.open().expect("a log");
    assert_eq!(log.addresses(), Some(&list(&["192.0.2.1"])));
    let again = Addresses::of_change("gw1", 1, at(11), &BTreeSet::new(), &list(&["192.0.2.1"]));
    let refused = log.append(&again.expect("a change"));
    assert!(matches!(refused, Err(AuditError::AddressesDiffer { epoch: Some(1) })));
    log.append(&[activation(2, 12, digest)]).expect("an append");
    assert_eq!(log.addresses(), Some(&BTreeSet::new()));
    verify(&place.directory(), None).expect("a log that verifies");
}

/// Statements that the writer refuses, signed by a writer that does not.
#[test]
fn statements_that_do_not_fit_together_are_found() {
    let place = Place::new();
    let mut log = place.open().expect("a log");
    let digest = store(&log, "x");
    let mut wrong = list(&["192.0.2.1"]);
    let Ok([Statement::Addresses(mut change)]) =
        Addresses::of_change("gw1", 1, at(10), &BTreeSet::new(), &wrong)
            .map(|parts| <[_; 1]>::try_from(parts).expect("one"))
    else {
        panic!("one change")
    };
    change.digest = addresses_digest(&list(&["192.0.2.9"]));
    let rules = Statement::Rules(Rules { gateway: "gw1".to_owned(), epoch: 1, rules: vec![rule(8)] });
    log.append(&[activation(1, 10, digest), refused(), rules, Statement::Addresses(change)])
        .expect("an append");
    wrong.extend(list(&["192.0.2.7"]));
    let removal = Addresses::of_change("gw1", 1, at(11), &wrong, &list(&["192.0.2.1"])).expect("a change");
    assert!(matches!(log.append(&removal), Err(AuditError::AddressesDiffer { epoch: Some(1) })));
    fs::remove_dir_all(place.directory().join("policies")).expect("a directory");
    let faults = verify(&place.directory(), None).expect_err("statements that do not fit").faults;
    assert!(
        matches!(
            faults.as_slice(),
            [
                Fault::PolicyMissing { index: 0, .. },
                Fault::RulesApart { index: 2 },
                Fault::AddressDigest { index: 3, .. },
            ]
        ),
        "{faults:?}"
    );
}

#[test]
fn large_activations_and_changes_are_split_and_come_together_again() {
    let place = Place::new();
    let mut log = place.open().expect("a log");
    let policy_digest = store(&log, "x");
    let whole = Activation {
        gateway: "gw1".to_owned(),
        epoch: 1,
        at: at(10),
        cause: ActivationCause::PolicyChanged,
        policy_digest,
        rules: (0..4096).map(rule).collect(),
    };
    let addresses: BTreeSet<_> = (0..3000_u32)
        .map(|n| AddressStatement {
            rules: vec![n],
            name: format!("n{n}.vn"),
            address: IpAddr::from(n.to_be_bytes()),
        })
        .collect();
    let mut batch = whole.clone().into_statements().expect("statements");
    assert!(batch.len() > 2);
    batch.extend(Addresses::of_change("gw1", 1, at(10), &BTreeSet::new(), &addresses).expect("a change"));
    log.append(&batch).expect("an append");
    let report = verify(&place.directory(), None).expect("a log that verifies");
    assert_eq!(report.in_force_at(at(10)), Some(&whole));
    assert_eq!(report.addresses_at(at(10)).into_iter().cloned().collect::<BTreeSet<_>>(), addresses);
}

#[test]
fn large_log_with_three_levels_verifies() {
    let place = Place::new();
    let mut log = place.open().expect("a log");
    for batch in [255, 1, 300, 65_000, 1000] {
        log.append(&refusals(batch)).expect("an append");
    }
    drop(log);
    assert_eq!(place.open().expect("a log").size(), Some(66_556));
    let report = verify(&place.directory(), None).expect("a log that verifies");
    assert_eq!(report.size, 66_556);
    assert!(place.directory().join("tile/2/000.p/1").is_file());
    assert!(!place.directory().join("tile/0/000.p").exists(), "partial tiles of a full one are removed");
}

#[test]
fn partial_tiles_of_published_checkpoints_stay_until_the_tile_is_full() {
    let place = Place::new();
    let mut log = place.open().expect("a log");
    log.append(&refusals(3)).expect("an append");
    log.append(&refusals(2)).expect("an append");
    for name in ["tile/0/000.p/3", "tile/entries/000.p/3", "tile/0/000.p/5", "tile/entries/000.p/5"] {
        assert!(place.directory().join(name).is_file(), "{name}");
    }
    log.append(&refusals(251)).expect("an append");
    assert!(!place.directory().join("tile/0/000.p").exists());
    assert!(!place.directory().join("tile/entries/000.p").exists());
    verify(&place.directory(), None).expect("a log that verifies");
}

#[test]
fn checkpoint_is_what_the_published_libraries_read() {
    let place = Place::small_log();
    let report = verify(&place.directory(), None).expect("a log that verifies");
    let read = |name: &str| fs::read(place.directory().join(name)).expect("a file");
    let vkey = String::from_utf8(read("vkey")).expect("UTF-8");
    let note = Note::from_bytes(&read("checkpoint")).expect("a note");
    let verifier = StandardVerifier::new(vkey.trim_end()).expect("a key");
    let (known, unknown) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).expect("a signature");
    assert_eq!((known.len(), unknown.len()), (1, 0));
    let checkpoint = Checkpoint::from_bytes(note.text()).expect("a checkpoint");
    assert_eq!((checkpoint.origin(), checkpoint.size()), (ORIGIN, 5));
    assert_eq!(checkpoint.hash().0, report.root);
}

#[test]
fn cosigned_checkpoint_verifies_and_is_built_upon() {
    let place = Place::small_log();
    let path = place.directory().join("checkpoint");
    let mut octets = fs::read(&path).expect("a file");
    octets.extend_from_slice("— witness.example AAAAAAAAAAAA\n".as_bytes());
    fs::write(&path, octets).expect("a file");
    verify(&place.directory(), None).expect("a log that verifies");
    place.open().expect("a log").append(&refusals(1)).expect("an append");
    verify(&place.directory(), None).expect("a log that verifies");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_of_any_size_make_the_same_log(
        batches in proptest::collection::vec((0..300_usize, any::<bool>()), 1..6),
    ) {
        let (place, at_once) = (Place::new(), Place::new());
        let mut log = place.open().expect("a log");
        let mut size = 0;
        for (batch, reopens) in batches {
            if reopens {
                drop(log);
                log = place.open().expect("a log");
            }
            prop_assert_eq!(log.append(&refusals(batch)).expect("an append"), size..size + batch as u64);
            size += batch as u64;
            prop_assert_eq!(verify(&place.directory(), None).expect("a log that verifies").size, size);
        }
        let all = refusals(usize::try_from(size).expect("a size"));
        at_once.open().expect("a log").append(&all).expect("an append");
        let root = |place: &Place| verify(&place.directory(), None).expect("a log that verifies").root;
        prop_assert_eq!(root(&place), root(&at_once));
    }
}
