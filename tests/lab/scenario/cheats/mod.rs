//! What people try in order to have free what they should pay for. Each attack stands alone between two moments of rest,
//! with an honest client beside it: what is free of the attack is what captures say may be, and the honest client's free
//! octets are those of the captures.

mod client;
mod decoys;
mod ech;
mod handmade;
mod hello;
mod names;
mod packets;
mod proxy;
mod quic;
mod row;
mod sent_again;
mod starved;
mod trickle;

use std::time::Duration;

use anyhow::{Context as _, Result};

use self::row::Row;
use crate::address::{ENCRYPTING_WILD, FREE_SITE, socket, wild};
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::packet::Packet;
use crate::page_server::PageServer;
use crate::phase::Phase;
use crate::quic::QuicServer;
use crate::report::Report;
use crate::topology::mac;
use crate::wait;

/// The rule that asks for name and address.
const RULE: &str = "named-site";
/// Who is honest, while others are not.
const HONEST: u8 = 0;
/// Who is not.
const ATTACKER: u8 = 1;
/// Who has other people's packets sent to him, or sends more than his due.
const ACCOMPLICE: u8 = 2;
/// Numbers of the honest client's names: one of IPv4, one of IPv6.
const HONEST_NAMES: [u16; 2] = [6, 7];
/// Number of the name that attackers use, of IPv6.
const RIGHT_NAME: u16 = 11;

/// An attack.
struct Cheat {
    /// What the checks' names begin with.
    name: &'static str,
    /// Packets of it that may be free.
    may_be_free: fn(&Packet) -> bool,
    attempt: fn(&Network) -> Result<()>,
}

/// All but those that want more than an attempt, in the order in which they are tried: a name that is shared stays so.
const ALL: [Cheat; 28] = [
    Cheat { name: "right-tls", may_be_free: is_right, attempt: names::right_tls },
    Cheat { name: "right-http", may_be_free: is_right, attempt: names::right_http },
    Cheat { name: "one-octet-segments", may_be_free: is_right, attempt: names::one_octet_segments },
    Cheat { name: "forged-sni", may_be_free: nothing, attempt: names::forged_sni },
    Cheat { name: "wrong-sni", may_be_free: nothing, attempt: names::wrong_sni },
    Cheat { name: "forged-host", may_be_free: nothing, attempt: names::forged_host },
    Cheat { name: "no-sni", may_be_free: nothing, attempt: names::no_sni },
    Cheat { name: "two-hosts", may_be_free: nothing, attempt: decoys::two_hosts },
    Cheat { name: "overlap", may_be_free: nothing, attempt: decoys::overlap },
    Cheat { name: "port-first", may_be_free: is_right, attempt: decoys::first_on_a_port },
    Cheat { name: "port-again", may_be_free: nothing, attempt: decoys::second_on_a_port },
    Cheat { name: "decoys", may_be_free: nothing, attempt: decoys::decoys },
    Cheat { name: "right-quic", may_be_free: is_right, attempt: quic::right },
    Cheat { name: "wrong-quic", may_be_free: nothing, attempt: quic::wrong },
    Cheat { name: "quic-decoys", may_be_free: nothing, attempt: quic::decoys },
    Cheat { name: "ech-own-name", may_be_free: is_right, attempt: ech::own_name },
    Cheat { name: "ech-other-name", may_be_free: nothing, attempt: ech::other_name },
    Cheat { name: "ech-decoy", may_be_free: nothing, attempt: ech::decoy },
    Cheat { name: "ech-published", may_be_free: nothing, attempt: ech::published },
    Cheat { name: "syn-and-rst", may_be_free: nothing, attempt: decoys::payload_in_syn_and_rst },
    Cheat { name: "icmp-tunnel", may_be_free: nothing, attempt: packets::icmp_tunnel },
    Cheat { name: "own-tunnels", may_be_free: nothing, attempt: packets::own_tunnels },
    Cheat { name: "unsolicited", may_be_free: nothing, attempt: packets::unsolicited },
    Cheat { name: "spoofed-source", may_be_free: nothing, attempt: packets::spoofed_source },
    Cheat { name: "dns-tunnel", may_be_free: nothing, attempt: packets::dns_tunnel },
    Cheat { name: "shared-by-name", may_be_free: names::is_own_of_shared, attempt: names::shared_by_name },
    Cheat {
        name: "shared-by-address",
        may_be_free: names::is_own_of_shared,
        attempt: names::shared_by_address,
    },
    Cheat { name: "ech-shared", may_be_free: nothing, attempt: ech::shared },
];

/// Retransmissions that are none.
const SENT_AGAIN: Cheat = Cheat { name: "sent-again", may_be_free: is_right, attempt: sent_again::attempt };
/// The last: it leaves its flows behind.
const FLOOD: Cheat = Cheat { name: "flow-flood", may_be_free: nothing, attempt: packets::flow_flood };

/// Runs it all, in one lab.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    super::names::prepare(&lab.network.topology)?;
    route_hand_made(&lab.network)?;
    let internet = &lab.network.topology.internet;
    let _pages = PageServer::start(internet)?;
    let address = socket(wild(RIGHT_NAME).1, quic::PORT);
    let _quic = QuicServer::start(internet, address, &lab.network.web)?;
    lab.gateway.activate(&[policy(), proxy::policy(), starved::policy()].concat())?;
    wait_for_hints(lab)?;
    let mut rows = Vec::new();
    for cheat in &ALL {
        rows.push(try_out(lab, report, cheat)?.0);
    }
    let (row, phase) = try_out(lab, report, &SENT_AGAIN)?;
    sent_again::check(report, &phase)?;
    rows.push(row);
    rows.push(proxy::run(lab, report)?);
    rows.extend(starved::run(lab, report)?);
    rows.push(try_out(lab, report, &FLOOD)?.0);
    row::print(&rows);
    report.figure("table", rows);
    Ok(())
}

/// Tries one attack, and compares.
fn try_out(lab: &mut Laboratory, report: &mut Report, cheat: &Cheat) -> Result<(Row, Phase)> {
    let phase = measure(lab, cheat.name, cheat.attempt)?;
    Ok((Row::check(report, cheat, &phase)?, phase))
}

/// Measures an attempt, with the honest client behind it.
fn measure(lab: &mut Laboratory, name: &str, attempt: impl FnOnce(&Network) -> Result<()>) -> Result<Phase> {
    super::names::measure(lab, name, |lab| {
        attempt(&lab.network)?;
        client::be_honest(&lab.network)
    })
}

/// Waits until the gateway has heard which of the rule's names publishes keys for encrypted hellos.
fn wait_for_hints(lab: &mut Laboratory) -> Result<()> {
    /// Questions for HTTPS records wait for others, not for long.
    const LIMIT: Duration = Duration::from_mins(1);
    let (name, _) = wild(ENCRYPTING_WILD);
    wait::until("an HTTPS record", LIMIT, || {
        lab.gateway.expect_running()?;
        let json = lab.gateway.snapshot()?.json;
        let names = json["names"].as_array().context("status tells nothing of names")?;
        let is_there = names.iter().any(|row| row["name"] == name.as_str() && row["ech"] == true);
        Ok(is_there.then_some(()))
    })
}

/// The site whose name and address must agree.
fn policy() -> String {
    format!(
        r#"
[[site]]
id = "{RULE}"
domains = ["*.{}", "{}"]
evidence = "name-and-address"
hidden_name = "charge"
class = "free"
rating_group = 9004
"#,
        FREE_SITE.name,
        wild(ENCRYPTING_WILD).0
    )
}

/// Lets the attacker have a second address, of which his own system knows nothing: it answers nothing there.
fn route_hand_made(network: &Network) -> Result<()> {
    let address = handmade::ADDRESS;
    let interface = format!("sub{}", ATTACKER + 1);
    let lladdr = mac(ATTACKER, 1).map(|octet| format!("{octet:02x}")).join(":");
    network.topology.ran.ip(&format!(
        "route add {address}/128 dev {interface}
neigh add {address} lladdr {lladdr} dev {interface} nud permanent"
    ))
}

/// Whether a packet is of the right name's server, which is nobody else's.
fn is_right(packet: &Packet) -> bool {
    packet.has_ports() && packet.touches(&wild(RIGHT_NAME).1)
}

/// No packet may be free.
const fn nothing(_: &Packet) -> bool {
    false
}
