//! What the lab can be asked to show.

mod basic;
mod calls;
pub mod carrier;
mod cheats;
mod clients;
pub mod names;
pub mod torture;

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::laboratory::Laboratory;
use crate::namespace::Namespace;
use crate::report::Report;
use crate::topology::Crossing;

use self::torture::Course;

/// A scenario: what is done in a lab, and what is compared.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// In the laboratory with its servers.
    Laboratory { crossing: Crossing, run: fn(&mut Laboratory, &mut Report) -> Result<()> },
    /// In a lab of its own.
    Torture,
}

/// A lab that stands, after its scenario.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Its files.
    pub directory: &'a Path,
    /// Where Tollfree runs.
    pub gateway: &'a Namespace,
    /// What was compared.
    pub report: &'a Report,
}

/// All scenarios.
pub const ALL: [Scenario; 7] = [
    Scenario {
        name: "basic",
        about: "sites, tags, a killed daemon, changed policies, strangers, calls, records and the audit log",
        kind: Kind::Laboratory { crossing: Crossing::Routed, run: basic::run },
    },
    Scenario {
        name: "carrier",
        about: "QinQ, PPPoE and GTP-U around everything, fragments inside and outside, subscribers' own tunnels",
        kind: Kind::Laboratory { crossing: Crossing::Carried, run: carrier::run },
    },
    Scenario {
        name: "names",
        about: "names learned from the resolver's answers, a killed daemon, an attacker's resolver, forged answers",
        kind: Kind::Laboratory { crossing: Crossing::Routed, run: names::run },
    },
    Scenario {
        name: "cheats",
        about: "forged and decoy names, shared addresses, tunnels, spoofing and floods beside an honest client",
        kind: Kind::Laboratory { crossing: Crossing::Routed, run: cheats::run },
    },
    Scenario {
        name: "clients",
        about: "curl, openssl and QUIC at a host that a stranger shares: two thousand connections, by name",
        kind: Kind::Laboratory { crossing: Crossing::Routed, run: clients::run },
    },
    Scenario {
        name: "calls",
        about: "a thousand calls through Kamailio, calls that outlive the daemon, and what cheats try with calls",
        kind: Kind::Laboratory { crossing: Crossing::Routed, run: calls::run },
    },
    Scenario {
        name: "torture",
        about: "thousands of flows a second while the daemon is killed, policies change, tables and the disk are full",
        kind: Kind::Torture,
    },
];

impl Scenario {
    /// The scenario with this name.
    pub fn find(name: &str) -> Option<Self> {
        ALL.into_iter().find(|scenario| scenario.name == name)
    }

    /// Makes a lab around `binary`, runs the scenario in it, and then calls `keep` before the lab is removed. Only
    /// `torture` takes a course.
    ///
    /// # Errors
    /// If the lab cannot be made, or something in it ended that should not: what was compared until then is lost.
    pub fn run(&self, binary: &Path, course: &Course, keep: impl FnOnce(&Kept<'_>)) -> Result<Report> {
        let Kind::Laboratory { crossing, run } = self.kind else { return torture::run(binary, course, keep) };
        let mut report = Report::new(self.name);
        let mut lab = Laboratory::start(binary, crossing).context("cannot make the lab")?;
        run(&mut lab, &mut report).with_context(|| format!("scenario {}\n{report}", self.name))?;
        let network = &lab.network;
        keep(&Kept { directory: network.directory(), gateway: &network.topology.gateway, report: &report });
        Ok(report)
    }
}
