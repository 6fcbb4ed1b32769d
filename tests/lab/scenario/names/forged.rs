//! Answers that must not be believed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};

use super::{ATTACKER, check, measure};
use crate::address::{FOREIGN_RESOLVER, Family, foreign, resolver, socket, subscriber, unknown_name};
use crate::ip;
use crate::laboratory::Laboratory;
use crate::name_server::{NameServer, Zone};
use crate::network::Network;
use crate::packet_socket::PacketSocket;
use crate::page_server::fetch;
use crate::phase::Phase;
use crate::question::{self, Question};
use crate::report::Report;
use crate::topology::{CORE_LINK, ONLY_INTERFACE, mac};

/// The server that the attacker's resolver names.
const FOREIGN_TARGET: IpAddr = foreign(0);

/// What is wrong with an answer that has the resolver's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgery {
    /// Another message id.
    Id,
    /// To another of the subscriber's ports.
    Port,
    /// To another question.
    Question,
    /// To somebody who asked nothing.
    Unasked,
    /// Nothing is wrong. A forgery that cannot be told from the truth is believed: this shows that it is not for another
    /// reason that those above are not.
    Nothing,
}

impl Forgery {
    /// All.
    pub(super) const ALL: [Self; 5] = [Self::Id, Self::Port, Self::Question, Self::Unasked, Self::Nothing];

    const fn name(self) -> &'static str {
        match self {
            Self::Id => "wrong-id",
            Self::Port => "wrong-port",
            Self::Question => "wrong-question",
            Self::Unasked => "unasked",
            Self::Nothing => "right",
        }
    }

    /// The attacker's server that the answer names: each forgery has one of its own.
    const fn target(self) -> IpAddr {
        foreign(1 + self as u8)
    }
}

/// Everything that an attacker beside the carrier's resolver may try.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let phase = measure(lab, "foreign-resolver", |lab| visit_foreign(&lab.network))?;
    check_opened(report, "names-3-foreign-resolver", &phase, FOREIGN_TARGET);
    check(report, "names-3-foreign-resolver", &phase, ATTACKER, &BTreeSet::new());
    for forgery in Forgery::ALL {
        let prefix = format!("names-3-{}", forgery.name());
        let phase = measure(lab, forgery.name(), |lab| attempt(&mut lab.network, forgery))?;
        check_opened(report, &prefix, &phase, forgery.target());
        let free = (forgery == Forgery::Nothing).then_some(forgery.target());
        check(report, &prefix, &phase, ATTACKER, &free.into_iter().collect());
    }
    Ok(())
}

/// A page that was not opened would be free of nothing.
fn check_opened(report: &mut Report, prefix: &str, phase: &Phase, target: IpAddr) {
    let there = phase.captured_of(ATTACKER, Family::V4, |packet| packet.destination == target).uplink.packets;
    report.check(format!("{prefix}-page-was-opened"), true, there > 0);
}

/// Asks a resolver that the carrier does not trust about a listed name, and opens the page where it says.
pub(super) fn visit_foreign(network: &Network) -> Result<()> {
    let zone = Zone::foreign(unknown_name(), FOREIGN_TARGET);
    let _server = NameServer::start(&network.topology.internet, network.directory(), &zone)?;
    network.topology.subscribers[usize::from(ATTACKER)].within(|| {
        let client = subscriber(ATTACKER, Family::V4);
        let question = Question::ask(client, FOREIGN_RESOLVER, &unknown_name(), Family::V4)?;
        let address = question.answer()?.context("no answer of the attacker's resolver")?;
        ensure!(address == FOREIGN_TARGET, "the attacker's resolver says {address}");
        fetch(&unknown_name(), address)
    })
}

/// Forges an answer while the resolver is silent. In the end, the resolver's own answer has come too.
pub(super) fn attempt(network: &mut Network, forgery: Forgery) -> Result<()> {
    network.names.pause()?;
    let told = tell(network, forgery);
    network.names.go_on()?;
    let question = told.with_context(|| format!("forgery: {}", forgery.name()))?;
    let heard = question.answer()?;
    ensure!(heard.is_none(), "the resolver knows {heard:?}, of a name that is not there");
    Ok(())
}

/// The subscriber asks, the attacker answers, and the subscriber opens the attacker's page. Returns what was asked.
fn tell(network: &Network, forgery: Forgery) -> Result<Question> {
    let asking = &network.topology.subscribers[usize::from(ATTACKER)];
    let name = unknown_name();
    let [client, other_client] = [ATTACKER, ATTACKER + 1].map(|index| subscriber(index, Family::V4));
    let question = asking.within(|| Question::ask(client, resolver(Family::V4), &name, Family::V4))?;
    let end = question.client()?;
    let (mut id, mut to, mut told) = (question.id(), end, name.clone());
    match forgery {
        Forgery::Id => id = id.wrapping_add(1),
        Forgery::Port => to.set_port(end.port() ^ 1),
        Forgery::Question => told = format!("other.{name}"),
        Forgery::Unasked => to = socket(other_client, end.port()),
        Forgery::Nothing => {}
    }
    send(network, to, &question::answer(id, &told, forgery.target())?)?;
    if forgery == Forgery::Nothing {
        let heard = question.answer()?;
        ensure!(heard == Some(forgery.target()), "the forged answer did not arrive: {heard:?}");
    }
    asking.within(|| fetch(&told, forgery.target()))?;
    Ok(question)
}

/// Sends a message with the resolver's own address, without its knowledge.
fn send(network: &Network, to: SocketAddr, message: &[u8]) -> Result<()> {
    let ports = [question::PORT, to.port()];
    let packet = ip::carrying(resolver(Family::V4), to.ip(), ports, message).context("too long")?;
    let frame = [&mac(CORE_LINK, 1)[..], &mac(CORE_LINK, 2), &[0x08, 0x00], &packet].concat();
    PacketSocket::open(&network.topology.internet, ONLY_INTERFACE)?.send(&frame)
}
