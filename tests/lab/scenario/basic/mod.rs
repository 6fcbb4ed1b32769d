//! The first slice: from policy file to billed and audited bytes. The checks' names begin with what they show:
//!
//! 1. free and charged bytes are right, to the byte; 2. what is free is tagged, and nothing else;
//! 3. no byte is lost or doubled by a killed daemon or by changed policies; 4. strangers' packets are charged;
//! 5. a free call's media is free; 6. records, metrics and audit log agree with it all.

mod browse;
mod calls;
mod evidence;
mod strangers;
mod survive;

use anyhow::Result;

use crate::laboratory::Laboratory;
use crate::report::Report;

/// Runs it all, in one lab, on one daemon's counters.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    browse::run(lab, report)?;
    let unnamed = survive::kill(lab, report)?;
    survive::reload(lab, report)?;
    strangers::run(lab, report)?;
    let media = calls::run(lab, report)?;
    evidence::run(lab, report, media, &unnamed)
}
