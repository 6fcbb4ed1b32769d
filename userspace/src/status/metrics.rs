//! Status, for Prometheus: by rule, never by subscriber.

use std::collections::BTreeMap;

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::{EvidenceStatus, Status, Volume};

/// Labels of one series: name and value.
type Labels = Vec<(&'static str, String)>;

/// One series: labels and value.
type Row = (Labels, u64);

/// Status in the Prometheus text form. Prometheus counts in floating point: billing reads records, not this.
///
/// # Errors
/// What the encoder says of names it does not accept.
pub fn encode(status: &Status) -> Result<String, prometheus::Error> {
    let traffic = traffic(status);
    let packets = traffic.iter().map(|(labels, volume)| (labels.clone(), volume.packets)).collect();
    let octets = traffic.iter().map(|(labels, volume)| (labels.clone(), volume.octets)).collect();
    let (frames, frame_octets) = interfaces(status);
    let events = status.stats.iter().map(|(name, count)| (vec![("event", name.clone())], *count)).collect();
    let mut families = vec![
        counters("tollfree_packets_total", "Packets by direction, bucket, reason and rule.", packets),
        counters(
            "tollfree_volume_bytes_total",
            "Inner IP length by direction, bucket, reason and rule.",
            octets,
        ),
        counters("tollfree_interface_frames_total", "Frames by interface and by who counted them.", frames),
        counters(
            "tollfree_interface_bytes_total",
            "Frame octets by interface and by who counted them.",
            frame_octets,
        ),
        counters(
            "tollfree_sent_again_bytes_total",
            "TCP payload that was sent before, by direction and rule.",
            sent_again(status),
        ),
        counters("tollfree_events_total", "Events of the data plane.", events),
        counters(
            "tollfree_at_risk_bytes_total",
            "Volume that was charged or freed without evidence, by outcome.",
            at_risk(status),
        ),
    ];
    families.extend(evidence(&status.evidence));
    families.extend(gauges(status));
    families.retain(|family| !family.get_metric().is_empty());
    TextEncoder::new().encode_to_string(&families)
}

/// Volume by direction, bucket, reason and rule.
fn traffic(status: &Status) -> BTreeMap<Labels, Volume> {
    let mut sums: BTreeMap<Labels, Volume> = BTreeMap::new();
    for counter in &status.counters {
        let directions = [
            ("uplink", counter.uplink_packets, counter.uplink_octets),
            ("downlink", counter.downlink_packets, counter.downlink_octets),
        ];
        for (direction, packets, octets) in directions {
            let labels = vec![
                ("direction", direction.to_owned()),
                ("bucket", counter.bucket.clone()),
                ("reason", counter.reason.clone()),
                ("rule", counter.rule.to_string()),
                ("policy", counter.policy.clone()),
                ("rule_id", counter.rule_id.clone()),
            ];
            let sum = sums.entry(labels).or_default();
            sum.packets += packets;
            sum.octets += octets;
        }
    }
    sums
}

/// Frames and frame octets of each interface.
fn interfaces(status: &Status) -> (Vec<Row>, Vec<Row>) {
    let mut frames = Vec::new();
    let mut octets = Vec::new();
    for interface in &status.interfaces {
        let places = [("arrival", interface.seen), ("bucket", interface.buckets), ("nic", interface.nic)];
        for (place, volume) in places {
            let labels = vec![("interface", interface.name.clone()), ("counted_at", place.to_owned())];
            frames.push((labels.clone(), volume.packets));
            octets.push((labels, volume.octets));
        }
    }
    (frames, octets)
}

/// TCP payload that was sent before, by direction and rule.
fn sent_again(status: &Status) -> Vec<Row> {
    let rows = status.sent_again.iter().flat_map(|again| {
        [("uplink", again.uplink_octets), ("downlink", again.downlink_octets)].map(|(direction, octets)| {
            let labels = vec![
                ("direction", direction.to_owned()),
                ("rule", again.rule.to_string()),
                ("policy", again.policy.clone()),
                ("rule_id", again.rule_id.clone()),
            ];
            (labels, octets)
        })
    });
    rows.collect()
}

/// Volume that was charged or freed without evidence.
fn at_risk(status: &Status) -> Vec<Row> {
    let outcomes = [("charged", status.at_risk.charged), ("free", status.at_risk.free)];
    outcomes.map(|(outcome, volume)| (vec![("outcome", outcome.to_owned())], volume.octets)).into()
}

/// What passing packets tell of names. Counters are since the controller began.
fn evidence(evidence: &EvidenceStatus) -> Vec<MetricFamily> {
    let by = |label: &'static str, counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| (vec![(label, name.clone())], *count)).collect()
    };
    let dns = [("question", evidence.questions), ("answer", evidence.lessons)];
    let losses = [
        ("full", evidence.full),
        ("unread", evidence.unread),
        ("dropped-signalling", evidence.dropped_signalling),
        ("failure", evidence.failures),
    ];
    let named = |label, counts: &[(&str, u64)]| {
        counts.iter().map(|(name, count)| (vec![(label, (*name).to_owned())], *count)).collect()
    };
    vec![
        counters(
            "tollfree_evidence_decisions_total",
            "Flows whose evidence was decided.",
            by("reason", &evidence.decisions),
        ),
        latency(evidence),
        counters(
            "tollfree_evidence_dns_messages_total",
            "DNS questions and answers that were heard and believed.",
            named("kind", &dns),
        ),
        counters(
            "tollfree_evidence_dns_refused_total",
            "DNS messages that taught nothing.",
            by("reason", &evidence.refused),
        ),
        counters(
            "tollfree_evidence_addresses_learned_total",
            "Addresses that answers changed in the plan in force.",
            vec![(Vec::new(), evidence.learned)],
        ),
        counters(
            "tollfree_evidence_losses_total",
            "Flows and copies that could not be looked into.",
            named("kind", &losses),
        ),
        gauge("tollfree_evidence_flows", "Flows whose name is looked for.", evidence.waiting),
    ]
}

/// How long it took from a flow's first payload to its verdict.
fn latency(evidence: &EvidenceStatus) -> MetricFamily {
    let mut count = 0;
    let buckets = EvidenceStatus::LATENCY_US.iter().zip(&evidence.latency).map(|(end_us, flows)| {
        count += flows;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(seconds(*end_us));
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(evidence.latency.iter().sum());
    histogram.set_sample_sum(seconds(evidence.latency_sum_us));
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    family(
        "tollfree_evidence_latency_seconds",
        "From a flow's first payload to its verdict.",
        MetricType::HISTOGRAM,
        vec![metric],
    )
}

fn gauges(status: &Status) -> Vec<MetricFamily> {
    let reconciliation = &status.reconciliation;
    let rows: [(&str, &str, u64); 11] = [
        ("tollfree_epoch", "The policy activation in force.", status.epoch.into()),
        (
            "tollfree_reconciliation_difference_packets",
            "Packets that arrived less packets in buckets; 0 when all is well.",
            reconciliation.difference_packets.unsigned_abs(),
        ),
        (
            "tollfree_reconciliation_difference_bytes",
            "Octets that arrived less octets in buckets; 0 when all is well.",
            reconciliation.difference_octets.unsigned_abs(),
        ),
        ("tollfree_flows_open", "Flows to listed addresses.", status.flows.open),
        ("tollfree_flows_awaiting_evidence", "Flows that await evidence.", status.flows.awaiting_evidence),
        (
            "tollfree_subscribers_past_ceiling",
            "Subscribers and rules past a daily ceiling today.",
            status.flows.past_ceiling,
        ),
        ("tollfree_calls_active", "Free calls followed now.", status.calls.active),
        (
            "tollfree_policy_faults",
            "Faults that keep the policy directory from force.",
            count(&status.policy_faults),
        ),
        ("tollfree_alarms", "Conditions that want attention.", count(&status.alarms)),
        ("tollfree_names_stale", "Names whose last good answer has outlived its TTL.", stale(status)),
        ("tollfree_audit_log_entries", "Entries of the transparency log.", status.audit.size),
    ];
    rows.into_iter().map(|(name, help, value)| gauge(name, help, value)).collect()
}

fn stale(status: &Status) -> u64 {
    status.names.iter().map(|name| u64::from(name.stale)).sum()
}

fn count<T>(values: &[T]) -> u64 {
    u64::try_from(values.len()).unwrap_or(u64::MAX)
}

fn counters(name: &str, help: &str, rows: Vec<Row>) -> MetricFamily {
    let metrics = rows.into_iter().map(|(labels, value)| {
        let mut counter = Counter::default();
        counter.set_value(float(value));
        let mut metric = Metric::from_label(labels.into_iter().map(label).collect());
        metric.set_counter(counter);
        metric
    });
    family(name, help, MetricType::COUNTER, metrics.collect())
}

fn gauge(name: &str, help: &str, value: u64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(float(value));
    family(name, help, MetricType::GAUGE, vec![Metric::from_gauge(gauge)])
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn label((name, value): (&str, String)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.into());
    pair.set_value(value);
    pair
}

#[allow(clippy::cast_precision_loss, reason = "Prometheus counts in floating point")]
const fn float(value: u64) -> f64 {
    value as f64
}

/// Microseconds in seconds, the unit of Prometheus.
fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tollfree_core::reason::Reason;

    /// The text form of Prometheus: buckets are cumulative, and the last has all.
    #[test]
    fn latency_is_a_histogram_in_seconds() {
        let mut status = EvidenceStatus::default();
        for micros in [400, 500, 501, 40_000, 6_000_000] {
            status.decided(Reason::NameAndAddress, Some(Duration::from_micros(micros)));
        }
        // One that had no payload is decided, and not timed.
        status.decided(Reason::Undecided, None);
        let families = [latency(&status)];
        let text = TextEncoder::new().encode_to_string(&families).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let bucket = |end: &str, count: u32| {
            format!("tollfree_evidence_latency_seconds_bucket{{le=\"{end}\"}} {count}")
        };
        let expected = [
            bucket("0.0005", 2),
            bucket("0.001", 3),
            bucket("0.005", 3),
            bucket("0.01", 3),
            bucket("0.05", 4),
            bucket("0.1", 4),
            bucket("0.5", 4),
            bucket("1", 4),
            bucket("5", 4),
            bucket("+Inf", 5),
            "tollfree_evidence_latency_seconds_sum 6.041401".to_owned(),
            "tollfree_evidence_latency_seconds_count 5".to_owned(),
        ];
        assert_eq!(lines, expected);
        let decided = &evidence(&status)[0];
        let reasons = decided.get_metric().iter().map(|metric| metric.get_label()[0].value().to_owned());
        assert_eq!(reasons.collect::<Vec<_>>(), ["name-and-address", "undecided"]);
    }
}
