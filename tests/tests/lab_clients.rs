//! The scenario `clients`, run once; each test is one of the things it has to show.

use tollfree_tests::shown::Shown;

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::new("clients");
    SHOWN.assert(prefix);
}

#[test]
fn every_client_is_free_from_its_first_byte() {
    assert_shown("clients-1-first-");
}

#[test]
fn a_thousand_connections_are_told_from_a_strangers() {
    assert_shown("clients-2-mixed-");
}

#[test]
fn many_requests_on_one_connection_are_told_from_a_strangers() {
    assert_shown("clients-3-long-");
}

#[test]
fn each_of_two_rules_at_one_address_has_its_own_names() {
    assert_shown("clients-4-rules-");
}
