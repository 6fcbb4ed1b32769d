//! Calls: a thousand of them between `SIPp` agents, through Kamailio; calls that outlive the daemon; and what people try in
//! order to have a data pipe free that is called a call.
//!
//! The checks' names begin with `calls-` and what they show: 1. many calls of each kind.

mod agents;
mod clip;
mod exchange;
mod haste;
mod kind;
mod load;
mod phone;
mod script;

use std::fs;

use anyhow::Result;

use self::agents::Target;
use self::exchange::Exchange;
use crate::address::MEDIA_NETWORKS;
use crate::laboratory::Laboratory;
use crate::report::Report;

/// The rule of the hotline that many call.
const RULE: &str = "busy-hotline";

/// Runs it all, in one lab.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let directory = lab.network.directory().join("calls");
    fs::create_dir(&directory)?;
    clip::write(&directory)?;
    lab.gateway.activate(&policy())?;
    let exchange = Exchange::start(&lab.network.topology.internet, &directory)?;
    load::run(lab, &exchange, &directory, report)?;
    haste::run(lab, &directory, report)
}

/// Hotlines of the scenario's own.
fn policy() -> String {
    let [v4, v6] = MEDIA_NETWORKS;
    format!(
        r#"
[[hotline]]
id = "{RULE}"
country = "VN"
numbers = ["{}"]
media_networks = ["{v4}", "{v6}"]
rating_group = 9101
calls_per_subscriber = 100
"#,
        Target::Hotline.number()
    )
}
