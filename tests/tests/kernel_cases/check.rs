//! Passing a case through the kernel and through this process, and comparing both with what it expects.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aya::maps::{MapData, RingBuf};
use tollfree::dataplane::{Cut, monotonic_ns};
use tollfree::memory::MemoryTransports;
use tollfree_core::address::SubscriberId;
use tollfree_core::bytes::Frame;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::decide::Decision;
use tollfree_core::event::{CopyHead, CopyKind};
use tollfree_core::limits::COPY_OCTETS_MAX;
use tollfree_core::packet::{Start, parse};
use tollfree_core::settings::{Settings, TagMetadata};
use tollfree_core::tag::{self, Tagged};

use crate::case::{Case, Expect};
use crate::conservation;
use crate::event::{Event, rested_ns};
use crate::maps::KernelMaps;
use crate::process::Process;
use crate::world::World;

const EPOCH: u32 = tollfree_benches::harness::FIRST_EPOCH;
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
    maps: KernelMaps,
    copies: RingBuf<MapData>,
    /// The number of the last text that waits.
    text: u64,
}

/// What the kernel has counted at some moment.
struct Counted {
    cut: Cut,
    pending: BTreeMap<PendingKey, Usage>,
    sent_again: BTreeMap<u32, Usage>,
    stats: BTreeMap<&'static str, u64>,
}

impl Checker {
    fn new(mut world: World) -> Result<Self> {
        let maps = KernelMaps::open(world.kernel.directory())?;
        let copies = world.kernel.dataplane().take_copies()?;
        Ok(Self { world, maps, copies, text: 0 })
    }

    /// The program in the kernel: what it counted, what it copied, and how the frame left it.
    fn kernel(&mut self, case: &Case) -> Result<()> {
        if rested_ns(&case.before) >= monotonic_ns() {
            println!("{}: left out, this kernel has not run for as long as it rests", case.name);
            return Ok(());
        }
        self.maps.forget()?;
        for event in &case.before {
            match event {
                Event::Frame(role, frame) => drop(self.world.kernel.run(*role, frame, 1)?),
                event => self.maps.apply(event)?,
            }
        }
        while self.copies.next().is_some() {}
        let earlier = self.counted()?;
        let before = self.number(case)?;
        let run = self.world.kernel.run(case.role, &case.frame, 1)?;
        let later = self.counted()?;
        self.check_counters(case, &earlier, &later)?;
        check_number(case, before, self.number(case)?)?;
        ensure!(run.verdict == XDP_PASS, "verdict {}", run.verdict);
        let wanted = leaving(case);
        ensure!(run.frame == wanted, "left as {:02x?}, not {wanted:02x?}", run.frame);
        let since = |name| later.stats[name] - earlier.stats[name];
        ensure!(since("forged-dscp") == u64::from(case.expect.forged), "{} forged", since("forged-dscp"));
        ensure!(since("copy-sent") == u64::from(is_copied(case)), "{} copied", since("copy-sent"));
        self.check_copy(case)
    }

    fn counted(&mut self) -> Result<Counted> {
        Ok(Counted {
            cut: self.world.kernel.cut()?,
            pending: self.maps.pending()?,
            sent_again: self.maps.sent_again()?,
            stats: self.world.kernel.dataplane().stats()?,
        })
    }

    /// Exactly one counter moved, by exactly this frame; and payload that was sent again, if it was.
    fn check_counters(&mut self, case: &Case, earlier: &Counted, later: &Counted) -> Result<()> {
        conservation::check(&later.cut, &later.pending).map_err(|fault| anyhow!(fault))?;
        let moved = conservation::moved(&earlier.cut, &later.cut).map_err(|fault| anyhow!(fault))?;
        let pending = grown(&earlier.pending, &later.pending)?;
        self.text = pending.keys().next().filter(|_| case.expect.is_text).map_or(0, |key| key.flow);
        let (wanted, wanted_pending) = match self.awaiting(case)? {
            None => (counted(case), BTreeMap::new()),
            Some(flow) => {
                let Expect { rule, volume_octets, .. } = case.expect;
                let key = PendingKey { flow, subscriber: subscriber(&case.expect), epoch: EPOCH, rule };
                (BTreeMap::new(), BTreeMap::from([(key, Usage::of(case.role, volume_octets))]))
            }
        };
        ensure!(moved == wanted, "counted {moved:?}, not {wanted:?}");
        ensure!(pending == wanted_pending, "pending {pending:?}, not {wanted_pending:?}");
        let again = grown(&earlier.sent_again, &later.sent_again)?;
        let wanted = sent_again(case);
        ensure!(again == wanted, "sent again {again:?}, not {wanted:?}");
        Ok(())
    }

    /// The number under which the frame waits.
    fn awaiting(&self, case: &Case) -> Result<Option<u64>> {
        if case.expect.is_text {
            let (text, flows) = (self.text, self.maps.flow_numbers()?);
            ensure!(text != 0 && !flows.contains(&text), "a number of its own: {text}");
            return Ok(Some(text));
        }
        let Some(key) = case.expect.awaits else { return Ok(None) };
        Ok(Some(self.maps.flow(&key)?.context("the flow is not there")?.number))
    }

    /// The number of the flow that the case is about.
    fn number(&self, case: &Case) -> Result<Option<u64>> {
        let Some((key, _)) = case.expect.begins else { return Ok(None) };
        Ok(self.maps.flow(&key)?.map(|flow| flow.number))
    }

    fn check_copy(&mut self, case: &Case) -> Result<()> {
        let waiting = self.awaiting(case)?;
        let Some(item) = self.copies.next() else {
            ensure!(!is_copied(case), "no copy came");
            return Ok(());
        };
        ensure!(is_copied(case), "a copy came");
        let Some((head, frame)) = CopyHead::read(&item) else { bail!("a copy of {} octets", item.len()) };
        let octets = case.frame.len().min(COPY_OCTETS_MAX);
        ensure!(frame == &case.frame[..octets], "the copy is not the frame as it arrived");
        let flow = waiting.unwrap_or(0);
        let kind = case.expect.copied.map_or(0, |kind| kind as u32);
        ensure!(
            head.kind == kind && head.flow == flow && head.rule == case.expect.rule,
            "the copy says {head:?}"
        );
        let said = (head.role, head.epoch, head.frame_octets as usize, head.copied_octets as usize);
        let wanted = (case.role as u32, EPOCH, case.frame.len(), octets);
        ensure!(said == wanted, "the copy says {said:?}, not {wanted:?}");
        Ok(())
    }

    /// The same source, in this process.
    fn userspace(&self, case: &Case) -> Result<()> {
        let mut process = Process::new(&self.world.memory, &self.world.transports);
        for event in &case.before {
            process.apply(event);
        }
        let number = |process: &Process<'_>, key| process.tables.flow_entry(&key).map(|flow| flow.number);
        let before = case.expect.begins.and_then(|(key, _)| number(&process, key));
        let earlier = process.tables.sent_again();
        let decided = process.pass(case.role, &case.frame);
        let settings = self.world.kernel.settings(case.role)?;
        let (leaves_as, is_forged) = tag(&settings, &self.world.transports, &case.frame, &decided.0);
        let Expect { reason, rule, class: tag, copied, volume_octets, bucket, .. } = case.expect;
        let flow = case.expect.awaits.map(|key| number(&process, key).context("the flow is not there"));
        let flow = if case.expect.is_text { process.last_number() } else { flow.transpose()?.unwrap_or(0) };
        let copy = copied.unwrap_or(CopyKind::None);
        let wanted =
            (Decision { subscriber: subscriber(&case.expect), rule, reason, tag, copy, flow }, volume_octets);
        ensure!(decided == wanted, "decided {decided:?}, not {wanted:?}");
        ensure!(decided.0.reason.bucket() == bucket, "bucket {:?}", decided.0.reason.bucket());
        let wanted = leaving(case);
        ensure!(leaves_as == wanted, "left as {leaves_as:02x?}, not {wanted:02x?}");
        ensure!(is_forged == case.expect.forged, "forged: {is_forged}");
        let again = grown(&earlier, &process.tables.sent_again())?;
        ensure!(again == sent_again(case), "sent again {again:?}");
        check_number(case, before, case.expect.begins.and_then(|(key, _)| number(&process, key)))
    }
}

/// Whether userspace gets a copy.
const fn is_copied(case: &Case) -> bool {
    case.expect.copied.is_some()
}

/// Whether the flow that the case is about was there before or begins with it.
fn check_number(case: &Case, before: Option<u64>, after: Option<u64>) -> Result<()> {
    let Some((_, begins)) = case.expect.begins else { return Ok(()) };
    ensure!(after.is_some_and(|number| number != 0), "no flow, or one without a number");
    ensure!((before != after) == begins, "number {before:?} before, {after:?} after");
    Ok(())
}

/// What only grew, and by how much.
fn grown<K: Copy + Ord + std::fmt::Debug>(
    earlier: &BTreeMap<K, Usage>,
    later: &BTreeMap<K, Usage>,
) -> Result<BTreeMap<K, Usage>> {
    let mut grown = BTreeMap::new();
    for (key, usage) in later {
        let before = earlier.get(key).copied().unwrap_or_default();
        let delta = usage.since(&before).with_context(|| format!("{key:?} went back"))?;
        if delta != Usage::default() {
            grown.insert(*key, delta);
        }
    }
    Ok(grown)
}

/// The payload that is counted once more, of the case's rule.
fn sent_again(case: &Case) -> BTreeMap<u32, Usage> {
    match case.expect.sent_again_octets {
        0 => BTreeMap::new(),
        octets => BTreeMap::from([(case.expect.rule, Usage::of(case.role, octets))]),
    }
}

/// How a frame leaves this process, with metadata in front, and whether a forged code point was cleared.
fn tag(
    settings: &Settings,
    transports: &MemoryTransports,
    frame: &[u8],
    decision: &Decision,
) -> (Vec<u8>, bool) {
    let mut leaves_as = frame.to_vec();
    let Ok(packet) = parse(&Frame::new(frame), Start::Ethernet, 0, transports, &mut ()) else {
        return (leaves_as, false);
    };
    let tagged = tag::apply(&mut leaves_as[..], settings, &packet, decision);
    if let Tagged::WithMetadata(TagMetadata { mark, priority }) = tagged {
        leaves_as = [&mark.to_ne_bytes()[..], &priority.to_ne_bytes(), &leaves_as].concat();
    }
    (leaves_as, tagged == Tagged::Cleared)
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
    BTreeMap::from([(key, Usage::of(case.role, volume_octets))])
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
