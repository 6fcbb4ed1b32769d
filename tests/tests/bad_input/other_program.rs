//! Somebody else's XDP program.

use std::path::Path;
use std::process::Command;

use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use tollfree_tests::command;

use crate::machine::Machine;

/// Where a program that is attached the old way is pinned meanwhile.
const PIN: &str = "other";

/// A program that is on an interface as long as this lives.
pub(crate) struct OtherProgram {
    _ebpf: Ebpf,
}

impl OtherProgram {
    /// Attached by a link, as new programs do it.
    pub(crate) fn attach(machine: &Machine, interface: &str, mode: XdpMode) -> Self {
        let mut ebpf = load();
        let attach = || {
            program(&mut ebpf).attach(interface, mode)?;
            Ok(())
        };
        machine.inside.within(attach).unwrap();
        Self { _ebpf: ebpf }
    }

    /// Attached without a link, as `ip` and old programs do it: it stays until it is taken off.
    pub(crate) fn attach_unlinked(machine: &Machine, interface: &str) {
        let pin = machine.pins().with_file_name(PIN);
        Self::pin(&pin);
        let mut ip = machine.inside.command("ip");
        command::run(ip.args(["link", "set", "dev", interface, "xdpdrv", "pinned"]).arg(&pin), "").unwrap();
        command::run(Command::new("rm").arg(pin), "").unwrap();
    }

    /// Pinned, and on no interface.
    pub(crate) fn pin(path: &Path) {
        program(&mut load()).pin(path).unwrap();
    }
}

fn load() -> Ebpf {
    let mut ebpf = EbpfLoader::new().load(tollfree::dataplane::empty_object()).unwrap();
    program(&mut ebpf).load().unwrap();
    ebpf
}

fn program(ebpf: &mut Ebpf) -> &mut Xdp {
    ebpf.program_mut("empty").unwrap().try_into().unwrap()
}
