//! nftables in the gateway, counting what carries the mark.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::address::Family;
use crate::command;
use crate::gateway::FREE_MARK;
use crate::namespace::Namespace;

/// Counts forwarded packets that carry the mark of what is free.
///
/// # Errors
/// If nft fails.
pub fn install(gateway: &Namespace) -> Result<()> {
    let rules = format!(
        "table inet lab {{
    counter ipv4 {{ }}
    counter ipv6 {{ }}
    chain forward {{
        type filter hook forward priority 0;
        meta nfproto ipv4 meta mark {FREE_MARK} counter name ipv4;
        meta nfproto ipv6 meta mark {FREE_MARK} counter name ipv6;
    }}
}}
"
    );
    command::run(gateway.command("nft").args(["-f", "-"]), &rules).map(drop)
}

/// How many packets of this version carried it so far.
///
/// # Errors
/// If nft fails, or its answer is not understood.
pub fn packets(gateway: &Namespace, family: Family) -> Result<i64> {
    let answer =
        command::run(gateway.command("nft").args(["-j", "list", "counters", "table", "inet", "lab"]), "")?;
    let answer: Value = serde_json::from_str(&answer).context("nft -j")?;
    let counters = answer["nftables"].as_array().into_iter().flatten().map(|entry| &entry["counter"]);
    let counter = counters.into_iter().find(|counter| counter["name"] == family.name());
    counter
        .and_then(|counter| counter["packets"].as_i64())
        .with_context(|| format!("nft has no counter: {answer}"))
}
