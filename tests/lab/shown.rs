//! A scenario that is run once, for tests that each hold one part of it.

use std::sync::OnceLock;

use anyhow::{Context as _, Result};

use crate::binary;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::scenario::torture::{self, Course};

/// A scenario's report, made when it is first asked for.
#[derive(Debug)]
pub struct Shown {
    scenario: &'static str,
    course: Course,
    report: OnceLock<Result<Report, String>>,
}

impl Shown {
    /// The scenario with this name.
    pub const fn new(scenario: &'static str) -> Self {
        Self::on(scenario, Course { length: torture::LENGTH, seed: 0 })
    }

    /// The scenario with this name, on a course.
    pub const fn on(scenario: &'static str, course: Course) -> Self {
        Self { scenario, course, report: OnceLock::new() }
    }

    /// Asserts that there are checks whose names begin with `prefix`, and that all of them passed.
    ///
    /// # Panics
    /// If there are none, if one failed, or if the scenario could not be run.
    #[track_caller]
    pub fn assert(&self, prefix: &str) {
        let report = self.report.get_or_init(|| self.run().map_err(|error| format!("{error:#}")));
        let report = report.as_ref().unwrap_or_else(|error| panic!("{error}"));
        let checks = report.checks_of(prefix);
        assert!(!checks.is_empty(), "no check {prefix}…");
        let failed: Vec<_> = checks.into_iter().filter(|check| !check.passed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    fn run(&self) -> Result<Report> {
        let binary = binary::build()?;
        Scenario::find(self.scenario).context("no such scenario")?.run(&binary, &self.course, |_| ())
    }
}
