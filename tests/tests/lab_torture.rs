//! The scenario `torture`, run once for a minute; each test is one of the things it has to show.

use std::time::Duration;

use tollfree_tests::scenario::torture::Course;
use tollfree_tests::shown::Shown;

/// A failure is to be seen again.
const SEED: u64 = 20_200_201;
/// With the lab around it, within 90 s.
const LENGTH: Duration = Duration::from_mins(1);

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::on("torture", Course { length: LENGTH, seed: SEED });
    SHOWN.assert(prefix);
}

#[test]
fn nothing_is_lost_on_the_way_to_the_gateway_or_in_it() {
    assert_shown("torture-0-");
}

#[test]
fn each_packet_is_in_one_bucket() {
    assert_shown("torture-1-");
}

#[test]
fn the_ledger_has_what_the_kernel_has() {
    assert_shown("torture-2-");
}

#[test]
fn records_name_only_people_who_had_the_address() {
    assert_shown("torture-3-");
}

#[test]
fn nothing_is_free_that_must_not_be() {
    assert_shown("torture-4-");
}

#[test]
fn everything_that_is_to_be_survived_happens() {
    assert_shown("torture-5-");
}

#[test]
fn the_daemon_does_not_fail_by_itself() {
    assert_shown("torture-6-");
}

#[test]
fn the_audit_log_is_whole() {
    assert_shown("torture-7-");
}
