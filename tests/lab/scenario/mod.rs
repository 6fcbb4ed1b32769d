//! What the lab can be asked to show.

mod basic;
pub mod carrier;

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::laboratory::Laboratory;
use crate::report::Report;
use crate::topology::Crossing;

/// A scenario: what is done in a lab, and what is compared.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    crossing: Crossing,
    run: fn(&mut Laboratory, &mut Report) -> Result<()>,
}

/// All scenarios.
pub const ALL: [Scenario; 2] = [
    Scenario {
        name: "basic",
        about: "sites, tags, a killed daemon, changed policies, strangers, calls, records and the audit log",
        crossing: Crossing::Routed,
        run: basic::run,
    },
    Scenario {
        name: "carrier",
        about: "QinQ, PPPoE and GTP-U around everything, fragments inside and outside, subscribers' own tunnels",
        crossing: Crossing::Carried,
        run: carrier::run,
    },
];

impl Scenario {
    /// The scenario with this name.
    pub fn find(name: &str) -> Option<Self> {
        ALL.into_iter().find(|scenario| scenario.name == name)
    }

    /// Makes a lab around `binary`, runs the scenario in it, and then calls `keep` before the lab is removed.
    ///
    /// # Errors
    /// If the lab cannot be made, or something in it ended that should not: what was compared until then is lost.
    pub fn run(&self, binary: &Path, keep: impl FnOnce(&Laboratory, &Report)) -> Result<Report> {
        let mut report = Report::new(self.name);
        let mut lab = Laboratory::start(binary, self.crossing).context("cannot make the lab")?;
        (self.run)(&mut lab, &mut report).with_context(|| format!("scenario {}\n{report}", self.name))?;
        keep(&lab, &report);
        Ok(report)
    }
}
