//! What the gateway's metrics say of evidence.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::command;
use crate::gateway::METRICS;
use crate::namespace::Namespace;

/// The series of flows that were decided, by reason.
const DECISIONS: &str = "tollfree_evidence_decisions_total{reason=";
/// The histogram of the time from the first payload to the verdict.
const LATENCY: &str = "tollfree_evidence_latency_seconds";

/// Series by name and labels.
#[derive(Clone, Debug)]
pub(super) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// As they are now.
    pub(super) fn read(gateway: &Namespace) -> Result<Self> {
        let mut curl = gateway.command("curl");
        let text = command::run(curl.args(["--silent", "--fail", &format!("http://{METRICS}/metrics")]), "")?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let series = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
            Ok((name.to_owned(), value.parse().with_context(|| line.to_owned())?))
        });
        series.collect::<Result<_>>().map(Self)
    }

    /// How much each series grew since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let grown = |(name, value): (&String, &f64)| {
            (name.clone(), value - before.0.get(name).copied().unwrap_or_default())
        };
        Self(self.0.iter().map(grown).collect())
    }

    /// Flows that were decided, by reason.
    pub(super) fn decisions(&self) -> BTreeMap<String, f64> {
        let own = self.0.iter().filter(|(_, value)| **value > 0.0);
        own.filter_map(|(name, value)| {
            let reason = name.strip_prefix(DECISIONS)?.trim_matches(['"', '}']);
            Some((reason.to_owned(), *value))
        })
        .collect()
    }

    /// How many flows the histogram has.
    pub(super) fn timed(&self) -> f64 {
        self.0.get(&format!("{LATENCY}_count")).copied().unwrap_or_default()
    }

    /// Of the histogram, how many flows were decided within so many seconds; and its sum.
    pub(super) fn latency(&self) -> BTreeMap<String, f64> {
        let own = self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(LATENCY)?, *value)));
        own.map(|(name, value)| {
            let within = name.strip_prefix("_bucket{le=").map(|end| end.trim_matches(['"', '}']));
            (within.unwrap_or(name.trim_start_matches('_')).to_owned(), value)
        })
        .collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    /// The text form of Prometheus: a histogram's buckets are cumulative.
    const TEXT: &str = "# TYPE tollfree_evidence_decisions_total counter
tollfree_evidence_decisions_total{reason=\"other-name\"} 3
tollfree_evidence_decisions_total{reason=\"undecided\"} 1
# TYPE tollfree_evidence_latency_seconds histogram
tollfree_evidence_latency_seconds_bucket{le=\"0.001\"} 2
tollfree_evidence_latency_seconds_bucket{le=\"+Inf\"} 3
tollfree_evidence_latency_seconds_sum 0.5
tollfree_evidence_latency_seconds_count 3
";

    #[test]
    fn growth_is_read_from_the_text_form() {
        let before = "tollfree_evidence_decisions_total{reason=\"undecided\"} 1\n";
        let grown = Metrics::parse(TEXT).unwrap().since(&Metrics::parse(before).unwrap());
        assert_eq!(grown.decisions(), BTreeMap::from([("other-name".to_owned(), 3.0)]));
        assert!((grown.timed() - 3.0).abs() < f64::EPSILON);
        let latency = grown.latency().into_iter().map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(latency.collect::<Vec<_>>(), ["+Inf: 3", "0.001: 2", "count: 3", "sum: 0.5"]);
    }
}
