//! The scenario `calls`, run once; each test is one of the things that it has to show.

use tollfree_tests::shown::Shown;

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::new("calls");
    SHOWN.assert(prefix);
}

#[test]
fn a_thousand_calls_are_recorded_and_only_their_media_is_free() {
    assert_shown("calls-1-");
}

#[test]
fn media_that_comes_before_its_grant_waits_for_it_and_is_free() {
    assert_shown("calls-2-");
}

#[test]
fn a_call_outlives_the_daemon() {
    assert_shown("calls-3-killed-");
}

#[test]
fn a_hang_up_that_nobody_listened_to_is_read_later() {
    assert_shown("calls-3-unheard-");
}

#[test]
fn media_waits_for_a_daemon_that_does_nothing() {
    assert_shown("calls-3-paused-");
}

#[test]
fn silence_ends_a_call_that_nobody_ended() {
    assert_shown("calls-3-silent-");
}

#[test]
fn a_call_that_is_never_answered_is_no_pipe() {
    assert_shown("calls-4-");
}

#[test]
fn media_outside_the_media_networks_is_charged() {
    assert_shown("calls-5-outside-address-");
}

#[test]
fn other_proxies_are_not_listened_to() {
    assert_shown("calls-5-foreign-proxy-");
}

#[test]
fn numbers_are_compared_whole() {
    assert_shown("calls-5-near-numbers-");
}

#[test]
fn media_that_waits_is_free_by_its_call_alone() {
    assert_shown("calls-5-hasty-near-number-");
    assert_shown("calls-5-signalled-pipe-");
}

#[test]
fn texts_are_free_where_their_numbers_rule_says_so() {
    assert_shown("calls-6-");
}

#[test]
fn packets_that_were_lost_are_in_the_record() {
    assert_shown("calls-7-");
}

#[test]
fn nothing_is_free_after_the_end() {
    assert_shown("calls-5-after-bye-");
}

#[test]
fn a_forged_end_ends_nothing() {
    assert_shown("calls-5-spoofed-bye-");
}

#[test]
fn half_open_calls_cost_neither_memory_nor_others_calls() {
    assert_shown("calls-5-half-open-");
}

#[test]
fn a_flood_in_a_call_is_charged_above_the_rate() {
    assert_shown("calls-5-flood-");
}
