//! The scenario `cheats`, run once; each test is one of the things that people try.

use tollfree_tests::shown::Shown;

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::new("cheats");
    SHOWN.assert(prefix);
}

#[test]
fn the_right_name_is_free_from_its_first_byte() {
    assert_shown("cheats-right-tls-");
    assert_shown("cheats-right-http-");
}

#[test]
fn the_right_name_may_come_in_segments_of_one_octet() {
    assert_shown("cheats-one-octet-segments-");
}

#[test]
fn a_forged_name_frees_nothing() {
    assert_shown("cheats-forged-sni-");
    assert_shown("cheats-wrong-sni-");
    assert_shown("cheats-forged-host-");
}

#[test]
fn a_hidden_name_frees_nothing() {
    assert_shown("cheats-no-sni-");
    assert_shown("cheats-two-hosts-");
    assert_shown("cheats-overlap-");
}

#[test]
fn a_verdict_is_of_one_connection() {
    assert_shown("cheats-port-first-");
    assert_shown("cheats-port-again-");
}

#[test]
fn decoys_free_nothing() {
    assert_shown("cheats-decoys-");
}

#[test]
fn a_name_in_quic_counts_as_in_tcp() {
    assert_shown("cheats-right-quic-");
    assert_shown("cheats-wrong-quic-");
    assert_shown("cheats-quic-decoys-");
}

#[test]
fn the_name_outside_an_encrypted_hello_counts_where_nobody_else_is() {
    assert_shown("cheats-ech-own-name-");
    assert_shown("cheats-ech-other-name-");
    assert_shown("cheats-ech-decoy-");
    assert_shown("cheats-ech-published-");
    assert_shown("cheats-ech-shared-");
}

#[test]
fn what_is_sent_again_is_billed_and_counted_apart() {
    assert_shown("cheats-sent-again-");
}

#[test]
fn a_free_proxy_ends_at_the_daily_ceiling() {
    assert_shown("cheats-open-proxy-");
}

#[test]
fn a_slow_controller_decides_late_and_the_same() {
    assert_shown("cheats-slow-controller-");
}

#[test]
fn names_are_not_believed_while_copies_are_lost() {
    assert_shown("cheats-full-ring-decoy-");
}

#[test]
fn without_evidence_the_rule_decides_and_the_risk_is_counted() {
    assert_shown("cheats-full-ring-paused-");
    assert_shown("cheats-full-ring-killed-");
}

#[test]
fn payload_in_syn_and_rst_is_charged() {
    assert_shown("cheats-syn-and-rst-");
}

#[test]
fn tunnels_are_charged() {
    assert_shown("cheats-icmp-tunnel-");
    assert_shown("cheats-own-tunnels-");
    assert_shown("cheats-dns-tunnel-");
}

#[test]
fn what_nobody_asked_for_is_charged() {
    assert_shown("cheats-unsolicited-");
}

#[test]
fn spoofed_sources_free_nothing() {
    assert_shown("cheats-spoofed-source-");
}

#[test]
fn strangers_on_shared_addresses_are_charged() {
    assert_shown("cheats-shared-by-name-");
    assert_shown("cheats-shared-by-address-");
}

#[test]
fn a_flood_of_flows_costs_others_nothing() {
    assert_shown("cheats-flow-flood-");
}
