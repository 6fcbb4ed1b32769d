//! Putting a plan into the kernel: built beside the one in force, and made to hold by one store.

use aya::Pod;
use aya::maps::Array;
use tollfree_core::control::Control;
use tollfree_core::limits::{MATCH_SETS_MAX, RULES_MAX};
use tollfree_core::plan::{MatchSet, RuleEntry, match_set_index, rule_index};

use super::live::SlotMirror;
use super::{Classes, Cut, Dataplane, DataplaneError};
use crate::book::Change;
use crate::policy::Plan;

/// The tables of one plan, in the kernel's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanTables {
    /// What each remote prefix is. A prefix inside another carries the other's matchers too.
    pub classes: Classes,
    /// By the number that a `ClassEntry` names.
    pub match_sets: Vec<MatchSet>,
    /// By the place that a matcher names.
    pub rules: Vec<RuleEntry>,
}

impl From<&Plan> for PlanTables {
    fn from(plan: &Plan) -> Self {
        Self {
            classes: plan.classes.clone(),
            match_sets: plan.match_sets.clone(),
            rules: plan.rules.iter().map(|rule| rule.entry).collect(),
        }
    }
}

impl Dataplane {
    /// Puts `tables` in force under `epoch` and closes the counters of what was in force before.
    ///
    /// The plan is written into the slot that no packet reads; one store then changes slot, epoch and bank. The
    /// returned [`Cut`] holds every packet decided before that store, and none decided after it. What `LivePlan` is told
    /// of addresses is only remembered while such tables are in force; [`Dataplane::activate_plan`] puts a plan in force
    /// whose addresses can change.
    ///
    /// # Errors
    /// What was in force stays in force.
    pub fn activate(&mut self, tables: &PlanTables, epoch: u32) -> Result<Cut, DataplaneError> {
        self.activate_with(tables, None, epoch, Vec::new)
    }

    /// Puts `plan` in force as [`Dataplane::activate`] does, with what `LivePlan` was told since its last mark.
    ///
    /// # Errors
    /// What was in force stays in force.
    pub fn activate_plan(&mut self, plan: &Plan, epoch: u32) -> Result<Cut, DataplaneError> {
        self.switch_plan(plan, epoch, Vec::new)
    }

    /// The same, with what `latest` says of addresses on top, by the policy that `plan` is of. It is asked right before the
    /// plan holds, while nobody can change an address: so none is as another policy says.
    ///
    /// # Errors
    /// What was in force stays in force; if `latest` was asked, what it said is not.
    pub fn switch_plan(
        &mut self,
        plan: &Plan,
        epoch: u32,
        latest: impl FnOnce() -> Vec<Change>,
    ) -> Result<Cut, DataplaneError> {
        self.activate_with(&PlanTables::from(plan), Some(plan), epoch, latest)
    }

    /// Puts `tables` in force under the epoch that is in force already: addresses changed, the policy did not.
    pub fn refresh(&mut self, tables: &PlanTables) -> Result<(), DataplaneError> {
        self.refresh_with(tables, None)
    }

    /// Puts `plan` in force as [`Dataplane::refresh`] does, with what `LivePlan` was told since its last mark.
    pub fn refresh_plan(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        self.refresh_with(&PlanTables::from(plan), Some(plan))
    }

    fn activate_with(
        &mut self,
        tables: &PlanTables,
        plan: Option<&Plan>,
        epoch: u32,
        latest: impl FnOnce() -> Vec<Change>,
    ) -> Result<Cut, DataplaneError> {
        let slot = self.write_resting_slot(tables)?;
        self.cut_by(|dataplane, bank| {
            let flip = || dataplane.control.store(Control::new(epoch, slot, bank));
            dataplane.live.swap(slot, plan, latest, flip)
        })
    }

    fn refresh_with(&mut self, tables: &PlanTables, plan: Option<&Plan>) -> Result<(), DataplaneError> {
        let slot = self.write_resting_slot(tables)?;
        let now = self.control.load();
        let flip = || self.control.store(Control::new(now.epoch(), slot, now.bank()));
        self.live.swap(slot, plan, Vec::new, flip)?;
        // The slot that is left must be at rest before it is written again.
        self.grace.wait()
    }

    fn write_resting_slot(&mut self, tables: &PlanTables) -> Result<u32, DataplaneError> {
        check("match set", tables.match_sets.len(), MATCH_SETS_MAX)?;
        check("rule", tables.rules.len(), RULES_MAX)?;
        let (slot, before) = self.live.take_resting();
        let written = self.write_slot(slot, &before, tables);
        if written.is_err() {
            // Half written: what it holds is read back before the next attempt.
            self.live.put(slot, SlotMirror::new(self.read_slot(slot)?));
        }
        written?;
        self.live.put(slot, SlotMirror::new(tables.clone()));
        Ok(slot)
    }

    fn write_slot(
        &mut self,
        slot: u32,
        before: &PlanTables,
        after: &PlanTables,
    ) -> Result<(), DataplaneError> {
        let sets = |index| match_set_index(slot, index);
        self.write_array("MATCH_SETS", &before.match_sets, &after.match_sets, MatchSet::EMPTY, sets)?;
        let rules = |index| slot * RULES_MAX + index;
        self.write_array("RULES", &before.rules, &after.rules, RuleEntry::default(), rules)?;
        self.write_prefixes(slot, &before.classes, &after.classes)
    }

    fn write_array<T: Pod + PartialEq>(
        &mut self,
        name: &str,
        before: &[T],
        after: &[T],
        empty: T,
        place: impl Fn(u32) -> u32,
    ) -> Result<(), DataplaneError> {
        let mut map: Array<_, T> = self.typed_mut(name)?;
        for index in 0..before.len().max(after.len()) {
            let wanted = after.get(index).unwrap_or(&empty);
            if before.get(index) != Some(wanted) {
                let at = place(u32::try_from(index).unwrap_or(u32::MAX));
                map.set(at, wanted, 0).map_err(DataplaneError::map(name))?;
            }
        }
        Ok(())
    }

    /// What a slot holds, from the kernel.
    pub(super) fn read_slot(&self, slot: u32) -> Result<PlanTables, DataplaneError> {
        let classes = self.read_prefixes(slot)?;
        let match_sets =
            self.read_array("MATCH_SETS", MATCH_SETS_MAX, MatchSet::EMPTY, |i| match_set_index(slot, i))?;
        let rules = self.read_array("RULES", RULES_MAX, RuleEntry::default(), |index| {
            rule_index(slot, u16::try_from(index).unwrap_or(u16::MAX))
        })?;
        Ok(PlanTables { classes, match_sets, rules })
    }

    /// An array's values up to the last that is not empty. A fresh array is all zero.
    fn read_array<T: Pod + PartialEq>(
        &self,
        name: &str,
        length: u32,
        empty: T,
        place: impl Fn(u32) -> u32,
    ) -> Result<Vec<T>, DataplaneError> {
        let map: Array<_, T> = self.typed(name)?;
        let mut values = Vec::new();
        let mut used = 0;
        for index in 0..length {
            let value = map.get(&place(index), 0).map_err(DataplaneError::map(name))?;
            values.push(value);
            if value != empty {
                used = values.len();
            }
        }
        values.truncate(used);
        Ok(values)
    }
}

fn check(table: &'static str, length: usize, limit: u32) -> Result<(), DataplaneError> {
    if length > limit as usize {
        return Err(DataplaneError::PlanTooLarge { table, index: limit as usize, limit });
    }
    Ok(())
}
