//! The journal of sessions: what a controller leaves is what the next one finds.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use super::journal::{AWAY_MAX, Earlier, Said, SessionJournal, State};
use super::*;
use crate::small_disk::small_disk;

const BOOT: &str = "0d4f";

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: TempDir::new().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("sessions.sqlite")
    }

    fn open(&self) -> (SessionJournal, Earlier) {
        SessionJournal::open(&self.path(), BOOT, now())
    }

    /// What a controller finds that starts at `at`.
    fn found(&self, boot_id: &str, at: Timestamp) -> Earlier {
        // Of a copy: whoever opens it may begin it anew.
        let copy = TempDir::new().expect("a directory");
        for name in ["sessions.sqlite", "sessions.sqlite-wal"] {
            let from = self.directory.path().join(name);
            if from.exists() {
                std::fs::copy(&from, copy.path().join(name)).expect("a copy");
            }
        }
        SessionJournal::open(&copy.path().join("sessions.sqlite"), boot_id, at).1
    }
}

fn now() -> Timestamp {
    "2020-02-01T00:00:00Z".parse().expect("a time")
}

fn nas() -> Nas {
    Nas { address: Some([192, 0, 2, 65].into()), identifier: Some("pgw1".into()) }
}

/// The message by which session `number` holds its address.
fn said(number: u8) -> Said {
    let report = Report {
        session: SessionKey { nas: nas(), id: number.to_string().into() },
        identity: Identity::new(format!("849012345{number:02}").parse().ok(), "001010123456789".parse().ok()),
        blocks: vec![
            Block::from(std::net::IpAddr::from([10, 20, 0, number])),
            Block::new("2001:db8:20:1100::/56".parse().expect("a network")).expect("a block"),
        ],
        moment: Moment::new(now(), 3, Some(1_580_515_200)),
    };
    Said { event: Event::Alive(report), at: now() }
}

fn append(journal: &SessionJournal, said: &Said) -> i64 {
    let mut given = 0;
    journal.append(said.clone(), |_, number| given = number);
    given
}

/// A session that lives, and one that is over.
fn state() -> State {
    let mut bindings = Bindings::new(&["0.0.0.0/0".parse().expect("a network")], SessionLimits::default());
    let unrecorded = bindings.apply(&said(1).event, now());
    bindings.apply(&said(2).event, now());
    let Event::Alive(report) = said(2).event else { panic!("no start") };
    bindings.apply(&Event::Ended(report), now());
    State { kept: bindings.kept(), unrecorded }
}

#[test]
fn what_was_said_is_there_after_a_kill() {
    let place = Place::new();
    let (journal, earlier) = place.open();
    assert_eq!(earlier, Earlier::default());
    let reset = Said { event: Event::Reset { nas: nas(), moment: Moment::new(now(), 0, None) }, at: now() };
    assert_eq!([append(&journal, &said(1)), append(&journal, &reset), append(&journal, &said(2))], [1, 2, 3]);
    journal.recorded(2);
    // Not closed: as after a kill.
    let wanted = Earlier { state: State::default(), events: vec![said(1), reset, said(2)], recorded: 2 };
    assert_eq!(place.found(BOOT, now()), wanted);
}

#[test]
fn the_next_controller_goes_on_with_the_numbers() {
    let place = Place::new();
    append(&place.open().0, &said(1));
    let (journal, _) = place.open();
    assert_eq!(append(&journal, &said(2)), 2);
    assert_eq!(place.found(BOOT, now()).events, [said(1), said(2)]);
}

#[test]
fn a_state_takes_the_place_of_the_events_that_are_in_it() {
    let place = Place::new();
    let (journal, _) = place.open();
    // One more than are kept beside a state.
    for _ in 0..=100_000 {
        append(&journal, &said(1));
    }
    append(&journal, &said(2));
    // Whoever opens it has no state yet that could take their place.
    drop(place.open());
    assert_eq!(place.found(BOOT, now()).events.len(), 100_002);
    journal.tend(now(), 100_001, state).expect("room");
    let wanted = Earlier { state: state(), events: vec![said(2)], recorded: 0 };
    assert_eq!(place.found(BOOT, now()), wanted);
    journal.recorded(100_001);
    assert_eq!(place.found(BOOT, now()).state.unrecorded, []);
    journal.recorded(100_002);
    assert_eq!(place.found(BOOT, now()).recorded, 1);
    assert_eq!(place.open().0.last(), 100_002);
}

#[test]
fn nothing_is_believed_after_a_minute_or_a_reboot() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(&journal, &said(1));
    let later = now() + SignedDuration::from_hours(1);
    journal.tend(later, 1, State::default).expect("room");
    let found = |boot_id, at| place.found(boot_id, at).events.len();
    let second = SignedDuration::from_secs(1);
    assert_eq!([found(BOOT, later), found(BOOT, later + AWAY_MAX), found(BOOT, later - AWAY_MAX)], [1, 1, 1]);
    assert_eq!([found(BOOT, later + AWAY_MAX + second), found(BOOT, later - AWAY_MAX - second)], [0, 0]);
    assert_eq!(found("another", later), 0);
}

#[test]
fn a_file_that_cannot_be_read_is_begun_anew() {
    for spoil in [
        (|path| std::fs::write(path, "no database")) as fn(PathBuf) -> std::io::Result<()>,
        |path| {
            let connection = Connection::open(path).expect("the file");
            connection.pragma_update(None, "user_version", 2).expect("a version");
            Ok(())
        },
        |path| {
            let connection = Connection::open(path).expect("the file");
            connection.execute("UPDATE events SET said = '{}'", []).expect("an event");
            Ok(())
        },
    ] {
        let place = Place::new();
        append(&place.open().0, &said(1));
        spoil(place.path()).expect("it is spoilt");
        let (journal, earlier) = place.open();
        assert_eq!(earlier, Earlier::default());
        append(&journal, &said(2));
        assert_eq!(place.found(BOOT, now()).events, [said(2)]);
    }
}

/// What is false must not be found: an event that could not be kept voids all that was.
#[test]
fn on_a_full_disk_nothing_is_kept_until_there_is_room() {
    let place = Place::new();
    small_disk(place.directory.path()).expect("root, for a disk of its own");
    let (journal, _) = place.open();
    let kept = append(&journal, &said(1));
    let fill = |name: &str| {
        let ballast = place.directory.path().join(name);
        std::fs::write(&ballast, vec![0; 2 << 20]).expect_err("a full disk");
        ballast
    };
    let ballast = fill("ballast");
    let mut last = kept;
    while place.path().exists() {
        last = append(&journal, &said(2));
    }
    let more = fill("more");
    let error = journal.tend(now(), last, state).expect_err("no room").to_string();
    assert!(error.contains("sessions.sqlite: ") && error.contains("make room there"), "{error}");
    assert_eq!(place.found(BOOT, now()), Earlier::default());
    let unheard = append(&journal, &said(3));
    for ballast in [ballast, more] {
        std::fs::remove_file(ballast).expect("the ballast");
    }
    // The engine has not heard of the last event, so its state lacks it.
    journal.tend(now(), last, state).expect_err("an event is missing");
    assert_eq!(place.found(BOOT, now()), Earlier::default());
    journal.tend(now(), unheard, state).expect("room");
    append(&journal, &said(4));
    let wanted = Earlier { state: state(), events: vec![said(4)], recorded: 0 };
    assert_eq!(place.found(BOOT, now()), wanted);
}

#[test]
fn a_journal_without_a_file_keeps_nothing_and_numbers_events() {
    let journal = SessionJournal::default();
    assert_eq!([append(&journal, &said(1)), append(&journal, &said(1))], [1, 2]);
    journal.recorded(1);
    journal.tend(now(), 2, state).expect("nothing to do");
}
