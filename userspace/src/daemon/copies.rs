//! Taking copies of frames from the kernel's ring buffer.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use aya::maps::{MapData, RingBuf};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tollfree_core::event::Copy;
use tollfree_core::interface::Role;
use zerocopy::FromBytes as _;

use super::calls::Input;

/// How long the reader waits for a copy before it looks whether it is to end.
const WAIT_MS: u16 = 100;

/// A frame that the kernel copied.
#[derive(Debug)]
pub(super) struct CopiedFrame {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) at_ns: u64,
    /// The kind of interface it arrived on.
    pub(super) role: Role,
    /// The epoch it was decided under.
    pub(super) epoch: u32,
    /// As much of it as was copied.
    pub(super) octets: Vec<u8>,
}

/// Hands copies on, in their order, until `stop` is set or nobody takes them. Where the taker is slow, copies wait in the
/// ring buffer, and the kernel counts those that find no room in it.
pub(super) fn read(
    mut copies: RingBuf<MapData>,
    stop: Arc<AtomicBool>,
    frames: SyncSender<Input>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            wait(&copies);
            while let Some(record) = copies.next() {
                // A record is as large as `Copy`, which the kernel program reserves.
                let Ok(copy) = Copy::ref_from_bytes(&record) else { continue };
                let octets = copy.frame.get(..copy.copied_octets as usize).unwrap_or(&copy.frame).to_vec();
                let (at_ns, role, epoch) = (copy.at_ns, Role::from_number(copy.role), copy.epoch);
                if frames.send(Input::Frame(CopiedFrame { at_ns, role, epoch, octets })).is_err() {
                    return;
                }
            }
        }
    })
}

/// Returns when there is a copy, or after [`WAIT_MS`].
fn wait(copies: &RingBuf<MapData>) {
    let mut descriptors = [PollFd::new(copies.as_fd(), PollFlags::POLLIN)];
    // An interrupted wait is followed by another.
    let _ = poll(&mut descriptors, PollTimeout::from(WAIT_MS));
}
