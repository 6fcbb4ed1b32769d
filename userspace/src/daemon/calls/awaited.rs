//! What waits for its signalling to be read: media of calls, and texts.

use tollfree_core::flow::{FlowEntry, NO_RULE, Verdict};
use tollfree_core::reason::Reason;

use crate::dataplane::{DataplaneError, VerdictTable};

/// Decides it, and counts what came of it.
pub(super) struct Awaited {
    verdicts: VerdictTable,
    calls: u64,
    no_calls: u64,
}

impl Awaited {
    /// Has decided nothing yet.
    pub(super) const fn new(verdicts: VerdictTable) -> Self {
        Self { verdicts, calls: 0, no_calls: 0 }
    }

    /// Says what becomes of the text with this number; without a verdict, it is signalling like any.
    pub(super) fn text(&mut self, number: u64, free: Option<Verdict>) -> Result<(), DataplaneError> {
        let charged = Verdict { rule: NO_RULE, reason: Reason::Signalling };
        self.verdicts.decide(number, free.unwrap_or(charged)).map(drop)
    }

    /// Says what becomes of the stream whose flow has this number; without a verdict, it is of no call.
    pub(super) fn stream(&mut self, number: u64, free: Option<Verdict>) -> Result<(), DataplaneError> {
        let charged = Verdict { rule: NO_RULE, reason: Reason::NoCall };
        if self.verdicts.decide(number, free.unwrap_or(charged))? {
            *if free.is_some() { &mut self.calls } else { &mut self.no_calls } += 1;
        }
        Ok(())
    }

    /// Whether a stream's flow was found to be of no call.
    pub(super) fn is_of_no_call(&self, flow: &FlowEntry) -> Result<bool, DataplaneError> {
        let promise = Verdict::from(flow.promise);
        let said = self.verdicts.said(flow.number)?.unwrap_or(promise);
        Ok(promise.rule == NO_RULE && said.reason == Reason::NoCall)
    }

    /// Streams that were of a free call, and of none.
    pub(super) const fn streams(&self) -> (u64, u64) {
        (self.calls, self.no_calls)
    }
}
