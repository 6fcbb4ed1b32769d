//! What becomes of single packets, in the kernel and in userspace alike.
//!
//! Each case passes the kernel program by `BPF_PROG_TEST_RUN`, and the same source in this process. What it expects
//! is written from the RFCs and from the design, not from what either does.

mod agreement;
mod attribution;
mod calls;
mod case;
mod ceilings;
mod check;
mod conservation;
mod encapsulations;
mod envelope;
mod errors;
mod event;
mod evidence;
mod fragments;
mod gtpu;
mod ipv4;
mod ipv6;
mod link;
mod lives;
mod maps;
mod names;
mod opening;
mod process;
mod rules;
mod sent_again;
mod tags;
mod transport;
mod tunnel_tags;
mod tunnels;
mod world;

use std::collections::BTreeSet;

use anyhow::Result;
use tollfree_core::reason::Reason;

use crate::case::Case;
use crate::check::{check_all, check_tagging};

fn all_cases() -> Vec<Case> {
    let cases = [
        link::cases(),
        encapsulations::cases(),
        ipv4::cases(),
        ipv6::cases(),
        fragments::cases(),
        transport::cases(),
        opening::cases(),
        attribution::cases(),
        rules::cases(),
        calls::cases(),
        lives::cases(),
        evidence::cases(),
        names::cases(),
        ceilings::cases(),
        sent_again::cases(),
        errors::cases(),
        gtpu::cases(),
        tunnels::cases(),
        tags::cases(),
        tunnel_tags::cases(),
    ];
    cases.into_iter().flatten().collect()
}

/// An exit that no case takes would be one that nobody tried.
#[test]
fn every_reason_has_a_case() {
    let tried: BTreeSet<Reason> = all_cases().iter().map(|case| case.expect.reason).collect();
    // A text is counted before it is known to be free.
    let by_transfer = [Reason::Text];
    let counted = Reason::ALL.iter().copied().filter(|reason| !by_transfer.contains(reason));
    assert_eq!(tried, counted.collect());
}

#[test]
fn link_layers() -> Result<()> {
    check_all(&link::cases())
}

#[test]
fn link_encapsulations() -> Result<()> {
    check_all(&encapsulations::cases())
}

#[test]
fn gtpu_headers() -> Result<()> {
    check_all(&gtpu::cases())
}

#[test]
fn the_carriers_tunnels() -> Result<()> {
    check_all(&tunnels::cases())
}

#[test]
fn what_a_tunnelled_packet_is_tagged_with() -> Result<()> {
    check_all(&tunnel_tags::cases())
}

#[test]
fn tags_of_the_outer_header() -> Result<()> {
    check_tagging("outer", &tunnel_tags::outer_cases())
}

#[test]
fn tags_of_both_headers() -> Result<()> {
    check_tagging("both", &tunnel_tags::both_cases())
}

#[test]
fn ipv4_headers() -> Result<()> {
    check_all(&ipv4::cases())
}

#[test]
fn ipv6_headers() -> Result<()> {
    check_all(&ipv6::cases())
}

#[test]
fn fragments_follow_their_first() -> Result<()> {
    check_all(&fragments::cases())
}

#[test]
fn who_opens_a_flow() -> Result<()> {
    check_all(&opening::cases())
}

#[test]
fn transport_headers() -> Result<()> {
    check_all(&transport::cases())
}

#[test]
fn whose_packet_it_is() -> Result<()> {
    check_all(&attribution::cases())
}

#[test]
fn rules_of_the_plan() -> Result<()> {
    check_all(&rules::cases())
}

#[test]
fn calls_and_signalling() -> Result<()> {
    check_all(&calls::cases())
}

#[test]
fn flows_begin_and_end() -> Result<()> {
    check_all(&lives::cases())
}

#[test]
fn names_and_what_is_learned() -> Result<()> {
    check_all(&names::cases())
}

#[test]
fn what_awaits_evidence() -> Result<()> {
    check_all(&evidence::cases())
}

#[test]
fn daily_ceilings() -> Result<()> {
    check_all(&ceilings::cases())
}

#[test]
fn what_was_sent_again() -> Result<()> {
    check_all(&sent_again::cases())
}

#[test]
fn errors_about_flows() -> Result<()> {
    check_all(&errors::cases())
}

#[test]
fn what_a_packet_is_tagged_with() -> Result<()> {
    check_all(&tags::cases())
}
