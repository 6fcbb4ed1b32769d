//! Telephone calls: `SIPp` on both sides, with RTP both ways.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::address::{Family, PROXY, SIP_PORT, subscriber};
use crate::command;
use crate::packet::{Packet, UDP};
use crate::process::Process;
use crate::topology::Topology;
use crate::wait;

const CALLER: &str = include_str!("sipp/caller.xml");
const CALLEE: &str = include_str!("sipp/callee.xml");
/// The caller's script names it.
const MEDIA_FILE: &str = "media.al";
/// Two seconds at 8000 samples a second, one octet each (PCMA, RFC 3551, section 4.5.14).
const MEDIA_OCTETS: usize = 16_000;
/// A-law's silence (G.711): its encoding of the smallest positive value.
const SILENCE: u8 = 0xd5;
/// Where the callee's media is.
const MEDIA_PORT: u16 = 20_000;
/// The caller's signalling port.
const CALLER_PORT: u16 = 5062;
/// A call takes under four seconds.
const CALL_LIMIT: Duration = Duration::from_mins(1);
/// `SIPp` listens within moments.
const START_LIMIT: Duration = Duration::from_secs(20);
/// RTP packets that a call sends each way: two seconds at one each 20 ms.
pub const MEDIA_PACKETS: i64 = 100;

/// The proxy, and the hotline behind it: it answers every number.
#[derive(Debug)]
pub struct Callee {
    directory: PathBuf,
    _process: Process,
}

impl Callee {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// If `SIPp` does not start.
    pub fn start(topology: &Topology, directory: &Path) -> Result<Self> {
        let directory = directory.join("sip");
        fs::create_dir(&directory)?;
        fs::write(directory.join("caller.xml"), CALLER)?;
        fs::write(directory.join("callee.xml"), CALLEE)?;
        fs::write(directory.join(MEDIA_FILE), [SILENCE; MEDIA_OCTETS])?;
        let (proxy, port) = (PROXY.to_string(), SIP_PORT.to_string());
        let mut command = topology.internet.command("sipp");
        command.current_dir(&directory).args(["-sf", "callee.xml", "-i", &proxy, "-p", &port, "-mi", &proxy]);
        command.args(["-mp", &MEDIA_PORT.to_string(), "-rtp_echo", "-nostdin"]);
        let mut process = Process::start("callee", &mut command, &directory)?;
        wait::until("SIPp", START_LIMIT, || {
            process.expect_running()?;
            // proc_net(5): ports are in hexadecimal.
            let sockets = topology.internet.shell("cat /proc/net/udp")?;
            Ok([SIP_PORT, MEDIA_PORT]
                .iter()
                .all(|port| sockets.contains(&format!(":{port:04X} ")))
                .then_some(()))
        })?;
        Ok(Self { directory, _process: process })
    }

    /// Has subscriber `index` call `number`, talk for two seconds, and hang up.
    ///
    /// # Errors
    /// If the call fails.
    pub fn call(&self, topology: &Topology, index: u8, number: &str) -> Result<()> {
        let caller = subscriber(index, Family::V4).to_string();
        let mut command = topology.subscribers[usize::from(index)].command("sipp");
        command.current_dir(&self.directory).args(["-sf", "caller.xml", "-s", number, "-m", "1", "-nostdin"]);
        command.args(["-i", &caller, "-p", &CALLER_PORT.to_string(), "-mi", &caller]);
        command.arg(format!("{PROXY}:{SIP_PORT}"));
        let output = command::output(&mut command, "", CALL_LIMIT)?;
        ensure!(output.status.success(), "the call to {number} failed: {}\n{}", output.status, output.stdout);
        Ok(())
    }
}

/// Whether a packet is a call's media.
pub fn is_media(packet: &Packet) -> bool {
    packet.protocol == UDP && packet.touches(&PROXY) && packet.ports.contains(&MEDIA_PORT)
}

/// Whether a packet is a call's signalling.
pub fn is_signalling(packet: &Packet) -> bool {
    packet.protocol == UDP && packet.touches(&PROXY) && packet.ports.contains(&SIP_PORT)
}
