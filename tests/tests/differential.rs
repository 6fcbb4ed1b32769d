//! The kernel program and the userspace build say the same of every frame of captures by others, the malformed ones too.

use anyhow::{Result, ensure};
use tollfree_core::reason::Reason;
use tollfree_differential::paths;
use tollfree_differential::runner::{Runner, all_transports};
use tollfree_tests::corpus;

/// Reasons that follow from packets before, of the flow, of the rule or of the subscriber.
const LASTING: [Reason; 9] = [
    Reason::AwaitingEvidence,
    Reason::NameAndAddress,
    Reason::OtherName,
    Reason::Undecided,
    Reason::EvidenceMissed,
    Reason::DailyCeiling,
    Reason::IcmpError,
    Reason::SubscriberFlowsFull,
    Reason::Fragment,
];

#[test]
fn both_planes_say_the_same_of_every_captured_frame() -> Result<()> {
    let Some(corpus) = corpus::find() else { return Ok(()) };
    let captures = paths::captures(&[corpus.join("captures"), corpus.join("malformed")])?;
    ensure!(captures.len() > 150, "only {} captures", captures.len());
    let mut tell = |_: &_| {};
    let mut runner = Runner::open(all_transports(), &mut tell)?;
    for capture in &captures {
        if let Some(difference) = runner.capture(capture)? {
            anyhow::bail!("{difference}");
        }
    }
    let summary = runner.summary();
    println!("{summary}");
    ensure!(summary.frames > 10_000, "only {} frames were compared", summary.frames);
    // Four variants, two sides.
    ensure!(summary.comparisons == summary.frames * 8, "{} comparisons", summary.comparisons);
    ensure!(summary.differences == 0, "{} differences were counted, and none told", summary.differences);
    // A plan under which nothing is free, tagged or copied would compare little.
    for (what, count) in
        [("changed", summary.changed), ("copied", summary.copied), ("on flows", summary.on_flows)]
    {
        ensure!(count > 1000, "only {count} {what}");
    }
    ensure!(summary.sent_again_octets > 0, "nothing was sent again");
    ensure!(summary.decided > 100, "only {} waiting flows were decided", summary.decided);
    ensure!(summary.reasons.len() > 30, "only these reasons: {:?}", summary.reasons);
    for reason in LASTING {
        ensure!(summary.reasons.contains_key(reason.name()), "no packet was {}", reason.name());
    }
    Ok(())
}
