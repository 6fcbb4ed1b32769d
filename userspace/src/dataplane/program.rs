//! Loading the kernel object.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use aya::maps::{Array, Map, MapData};
use aya::programs::{ProgramError, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};
use tollfree_core::layout::{LAYOUT_VERSION, LayoutEntry};
use tollfree_core::settings::Settings;

use super::DataplaneError;
use super::pins::Pins;
use crate::config::Config;

const XDP_PROGRAM: &str = "tollfree";
const TC_PROGRAM: &str = "tollfree_tc";

/// The kernel object, as built with this controller.
pub fn object() -> &'static [u8] {
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tollfree-ebpf"))
}

/// Loads the maps, or adopts those that are pinned, and says which.
pub(super) fn open_maps(
    pins: &Pins,
    config: &Config,
) -> Result<(super::Adoption, BTreeMap<String, Map>), DataplaneError> {
    let adoption = check_layout(pins)?;
    let mut ebpf = load(pins, config, &Settings::DEFAULT)?;
    let names: Vec<String> = ebpf.maps().map(|(name, _)| name.to_owned()).collect();
    let mut maps = BTreeMap::new();
    for name in names {
        if let Some(map) = ebpf.take_map(&name) {
            maps.insert(name, map);
        }
    }
    Ok((adoption, maps))
}

/// Refuses pinned maps of another version before anything else of them is touched.
fn check_layout(pins: &Pins) -> Result<super::Adoption, DataplaneError> {
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
    EbpfLoader::new()
        .default_map_pin_directory(pins.directory())
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("SETTINGS", settings, true)
        .map_max_entries("COUNTERS_0", config.limits.counters)
        .map_max_entries("COUNTERS_1", config.limits.counters)
        .map_max_entries("FLOWS", config.limits.flows)
        .load(object())
        .map_err(|error: EbpfError| DataplaneError::Object(Box::new(error)))
}

/// The two programs of one interface, in the kernel.
pub(super) struct Programs {
    ebpf: Ebpf,
}

impl Programs {
    pub(super) fn load(pins: &Pins, config: &Config, settings: &Settings) -> Result<Self, DataplaneError> {
        let mut programs = Self { ebpf: load(pins, config, settings)? };
        programs.xdp()?.load().map_err(DataplaneError::program(XDP_PROGRAM))?;
        programs.tc()?.load().map_err(DataplaneError::program(TC_PROGRAM))?;
        Ok(programs)
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
