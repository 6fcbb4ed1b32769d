//! Names that nobody has asked for before.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};

use super::{HONEST, check, measure};
use crate::address::{Family, resolver, subscriber, wild, wild_addresses};
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::page_server::fetch;
use crate::question::Question;
use crate::report::Report;

/// How many.
pub(super) const NAMES: u16 = 1000;

/// A subscriber looks each of them up and opens its page at once.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let mut opened = 0;
    let phase = measure(lab, "fresh", |lab| {
        opened = browse(&lab.network, 0..NAMES)?;
        Ok(())
    })?;
    report.check("names-1-opened", NAMES, opened);
    check(report, "names-1", &phase, HONEST, &wild_addresses(0..NAMES));
    Ok(())
}

/// Looks names up, by their numbers, and opens each one's page at once. Returns how many came.
pub(super) fn browse(network: &Network, numbers: Range<u16>) -> Result<u16> {
    network.topology.subscribers[usize::from(HONEST)].within(|| {
        let mut opened = 0;
        for number in numbers {
            let (name, expected) = wild(number);
            let family = Family::of(&expected);
            let question = Question::ask(subscriber(HONEST, family), resolver(family), &name, family)?;
            let address = question.answer()?.with_context(|| format!("no answer about {name}"))?;
            ensure!(address == expected, "{name} is at {address}, not {expected}");
            fetch(&name, address)?;
            opened += 1;
        }
        Ok(opened)
    })
}
