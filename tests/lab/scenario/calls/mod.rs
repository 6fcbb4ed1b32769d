//! Calls: a thousand of them between `SIPp` agents, through Kamailio; calls that outlive the daemon; and what people try in
//! order to have a data pipe free that is called a call.
//!
//! The checks' names begin with `calls-` and what they show: 1. many calls of each kind; 2. media that does not wait; 3. a
//! killed daemon; 4. a call that is never answered; 5. cheats; 6. texts; 7. media of which some is lost.

mod agents;
mod cheats;
mod clip;
mod exchange;
mod haste;
mod kind;
mod load;
mod losses;
mod phone;
mod restart;
mod script;
mod texts;

use std::fs;

use anyhow::Result;

use self::agents::Target;
use self::exchange::Exchange;
use self::phone::Office;
use crate::address::MEDIA_NETWORKS;
use crate::laboratory::Laboratory;
use crate::report::Report;

/// The rule of the hotline that many call.
const RULE: &str = "busy-hotline";
/// The rule of a hotline whose calls are short.
const BRIEF_RULE: &str = "brief-hotline";
/// Its number.
const BRIEF: &str = "19001236";
/// The rule of a hotline that texts to are free.
const TEXT_RULE: &str = "text-hotline";
/// Its number.
const TEXTS: &str = "19001237";
/// A number of nobody's.
const OTHER: &str = "19001239";
/// The hotline of the lab's own policy.
const HOTLINE: &str = "19003228";

/// Runs it all, in one lab.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let directory = lab.network.directory().join("calls");
    fs::create_dir(&directory)?;
    clip::write(&directory)?;
    lab.gateway.activate(&policy())?;
    // Two of its calls have to wait a minute, in which the others are made.
    let office = Office::open(&lab.network.topology)?;
    let waiting = restart::run(lab, &office, report)?;
    let exchange = Exchange::start(&lab.network.topology.internet, &directory)?;
    load::run(lab, &exchange, &directory, report)?;
    haste::run(lab, &directory, report)?;
    cheats::run(lab, &office, report)?;
    texts::run(lab, &office, report)?;
    losses::run(lab, &office, report)?;
    restart::finish(lab, &waiting, report)
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

[[hotline]]
id = "{BRIEF_RULE}"
country = "VN"
numbers = ["{BRIEF}"]
media_networks = ["{v4}"]
rating_group = 9102
max_duration = "1m"

[[hotline]]
id = "{TEXT_RULE}"
country = "VN"
numbers = ["{TEXTS}"]
media_networks = ["{v4}"]
rating_group = 9103
messages = true
"#,
        Target::Hotline.number()
    )
}
