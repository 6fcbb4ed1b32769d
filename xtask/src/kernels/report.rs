//! What each kernel made of the programs.

use std::fmt;

use serde::Serialize;
use tollfree_tests::finding::{Finding, Verified};
use tollfree_tests::report::{Check, Report};

/// The program whose figures stand for the kernel.
const XDP_PROGRAM: &str = "tollfree";
/// XDP and tc.
const PROGRAMS: usize = 2;

/// One kernel.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KernelReport {
    /// As `uname -r` prints it; before it booted, what was asked for.
    kernel: String,
    /// Whether it took every program.
    loaded: bool,
    /// What the user is told, where the kernel is too old to try.
    refused: Option<String>,
    /// Instructions that its verifier walked through in the XDP program.
    verified_instructions: Option<u32>,
    /// How many it would have walked through.
    limit: Option<u32>,
    /// Octets of stack of the XDP program.
    stack_octets: Option<u32>,
    /// Every program.
    programs: Vec<Verified>,
    /// Whether the probe came to its end, and every check passed: among them, whether it had to be refused.
    passed: bool,
    /// What stopped the probe.
    faults: Vec<String>,
    /// What was compared.
    checks: Vec<Check>,
}

impl KernelReport {
    /// What the findings of a probe in the kernel `asked` for say.
    pub(super) fn new(asked: &str, findings: Vec<Finding>) -> Self {
        let mut kernel = asked.to_owned();
        let mut programs = Vec::new();
        let mut faults = Vec::new();
        let mut refused = None;
        let mut report = Report::new(asked);
        let mut ended = false;
        for finding in findings {
            match finding {
                Finding::Kernel { release } => kernel = release,
                Finding::Refused { error } => refused = Some(error),
                Finding::Program(program) => programs.push(program),
                Finding::Check(check) => report.add(check),
                Finding::Fault { error } => faults.push(error),
                Finding::End => ended = true,
            }
        }
        let xdp = programs.iter().find(|program| program.program == XDP_PROGRAM);
        let loaded = programs.len() == PROGRAMS;
        Self {
            kernel,
            loaded,
            verified_instructions: xdp.map(|xdp| xdp.verified_instructions),
            limit: xdp.map(|xdp| xdp.limit),
            stack_octets: xdp.map(|xdp| xdp.stack_octets),
            passed: (loaded || refused.is_some()) && ended && faults.is_empty() && report.passed,
            refused,
            faults,
            checks: report.checks,
            programs,
        }
    }

    pub(super) const fn passed(&self) -> bool {
        self.passed
    }

    fn row(&self) -> [String; 6] {
        let figure = |figure: Option<u32>| figure.map_or_else(|| "-".into(), |figure| figure.to_string());
        let passed = self.checks.iter().filter(|check| check.passed).count();
        [
            self.kernel.clone(),
            match (self.loaded, &self.refused) {
                (true, _) => "yes",
                (false, Some(_)) => "refused",
                (false, None) => "NO",
            }
            .into(),
            format!("{} of {}", figure(self.verified_instructions), figure(self.limit)),
            figure(self.stack_octets),
            format!("{passed} of {}", self.checks.len()),
            if self.passed { "ok" } else { "FAILED" }.into(),
        ]
    }
}

/// All kernels, as a table; below it what was refused or failed.
pub(super) struct Table<'a>(pub(super) &'a [KernelReport]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head =
            ["kernel", "loaded", "verified instructions", "stack octets", "checks", ""].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(self.0.iter().map(KernelReport::row)).collect();
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
                write!(f, "{cell:width$}  ")?;
            }
            writeln!(f)?;
        }
        for report in self.0 {
            for fault in report.refused.iter().chain(&report.faults) {
                writeln!(f, "{}: {fault}", report.kernel)?;
            }
            for check in report.checks.iter().filter(|check| !check.passed) {
                let Check { name, expected, measured, .. } = check;
                writeln!(f, "{}: {name}: expected {expected}, measured {measured}", report.kernel)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> Finding {
        Finding::Program(Verified {
            program: name.into(),
            verified_instructions: 7,
            limit: 9,
            stack_octets: 8,
        })
    }

    fn whole() -> Vec<Finding> {
        let kernel = Finding::Kernel { release: "6.1.0".into() };
        let check = Finding::Check(Check::compare("a", 1, 1));
        vec![kernel, program(XDP_PROGRAM), program("tollfree_tc"), check, Finding::End]
    }

    #[test]
    fn a_kernel_passes_with_all_programs_checks_and_an_end() {
        let report = KernelReport::new("6.1", whole());
        assert!(report.passed && report.loaded);
        assert_eq!((report.kernel.as_str(), report.verified_instructions), ("6.1.0", Some(7)));
    }

    #[test]
    fn a_kernel_that_has_to_be_refused_passes_if_it_is() {
        let refused = Finding::Refused { error: "too old".into() };
        for had_to_be in [true, false] {
            let check = Finding::Check(Check::compare("refused", had_to_be, true));
            let report = KernelReport::new("5.10", vec![check, refused.clone(), Finding::End]);
            assert_eq!((report.passed, report.loaded), (had_to_be, false));
        }
    }

    #[test]
    fn a_kernel_fails_without_any_of_them() {
        for missing in 1..whole().len() {
            let mut findings = whole();
            findings.remove(missing);
            assert!(!KernelReport::new("6.1", findings).passed, "without finding {missing}");
        }
        for added in [Finding::Check(Check::compare("b", 1, 2)), Finding::Fault { error: "panic".into() }] {
            let findings = [vec![added.clone()], whole()].concat();
            assert!(!KernelReport::new("6.1", findings).passed, "with {added:?}");
        }
    }
}
