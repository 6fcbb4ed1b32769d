//! Loading the kernel object.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use aya::maps::{Array, Map, MapData, PerCpuArray, ProgramArray};
use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};
use tollfree_core::layout::{LAYOUT_VERSION, LayoutEntry};
use tollfree_core::packet::{Packet, Work};
use tollfree_core::settings::Settings;

use super::DataplaneError;
use super::pins::Pins;
use crate::config::Config;

/// Room for what a program may add to a frame.
const RUN_HEADROOM_OCTETS: usize = 256;
const XDP_PROGRAM: &str = "tollfree";
const TC_PROGRAM: &str = "tollfree_tc";
/// Called by the XDP program, and in force for all interfaces.
const NAMES_PROGRAM: &str = "tollfree_names";
const NAME_PROGRAMS: &str = "NAME_PROGRAMS";
/// Not pinned: each load of the program has its own.
const WORK_MAP: &str = "SCRATCH";

/// The kernel object, as built with this controller.
pub fn object() -> &'static [u8] {
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tollfree-ebpf"))
}

/// A kernel object whose one program, `empty`, passes every packet: what benchmarks measure against.
pub fn empty_object() -> &'static [u8] {
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tollfree-empty"))
}

/// Loads the maps, or adopts those that are pinned; [`check_layout`] has found them right.
pub(super) fn open_maps(pins: &Pins, config: &Config) -> Result<BTreeMap<String, Map>, DataplaneError> {
    let mut ebpf = load(pins, config, &Settings::DEFAULT)?;
    for (name, wanted) in sizes(config) {
        let found = entries(&ebpf, name)?;
        if found != wanted {
            tracing::warn!(
                map = name,
                found,
                wanted,
                "the maps that are pinned keep their size; `tollfree detach` makes them anew"
            );
        }
    }
    let names: Vec<String> = ebpf.maps().map(|(name, _)| name.to_owned()).collect();
    let mut maps = BTreeMap::new();
    for name in names {
        if let Some(map) = ebpf.take_map(&name) {
            maps.insert(name, map);
        }
    }
    Ok(maps)
}

/// Maps whose size is configured, with their entries. A flow has at most one verdict and one
/// subscriber; those whose flows have ended are forgotten once their table is half full.
fn sizes(config: &Config) -> [(&'static str, u32); 9] {
    let limits = &config.limits;
    let subscribers = limits.flows.saturating_mul(2);
    [
        ("COUNTERS_0", limits.counters),
        ("COUNTERS_1", limits.counters),
        ("PENDING_0", limits.pending),
        ("PENDING_1", limits.pending),
        ("FLOWS", limits.flows),
        ("VERDICTS", limits.flows),
        ("SUBSCRIBER_FLOWS", subscribers),
        ("SUBSCRIBER_FLOWS_ENDED", subscribers),
        ("QUOTAS", limits.quotas),
    ]
}

/// How many entries a map has room for.
fn entries(ebpf: &Ebpf, name: &str) -> Result<u32, DataplaneError> {
    let Some(Map::PerCpuHashMap(data) | Map::HashMap(data)) = ebpf.map(name) else {
        return Err(DataplaneError::MissingMap { map: name.into() });
    };
    Ok(data.info().map_err(DataplaneError::map(name))?.max_entries())
}

/// Refuses pinned maps of another version before anything else of them is touched; says whether there are any.
pub(super) fn check_layout(pins: &Pins) -> Result<super::Adoption, DataplaneError> {
    let path = pins.map("LAYOUT");
    if !path.exists() {
        return Ok(super::Adoption::Fresh);
    }
    let refuse = |found| DataplaneError::LayoutVersion {
        path: pins.directory().to_owned(),
        found,
        wanted: LAYOUT_VERSION,
    };
    let data = MapData::from_pin(&path).map_err(DataplaneError::map("LAYOUT"))?;
    let map: Array<_, LayoutEntry> = Array::try_from(Map::Array(data)).map_err(|_| refuse(0))?;
    let entry = map.get(&0, 0).map_err(|_| refuse(0))?;
    match entry.version {
        LAYOUT_VERSION => Ok(super::Adoption::Adopted),
        // A controller was killed after it had made the maps and before it claimed them: nothing counts yet.
        0 => Ok(super::Adoption::Fresh),
        found => Err(refuse(found)),
    }
}

/// The entry of maps that are claimed now.
pub(super) fn new_layout() -> LayoutEntry {
    let mut octets = [0; 8];
    // Without random octets the instance is told apart by time, which grows within one boot.
    if File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut octets)).is_err() {
        octets = super::monotonic_ns().to_ne_bytes();
    }
    LayoutEntry { version: LAYOUT_VERSION, reserved: 0, instance: u64::from_ne_bytes(octets) }
}

/// Loads the object for one interface; pinned maps are reused.
fn load(pins: &Pins, config: &Config, settings: &Settings) -> Result<Ebpf, DataplaneError> {
    let mut loader = EbpfLoader::new();
    loader
        .default_map_pin_directory(pins.directory())
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("SETTINGS", settings, true);
    for (name, entries) in sizes(config) {
        loader.map_max_entries(name, entries);
    }
    loader.load(object()).map_err(|error: EbpfError| DataplaneError::Object(Box::new(error)))
}

/// The two programs of one interface, in the kernel.
#[derive(Debug)]
pub struct Programs {
    ebpf: Ebpf,
}

/// What the XDP program made of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The XDP action.
    pub verdict: u32,
    /// The frame as it left the program.
    pub frame: Vec<u8>,
    /// How long one run took, on average over all that were asked for.
    pub duration: Duration,
}

impl Programs {
    /// Runs the XDP program on `frame`, `repeat` times, without an interface (`BPF_PROG_TEST_RUN`).
    ///
    /// # Errors
    /// [`DataplaneError::Program`] for frames that the kernel does not take: shorter than an Ethernet header. Of one that
    /// does not fit into a page with what the kernel keeps free there (3520 octets of 4096), the program is shown only the
    /// beginning.
    pub fn run(&mut self, frame: &[u8], repeat: u32) -> Result<Run, DataplaneError> {
        let mut out = vec![0; frame.len() + RUN_HEADROOM_OCTETS];
        let options =
            TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), repeat, ..Default::default() };
        let result = self.xdp()?.test_run(options).map_err(DataplaneError::program(XDP_PROGRAM))?;
        out.truncate(result.data_size_out as usize);
        Ok(Run { verdict: result.return_value, frame: out, duration: result.duration })
    }

    /// How many instructions the verifier walked through in the XDP program; the kernel's limit is a million.
    pub fn verified_instructions(&mut self) -> Result<Option<u32>, DataplaneError> {
        let info = self.xdp()?.info().map_err(DataplaneError::program(XDP_PROGRAM))?;
        Ok(info.verified_instruction_count())
    }

    /// What the XDP program read of the last frame on the CPU of this number; `None`: there is no such CPU, or none has
    /// read a frame.
    ///
    /// Of use only for a frame whose headers could be read: of any other it is a mixture.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn parsed(&self, cpu: usize) -> Result<Option<Packet>, DataplaneError> {
        let map =
            self.ebpf.map(WORK_MAP).ok_or_else(|| DataplaneError::MissingMap { map: WORK_MAP.into() })?;
        let map: PerCpuArray<_, [u8; size_of::<Work>()]> =
            map.try_into().map_err(DataplaneError::map(WORK_MAP))?;
        let works = map.get(&0, 0).map_err(DataplaneError::map(WORK_MAP))?;
        Ok(works.get(cpu).and_then(Packet::of_work))
    }

    pub(super) fn load(pins: &Pins, config: &Config, settings: &Settings) -> Result<Self, DataplaneError> {
        let mut programs = Self { ebpf: load(pins, config, settings)? };
        programs.xdp()?.load().map_err(DataplaneError::program(XDP_PROGRAM))?;
        programs.tc()?.load().map_err(DataplaneError::program(TC_PROGRAM))?;
        programs.names()?.load().map_err(DataplaneError::program(NAMES_PROGRAM))?;
        Ok(programs)
    }

    /// Puts the program that reads names where the XDP programs of all interfaces call it; one that is there already is
    /// replaced.
    pub(super) fn install_names(&mut self) -> Result<(), DataplaneError> {
        let refused = DataplaneError::program(NAMES_PROGRAM);
        let descriptor = self
            .names()?
            .fd()
            .and_then(|descriptor| descriptor.try_clone().map_err(ProgramError::from))
            .map_err(refused)?;
        let map = self
            .ebpf
            .map_mut(NAME_PROGRAMS)
            .ok_or_else(|| DataplaneError::MissingMap { map: NAME_PROGRAMS.into() })?;
        let mut map = ProgramArray::try_from(map).map_err(DataplaneError::map(NAME_PROGRAMS))?;
        map.set(0, &descriptor, 0).map_err(DataplaneError::map(NAME_PROGRAMS))
    }

    fn names(&mut self) -> Result<&mut Xdp, DataplaneError> {
        self.ebpf
            .program_mut(NAMES_PROGRAM)
            .ok_or(ProgramError::NotLoaded)
            .and_then(TryInto::try_into)
            .map_err(DataplaneError::program(NAMES_PROGRAM))
    }

    pub(super) fn xdp(&mut self) -> Result<&mut Xdp, DataplaneError> {
        self.ebpf
            .program_mut(XDP_PROGRAM)
            .ok_or(ProgramError::NotLoaded)
            .and_then(TryInto::try_into)
            .map_err(DataplaneError::program(XDP_PROGRAM))
    }

    pub(super) fn tc(&mut self) -> Result<&mut SchedClassifier, DataplaneError> {
        self.ebpf
            .program_mut(TC_PROGRAM)
            .ok_or(ProgramError::NotLoaded)
            .and_then(TryInto::try_into)
            .map_err(DataplaneError::program(TC_PROGRAM))
    }
}
