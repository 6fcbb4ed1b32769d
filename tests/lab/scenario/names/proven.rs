//! Names below a wildcard whose answers must be proven: the gateway asks for them when subscribers do.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};

use super::{HONEST, PROVEN_RULE, check_by, measure};
use crate::address::{
    FORGED_PROVEN, Family, PROVEN_DOMAIN, PROVEN_NAMES, forged_proven_name, proven, resolver, subscriber,
};
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::page_server::fetch;
use crate::question::Question;
use crate::report::Report;

/// A site that asks for proofs.
pub(super) fn policy() -> String {
    format!(
        r#"
[[site]]
id = "{PROVEN_RULE}"
domains = ["*.{PROVEN_DOMAIN}"]
dnssec = "required"
evidence = "address"
class = "free"
rating_group = 9004
"#
    )
}

/// A subscriber looks names up that nobody has asked for, and opens their pages at once; then the same pages again, and one
/// whose answer was forged behind the resolver.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let addresses: BTreeSet<_> = (0..PROVEN_NAMES).map(|number| proven(number).1).collect();
    for prefix in ["names-4-proven-first", "names-4-proven-again"] {
        let phase = measure(lab, prefix, |lab| browse(&lab.network))?;
        check_by(report, prefix, &phase, (HONEST, PROVEN_RULE), &addresses);
    }
    let prefix = "names-4-proven-not";
    let phase = measure(lab, prefix, |lab| {
        lab.network.topology.subscribers[usize::from(HONEST)]
            .within(|| look(&forged_proven_name(), FORGED_PROVEN.into()))
    })?;
    check_by(report, prefix, &phase, (HONEST, PROVEN_RULE), &BTreeSet::new());
    Ok(())
}

fn browse(network: &Network) -> Result<()> {
    network.topology.subscribers[usize::from(HONEST)]
        .within(|| (0..PROVEN_NAMES).map(proven).try_for_each(|(name, address)| look(&name, address)))
}

/// In the subscriber's namespace.
fn look(name: &str, expected: std::net::IpAddr) -> Result<()> {
    let family = Family::of(&expected);
    let question = Question::ask(subscriber(HONEST, family), resolver(family), name, family)?;
    let address = question.answer()?.with_context(|| format!("no answer about {name}"))?;
    ensure!(address == expected, "{name} is at {address}, not {expected}");
    fetch(name, address)
}
