//! Names that nobody has asked for before.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};

use super::{check_all, measure};
use crate::address::{Family, SUBSCRIBERS, resolver, subscriber, wild, wild_addresses};
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::page_server::fetch;
use crate::question::Question;
use crate::report::Report;

/// How many.
pub(super) const NAMES: u16 = 1000;

/// Names after which each subscriber had one with an address of each IP version.
const TURN: u16 = 6;

/// Subscribers look each of them up and open its page at once.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let mut opened = 0;
    let phase = measure(lab, "fresh", |lab| {
        opened = browse(&lab.network, 0..NAMES)?;
        Ok(())
    })?;
    report.check("names-1-opened", NAMES, opened);
    check_all(report, "names-1", &phase, &wild_addresses(0..NAMES));
    Ok(())
}

/// Looks names up, by their numbers, and opens each one's page at once. Subscribers and IP versions take turns: nobody
/// brings in more new names than one household may. Returns how many pages came.
pub(super) fn browse(network: &Network, numbers: Range<u16>) -> Result<u16> {
    let mut opened = 0;
    for index in 0..SUBSCRIBERS {
        opened += network.topology.subscribers[usize::from(index)].within(|| {
            let mine = numbers.clone().filter(|number| number % u16::from(SUBSCRIBERS) == u16::from(index));
            let mut opened = 0;
            for number in mine {
                look(index, number)?;
                opened += 1;
            }
            Ok(opened)
        })?;
    }
    Ok(opened)
}

/// Looks one name up and opens its page. Every other time he asks over the other IP version than he connects: the gateway does
/// not know that a subscriber's IPv4 address and his IPv6 prefix are one's. In the subscriber's namespace.
fn look(index: u8, number: u16) -> Result<()> {
    let (name, expected) = wild(number);
    let family = Family::of(&expected);
    // Turns of their own: subscribers take turns by number, and so do the names' IP versions.
    let asks_by = if (number / TURN).is_multiple_of(2) { family } else { family.other() };
    let question = Question::ask(subscriber(index, asks_by), resolver(asks_by), &name, family)?;
    let address = question.answer()?.with_context(|| format!("no answer about {name}"))?;
    ensure!(address == expected, "{name} is at {address}, not {expected}");
    fetch(&name, address)
}
