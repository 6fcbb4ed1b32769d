//! The kernel's side, as the controller sees it: maps, links, and the one word that says what is in force.
//!
//! Everything is pinned in a directory of a bpf file system, so that the programs go on counting when the controller
//! dies, and the next controller adopts them. [`Dataplane::open`] loads or adopts the maps; [`Dataplane::activate`]
//! puts a plan in force; [`Dataplane::attach`] puts the programs on the interfaces; [`Dataplane::cut`] reads all
//! counters as of one instant.

mod attach;
pub mod batch;
mod control;
mod counters;
mod error;
mod flows;
mod grace;
mod live;
mod locals;
mod lost_copies;
mod mapped;
mod names;
mod nic;
mod pins;
mod plans;
mod prefixes;
mod preflight;
mod program;
mod sets;
mod syscall;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aya::maps::{Array, Map, MapData, PerCpuArray, PerCpuValues, RingBuf};
use ipnet::IpNet;
use tollfree_core::control::Control;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::Verdict;
use tollfree_core::interface::InterfaceEntry;
use tollfree_core::layout::LayoutEntry;
use tollfree_core::limits::{BANKS, PLAN_SLOTS};
use tollfree_core::plan::{ClassEntry, RuleEntry};
use tollfree_core::settings::Settings;
use tollfree_core::stat::Stat;

pub use attach::{Attached, detach};
pub use control::monotonic_ns;
pub use counters::{Cut, InterfaceCounts, InterfaceCut};
pub use error::DataplaneError;
pub use flows::FlowTables;
pub use live::{HeldPlan, LivePlan};
pub use locals::{NEIGHBOURS, local_prefixes};
pub use lost_copies::LostCopies;
pub use nic::{NicCounts, merges};
pub use plans::PlanTables;
pub use preflight::{KERNEL_OLDEST, check_root, preflight};
pub use program::{Programs, Run, empty_object, object};
pub use upkeep::{PastCeiling, Sweep, VerdictTable};

use crate::config::Config;
use crate::dataplane::control::ControlWord;
use crate::dataplane::counters::Bank;
use crate::dataplane::grace::Grace;
use crate::dataplane::live::SlotMirror;
use crate::dataplane::pins::Pins;
use crate::dataplane::prefixes::MappedHints;

/// What the maps held when the controller opened them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adoption {
    /// There were none: counters start from zero.
    Fresh,
    /// A controller before this one had made them.
    Adopted,
}

/// The kernel's maps, and what the controller knows of their content.
#[derive(Debug)]
pub struct Dataplane {
    pins: Pins,
    maps: BTreeMap<String, Map>,
    control: ControlWord,
    hints: Arc<MappedHints>,
    grace: Arc<Grace>,
    layout: LayoutEntry,
    /// Each bank as last read at rest.
    banks: [Bank; BANKS as usize],
    live: LivePlan,
    attached: Vec<Attached>,
    /// Of the last sweep: what is pending, but of no flow that is there, and nothing was said of it.
    orphans: BTreeSet<u64>,
    /// Flows whose verdict has moved what was pending of them, in records that last.
    recorded_verdicts: BTreeSet<u64>,
}

impl Dataplane {
    /// Makes the maps, or adopts those that are pinned.
    ///
    /// # Errors
    /// [`DataplaneError::LayoutVersion`] where pinned maps are another version's: nothing was touched then.
    pub fn open(config: &Config) -> Result<Self, DataplaneError> {
        let pins = Pins::open(&config.gateway.bpffs)?;
        let adoption = program::check_layout(&pins)?;
        let opened = Self::open_pinned(pins.clone(), config);
        if opened.is_err() && adoption == Adoption::Fresh {
            // Some maps may have been made before one was refused.
            pins.remove()?;
        }
        opened
    }

    fn open_pinned(pins: Pins, config: &Config) -> Result<Self, DataplaneError> {
        let maps = program::open_maps(&pins, config)?;
        let control = ControlWord::open(find(&maps, "CONTROL")?)?;
        let hints = Arc::new(MappedHints::open(&maps)?);
        let grace = Arc::new(Grace::new()?);
        let live = LivePlan::open(&pins, Arc::clone(&hints), Arc::clone(&grace), control.load().slot())?;
        let mut dataplane = Self {
            control,
            hints,
            grace,
            live,
            layout: LayoutEntry::default(),
            banks: [Bank::default(), Bank::default()],
            attached: Vec::new(),
            orphans: BTreeSet::new(),
            recorded_verdicts: BTreeSet::new(),
            pins,
            maps,
        };
        dataplane.claim()?;
        // A controller that was killed between a flip and its grace period left packets in the resting bank; by
        // waiting once, none is left when it is read.
        dataplane.grace.wait()?;
        for bank in 0..BANKS {
            dataplane.banks[bank as usize] = dataplane.read_bank(bank)?;
        }
        for slot in 0..PLAN_SLOTS {
            dataplane.live.put(slot, SlotMirror::new(dataplane.read_slot(slot)?));
        }
        Ok(dataplane)
    }

    /// Writes version and instance into maps that nobody has claimed.
    fn claim(&mut self) -> Result<(), DataplaneError> {
        let mut map: Array<_, LayoutEntry> = self.typed_mut("LAYOUT")?;
        let mut entry = map.get(&0, 0).map_err(DataplaneError::map("LAYOUT"))?;
        if entry.version == 0 {
            entry = program::new_layout();
            map.set(0, entry, 0).map_err(DataplaneError::map("LAYOUT"))?;
        }
        self.layout = entry;
        Ok(())
    }

    /// Drawn at random when the maps were made.
    pub const fn instance(&self) -> u64 {
        self.layout.instance
    }

    /// What is in force.
    pub fn control(&self) -> Control {
        self.control.load()
    }

    /// Interfaces that programs are attached to.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// The ring buffer of copied packets. Can be taken once.
    pub fn take_copies(&mut self) -> Result<RingBuf<MapData>, DataplaneError> {
        self.take("COPIES")
    }

    /// Says when the day ends that daily ceilings go by, in nanoseconds of `CLOCK_MONOTONIC`. Days after it follow by themselves.
    pub fn set_day_ends(&mut self, day_ends_ns: u64) -> Result<(), DataplaneError> {
        let mut map: Array<_, u64> = self.typed_mut("DAY_ENDS")?;
        map.set(0, day_ends_ns, 0).map_err(DataplaneError::map("DAY_ENDS"))
    }

    /// Rules that the plan in force holds, by their places.
    pub fn rules(&self) -> Vec<RuleEntry> {
        self.live.rules()
    }

    /// The plan in force, for changing single addresses of it from any thread.
    pub fn live_plan(&self) -> LivePlan {
        self.live.clone()
    }

    /// Loads the programs without attaching them, for [`Programs::run`].
    pub fn load(&self, config: &Config, settings: &Settings) -> Result<Programs, DataplaneError> {
        let mut programs = Programs::load(&self.pins, config, settings)?;
        programs.install_names()?;
        Ok(programs)
    }

    /// Event counters, summed over CPUs.
    pub fn stats(&self) -> Result<BTreeMap<&'static str, u64>, DataplaneError> {
        let map: PerCpuArray<_, u64> = self.typed("STATS")?;
        let mut stats = BTreeMap::new();
        for stat in Stat::ALL {
            let values: PerCpuValues<u64> =
                map.get(&(stat as u32), 0).map_err(DataplaneError::map("STATS"))?;
            stats.insert(stat.name(), values.iter().sum());
        }
        Ok(stats)
    }

    fn take<T>(&mut self, name: &str) -> Result<T, DataplaneError>
    where
        T: TryFrom<Map, Error = aya::maps::MapError>,
    {
        let map = self.maps.remove(name).ok_or_else(|| DataplaneError::MissingMap { map: name.into() })?;
        T::try_from(map).map_err(DataplaneError::map(name))
    }

    fn typed<'a, T>(&'a self, name: &str) -> Result<T, DataplaneError>
    where
        T: TryFrom<&'a Map, Error = aya::maps::MapError>,
    {
        T::try_from(find(&self.maps, name)?).map_err(DataplaneError::map(name))
    }

    fn typed_mut<'a, T>(&'a mut self, name: &str) -> Result<T, DataplaneError>
    where
        T: TryFrom<&'a mut Map, Error = aya::maps::MapError>,
    {
        let map = self.maps.get_mut(name).ok_or_else(|| DataplaneError::MissingMap { map: name.into() })?;
        T::try_from(map).map_err(DataplaneError::map(name))
    }
}

fn find<'a>(maps: &'a BTreeMap<String, Map>, name: &str) -> Result<&'a Map, DataplaneError> {
    maps.get(name).ok_or_else(|| DataplaneError::MissingMap { map: name.into() })
}

/// Counters of all keys, of both banks together.
pub type Counters = BTreeMap<CounterKey, Usage>;
/// What flows carried that awaited evidence, of both banks together.
pub type Pending = BTreeMap<PendingKey, Usage>;
/// What evidence said of flows, by their numbers.
pub type Verdicts = BTreeMap<u64, Verdict>;
/// What each remote prefix is.
pub type Classes = BTreeMap<IpNet, ClassEntry>;
/// What each interface slot holds.
pub type Interfaces = Vec<InterfaceEntry>;
