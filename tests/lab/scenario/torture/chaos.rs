//! What is done to the daemon while traffic flows, each on a schedule of its own.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::deeds::Deeds;
use super::disk::Disk;
use super::hands::{AccessServer, Claims};
use super::policies::Policies;
use super::victim::Victim;

/// How often a thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(10);
/// A life that is not ended while it begins lasts so long after that, at most, in milliseconds.
const LIFE_MS_MAX: u64 = 3000;
/// One life in so many is ended while it begins.
const SHORT_LIVES: u8 = 3;
/// After a start that was refused, as a service manager would wait.
const AFTER_REFUSAL: Duration = Duration::from_millis(200);
/// From one change of policies to the next, in milliseconds.
const BETWEEN_CHANGES_MS: std::ops::Range<u64> = 60..400;
/// From one address that changes hands to the next, in milliseconds.
const BETWEEN_HANDS_MS: std::ops::Range<u64> = 5..60;
/// How long the disk has room, in milliseconds; three times of four short, so that it fills while something is written.
const ROOM_MS: [std::ops::Range<u64>; 4] = [50..600, 50..600, 50..600, 2000..9000];
/// How long it has none.
const FULL_MS: [std::ops::Range<u64>; 4] = [10..300, 10..300, 10..300, 500..4000];

/// Waits; says whether it waited to the end.
fn rest(deeds: &Deeds, duration: Duration) -> bool {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        if deeds.is_over() {
            return false;
        }
        thread::sleep(LOOK);
    }
    !deeds.is_over()
}

/// Kills the daemon at random moments, also while it starts, and starts it again. `begins`: how long a start takes.
///
/// # Errors
/// If it cannot be run or killed.
pub(super) fn kill(victim: &mut Victim, deeds: &Deeds, seed: u64, begins: Duration) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let begins_ms = u64::try_from(begins.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut running = true;
    while !deeds.is_over() {
        let is_short = random.u8(0..SHORT_LIVES) == 0;
        let life_ms =
            if is_short { random.u64(0..begins_ms) } else { begins_ms + random.u64(0..LIFE_MS_MAX) };
        if !running {
            victim.start()?;
            deeds.starts.raise();
        }
        let end = Instant::now() + Duration::from_millis(life_ms);
        let mut ended = None;
        while Instant::now() < end && ended.is_none() && rest(deeds, LOOK) {
            ended = victim.ended()?;
        }
        if deeds.is_over() {
            break;
        }
        running = false;
        if let Some(status) = ended {
            deeds.refused(status.to_string());
            rest(deeds, AFTER_REFUSAL);
        } else {
            victim.kill()?;
            deeds.kills.raise();
            if is_short {
                deeds.kills_while_starting.raise();
            }
        }
    }
    victim.kill()
}

/// Changes policies several times a second.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn change_policies(policies: &mut Policies, deeds: &Deeds, seed: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    while rest(deeds, Duration::from_millis(random.u64(BETWEEN_CHANGES_MS))) {
        let is_faulty = policies.change(&mut random)?;
        deeds.changes.raise();
        if is_faulty {
            deeds.faulty_changes.raise();
        }
    }
    policies.settle()
}

/// A length of time, out of one of the ranges.
fn draw(random: &mut fastrand::Rng, ranges: &[std::ops::Range<u64>; 4]) -> Duration {
    let range = &ranges[random.usize(0..ranges.len())];
    Duration::from_millis(random.u64(range.clone()))
}

/// Fills the disk and frees it again.
///
/// # Errors
/// If a file cannot be written although there is room.
pub(super) fn fill_disk(disk: &Disk, deeds: &Deeds, seed: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    while rest(deeds, draw(&mut random, &ROOM_MS)) {
        disk.fill()?;
        deeds.full_disks.raise();
        rest(deeds, draw(&mut random, &FULL_MS));
        disk.free()?;
    }
    disk.free()
}

/// Lets addresses change hands; says who had them.
///
/// # Errors
/// If the kernel refuses to send.
pub(super) fn change_hands(mut server: AccessServer, deeds: &Deeds, seed: u64) -> Result<Claims> {
    let mut random = fastrand::Rng::with_seed(seed);
    while rest(deeds, Duration::from_millis(random.u64(BETWEEN_HANDS_MS))) {
        server.tell(deeds, &mut random)?;
    }
    Ok(server.claims())
}
