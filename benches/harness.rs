//! The kernel programs without interfaces.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tollfree::config::Config;
use tollfree::dataplane::{Cut, Dataplane, PlanTables, Programs, Run};
use tollfree_core::interface::Role;
use tollfree_core::settings::Settings;

use crate::file_system::BpfFileSystem;

/// The epoch that a harness begins with.
pub const FIRST_EPOCH: u32 = 1;

/// The kernel's maps on a bpf file system of their own, with a plan in force, and the program of each role.
///
/// Frames pass by `BPF_PROG_TEST_RUN`: the very program that an interface would run, in the kernel.
#[derive(Debug)]
pub struct KernelHarness {
    access: Programs,
    core: Programs,
    dataplane: Dataplane,
    config: Config,
    // Last: dropped when nothing is open in it any more.
    _file_system: BpfFileSystem,
}

impl KernelHarness {
    /// Makes the maps, puts `plan` in force under [`FIRST_EPOCH`] and loads the programs.
    ///
    /// `settings` is a `gateway.toml` without `[gateway]`; each role needs an interface, which need not exist.
    ///
    /// # Errors
    /// Anybody but root; settings with faults; what the kernel refuses.
    pub fn open(settings: &str, plan: &PlanTables) -> Result<Self> {
        let file_system = BpfFileSystem::mount()?;
        let config = configure(&file_system.path().join("tollfree"), settings)?;
        let mut dataplane = Dataplane::open(&config)?;
        dataplane.set_locals(&config.pools)?;
        dataplane.set_transports(&config.transports)?;
        dataplane.activate(plan, FIRST_EPOCH)?;
        let access = dataplane.load(&config, &settings_of(&config, Role::Access)?)?;
        let core = dataplane.load(&config, &settings_of(&config, Role::Core)?)?;
        Ok(Self { access, core, dataplane, config, _file_system: file_system })
    }

    /// The gateway's checked settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What the program of `role`'s interface was told.
    ///
    /// # Errors
    /// None: [`KernelHarness::open`] has asked for the same.
    pub fn settings(&self, role: Role) -> Result<Settings> {
        settings_of(&self.config, role)
    }

    /// Where the maps are pinned.
    pub fn directory(&self) -> &Path {
        &self.config.gateway.bpffs
    }

    /// The maps, as the controller sees them.
    pub const fn dataplane(&mut self) -> &mut Dataplane {
        &mut self.dataplane
    }

    /// The maps, and the program of `role`'s interface, to be used at the same time.
    pub const fn parts(&mut self, role: Role) -> (&mut Dataplane, &mut Programs) {
        let programs = match role {
            Role::Access => &mut self.access,
            Role::Core => &mut self.core,
        };
        (&mut self.dataplane, programs)
    }

    /// Lets `frame` arrive `repeat` times on `role`'s interface.
    ///
    /// # Errors
    /// Frames that the kernel does not take: shorter than an Ethernet header. See [`Programs::run`] for long ones.
    pub fn run(&mut self, role: Role, frame: &[u8], repeat: u32) -> Result<Run> {
        let (_, programs) = self.parts(role);
        Ok(programs.run(frame, repeat)?)
    }

    /// All counters as of now.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn cut(&mut self) -> Result<Cut> {
        Ok(self.dataplane.cut()?)
    }

    /// Replaces the controller's side by one that adopts the maps. The programs go on with the same maps.
    ///
    /// # Errors
    /// Maps that cannot be adopted; the harness is as it was then.
    pub fn reopen(&mut self) -> Result<()> {
        self.dataplane = Dataplane::open(&self.config)?;
        Ok(())
    }
}

fn configure(directory: &Path, settings: &str) -> Result<Config> {
    let text = format!("[gateway]\nid = \"harness\"\nbpffs = \"{}\"\n{settings}", directory.display());
    match Config::parse("harness.toml", text.as_bytes()) {
        Ok(config) => Ok(config),
        Err(faults) => bail!("{faults}"),
    }
}

/// What the program of `role`'s first interface is told.
fn settings_of(config: &Config, role: Role) -> Result<Settings> {
    let slot = config.interfaces.iter().position(|interface| interface.role == role);
    let slot =
        slot.with_context(|| format!("the settings have no [[interface]] of role {:?}", role.name()))?;
    Ok(config.settings(u32::try_from(slot)?, role))
}
