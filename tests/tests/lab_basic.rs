//! The scenario `basic`, run once; each test is one of the things it has to show.

use tollfree_tests::shown::Shown;
use tollfree_tests::{binary, demo};

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::new("basic");
    SHOWN.assert(prefix);
}

#[test]
fn whitelisted_bytes_are_free_and_the_others_charged() {
    assert_shown("1-");
}

#[test]
fn what_is_free_is_tagged_and_nothing_else() {
    assert_shown("2-");
}

#[test]
fn a_killed_daemon_loses_nothing() {
    assert_shown("3-kill-");
}

#[test]
fn changed_policies_lose_nothing() {
    assert_shown("3-reload-");
}

#[test]
fn strangers_packets_are_charged() {
    assert_shown("4-");
}

#[test]
fn a_call_to_the_hotline_is_free_and_another_is_not() {
    assert_shown("5-");
}

#[test]
fn records_metrics_and_the_audit_log_agree() {
    assert_shown("6-");
}

#[test]
fn the_main_job_ends_well_and_writes_its_state() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("out.json");
    let binary = binary::build().expect("tollfree builds");
    assert!(demo::run(&binary, true, Some(&json)).expect("a run"), "free bytes are not what was captured");
    let text = std::fs::read_to_string(&json).expect("the state");
    let state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(state["reconciliation"]["difference_octets"], 0);
    assert!(!state["captures"].as_array().expect("captures").is_empty());
}
