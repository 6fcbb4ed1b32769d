//! Closing intervals, publishing, and answering for status.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;
use std::time::Instant;

use jiff::{Timestamp, Zoned};
use tollfree_core::address::SubscriberId;
use tollfree_core::interface::InterfaceUsage;

use super::RunError;
use super::alarm::{self, Alarm};
use super::engine::{Engine, Parts};
use crate::dataplane::{Cut, PastCeiling};
use crate::export;
use crate::ledger::{CallRow, CeilingPassed, CloseReason, ClosedInterval, InterfaceCut, IntervalClose};
use crate::status::{self, AtRisk, AuditStatus, FlowsStatus, LedgerStatus, NameStatus, RuleStatus, Status};

impl Engine {
    /// Closes the interval now. What cannot be recorded stays in the kernel, and is recorded by the next close.
    pub(super) fn close(&mut self, reason: CloseReason) {
        self.next_close = Instant::now() + self.parts.config.ledger.interval;
        let closed =
            self.parts.dataplane.cut().map_err(RunError::from).and_then(|cut| self.close_cut(&cut, reason));
        self.note(Alarm::Ledger, closed);
    }

    /// Records everybody's growth. What can grow no more is taken out of the kernel's maps then.
    pub(super) fn close_cut(&mut self, cut: &Cut, reason: CloseReason) -> Result<(), RunError> {
        let closed = self.record(cut, reason, None)?;
        self.interval_started = self.interval_ends;
        self.unsettled.clone_from(&closed.unsettled);
        self.last_grown = usize::try_from(closed.records).unwrap_or(usize::MAX);
        let retired = self.parts.dataplane.retire(cut, &closed.settled).map(drop);
        self.note(Alarm::CountersOver, retired.map_err(RunError::from));
        self.hands_changed()
    }

    /// Addresses have changed hands: what their subscribers' counters grew by until now is the former holders'.
    pub(super) fn split(&mut self) {
        let began = Instant::now();
        let result = self.parts.dataplane.cut().map_err(RunError::from).and_then(|cut| {
            let counted = cut.counters.keys().map(|key| key.subscriber);
            let waiting = cut.pending.keys().map(|key| key.subscriber);
            let holders = &self.parts.holders;
            let only: BTreeSet<_> =
                counted.chain(waiting).filter(|subscriber| holders.has_changed(*subscriber)).collect();
            if !only.is_empty() {
                self.record(&cut, CloseReason::Identity, Some(&only))?;
            }
            self.hands_changed()
        });
        if !self.note(Alarm::ChangedHands, result) {
            self.parts.holders.not_recorded();
        }
        self.parts.holders.split_took(began.elapsed());
    }

    /// What has changed hands is recorded: flows that former holders began are nobody's.
    fn hands_changed(&mut self) -> Result<(), RunError> {
        let Parts { holders, dataplane, .. } = &mut self.parts;
        if holders.split_at().is_some() {
            let ended = dataplane.end_flows(|subscriber| holders.has_been_left(subscriber));
            // It is tried again; what flows count until then may be either holder's.
            ended.inspect_err(|_| holders.not_recorded())?;
            holders.recorded();
        }
        Ok(())
    }

    fn record(
        &mut self,
        cut: &Cut,
        reason: CloseReason,
        only: Option<&BTreeSet<SubscriberId>>,
    ) -> Result<ClosedInterval, RunError> {
        let closed_at = Timestamp::now();
        let interfaces = self.interface_cuts(cut);
        let ceilings = self.ceilings_passed();
        let Parts { ledger, config, boot_id, dataplane, holders, .. } = &mut self.parts;
        let closed = ledger.close_interval(&IntervalClose {
            gateway: &config.gateway.id,
            boot_id,
            instance: dataplane.instance(),
            epoch: cut.control.epoch(),
            started_at: self.interval_started,
            closed_at,
            reason,
            cumulative: &cut.counters,
            pending: &cut.pending,
            verdicts: &cut.verdicts,
            sent_again: &cut.sent_again,
            ceilings: &ceilings,
            identities: &|subscriber| holders.until_now(subscriber),
            only,
            arrived_packets: cut.total.seen.packets,
            interfaces: &interfaces,
            rating_groups: &self.rating_groups,
        })?;
        self.reported_ceilings.retain(|passed| passed.day == Zoned::now().date());
        self.reported_ceilings.extend(ceilings);
        self.interval_ends = closed_at;
        self.intervals = closed.interval;
        self.records = closed.last_record;
        if closed.difference_packets == 0 {
            self.alarms.remove(&Alarm::Reconciliation);
        } else {
            let (interval, packets) = (closed.interval, closed.difference_packets);
            let alarm = format!(
                "reconciliation: interval {interval}: counters less arrivals is {packets} packets, not 0"
            );
            tracing::error!("{alarm}");
            self.alarms.insert(Alarm::Reconciliation, alarm);
        }
        Ok(closed)
    }

    /// Who is past a ceiling today, as far as it was noticed, and not in the records yet.
    fn ceilings_passed(&self) -> Vec<CeilingPassed> {
        let day = Zoned::now().date();
        self.sweep
            .past_ceiling
            .iter()
            .map(|PastCeiling { subscriber, rule, used_octets, .. }| CeilingPassed {
                subscriber: *subscriber,
                rule: *rule,
                day,
                used_octets: *used_octets,
            })
            .filter(|passed| {
                let is_same = |other: &&CeilingPassed| {
                    (other.subscriber, other.rule, other.day) == (passed.subscriber, passed.rule, passed.day)
                };
                !self.reported_ceilings.iter().any(|other| is_same(&other))
            })
            .collect()
    }

    fn interface_cuts(&self, cut: &Cut) -> Vec<InterfaceCut> {
        let attached = self.parts.dataplane.attached();
        attached
            .iter()
            .filter_map(|interface| {
                let counted = cut.interfaces.get(&interface.name)?;
                let InterfaceUsage { packets: bucket_packets, frame_octets: bucket_frame_octets, .. } =
                    counted.counts.bucketed();
                Some(InterfaceCut {
                    name: interface.name.clone(),
                    role: interface.role(),
                    packets: counted.counts.seen.packets,
                    frame_octets: counted.counts.seen.frame_octets,
                    bucket_packets,
                    bucket_frame_octets,
                    nic_packets: counted.nic.packets,
                    nic_octets: counted.nic.octets,
                })
            })
            .collect()
    }

    /// Writes files of what is not published yet.
    pub(super) fn publish(&mut self) {
        let config = std::sync::Arc::clone(&self.parts.config);
        let Some(directory) = &config.export.csv_directory else { return };
        match export::csv::publish(&mut self.parts.ledger, directory) {
            Ok(_) => {
                self.alarms.remove(&Alarm::Export);
            }
            Err(error) => {
                tracing::error!("export: {error}");
                self.alarms.insert(Alarm::Export, error.to_string());
            }
        }
    }

    /// Keeps the record of a call, and says that it is kept; one that is not comes again.
    pub(super) fn call_ended(&mut self, row: &CallRow, recorded: &Sender<String>) {
        let result = self.parts.ledger.insert_call(row).map(drop).map_err(RunError::from);
        if self.note(Alarm::CallRecord, result)
            && let Some(uid) = &row.uid
        {
            // The follower may have ended: then the next one offers the call again, and it is known.
            let _ = recorded.send(uid.clone());
        }
    }

    /// Everything, as of one instant.
    pub(super) fn status(&mut self) -> Result<Status, RunError> {
        let cut = self.parts.dataplane.cut()?;
        let instance = self.parts.dataplane.instance();
        let standing = self.parts.ledger.standing(instance, &cut.counters, &cut.pending, &cut.verdicts)?;
        let parts = &self.parts;
        let interfaces = status::interfaces(&cut, parts.dataplane.attached());
        let stats = parts.dataplane.stats()?;
        let mut alarms: Vec<String> = self.alarms.values().cloned().collect();
        for stat in alarm::STATS {
            if stats.get(stat).is_some_and(|count| *count > 0) {
                alarms.push(format!("{stat}: {} packets", stats[stat]));
            }
        }
        let name = |rule| self.rule_names.get(&rule).cloned().unwrap_or_default();
        Ok(Status {
            gateway: parts.config.gateway.id.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            boot_id: parts.boot_id.clone(),
            instance: format!("{:016x}", parts.dataplane.instance()),
            at: Timestamp::now(),
            epoch: cut.control.epoch(),
            policy_digest: self.policy.digest.to_string(),
            policy_faults: self.policy_faults.clone(),
            rules: self.plan.rules.iter().map(RuleStatus::from).collect(),
            totals: status::totals(&standing),
            counters: status::counters(&standing, name),
            sent_again: status::sent_again(&cut, name),
            flows: FlowsStatus {
                open: self.sweep.open,
                awaiting_evidence: self.sweep.awaiting,
                past_ceiling: self.sweep.past_ceiling.len() as u64,
            },
            reconciliation: status::reconcile(&cut, &standing, &interfaces),
            interfaces,
            names: self.names(),
            book: super::addresses::open(&parts.book).status(),
            identity: parts.holders.status(),
            calls: parts.shared.calls.load().as_ref().clone(),
            evidence: parts.shared.evidence.load().as_ref().clone(),
            at_risk: AtRisk::of(&standing),
            stats: stats.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            alarms,
            ledger: LedgerStatus {
                intervals: self.intervals,
                records: self.records,
                last_error: self.alarms.get(&Alarm::Ledger).cloned(),
                export_error: self.alarms.get(&Alarm::Export).cloned(),
            },
            audit: AuditStatus {
                size: parts.log.size().unwrap_or_default(),
                verifier_key: parts.log.vkey().to_owned(),
            },
        })
    }

    fn names(&self) -> Vec<NameStatus> {
        self.parts.resolved.borrow().status.iter().map(NameStatus::from).collect()
    }
}
