//! Names below a wildcard, each with an address of its own.

use anyhow::Result;

use crate::address::FREE_SITE;
use crate::command;
use crate::topology::{ONLY_INTERFACE, Topology};

/// Makes every address that a name may have one of the internet's; and checksums whole when a packet leaves its sender:
/// the gateway believes no answer whose checksum is wrong.
pub(in crate::scenario) fn prepare(topology: &Topology) -> Result<()> {
    topology.internet.ip(ROUTES)?;
    for sender in topology.subscribers.iter().chain([&topology.internet]) {
        command::run(sender.command("ethtool").args(["-K", ONLY_INTERFACE, "tx", "off"]), "")?;
    }
    Ok(())
}

/// A second site in the lab's policy.
pub(super) fn policy() -> String {
    format!(
        r#"
[[site]]
id = "{}"
domains = ["*.{}"]
evidence = "address"
class = "free"
rating_group = 9003
"#,
        super::RULE,
        FREE_SITE.name
    )
}

/// Of all addresses in these networks, the internet is the owner: [`crate::address::wild`] and
/// [`crate::address::forged`].
const ROUTES: &str = "route add local 203.0.113.32/27 dev lo
route add local 203.0.113.64/26 dev lo
route add local 203.0.113.128/25 dev lo
route add local 198.51.100.224/27 dev lo
route add local 2001:db8:f:1::/64 dev lo";
