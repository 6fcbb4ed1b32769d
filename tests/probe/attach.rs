//! Attaching to an interface: with marks, which need tcx, and without.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::util::KernelVersion;
use serde::Serialize;
use tollfree::dataplane::DataplaneError;
use tollfree_core::reason::Bucket;

use crate::compare;
use crate::machine::LOOPBACK;
use crate::world::{World, config};

const DATAGRAMS: u64 = 3;
const PAYLOAD_OCTETS: u64 = 100;
/// Ethernet, IPv4 and UDP.
const HEADER_OCTETS: [u64; 3] = [14, 20, 8];
/// Longest that a datagram to oneself takes.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Tries both, and holds what is counted against what is sent.
pub(crate) fn run(world: &mut World) -> Result<()> {
    // Linux 6.6 brought tcx.
    let has_tcx = KernelVersion::current()? >= KernelVersion::new(6, 6, 0);
    let expected = if has_tcx { "attached" } else { "refused: needs tcx" };
    let marks = world.config().clone();
    let measured = match world.dataplane.attach(&marks) {
        Ok(()) => "attached".to_owned(),
        Err(DataplaneError::MarksNeedTcx) => "refused: needs tcx".to_owned(),
        Err(error) => error.to_string(),
    };
    compare("attach: with marks", expected, &measured)?;
    world.dataplane.attach(&config(false)?)?;
    let mode = world.dataplane.attached().first().map(|interface| interface.mode().name());
    compare("attach: without marks", Some("generic"), mode)?;
    count(world)
}

/// What one interface saw.
#[derive(Serialize)]
struct Seen {
    packets: u64,
    frame_octets: u64,
    unattributed_octets: u64,
    nic_packets: u64,
}

impl Seen {
    fn read(world: &mut World) -> Result<Self> {
        let cut = world.dataplane.cut()?;
        let interface = cut.interfaces.get(LOOPBACK).context("the interface is not counted")?;
        Ok(Self {
            packets: interface.counts.seen.packets,
            frame_octets: interface.counts.seen.frame_octets,
            unattributed_octets: interface.counts.buckets[Bucket::Unattributed as usize].octets,
            nic_packets: interface.nic.packets,
        })
    }

    const fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets - before.packets,
            frame_octets: self.frame_octets - before.frame_octets,
            unattributed_octets: self.unattributed_octets - before.unattributed_octets,
            nic_packets: self.nic_packets - before.nic_packets,
        }
    }
}

/// Sends datagrams to this machine itself, which are nobody's traffic.
fn count(world: &mut World) -> Result<()> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    receiver.set_read_timeout(Some(ARRIVAL))?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    // Replayed frames count on the first interface's place, too.
    let before = Seen::read(world)?;
    let mut payload = vec![0; usize::try_from(PAYLOAD_OCTETS)?];
    for _ in 0..DATAGRAMS {
        sender.send_to(&payload, receiver.local_addr()?)?;
        receiver.recv(&mut payload)?;
    }
    let measured = Seen::read(world)?.since(&before);
    let [ethernet, ipv4, udp] = HEADER_OCTETS;
    let volume = PAYLOAD_OCTETS + ipv4 + udp;
    let expected = Seen {
        packets: DATAGRAMS,
        frame_octets: DATAGRAMS * (volume + ethernet),
        unattributed_octets: DATAGRAMS * volume,
        nic_packets: DATAGRAMS,
    };
    compare("attach: what is sent is counted", expected, measured)
}
