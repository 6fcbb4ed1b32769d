//! The account of frames, wherever they come from.

use tollfree_core::bytes::{Bytes as _, Frame};
use tollfree_core::counter::CounterKey;
use tollfree_core::decide::{Decision, decide};
use tollfree_core::event::CopyKind;
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::interface::Role;
use tollfree_core::limits::FRAGMENTS_MAX;
use tollfree_core::packet::{self, Start};
use tollfree_core::plan::Local;
use tollfree_core::reason::Reason;
use tollfree_core::stat::Stat;

use ipnet::IpNet;

use super::account::Account;
use super::error::ObserveError;
use super::side::Side;
use super::tunnel_fragments::TunnelFragments;
use crate::classify::Tunnels;
use crate::config::LimitsConfig;
use crate::dataplane::PlanTables;
use crate::memory::MemoryTables;

/// Where frames come from.
pub trait Frames {
    /// The next frame, from its Ethernet header on; `None` if there is none now.
    ///
    /// # Errors
    /// If there will be no more.
    fn next(&mut self) -> Result<Option<&[u8]>, ObserveError>;
}

/// Reads, decides and counts frames as the kernel program does, but for tags and copies.
#[derive(Clone, Debug)]
pub struct Observer {
    side: Side,
    sip_port: u16,
    tunnels: Tunnels,
    tunnel_fragments: TunnelFragments,
    tables: MemoryTables,
    epoch: u32,
    account: Account,
}

impl Observer {
    /// An account without a plan, for the subscribers of `pools`; signalling is UDP to or from `sip_port` of a proxy.
    pub fn new(side: Side, pools: &[IpNet], tunnels: Tunnels, sip_port: u16, limits: LimitsConfig) -> Self {
        let mut tables = MemoryTables::new(&PlanTables::default(), pools, limits.flows as usize);
        tables.limit_fragments(FRAGMENTS_MAX as usize);
        tables.set_flows_per_subscriber(limits.flows_per_subscriber);
        tables.set_quotas_max(limits.quotas as usize);
        Self {
            side,
            sip_port,
            tunnels,
            tunnel_fragments: TunnelFragments::new(),
            tables,
            epoch: 0,
            account: Account::new(limits.counters as usize, limits.pending as usize),
        }
    }

    /// Makes addresses the gateway's own, as the data plane knows them.
    pub fn set_own<'a>(&mut self, locals: impl IntoIterator<Item = (&'a IpNet, &'a Local)>) {
        let own = locals.into_iter().filter(|(_, local)| **local == Local::Own);
        own.for_each(|(net, _)| self.tables.add_own(*net));
    }

    /// Puts a plan in force, from the next frame on.
    pub fn enforce(&mut self, plan: &PlanTables, epoch: u32) {
        self.tables.set_plan(plan);
        self.epoch = epoch;
    }

    /// What was counted.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The activation in force; 0 before the first.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Counts what `frames` has now, but at most `max` frames; `clock` is `CLOCK_MONOTONIC`, in nanoseconds. Returns how
    /// many there were.
    ///
    /// # Errors
    /// Those of `frames`.
    pub fn drain(
        &mut self,
        frames: &mut impl Frames,
        max: u64,
        clock: impl Fn() -> u64,
    ) -> Result<u64, ObserveError> {
        for taken in 0..max {
            let Some(frame) = frames.next()? else { return Ok(taken) };
            self.take(frame, clock());
        }
        Ok(max)
    }

    /// Counts one frame, which came at `now_ns` of `CLOCK_MONOTONIC`.
    pub fn take(&mut self, octets: &[u8], now_ns: u64) {
        self.tables.set_now(now_ns);
        let frame = Frame::new(octets);
        self.account.arrived(frame.frame_octets() as u64);
        let (decision, role, volume_octets) = self.decide(&frame);
        let reason = decision.reason;
        let bucket = reason.bucket();
        let key = CounterKey::new(decision.subscriber, self.epoch, decision.rule, bucket, reason);
        self.account.count(&key, decision.flow, bucket, role, frame.frame_octets() as u64, volume_octets);
        if decision.flow != 0 && decision.copy == CopyKind::Signalling {
            // Calls are not followed here, so nobody reads the text.
            self.account.decide(decision.flow, Verdict { rule: NO_RULE, reason: Reason::Undecided });
        }
    }

    fn decide(&mut self, frame: &Frame<'_>) -> (Decision, Role, u32) {
        let mut packet = match packet::parse(frame, Start::Ethernet, 0, &self.tunnels, &mut ()) {
            Ok(packet) => packet,
            Err(reason) => return (Decision::unattributed(reason), self.side.role_of_unread(), 0),
        };
        if matches!(self.tunnels, Tunnels::All) {
            self.tunnel_fragments.settle(frame, &mut packet);
        }
        let role = self.side.role_of(&self.tables, &packet);
        let flows = self.tables.flows_opened();
        let decision = decide(&self.tables, role, self.sip_port, &packet);
        self.account.add_stat(Stat::FlowOpened, self.tables.flows_opened() - flows);
        (decision, role, decision.volume_octets(&packet))
    }

    /// Forgets flows that have rested for long enough at `now_ns` of `CLOCK_MONOTONIC`, and decides those that have awaited
    /// evidence for too long: nobody looks for it here.
    pub fn look_after_flows(&mut self, now_ns: u64) {
        self.tables.set_now(now_ns);
        for flow in self.tables.overdue_flows() {
            let verdict = Verdict { rule: NO_RULE, reason: Reason::Undecided };
            self.tables.decide_flow(flow, verdict.into());
            self.account.decide(flow, verdict);
        }
        self.tables.forget_idle_flows();
    }

    /// Says when some day ends, in nanoseconds of `CLOCK_MONOTONIC`.
    pub fn set_day_ends(&mut self, day_ends_ns: u64) {
        self.tables.set_day_ends(day_ends_ns);
    }
}
