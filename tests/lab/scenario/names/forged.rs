//! Answers that must not be believed.

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
use crate::question::{self, Question};
use crate::report::Report;
use crate::topology::{CORE_LINK, ONLY_INTERFACE, mac};

/// What is wrong with an answer that has the resolver's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgery {
    /// Another message id.
    Id,
    /// To another of the subscriber's ports.
    Port,
    /// To another question.
    Question,
    /// Nothing was asked.
    Unasked,
    /// Nothing is wrong. A forgery that cannot be told from the truth is believed: this shows that it is not for another
    /// reason that those above are not.
    Nothing,
}

impl Forgery {
    const ALL: [Self; 5] = [Self::Id, Self::Port, Self::Question, Self::Unasked, Self::Nothing];

    const fn name(self) -> &'static str {
        match self {
            Self::Id => "wrong-id",
            Self::Port => "wrong-port",
            Self::Question => "wrong-question",
            Self::Unasked => "unasked",
            Self::Nothing => "right",
        }
    }
}

/// Everything that an attacker beside the carrier's resolver may try.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    foreign_resolver(lab, report)?;
    for (number, forgery) in (1..).zip(Forgery::ALL) {
        let prefix = format!("names-3-{}", forgery.name());
        let target = foreign(number);
        let phase = measure(lab, forgery.name(), |lab| {
            lab.network.names.pause()?;
            let told = tell(&lab.network, forgery, target);
            lab.network.names.go_on()?;
            told
        })?;
        check_opened(report, &prefix, &phase, target);
        check(report, &prefix, &phase, ATTACKER, |address| forgery == Forgery::Nothing && *address == target);
    }
    Ok(())
}

/// A resolver that the carrier does not trust answers a listed name with the attacker's address.
fn foreign_resolver(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let target = foreign(0);
    let zone = Zone::foreign(unknown_name(), target);
    let _server = NameServer::start(&lab.network.topology.internet, lab.network.directory(), &zone)?;
    let phase = measure(lab, "foreign-resolver", |lab| {
        lab.network.topology.subscribers[usize::from(ATTACKER)].within(|| {
            let client = subscriber(ATTACKER, Family::V4);
            let question = Question::ask(client, FOREIGN_RESOLVER, &unknown_name(), Family::V4)?;
            let address = question.answer()?.context("no answer of the attacker's resolver")?;
            ensure!(address == target, "the attacker's resolver says {address}");
            fetch(&unknown_name(), address)
        })
    })?;
    check_opened(report, "names-3-foreign-resolver", &phase, target);
    check(report, "names-3-foreign-resolver", &phase, ATTACKER, |_| false);
    Ok(())
}

fn check_opened(report: &mut Report, prefix: &str, phase: &crate::phase::Phase, target: IpAddr) {
    let there = phase.captured_of(ATTACKER, Family::V4, |packet| packet.destination == target).uplink.packets;
    report.check(format!("{prefix}-page-was-opened"), true, there > 0);
}

/// The subscriber asks, or not; the attacker answers before the resolver does; the subscriber opens the attacker's page.
fn tell(network: &Network, forgery: Forgery, target: IpAddr) -> Result<()> {
    let asking = &network.topology.subscribers[usize::from(ATTACKER)];
    let name = unknown_name();
    let client = subscriber(ATTACKER, Family::V4);
    let question = asking.within(|| Question::ask(client, resolver(Family::V4), &name, Family::V4))?;
    let end = question.client()?;
    let (id, to, told) = match forgery {
        Forgery::Id => (question.id().wrapping_add(1), end, name.clone()),
        Forgery::Port => (question.id(), other_port(end), name.clone()),
        Forgery::Question => (question.id(), end, format!("other.{name}")),
        // To another subscriber's address nothing at all was asked.
        Forgery::Unasked => {
            (question.id(), socket(subscriber(ATTACKER + 1, Family::V4), end.port()), name.clone())
        }
        Forgery::Nothing => (question.id(), end, name.clone()),
    };
    send(network, to, &question::answer(id, &told, target)?)?;
    if forgery == Forgery::Nothing {
        let heard = question.answer()?;
        ensure!(heard == Some(target), "the forged answer did not arrive: {heard:?}");
    }
    asking.within(|| fetch(&told, target))
}

const fn other_port(end: SocketAddr) -> SocketAddr {
    SocketAddr::new(end.ip(), end.port() ^ 1)
}

/// Sends a message with the resolver's own address, without its knowledge.
fn send(network: &Network, to: SocketAddr, message: &[u8]) -> Result<()> {
    let ports = [question::PORT, to.port()];
    let packet = ip::carrying(resolver(Family::V4), to.ip(), ports, message).context("too long")?;
    let frame = [&mac(CORE_LINK, 1)[..], &mac(CORE_LINK, 2), &[0x08, 0x00], &packet].concat();
    PacketSocket::open(&network.topology.internet, ONLY_INTERFACE)?.send(&frame)
}
