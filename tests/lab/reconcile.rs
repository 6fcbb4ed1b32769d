//! Nothing is missing: captures, interfaces, buckets and the NIC all say the same.

use crate::capture::Point;
use crate::phase::Phase;
use crate::report::Report;
use crate::topology::{ACCESS_INTERFACE, CORE_INTERFACE};
use crate::volume::Volume;

/// Checks a phase's totals. The checks' names begin with `prefix`.
pub fn check_totals(report: &mut Report, prefix: &str, phase: &Phase) {
    let points = [(ACCESS_INTERFACE, Point::UplinkIn), (CORE_INTERFACE, Point::DownlinkIn)];
    for (interface, point) in points {
        report.check(
            format!("{prefix}-frames-{interface}"),
            phase.traffic.frames(point),
            phase.seen(interface),
        );
    }
    let frames = points.map(|(_, point)| phase.traffic.frames(point).packets).into_iter().sum();
    report.check(format!("{prefix}-packets-in-all-buckets"), frames, phase.counted_in_all_buckets().packets);
    let reconciliation = phase.after.status.reconciliation;
    report.check(format!("{prefix}-buckets-equal-totals"), Volume::default(), reconciliation.buckets());
    report.check(format!("{prefix}-nic-equals-totals"), Volume::default(), reconciliation.nic());
}
