//! The scenario `names`, run once; each test is one of the things it has to show.

use tollfree_tests::shown::Shown;

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::new("names");
    SHOWN.assert(prefix);
}

#[test]
fn a_fresh_name_is_free_from_its_first_byte() {
    assert_shown("names-1-");
}

#[test]
fn a_dead_daemon_delays_nothing_and_frees_nothing() {
    assert_shown("names-2-");
}

#[test]
fn an_attackers_resolver_teaches_nothing() {
    assert_shown("names-3-foreign-resolver-");
}

#[test]
fn an_answer_with_a_wrong_id_teaches_nothing() {
    assert_shown("names-3-wrong-id-");
}

#[test]
fn an_answer_to_a_wrong_port_teaches_nothing() {
    assert_shown("names-3-wrong-port-");
}

#[test]
fn an_answer_to_a_wrong_question_teaches_nothing() {
    assert_shown("names-3-wrong-question-");
}

#[test]
fn an_answer_that_nobody_asked_for_teaches_nothing() {
    assert_shown("names-3-unasked-");
}

#[test]
fn what_is_told_rightly_is_believed() {
    assert_shown("names-3-right-");
}
