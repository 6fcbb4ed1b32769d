//! Putting the programs on the interfaces, and taking them off.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use aya::maps::Array;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::{XdpLink, XdpLinkId};
use aya::programs::{LinkOrder, ProgramError, TcAttachType, Xdp, XdpMode};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use tollfree_core::interface::{InterfaceEntry, Mode, Role};
use tollfree_core::limits::INTERFACES_MAX;
use tollfree_core::settings::Tag;

use super::pins::Pins;
use super::program::Programs;
use super::{Dataplane, DataplaneError, NicCounts};
use crate::config::{Config, InterfaceConfig};

/// An interface that the programs are on.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Interface name.
    pub name: String,
    /// Its place in `INTERFACES`.
    pub slot: u32,
    /// What the map says of it.
    pub entry: InterfaceEntry,
    /// Whether its links were there before.
    pub adopted: bool,
}

impl Attached {
    /// Which side it is on.
    pub const fn role(&self) -> Role {
        Role::from_number(self.entry.role)
    }

    /// Where the program runs.
    pub const fn mode(&self) -> Mode {
        Mode::from_number(self.entry.mode)
    }
}

/// Links that were made and are not pinned yet: dropping them takes the programs off again.
struct NewLinks {
    ifindex: u32,
    xdp: Option<FdLink>,
    tc: Option<FdLink>,
}

impl Dataplane {
    /// Puts the programs on every configured interface, replacing those of an earlier build in one step, and takes
    /// them off interfaces that are not configured any more.
    ///
    /// # Errors
    /// When one interface fails, those that had none keep none; where it is one that had none, those that had one keep
    /// it as it was.
    pub fn attach(&mut self, config: &Config) -> Result<(), DataplaneError> {
        let mut new_links = Vec::new();
        let mut attached = Vec::new();
        let mut last = None;
        let mut interfaces: Vec<_> = config.interfaces.iter().enumerate().collect();
        // Those without a program first: where one is refused, nothing that runs has been replaced yet.
        interfaces.sort_by_key(|(_, interface)| self.is_linked(&interface.name));
        for (place, interface) in interfaces {
            let (interface, links, programs) = self.attach_interface(config, interface)?;
            attached.push((place, interface));
            new_links.push(links);
            last = Some(programs);
        }
        // Of all interfaces one, when none was refused.
        if let Some(mut programs) = last {
            programs.install_names()?;
        }
        attached.sort_by_key(|(place, _)| *place);
        let attached: Vec<_> = attached.into_iter().map(|(_, interface)| interface).collect();
        for links in new_links {
            links.pin(&self.pins)?;
        }
        for (ifindex, path) in self.pins.all_links()? {
            if !attached.iter().any(|interface| interface.entry.ifindex == ifindex) {
                unpin(&path)?;
            }
        }
        self.attached = attached;
        Ok(())
    }

    /// Whether a link is pinned for the interface.
    fn is_linked(&self, name: &str) -> bool {
        if_nametoindex(name).is_ok_and(|ifindex| self.pins.xdp_link(ifindex).exists())
    }

    fn attach_interface(
        &mut self,
        config: &Config,
        interface: &InterfaceConfig,
    ) -> Result<(Attached, NewLinks, Programs), DataplaneError> {
        let name = &interface.name;
        let ifindex =
            if_nametoindex(name.as_str()).map_err(|_| DataplaneError::NoInterface { name: name.clone() })?;
        let (slot, known) = self.interface_slot(name, ifindex)?;
        let settings = config.settings(slot, interface.role);
        let mut programs = Programs::load(&self.pins, config, &settings)?;
        let before = NicCounts::read(name)?;
        let replaced = replace_xdp(&mut programs, &self.pins.xdp_link(ifindex))?;
        let (entry, xdp) = match known {
            Some(known) if replaced => (InterfaceEntry { role: interface.role as u32, ..known }, None),
            _ => {
                let (mode, link) = attach_xdp(&mut programs, name, ifindex)?;
                let after = NicCounts::read(name)?;
                let entry = InterfaceEntry {
                    ifindex,
                    role: interface.role as u32,
                    mode: mode as u32,
                    reserved: 0,
                    nic_packets: before.packets,
                    nic_octets: before.octets,
                    nic_uncertain_packets: after.packets.wrapping_sub(before.packets),
                };
                (entry, Some(link))
            }
        };
        let mut map: Array<_, InterfaceEntry> = self.typed_mut("INTERFACES")?;
        map.set(slot, entry, 0).map_err(DataplaneError::map("INTERFACES"))?;
        let tc_link = self.pins.tc_link(ifindex);
        let tc = if config.tags.iter().any(Tag::has_metadata) {
            attach_tc(&mut programs, name, &tc_link)?
        } else {
            // Of a configuration before this one.
            if tc_link.exists() {
                unpin(&tc_link)?;
            }
            None
        };
        let attached = Attached { name: name.clone(), slot, entry, adopted: replaced };
        Ok((attached, NewLinks { ifindex, xdp, tc }, programs))
    }

    /// The place that counts this interface, and what it holds; a free one, if it has none yet.
    fn interface_slot(
        &self,
        name: &str,
        ifindex: u32,
    ) -> Result<(u32, Option<InterfaceEntry>), DataplaneError> {
        let map: Array<_, InterfaceEntry> = self.typed("INTERFACES")?;
        let mut free = None;
        for slot in 0..INTERFACES_MAX {
            let entry = map.get(&slot, 0).map_err(DataplaneError::map("INTERFACES"))?;
            if entry.ifindex == ifindex {
                return Ok((slot, Some(entry)));
            }
            if entry.ifindex == 0 && free.is_none() {
                free = Some(slot);
            }
        }
        free.map(|slot| (slot, None))
            .ok_or_else(|| DataplaneError::TooManyInterfaces { name: name.into(), limit: INTERFACES_MAX })
    }
}

impl NewLinks {
    fn pin(self, pins: &Pins) -> Result<(), DataplaneError> {
        for (link, path) in [(self.xdp, pins.xdp_link(self.ifindex)), (self.tc, pins.tc_link(self.ifindex))] {
            if let Some(link) = link {
                link.pin(&path).map_err(|error| {
                    DataplaneError::io(format!("pinning {}", path.display()))(io::Error::other(error))
                })?;
            }
        }
        Ok(())
    }
}

/// Puts the new program in the place of the one that a pinned link holds; false where there is no such link, or
/// where its interface is gone.
fn replace_xdp(programs: &mut Programs, path: &Path) -> Result<bool, DataplaneError> {
    let Some(link) = pinned(path)? else { return Ok(false) };
    let link = XdpLink::try_from(link).map_err(link_error(path))?;
    let program = programs.xdp()?;
    match program.attach_to_link(link) {
        Ok(id) => {
            // The pin holds the link; this handle on it may go.
            program.take_link(id).map_err(DataplaneError::program("tollfree"))?;
            Ok(true)
        }
        Err(error) if errno(&error) == Some(Errno::ENOLINK) => {
            unpin(path)?;
            Ok(false)
        }
        Err(error) => Err(DataplaneError::program("tollfree")(error)),
    }
}

/// Puts the program on an interface that has none: in the driver, else in the stack.
fn attach_xdp(programs: &mut Programs, name: &str, ifindex: u32) -> Result<(Mode, FdLink), DataplaneError> {
    let program = programs.xdp()?;
    let id = match program.attach_to_if_index(ifindex, XdpMode::Driver) {
        Ok(id) => return Ok((Mode::Native, take_xdp(program, id)?)),
        Err(error) if is_taken(&error) => return Err(DataplaneError::OtherProgram { name: name.into() }),
        Err(error) => {
            tracing::warn!(
                interface = name,
                %error,
                "the driver takes no XDP program: going on in generic mode, which costs more per packet"
            );
            program.attach_to_if_index(ifindex, XdpMode::Skb)
        }
    };
    match id {
        Ok(id) => Ok((Mode::Generic, take_xdp(program, id)?)),
        Err(error) if is_taken(&error) => Err(DataplaneError::OtherProgram { name: name.into() }),
        Err(error) => Err(DataplaneError::program("tollfree")(error)),
    }
}

/// The link out of its program, so that it can be pinned.
fn take_xdp(program: &mut Xdp, id: XdpLinkId) -> Result<FdLink, DataplaneError> {
    let link = program.take_link(id).map_err(DataplaneError::program("tollfree"))?;
    FdLink::try_from(link).map_err(|error| DataplaneError::io("taking the XDP link")(io::Error::other(error)))
}

/// Puts the tc program behind the XDP program, replacing that of an earlier build.
fn attach_tc(programs: &mut Programs, name: &str, path: &Path) -> Result<Option<FdLink>, DataplaneError> {
    let program = programs.tc()?;
    if let Some(link) = pinned(path)? {
        let link = SchedClassifierLink::try_from(link).map_err(link_error(path))?;
        match program.attach_to_link(link) {
            Ok(id) => {
                let link = program.take_link(id).map_err(DataplaneError::program("tollfree_tc"))?;
                drop(link);
                return Ok(None);
            }
            Err(error) if errno(&error) == Some(Errno::ENOLINK) => unpin(path)?,
            Err(error) => return Err(DataplaneError::program("tollfree_tc")(error)),
        }
    }
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program.attach_with_options(name, TcAttachType::Ingress, options).map_err(|error| {
        if errno(&error) == Some(Errno::EINVAL) {
            DataplaneError::MarksNeedTcx
        } else {
            DataplaneError::program("tollfree_tc")(error)
        }
    })?;
    let link = program.take_link(id).map_err(DataplaneError::program("tollfree_tc"))?;
    FdLink::try_from(link)
        .map(Some)
        .map_err(|error| DataplaneError::io("taking the tc link")(io::Error::other(error)))
}

/// Takes the programs off all interfaces and forgets all maps; says off how many interfaces.
///
/// # Errors
/// [`DataplaneError::NoBpffs`] where nothing can be pinned.
pub fn detach(directory: &Path) -> Result<usize, DataplaneError> {
    super::pins::check_file_system(directory)?;
    if !directory.exists() {
        return Ok(0);
    }
    let pins = Pins::open(directory)?;
    let links = pins.all_links()?;
    let interfaces: BTreeSet<u32> = links.iter().map(|(ifindex, _)| *ifindex).collect();
    pins.remove()?;
    Ok(interfaces.len())
}

/// The link pinned at `path`, if there is one.
fn pinned(path: &Path) -> Result<Option<FdLink>, DataplaneError> {
    match PinnedLink::from_pin(path) {
        Ok(link) => Ok(Some(link.into())),
        Err(_) if !path.exists() => Ok(None),
        Err(error) => Err(link_error(path)(error)),
    }
}

fn unpin(path: &Path) -> Result<(), DataplaneError> {
    fs::remove_file(path).map_err(DataplaneError::io(format!("removing {}", path.display())))
}

fn link_error(path: &Path) -> impl FnOnce(LinkError) -> DataplaneError {
    let action = format!("adopting the link {}", path.display());
    move |error| DataplaneError::io(action)(io::Error::other(error))
}

/// Whether the kernel refused because another program is there.
fn is_taken(error: &ProgramError) -> bool {
    matches!(errno(error), Some(Errno::EBUSY | Errno::EEXIST))
}

fn errno(error: &ProgramError) -> Option<Errno> {
    match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error().map(Errno::from_raw),
        _ => None,
    }
}
