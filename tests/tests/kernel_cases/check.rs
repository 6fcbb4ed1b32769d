//! Passing a case through the kernel and through this process, and comparing both with what it expects.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::{Result, anyhow, bail, ensure};
use aya::maps::{HashMap, Map, MapData, RingBuf};
use tollfree::memory::{MemoryTables, MemoryTransports};
use tollfree_core::address::SubscriberId;
use tollfree_core::bytes::Frame;
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::decide::{Decision, decide};
use tollfree_core::event::Copy;
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey};
use tollfree_core::interface::Role;
use tollfree_core::limits::COPY_OCTETS_MAX;
use tollfree_core::packet::{Start, parse};
use zerocopy::FromBytes as _;

use crate::case::{Case, Expect};
use crate::conservation;
use crate::world::World;

const EPOCH: u32 = tollfree_benches::harness::FIRST_EPOCH;
const SIP_PORT: u16 = 5060;
/// Linux's action for what goes on.
const XDP_PASS: u32 = 2;

/// Passes all cases, and tells all that went wrong.
pub(crate) fn check_all(cases: &[Case]) -> Result<()> {
    check_in(World::open()?, cases)
}

/// The same, on a gateway that writes the code point into these headers of tunnelled packets.
pub(crate) fn check_tagging(dscp_at: &str, cases: &[Case]) -> Result<()> {
    check_in(World::open_tagging(dscp_at)?, cases)
}

fn check_in(world: World, cases: &[Case]) -> Result<()> {
    let mut checker = Checker::new(world)?;
    let mut faults = String::new();
    for case in cases {
        for (plane, result) in [("kernel", checker.kernel(case)), ("userspace", checker.userspace(case))] {
            if let Err(error) = result {
                write!(faults, "\n{plane}: {}: {error:#}", case.name)?;
            }
        }
    }
    ensure!(faults.is_empty(), "{faults}");
    Ok(())
}

struct Checker {
    world: World,
    flows: HashMap<MapData, FlowKey, FlowEntry>,
    fragments: HashMap<MapData, FragmentKey, FragmentEntry>,
    copies: RingBuf<MapData>,
}

impl Checker {
    fn new(mut world: World) -> Result<Self> {
        let flows = MapData::from_pin(world.kernel.directory().join("FLOWS"))?;
        let flows = HashMap::try_from(Map::HashMap(flows))?;
        let fragments = MapData::from_pin(world.kernel.directory().join("FRAGMENTS"))?;
        let fragments = HashMap::try_from(Map::LruHashMap(fragments))?;
        let copies = world.kernel.dataplane().take_copies()?;
        Ok(Self { world, flows, fragments, copies })
    }

    /// The program in the kernel: what it counted, what it copied, and how the frame left it.
    fn kernel(&mut self, case: &Case) -> Result<()> {
        self.forget()?;
        for (role, frame) in &case.before {
            self.world.kernel.run(*role, frame, 1)?;
        }
        while self.copies.next().is_some() {}
        let earlier = self.world.kernel.cut()?;
        let stats = self.world.kernel.dataplane().stats()?;
        let run = self.world.kernel.run(case.role, &case.frame, 1)?;
        let later = self.world.kernel.cut()?;
        conservation::check(&later).map_err(|fault| anyhow!(fault))?;
        let moved = conservation::moved(&earlier, &later).map_err(|fault| anyhow!(fault))?;
        let wanted = counted(case);
        ensure!(moved == wanted, "counted {moved:?}, not {wanted:?}");
        ensure!(run.verdict == XDP_PASS, "verdict {}", run.verdict);
        let wanted = leaving(case);
        ensure!(run.frame == wanted, "left as {:02x?}, not {wanted:02x?}", run.frame);
        let now = self.world.kernel.dataplane().stats()?;
        let since = |name| now[name] - stats[name];
        ensure!(since("forged-dscp") == u64::from(case.expect.forged), "{} forged", since("forged-dscp"));
        ensure!(since("copy-sent") == u64::from(case.expect.copied), "{} copied", since("copy-sent"));
        self.check_copy(case)
    }

    fn check_copy(&mut self, case: &Case) -> Result<()> {
        let Some(item) = self.copies.next() else {
            ensure!(!case.expect.copied, "no copy came");
            return Ok(());
        };
        ensure!(case.expect.copied, "a copy came");
        let Ok(copy) = Copy::read_from_bytes(&item) else { bail!("a copy of {} octets", item.len()) };
        let octets = case.frame.len().min(COPY_OCTETS_MAX);
        ensure!(copy.frame[..octets] == case.frame[..octets], "the copy is not the frame as it arrived");
        let said = (copy.role, copy.epoch, copy.frame_octets as usize, copy.copied_octets as usize);
        let wanted = (case.role as u32, EPOCH, case.frame.len(), octets);
        ensure!(said == wanted, "the copy says {said:?}, not {wanted:?}");
        Ok(())
    }

    /// Each case begins without flows and without fragments.
    fn forget(&mut self) -> Result<()> {
        for key in self.flows.keys().collect::<Result<Vec<_>, _>>()? {
            self.flows.remove(&key)?;
        }
        for key in self.fragments.keys().collect::<Result<Vec<_>, _>>()? {
            self.fragments.remove(&key)?;
        }
        Ok(())
    }

    /// The same source, in this process.
    fn userspace(&self, case: &Case) -> Result<()> {
        let tables = self.world.memory.clone();
        let transports = &self.world.transports;
        for (role, frame) in &case.before {
            pass(&tables, transports, *role, frame);
        }
        let decided = pass(&tables, transports, case.role, &case.frame);
        let Expect { reason, rule, class: tag, copied: copy, volume_octets, bucket, .. } = case.expect;
        let wanted = (
            Decision { subscriber: subscriber(&case.expect), rule, reason, tag, copy, flow: 0 },
            volume_octets,
        );
        ensure!(decided == wanted, "decided {decided:?}, not {wanted:?}");
        ensure!(decided.0.reason.bucket() == bucket, "bucket {:?}", decided.0.reason.bucket());
        Ok(())
    }
}

/// What this process makes of a frame: the decision, and the volume counted.
pub(crate) fn pass(
    tables: &MemoryTables,
    transports: &MemoryTransports,
    role: Role,
    frame: &[u8],
) -> (Decision, u32) {
    match parse(&Frame::new(frame), Start::Ethernet, 0, transports, &mut ()) {
        Ok(packet) => {
            let decision = decide(tables, role, SIP_PORT, &packet);
            (decision, decision.volume_octets(&packet))
        }
        Err(reason) => (Decision::unattributed(reason), 0),
    }
}

/// Eight octets: of IPv6 the first half, of IPv4 `0000:ffff:` and the address.
fn subscriber(expect: &Expect) -> SubscriberId {
    let mut octets = [0; 8];
    match expect.subscriber.map(|(ip, _)| ip) {
        Some(IpAddr::V4(v4)) => {
            octets[2..4].copy_from_slice(&[0xff, 0xff]);
            octets[4..].copy_from_slice(&v4.octets());
        }
        Some(IpAddr::V6(v6)) => octets.copy_from_slice(&v6.octets()[..8]),
        None => {}
    }
    SubscriberId::from_octets(octets)
}

/// The one counter that must move.
fn counted(case: &Case) -> BTreeMap<CounterKey, Usage> {
    let Expect { bucket, reason, rule, volume_octets, .. } = case.expect;
    let key = CounterKey {
        subscriber: subscriber(&case.expect),
        epoch: EPOCH,
        rule,
        bucket: bucket as u16,
        reason: reason as u16,
        reserved: 0,
    };
    let octets = u64::from(volume_octets);
    let usage = match case.role {
        Role::Access => Usage { uplink_packets: 1, uplink_octets: octets, ..Usage::default() },
        Role::Core => Usage { downlink_packets: 1, downlink_octets: octets, ..Usage::default() },
    };
    BTreeMap::from([(key, usage)])
}

/// The frame as it must leave: metadata in front, and the code point that is expected.
fn leaving(case: &Case) -> Vec<u8> {
    let mut frame = case.frame.clone();
    if let Some(leaves_as) = &case.leaves_as {
        frame.clone_from(leaves_as);
    } else if let Some(code_point) = case.expect.code_point {
        write_code_point(&mut frame, code_point);
    }
    let Some((mark, priority)) = case.expect.metadata else { return frame };
    [&mark.to_ne_bytes()[..], &priority.to_ne_bytes()[..], &frame].concat()
}

/// Writes the upper six bits of the traffic class (RFC 2474, section 3), and the whole IPv4 checksum anew.
pub(crate) fn write_code_point(frame: &mut [u8], code_point: u8) {
    let mut offset = 12;
    while matches!(frame[offset..offset + 2], [0x81 | 0x91 | 0x92, 0x00] | [0x88, 0xa8]) {
        offset += 4;
    }
    let header = &mut frame[offset + 2..];
    if header[0] >> 4 == 6 {
        let first = u16::from_be_bytes([header[0], header[1]]) & 0xf03f | u16::from(code_point) << 6;
        header[..2].copy_from_slice(&first.to_be_bytes());
        return;
    }
    header[1] = code_point << 2 | header[1] & 3;
    let octets = usize::from(header[0] & 0x0f) * 4;
    header[10..12].copy_from_slice(&[0, 0]);
    let checksum = internet_checksum(&header[..octets]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// The one's complement of the one's complement sum of all 16-bit words (RFC 791, section 3.1).
pub(crate) fn internet_checksum(octets: &[u8]) -> u16 {
    // An odd octet is the upper half of a last word (RFC 1071, section 1).
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u64::from);
    let words = octets.chunks(2).map(word);
    let sum: u64 = words.sum();
    // 2^16 is 1 in one's complement: the sum's remainder by 2^16 - 1, where 0 is only the sum of zeros.
    let folded = if sum == 0 { 0 } else { (sum - 1) % 0xffff + 1 };
    !u16::try_from(folded).expect("at most 0xffff")
}
