//! What was expected, and what was measured.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What is compared: begins with the number of the promise it tests.
    pub name: String,
    /// From captures and generators.
    pub expected: Value,
    /// From Tollfree.
    pub measured: Value,
    /// Whether both are equal.
    pub passed: bool,
}

impl Check {
    /// Compares what was expected with what was measured.
    pub fn compare<T: Serialize>(name: impl Into<String>, expected: T, measured: T) -> Self {
        let [expected, measured] = [expected, measured].map(value);
        let passed = expected == measured;
        Self { name: name.into(), expected, measured, passed }
    }
}

/// All comparisons of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// Whether every check passed, and there was one.
    pub passed: bool,
    /// What was measured without an expectation.
    pub figures: Map<String, Value>,
    /// In the order they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// Without checks: not passed.
    pub fn new(scenario: &str) -> Self {
        Self { scenario: scenario.to_owned(), passed: false, figures: Map::new(), checks: Vec::new() }
    }

    /// Adds a comparison.
    pub fn check<T: Serialize>(&mut self, name: impl Into<String>, expected: T, measured: T) {
        self.add(Check::compare(name, expected, measured));
    }

    /// Adds a comparison that was made elsewhere.
    pub fn add(&mut self, check: Check) {
        self.passed = check.passed && (self.passed || self.checks.is_empty());
        self.checks.push(check);
    }

    /// Adds a figure.
    pub fn figure(&mut self, name: impl Into<String>, figure: impl Serialize) {
        self.figures.insert(name.into(), value(figure));
    }

    /// The checks whose name begins with `prefix`.
    pub fn checks_of(&self, prefix: &str) -> Vec<&Check> {
        self.checks.iter().filter(|check| check.name.starts_with(prefix)).collect()
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_json(path, self)
    }
}

/// Writes `content` as JSON, indented.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: &Path, content: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(content)?;
    fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// What is compared is plain data, whose conversion cannot fail; if it did, the text would say so.
fn value(content: impl Serialize) -> Value {
    serde_json::to_value(content).unwrap_or_else(|error| Value::String(format!("not comparable: {error}")))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 4]> = self.checks.iter().map(row).collect();
        let head = ["check", "expected", "measured", ""].map(str::to_owned);
        let width = |column: usize| {
            rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths = [width(0), width(1), width(2)];
        for row in [&head].into_iter().chain(&rows) {
            let [name, expected, measured, verdict] = row;
            let [a, b, c] = widths;
            writeln!(f, "{name:a$}  {expected:>b$}  {measured:>c$}  {verdict}")?;
        }
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        let verdict = if self.passed { "passed" } else { "FAILED" };
        write!(f, "{}: {verdict}, {} checks, {failed} failed", self.scenario, self.checks.len())
    }
}

fn row(check: &Check) -> [String; 4] {
    let verdict = if check.passed { "ok" } else { "FAILED" };
    [check.name.clone(), cell(&check.expected), cell(&check.measured), verdict.to_owned()]
}

/// Widest text of a cell that is worth reading, in characters.
const CELL_CHARACTERS: usize = 60;

fn cell(value: &Value) -> String {
    let text = words(value);
    if text.chars().count() <= CELL_CHARACTERS {
        return text;
    }
    text.chars().take(CELL_CHARACTERS - 1).chain(['…']).collect()
}

/// A value in words: a volume as octets and packets, other objects by their fields.
fn words(value: &Value) -> String {
    if let (Some(octets), Some(packets)) = (value.get("octets"), value.get("packets")) {
        return format!("{octets} octets in {packets}");
    }
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name} {}", words(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_readable() {
        let usage = crate::volume::Usage::default();
        assert_eq!(cell(&value(usage)), "downlink 0 octets in 0, uplink 0 octets in 0");
    }

    #[test]
    fn one_failure_fails_the_report() {
        let mut report = Report::new("test");
        assert!(!report.passed, "nothing checked is nothing passed");
        report.check("1-a", 1, 1);
        assert!(report.passed);
        report.check("2-b", 1, 2);
        report.check("2-c", 1, 1);
        assert!(!report.passed);
        assert_eq!(report.checks_of("2-").len(), 2);
        assert!(report.to_string().ends_with("test: FAILED, 3 checks, 1 failed"), "{report}");
    }
}
