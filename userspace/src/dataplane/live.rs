//! Changing one address of the plan in force.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::maps::{Array, HashMap, Map, MapData};
use ipnet::IpNet;
use tollfree_core::limits::{CLASS_PREFIXES_MAX, MATCH_SETS_MAX, PLAN_SLOTS};
use tollfree_core::plan::{ClassEntry, MatchSet, RuleEntry, match_set_index};
use tollfree_core::prefix::PrefixKey;

use super::DataplaneError;
use super::grace::Grace;
use super::pins::Pins;
use super::plans::PlanTables;
use super::prefixes::{MappedHints, key_of};
use super::sets::SetUse;
use crate::book::Change;
use crate::policy::{AddressClass, Ground, NAMED_SETS_MAX, Plan, deciding};

/// Addresses taken out after which what spares looks in vain is derived anew. Reason: each leaves a bit of eight million
/// behind, so a hundredth of them is filled in vain at most; deriving takes tens of milliseconds.
const REMOVED_MAX: u32 = 65_536;
/// Prefixes in one plan, of both families.
const PREFIXES_IN_PLAN_MAX: u32 = 2 * CLASS_PREFIXES_MAX;

/// The plan in force, of which any thread may change single addresses. Clones are of the same plan.
///
/// A packet sees an address as it was before a change, or as it is after it. Plans that are put in force meanwhile
/// include what was changed; see [`LivePlan::mark`].
#[derive(Clone)]
pub struct LivePlan {
    state: Arc<Mutex<State>>,
}

/// The plan in force, held: nobody else changes an address, and no other plan is put in force.
pub struct HeldPlan<'a> {
    state: MutexGuard<'a, State>,
}

/// What an address's names say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    rules: BTreeSet<u32>,
    shared: bool,
}

/// What a plan slot holds, so that only differences are written.
#[derive(Debug, Default)]
pub(super) struct SlotMirror {
    tables: PlanTables,
    sets: SetUse,
}

impl SlotMirror {
    /// Of a slot that no packet reads.
    pub(super) fn new(tables: PlanTables) -> Self {
        let sets = SetUse::of(&tables);
        Self { tables, sets }
    }
}

struct State {
    kernel: Kernel,
    slots: [SlotMirror; PLAN_SLOTS as usize],
    /// The slot that packets read.
    in_force: u32,
    /// By what addresses are changed; `None`: the plan in force came without.
    ground: Option<Arc<Ground>>,
    /// What was said of addresses since the last mark.
    since_mark: BTreeMap<IpAddr, Named>,
    /// Addresses that have more rules by name than fit, in the plan in force.
    crowded: BTreeSet<IpAddr>,
    /// Addresses taken out of the plan in force.
    removed: u32,
}

/// The kernel's side of it.
struct Kernel {
    prefixes: HashMap<MapData, PrefixKey, ClassEntry>,
    match_sets: Array<MapData, MatchSet>,
    hints: Arc<MappedHints>,
    grace: Arc<Grace>,
}

impl LivePlan {
    pub(super) fn open(
        pins: &Pins,
        hints: Arc<MappedHints>,
        grace: Arc<Grace>,
        in_force: u32,
    ) -> Result<Self, DataplaneError> {
        let open = |name| MapData::from_pin(pins.map(name)).map_err(DataplaneError::map(name));
        let prefixes =
            HashMap::try_from(Map::HashMap(open("PREFIXES")?)).map_err(DataplaneError::map("PREFIXES"))?;
        let match_sets =
            Array::try_from(Map::Array(open("MATCH_SETS")?)).map_err(DataplaneError::map("MATCH_SETS"))?;
        let kernel = Kernel { prefixes, match_sets, hints, grace };
        let slots = [SlotMirror::default(), SlotMirror::default()];
        let state = State {
            kernel,
            slots,
            in_force,
            ground: None,
            since_mark: BTreeMap::new(),
            crowded: BTreeSet::new(),
            removed: 0,
        };
        Ok(Self { state: Arc::new(Mutex::new(state)) })
    }

    /// Holds the plan in force. Who finds out by the policy in force what an address is does so while he holds the plan, and
    /// sets it there: else another policy, or a later change, may come in between. Who holds something else too holds this
    /// first.
    pub fn hold(&self) -> HeldPlan<'_> {
        HeldPlan { state: self.lock() }
    }

    /// As [`HeldPlan::set_address`], of an address that nobody else sets, and no policy says anything of.
    ///
    /// # Errors
    /// As there.
    pub fn set_address(
        &self,
        address: IpAddr,
        rules: &BTreeSet<u32>,
        shared: bool,
    ) -> Result<(), DataplaneError> {
        self.hold().set_address(address, rules, shared)
    }

    /// What was set until now is in the addresses that the next plan is compiled from, so read them after this. What is set
    /// from now on is put on top of that plan, and of those after it. Without any mark, all that was ever set is.
    pub fn mark(&self) {
        self.lock().since_mark.clear();
    }

    /// Addresses whose names' rules have more port ranges than the kernel tries at one: there, networks alone decide.
    pub fn crowded(&self) -> BTreeSet<IpAddr> {
        self.lock().crowded.clone()
    }

    /// Whether unrelated names share an address, in the plan in force.
    pub(super) fn is_shared(&self, address: IpAddr) -> bool {
        let state = self.lock();
        let classes = &state.mirror(state.in_force).tables.classes;
        classes.get(&IpNet::from(address)).is_some_and(|class| class.has(ClassEntry::SHARED))
    }

    /// The rules of the plan in force, by their places.
    pub(super) fn rules(&self) -> Vec<RuleEntry> {
        let state = self.lock();
        state.mirror(state.in_force).tables.rules.clone()
    }

    /// The slot that no packet reads, to be written; and what it holds. [`LivePlan::put`] gives it back.
    pub(super) fn take_resting(&self) -> (u32, PlanTables) {
        let mut state = self.lock();
        let slot = 1 - state.in_force;
        (slot, std::mem::take(state.mirror_mut(slot)).tables)
    }

    /// Says what a slot holds now that no packet reads, or nobody has changed yet.
    pub(super) fn put(&self, slot: u32, mirror: SlotMirror) {
        *self.lock().mirror_mut(slot) = mirror;
    }

    /// Puts `slot` in force by `flip`, with what was said of addresses since the last mark, and on top of that what `latest`
    /// says of them, which is asked while nobody can change any.
    ///
    /// # Errors
    /// What the kernel refuses; what was in force stays in force.
    pub(super) fn swap(
        &self,
        slot: u32,
        plan: Option<&Plan>,
        latest: impl FnOnce() -> Vec<Change>,
        flip: impl FnOnce(),
    ) -> Result<(), DataplaneError> {
        let mut state = self.lock();
        let named = |Change { address, rules, shared }| (address, Named { rules, shared });
        state.since_mark.extend(latest().into_iter().map(named));
        let crowded = plan.map(|plan| plan.crowded.clone()).unwrap_or_default();
        let crowded = std::mem::replace(&mut state.crowded, crowded);
        if let Some(plan) = plan
            && let Err(error) = state.name_all(slot, &plan.ground)
        {
            state.crowded = crowded;
            return Err(error);
        }
        flip();
        state.in_force = slot;
        state.ground = plan.map(|plan| Arc::clone(&plan.ground));
        state.removed = 0;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a thread left that panicked is what it had written: each step is noted after it is done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LivePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivePlan").finish_non_exhaustive()
    }
}

impl HeldPlan<'_> {
    /// From now on, `address` has names of these rules (permanent numbers; none: what networks alone say), and is one that
    /// unrelated names share or not. Takes hold at once, under the epoch in force.
    ///
    /// Rules that are not in force say nothing until a plan that has them is. Before the first plan, it is only remembered.
    /// Where the rules bring more port ranges to it than the kernel tries, its networks alone decide: see
    /// [`LivePlan::crowded`].
    ///
    /// # Errors
    /// [`DataplaneError::PlanTooLarge`], and what the kernel refuses: the address is as it was.
    pub fn set_address(
        &mut self,
        address: IpAddr,
        rules: &BTreeSet<u32>,
        shared: bool,
    ) -> Result<(), DataplaneError> {
        let named = Named { rules: rules.clone(), shared };
        if let Some(ground) = self.state.ground.clone() {
            let slot = self.state.in_force;
            self.state.name_or_crowd(slot, &ground, address, &named)?;
        }
        self.state.since_mark.insert(address, named);
        Ok(())
    }
}

impl fmt::Debug for HeldPlan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldPlan").finish_non_exhaustive()
    }
}

impl State {
    fn mirror(&self, slot: u32) -> &SlotMirror {
        &self.slots[slot as usize & 1]
    }

    fn mirror_mut(&mut self, slot: u32) -> &mut SlotMirror {
        &mut self.slots[slot as usize & 1]
    }

    /// Makes a slot say what was said of addresses since the last mark.
    fn name_all(&mut self, slot: u32, ground: &Ground) -> Result<(), DataplaneError> {
        let since_mark = std::mem::take(&mut self.since_mark);
        let named = since_mark
            .iter()
            .try_for_each(|(&address, named)| self.name_or_crowd(slot, ground, address, named));
        self.since_mark = since_mark;
        named
    }

    /// Makes a slot say what an address is that has these names; where that does not fit, what its networks alone say.
    fn name_or_crowd(
        &mut self,
        slot: u32,
        ground: &Ground,
        address: IpAddr,
        named: &Named,
    ) -> Result<(), DataplaneError> {
        match self.name(slot, ground, address, named) {
            Err(DataplaneError::Crowded(crowded)) => {
                let without = Named { rules: BTreeSet::new(), shared: named.shared };
                self.name(slot, ground, address, &without)?;
                if self.crowded.insert(address) {
                    tracing::warn!("{crowded}; until then its networks alone decide");
                }
                Ok(())
            }
            Ok(()) => {
                self.crowded.remove(&address);
                Ok(())
            }
            failed => failed,
        }
    }

    /// Makes a slot say what an address is that has these names.
    fn name(
        &mut self,
        slot: u32,
        ground: &Ground,
        address: IpAddr,
        named: &Named,
    ) -> Result<(), DataplaneError> {
        let wanted = ground.address_class(address, &named.rules, named.shared)?;
        let net = IpNet::from(address);
        let before = self.mirror(slot).tables.classes.get(&net).copied();
        let after = wanted.map(|wanted| self.entry(slot, wanted)).transpose()?;
        match after {
            _ if after == before => return Ok(()),
            Some(class) => self.insert(slot, net, class)?,
            None => self.remove(slot, net)?,
        }
        let mirror = self.mirror_mut(slot);
        mirror.sets.change(before, after);
        Ok(())
    }

    fn insert(&mut self, slot: u32, net: IpNet, class: ClassEntry) -> Result<(), DataplaneError> {
        let prefixes = self.mirror(slot).tables.classes.len();
        if prefixes >= PREFIXES_IN_PLAN_MAX as usize {
            let (table, index, limit) = ("prefix", prefixes, PREFIXES_IN_PLAN_MAX);
            return Err(DataplaneError::PlanTooLarge { table, index, limit });
        }
        // First: until the entry is there, a packet looks for it in vain.
        self.kernel.hints.add(slot, net.addr());
        let inserted = self.kernel.prefixes.insert(key_of(slot, &net), class, 0);
        inserted.map_err(DataplaneError::map("PREFIXES"))?;
        self.mirror_mut(slot).tables.classes.insert(net, class);
        Ok(())
    }

    fn remove(&mut self, slot: u32, net: IpNet) -> Result<(), DataplaneError> {
        self.kernel.prefixes.remove(&key_of(slot, &net)).map_err(DataplaneError::map("PREFIXES"))?;
        self.mirror_mut(slot).tables.classes.remove(&net);
        self.removed += 1;
        if self.removed == REMOVED_MAX {
            self.removed = 0;
            self.kernel.hints.derive(slot, &self.mirror(slot).tables.classes);
        }
        Ok(())
    }

    /// The entry of a class, its match set being in its place.
    fn entry(&mut self, slot: u32, class: AddressClass) -> Result<ClassEntry, DataplaneError> {
        let match_set = match &class.match_set {
            Some(set) => match self.place_of(slot, set) {
                // There may be room for what decides.
                Err(DataplaneError::PlanTooLarge { .. }) => self.place_of(slot, &deciding(set))?,
                place => place?,
            },
            None => 0,
        };
        Ok(ClassEntry { flags: class.flags, match_set })
    }

    fn place_of(&mut self, slot: u32, set: &MatchSet) -> Result<u32, DataplaneError> {
        let Self { kernel, slots, .. } = self;
        let SlotMirror { tables, sets } = &mut slots[slot as usize & 1];
        if let Some(place) = sets.find(set) {
            return Ok(place);
        }
        if !sets.has_room(&tables.match_sets) && sets.has_left() {
            // A packet may have read an entry that named them. This waits for it, once for all of them.
            kernel.grace.wait()?;
            sets.forget_left();
        }
        let limit = if deciding(set) == *set { MATCH_SETS_MAX } else { NAMED_SETS_MAX };
        let Some(place) = sets.next(&tables.match_sets).filter(|place| *place < limit) else {
            let table = "match set";
            return Err(DataplaneError::PlanTooLarge { table, index: tables.match_sets.len(), limit });
        };
        let written = kernel.match_sets.set(match_set_index(slot, place), set, 0);
        written.map_err(DataplaneError::map("MATCH_SETS"))?;
        sets.take(&mut tables.match_sets, place, set);
        Ok(place)
    }
}
