//! What really was on the wire: tcpdump on the far ends of the gateway's links, never inside the gateway, where
//! packets may be merged or may already be changed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use pcap_parser::traits::PcapReaderIterator as _;
use pcap_parser::{LegacyPcapReader, PcapBlockOwned, PcapError};

use crate::packet::{Packet, source_mac};
use crate::process::Process;
use crate::topology::{Side, Topology};
use crate::volume::Volume;
use crate::wait;

/// Where, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Uplink, as it enters the gateway.
    UplinkIn,
    /// Uplink, as it left the gateway.
    UplinkOut,
    /// Downlink, as it enters the gateway.
    DownlinkIn,
    /// Downlink, as it left the gateway.
    DownlinkOut,
}

impl Point {
    /// All.
    pub const ALL: [Self; 4] = [Self::UplinkIn, Self::UplinkOut, Self::DownlinkIn, Self::DownlinkOut];

    const fn at(side: Side, toward_gateway: bool) -> Self {
        match (side, toward_gateway) {
            (Side::Access, true) => Self::UplinkIn,
            (Side::Access, false) => Self::DownlinkOut,
            (Side::Core, true) => Self::DownlinkIn,
            (Side::Core, false) => Self::UplinkOut,
        }
    }
}

/// Octets kept of each frame: Ethernet, two tags, IPv6 twice with fragment headers, GTP-U and TCP, with room to spare.
const SNAP_OCTETS: &str = "256";
/// The kernel's buffer, in KiB: a second of the lab's fastest traffic.
const BUFFER_KIB: &str = "65536";
/// tcpdump starts, answers and ends at once, unless the machine is very busy.
const LIMIT: Duration = Duration::from_secs(20);
/// Larger than a record of [`SNAP_OCTETS`].
const READ_OCTETS: usize = 1 << 16;

/// tcpdump at one link. It takes both directions, without a filter: only then do its two counts agree once it has
/// written everything. (libpcap filters the first frame itself, and cannot know that frame's direction.)
#[derive(Debug)]
struct Capture {
    side: Side,
    /// The link-layer address of what stands there: what it sends goes toward the gateway.
    mac: [u8; 6],
    process: Process,
    file: PathBuf,
}

/// tcpdump's own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tally {
    captured: u64,
    received: u64,
    dropped: u64,
}

impl Capture {
    fn start(topology: &Topology, side: Side, directory: &Path) -> Result<Self> {
        let end = topology.far_end(side);
        let file = directory.join(format!("{}.pcap", side.name()));
        let mut command = end.namespace.command("tcpdump");
        command.args(["-i", end.interface, "-n", "-p", "-U", "--immediate-mode", "-Z", "root"]);
        command.args(["-s", SNAP_OCTETS, "-B", BUFFER_KIB, "-w"]).arg(&file);
        let mut process = Process::start(side.name(), &mut command, directory)?;
        wait::until("tcpdump", LIMIT, || {
            process.expect_running()?;
            Ok(process.log()?.contains("listening on").then_some(()))
        })?;
        Ok(Self { side, mac: end.mac, process, file })
    }

    /// Asks tcpdump, which answers a SIGUSR1 with one line.
    fn tally(&mut self) -> Result<Tally> {
        let before = tallies(&self.process.log()?).len();
        self.process.signal(Signal::SIGUSR1)?;
        let process = &mut self.process;
        wait::until("tcpdump's counts", LIMIT, || {
            process.expect_running()?;
            Ok(tallies(&process.log()?).get(before..).and_then(<[Tally]>::last).copied())
        })
    }

    /// How many frames are in the file, once all that arrived are.
    fn written(&mut self) -> Result<u64> {
        wait::until("the capture's last frame", LIMIT, || {
            let tally = self.tally()?;
            Ok((tally.received == tally.captured).then_some(tally.captured))
        })
    }

    /// Ends it; returns its file.
    fn stop(mut self) -> Result<PathBuf> {
        let written = self.written()?;
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(LIMIT)?;
        let log = self.process.log()?;
        let Some(last) = last_tally(&log) else { bail!("tcpdump gave no account:\n{log}") };
        ensure!(
            last.dropped == 0,
            "tcpdump lost {} frames; {} is of no use",
            last.dropped,
            self.file.display()
        );
        ensure!(last.captured >= written, "tcpdump forgot frames: {last:?}");
        Ok(self.file)
    }
}

/// The lines like `tcpdump: 4 packets captured, 5 packets received by filter, 0 packets dropped by kernel`.
fn tallies(log: &str) -> Vec<Tally> {
    let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.contains(" captured, "));
    lines.filter_map(|line| tally(line.split(", "))).collect()
}

/// The same three numbers on three lines, which is how tcpdump ends.
fn last_tally(log: &str) -> Option<Tally> {
    let lines: Vec<&str> = log.lines().collect();
    let captured = lines.iter().rposition(|line| line.contains(" captured") && !line.contains(','))?;
    tally(lines[captured..].iter().copied())
}

fn tally<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<Tally> {
    let mut number = || parts.next()?.trim_start_matches("tcpdump: ").split(' ').next()?.parse().ok();
    Some(Tally { captured: number()?, received: number()?, dropped: number()? })
}

/// tcpdump at both of the gateway's links.
#[derive(Debug)]
pub struct Captures {
    captures: [Capture; 2],
}

/// How many frames were seen at the access link, and at the core link.
pub type Marks = [u64; 2];

impl Captures {
    /// Starts them, with their files in `directory`.
    ///
    /// # Errors
    /// If tcpdump does not start.
    pub fn start(topology: &Topology, directory: &Path) -> Result<Self> {
        let [access, core] = Side::ALL.map(|side| Capture::start(topology, side, directory));
        Ok(Self { captures: [access?, core?] })
    }

    /// How many frames each has seen, once all of them are in the files.
    ///
    /// # Errors
    /// If tcpdump ended or does not answer.
    pub fn mark(&mut self) -> Result<Marks> {
        let [access, core] = &mut self.captures;
        Ok([access.written()?, core.written()?])
    }

    /// Ends them and reads what was seen after `from` and up to `to`.
    ///
    /// # Errors
    /// If a frame was lost, or a file cannot be read.
    pub fn stop(self, from: &Marks, to: &Marks) -> Result<Traffic> {
        let mut traffic = Traffic { frames: Vec::new() };
        for ((capture, from), to) in self.captures.into_iter().zip(from).zip(to) {
            let (side, mac) = (capture.side, capture.mac);
            let all = read(&capture.stop()?, side, mac)?;
            let range = usize::try_from(*from)?..usize::try_from(*to)?;
            let some = all.get(range).context("a capture's file lacks frames that tcpdump counted")?;
            traffic.frames.extend(some);
        }
        Ok(traffic)
    }
}

/// A captured frame.
#[derive(Clone, Copy, Debug)]
struct Frame {
    point: Point,
    /// When tcpdump saw it, in microseconds since 1970.
    at_us: u64,
    /// Its length on the wire without the checksum.
    octets: u32,
    /// The packet in it, if it is an IP packet.
    packet: Option<Packet>,
}

/// What was on the wire.
#[derive(Clone, Debug)]
pub struct Traffic {
    frames: Vec<Frame>,
}

impl Traffic {
    fn at(&self, point: Point) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(move |frame| frame.point == point)
    }

    /// All frames at a point, in frame octets.
    pub fn frames(&self, point: Point) -> Volume {
        self.at(point).map(|frame| Volume { packets: 1, octets: frame.octets.into() }).sum()
    }

    /// The IP packets at a point in their order, each with its time in microseconds since 1970.
    pub fn packets(&self, point: Point) -> impl Iterator<Item = (u64, &Packet)> {
        self.at(point).filter_map(|frame| Some((frame.at_us, frame.packet.as_ref()?)))
    }

    /// The IP packets at a point that `wanted` accepts, in octets of IP length.
    pub fn volume(&self, point: Point, wanted: impl Fn(&Packet) -> bool) -> Volume {
        let packets = self.at(point).filter_map(|frame| frame.packet.as_ref());
        packets.filter(|packet| wanted(packet)).map(|p| Volume { packets: 1, octets: p.volume.into() }).sum()
    }
}

fn read(path: &Path, side: Side, mac: [u8; 6]) -> Result<Vec<Frame>> {
    let mut reader = LegacyPcapReader::new(READ_OCTETS, File::open(path)?)
        .map_err(|error| anyhow::anyhow!("{}: {error:?}", path.display()))?;
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok((used, block)) => {
                if let PcapBlockOwned::Legacy(record) = block {
                    let point = Point::at(side, source_mac(record.data) == Some(mac));
                    let at_us = u64::from(record.ts_sec) * 1_000_000 + u64::from(record.ts_usec);
                    let packet = Packet::read(record.data);
                    frames.push(Frame { point, at_us, octets: record.origlen, packet });
                }
                reader.consume(used);
            }
            Err(PcapError::Eof) => return Ok(frames),
            Err(PcapError::Incomplete(_)) => {
                reader.refill().map_err(|error| anyhow::anyhow!("{}: {error:?}", path.display()))?;
            }
            Err(error) => bail!("{}: {error:?}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcpdumps_accounts_are_read() {
        let log = "tcpdump: listening on eth0, snapshot length 128 bytes\n\
                   tcpdump: 1 packet captured, 5 packets received by filter, 0 packets dropped by kernel\n\
                   tcpdump: 4 packets captured, 6 pack";
        assert_eq!(tallies(log), [Tally { captured: 1, received: 5, dropped: 0 }]);
        let log =
            format!("{log}\n6 packets captured\n7 packets received by filter\n2 packets dropped by kernel\n");
        assert_eq!(last_tally(&log), Some(Tally { captured: 6, received: 7, dropped: 2 }));
    }
}
