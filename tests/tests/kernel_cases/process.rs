//! The same source as the kernel's, in this process, as a case finds it.

use tollfree::memory::{MemoryTables, MemoryTransports};
use tollfree_core::bytes::Frame;
use tollfree_core::decide::{Decision, Tables as _, decide};
use tollfree_core::interface::Role;
use tollfree_core::packet::{Start, parse};

use crate::event::Event;
use crate::world::{DAY_NS, NOW_NS, SIP_PORT};

/// Tables and their clock.
pub(crate) struct Process<'a> {
    pub(crate) tables: MemoryTables,
    transports: &'a MemoryTransports,
    now_ns: u64,
    /// Flows that awaited evidence, by number.
    awaiting: Vec<u64>,
}

impl<'a> Process<'a> {
    /// Has seen nothing.
    pub(crate) fn new(tables: &MemoryTables, transports: &'a MemoryTransports) -> Self {
        Self { tables: tables.clone(), transports, now_ns: NOW_NS, awaiting: Vec::new() }
    }

    /// Lets something happen.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Frame(role, frame) => {
                let (decision, _) = self.pass(*role, frame);
                self.awaiting.extend((decision.flow != 0).then_some(decision.flow));
            }
            Event::Rest(ns) => self.wait(*ns),
            Event::Told(verdict) => {
                for flow in &self.awaiting {
                    self.tables.decide_flow(*flow, *verdict);
                }
            }
            Event::Heard(subscriber, until_ns) => self.tables.hear(*subscriber, *until_ns),
            Event::Signalled(subscriber, until_ns) => self.tables.signal(*subscriber, *until_ns),
            Event::Promised(key, promise) => {
                let flow = self.tables.flow(key).expect("a flow that a frame before has opened");
                flow.set_promise(&self.tables, *promise);
            }
            Event::Swept => self.tables.forget_idle_flows(),
            Event::NextDay => self.wait(DAY_NS),
            Event::QuotasFull => self.tables.set_quotas_max(0),
        }
    }

    fn wait(&mut self, ns: u64) {
        self.now_ns += ns;
        self.tables.set_now(self.now_ns);
    }

    /// The last number that a flow or a text was given.
    pub(crate) const fn last_number(&self) -> u64 {
        self.tables.flows_opened()
    }

    /// The decision on a frame, and the volume counted.
    pub(crate) fn pass(&mut self, role: Role, frame: &[u8]) -> (Decision, u32) {
        pass(&mut self.tables, self.transports, role, frame)
    }
}

/// What this process makes of a frame: the decision, and the volume counted.
pub(crate) fn pass(
    tables: &mut MemoryTables,
    transports: &MemoryTransports,
    role: Role,
    frame: &[u8],
) -> (Decision, u32) {
    match parse(&Frame::new(frame), Start::Ethernet, 0, transports, &mut ()) {
        Ok(packet) => {
            let mut decision = decide(tables, role, SIP_PORT, &packet);
            decision.copy = tables.listen(frame, role, &packet, &decision);
            (decision, decision.volume_octets(&packet))
        }
        Err(reason) => (Decision::unattributed(reason), 0),
    }
}
