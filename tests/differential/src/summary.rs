//! What was compared.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use tollfree_core::reason::{Bucket, Reason};

use crate::part::{Frame, Header};

/// Sums over all captures. A frame is compared once for each variant and side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files that were opened.
    pub captures: u64,
    /// Captures that could not be read to their end, and why; what came before that was compared.
    pub faults: BTreeMap<String, String>,
    /// Frames that were compared.
    pub frames: u64,
    /// Answers that were compared.
    pub comparisons: u64,
    /// Frames that got an Ethernet header, because their link type has another.
    pub synthetic_headers: u64,
    /// Frames of link types that are not read, taken for Ethernet as they are.
    pub foreign_link_types: u64,
    /// Frames of which the capture kept only the beginning.
    pub snapped: u64,
    /// The longest frame that the kernel shows to the program whole, in octets.
    pub frame_octets_max: usize,
    /// Frames that were longer, by capture: both planes got their beginning.
    pub cut: BTreeMap<String, u64>,
    /// Records shorter than an Ethernet header, by capture: they were not compared.
    pub too_short: BTreeMap<String, u64>,
    /// Comparisons by bucket.
    pub buckets: BTreeMap<&'static str, u64>,
    /// Comparisons by reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Reasons that no frame had.
    pub reasons_missed: Vec<&'static str>,
    /// Comparisons in which the frame left with other octets, or with metadata.
    pub changed: u64,
    /// Comparisons in which the frame was copied.
    pub copied: u64,
    /// Comparisons in which the packet was on an open flow.
    pub on_flows: u64,
    /// Payload that had been sent before, in octets.
    pub sent_again_octets: u64,
    /// Flows that evidence decided while they waited.
    pub decided: u64,
    /// Differences: the first ends the run.
    pub differences: u64,
}

impl Summary {
    /// Takes note of the frames of a part.
    pub(crate) fn take(&mut self, capture: &str, frames: &[Frame]) {
        self.frames += frames.len() as u64;
        for frame in frames {
            match frame.header {
                Header::Captured => {}
                Header::Synthetic => self.synthetic_headers += 1,
                Header::Foreign => self.foreign_link_types += 1,
            }
            self.snapped += u64::from(frame.is_snapped);
            if frame.is_cut {
                *self.cut.entry(capture.to_owned()).or_default() += 1;
            }
        }
    }

    /// Takes note of a comparison.
    pub(crate) fn compared(&mut self, reason: Reason) {
        self.comparisons += 1;
        *self.buckets.entry(reason.bucket().name()).or_default() += 1;
        *self.reasons.entry(reason.name()).or_default() += 1;
    }

    /// Takes note of what never happened.
    pub(crate) fn close(&mut self) {
        let missed = Reason::ALL.iter().map(|reason| reason.name());
        self.reasons_missed = missed.filter(|name| !self.reasons.contains_key(name)).collect();
        for bucket in Bucket::ALL {
            self.buckets.entry(bucket.name()).or_default();
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} captures, {} frames, {} comparisons, {} differences",
            self.captures, self.frames, self.comparisons, self.differences
        )?;
        writeln!(
            f,
            "of the frames: {} with a synthetic Ethernet header, {} of link types that are not read, {} cut by their \
             capture",
            self.synthetic_headers, self.foreign_link_types, self.snapped
        )?;
        counts(f, "longer than the kernel shows to the program, cut", &self.cut)?;
        counts(f, "records shorter than an Ethernet header, left out", &self.too_short)?;
        writeln!(
            f,
            "longest frame that the kernel shows to the program whole: {} octets",
            self.frame_octets_max
        )?;
        writeln!(
            f,
            "of the comparisons: {} left changed, {} were copied, {} were on open flows",
            self.changed, self.copied, self.on_flows
        )?;
        writeln!(
            f,
            "{} octets of payload had been sent before, {} waiting flows were decided",
            self.sent_again_octets, self.decided
        )?;
        for (bucket, comparisons) in &self.buckets {
            writeln!(f, "{comparisons:>10} {bucket}")?;
        }
        writeln!(f, "by reason:")?;
        for (reason, comparisons) in &self.reasons {
            writeln!(f, "{comparisons:>10} {reason}")?;
        }
        writeln!(f, "reasons that did not occur: {}", self.reasons_missed.join(", "))?;
        for (capture, fault) in &self.faults {
            writeln!(f, "{capture}: {fault}")?;
        }
        Ok(())
    }
}

fn counts(f: &mut fmt::Formatter<'_>, what: &str, counts: &BTreeMap<String, u64>) -> fmt::Result {
    for (capture, count) in counts {
        writeln!(f, "{what}: {count} of {capture}")?;
    }
    Ok(())
}
