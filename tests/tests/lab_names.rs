//! The scenario `names`, run once; each test is one of the things it has to show. And its network without Tollfree: names
//! resolve, pages come, and forged answers arrive where they are to.

use tollfree_tests::network::Network;
use tollfree_tests::scenario::names;
use tollfree_tests::shown::Shown;
use tollfree_tests::topology::Crossing;

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

#[test]
fn the_network_answers_and_forgeries_arrive() {
    let mut network = Network::start(Crossing::Routed).expect("root, and what `cargo xtask setup` installs");
    names::traffic(&mut network).unwrap_or_else(|error| panic!("{error:#}"));
}
