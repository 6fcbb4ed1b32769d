//! Taking copies of frames from the kernel's ring buffer, and giving each to whom it is for.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;

use aya::maps::{MapData, RingBuf};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tollfree_core::event::{CopyHead, CopyKind};
use tollfree_core::interface::Role;

use super::calls::Input;
use super::evidence::EvidenceReader;
use super::shares::{Share, Shares};
use crate::calls::frame::subscriber;
use crate::dataplane::monotonic_ns;
use crate::memory::MemoryTransports;

/// How long the reader waits for a copy before it looks at its clock, and whether it is to end.
const WAIT_MS: u16 = 100;

/// A frame that the kernel copied.
#[derive(Debug)]
pub(super) struct CopiedFrame {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) at_ns: u64,
    /// What for.
    pub(super) kind: CopyKind,
    /// What awaits a verdict, by number; 0: nothing does.
    pub(super) flow: u64,
    /// The kind of interface it arrived on.
    pub(super) role: Role,
    /// The epoch it was decided under.
    pub(super) epoch: u32,
    /// As much of it as was copied.
    pub(super) octets: Vec<u8>,
    /// Its place in the queue.
    _share: Share,
}

/// Hands copies on, in their order, until `stop` is set or nobody takes signalling: names and evidence are read at once,
/// because what they tell is waited for; signalling waits in a queue, with media that may be its call's behind it, and where
/// that is full, or its subscriber's share of it, it is dropped and counted.
pub(super) fn read(
    mut copies: RingBuf<MapData>,
    stop: Arc<AtomicBool>,
    signalling: SyncSender<Input>,
    transports: MemoryTransports,
    mut evidence: EvidenceReader,
) -> JoinHandle<()> {
    let shares = Shares::new();
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            wait(&copies);
            evidence.begin_reading();
            while let Some(record) = copies.next() {
                let Some((head, frame)) = CopyHead::read(&record) else { continue };
                // Under load this may not end: flows and status are looked after all the same, on the copies' clock.
                evidence.look_around(head.at_ns);
                match CopyKind::from_number(head.kind) {
                    CopyKind::Names | CopyKind::NamesListed => evidence.names(&head, frame),
                    CopyKind::Evidence => evidence.packet(&head, frame),
                    CopyKind::Signalling | CopyKind::Media => {
                        let whose = subscriber(Role::from_number(head.role), frame, &transports);
                        let input = shares.take(whose).map(|share| Input::Frame(copied(&head, frame, share)));
                        match input.map(|input| signalling.try_send(input)) {
                            Some(Ok(())) => {}
                            None | Some(Err(TrySendError::Full(_))) => evidence.count_dropped(),
                            Some(Err(TrySendError::Disconnected(_))) => return,
                        }
                    }
                    CopyKind::None => {}
                }
            }
            evidence.look_around(monotonic_ns());
        }
    })
}

fn copied(head: &CopyHead, frame: &[u8], share: Share) -> CopiedFrame {
    CopiedFrame {
        at_ns: head.at_ns,
        kind: CopyKind::from_number(head.kind),
        flow: head.flow,
        role: Role::from_number(head.role),
        epoch: head.epoch,
        octets: frame.to_vec(),
        _share: share,
    }
}

/// Returns when there is a copy, or after [`WAIT_MS`].
fn wait(copies: &RingBuf<MapData>) {
    let mut descriptors = [PollFd::new(copies.as_fd(), PollFlags::POLLIN)];
    // An interrupted wait is followed by another.
    let _ = poll(&mut descriptors, PollTimeout::from(WAIT_MS));
}
