//! Generators: they send many conversations at once, frame by frame, and no faster than the gateway's interfaces take
//! the frames.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::namespace::Namespace;
use crate::packet_socket::PacketSocket;
use crate::topology::Side;

use super::conversation::Conversation;
use super::frame::Frame;
use super::ground::Ground;
use super::tally::Tally;
use super::wire::{Received, Wire};

/// How many there are. Reason: packets of one subscriber are then counted on several CPUs at once.
pub(super) const GENERATORS: u64 = 2;
/// Conversations of one generator that go on at once.
const AT_ONCE: usize = 64;
/// Frames that a generator sends before it waits until the gateway has taken them. Reason: a veth's ring has 256 places
/// (Linux, `VETH_RING_SIZE`), which all generators share.
const BURST: u64 = 48;
/// A frame takes microseconds; a second on a machine that is busy with something else.
const TAKEN_LIMIT: Duration = Duration::from_secs(30);
/// Conversations that one generator begins in a second, at most. Reason: with more, two small CPUs would have no time for
/// the daemon that is to be tortured.
const RATE: f64 = 2200.0;

/// What all generators share.
#[derive(Debug)]
pub(super) struct Line {
    sockets: [PacketSocket; 2],
    wire: Wire,
    /// What the gateway's interfaces had received before, by side.
    before: [Received; 2],
    /// The far ends, by side, and what they had received before.
    far: [Wire; 2],
    far_before: [Received; 2],
    /// Frames sent so far, by side.
    sent: [AtomicI64; 2],
    /// Conversations begun so far.
    begun: AtomicU64,
    stop: AtomicBool,
}

impl Line {
    /// Opens the far ends of the gateway's interfaces.
    ///
    /// # Errors
    /// If an interface is not there.
    pub(super) fn open(ground: &Ground) -> Result<Self> {
        let open = |namespace: &Namespace| PacketSocket::open(namespace, Ground::FAR_INTERFACE);
        let sockets = [open(&ground.access)?, open(&ground.core)?];
        let wire = Wire::open(&ground.gateway)?;
        let before = Side::ALL.map(|side| wire.received(Ground::interface(side)));
        let [access, core] = before;
        let far = [Wire::open(&ground.access)?, Wire::open(&ground.core)?];
        let far_before = [0, 1].map(|end: usize| far[end].received(Ground::FAR_INTERFACE));
        let [far_access, far_core] = far_before;
        Ok(Self {
            sockets,
            wire,
            before: [access?, core?],
            far,
            far_before: [far_access?, far_core?],
            sent: [AtomicI64::new(0), AtomicI64::new(0)],
            begun: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        })
    }

    /// Tells all generators to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Conversations begun, and frames sent, so far.
    pub(super) fn progress(&self) -> (u64, i64) {
        let frames = self.sent.iter().map(|sent| sent.load(Ordering::Relaxed)).sum();
        (self.begun.load(Ordering::Relaxed), frames)
    }

    /// What the gateway's interface on this side has received since the beginning.
    ///
    /// # Errors
    /// If it is gone.
    pub(super) fn received(&self, side: Side) -> Result<Received> {
        Ok(self.wire.received(Ground::interface(side))?.since(self.before[place(side)]))
    }

    /// What the far end on this side has received since the beginning: what has passed the gateway.
    ///
    /// # Errors
    /// If it is gone.
    pub(super) fn passed(&self, side: Side) -> Result<Received> {
        let place = place(side);
        let now = self.far[place].received(Ground::FAR_INTERFACE)?;
        Ok(now.since(self.far_before[place]))
    }

    fn send(&self, frame: &Frame) -> Result<()> {
        let place = place(frame.side);
        self.sockets[place].send(&frame.octets)?;
        self.sent[place].fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the gateway's interfaces have taken all that has been sent until now.
    ///
    /// # Errors
    /// If they do not.
    pub(super) fn wait_until_taken(&self) -> Result<()> {
        let deadline = Instant::now() + TAKEN_LIMIT;
        for side in Side::ALL {
            let sent = self.sent[place(side)].load(Ordering::Relaxed);
            loop {
                let received = self.received(side)?;
                if received.frames.packets + received.lost >= sent {
                    break;
                }
                ensure!(
                    Instant::now() < deadline,
                    "{sent} frames were sent, {received:?} arrived on {}",
                    Ground::interface(side)
                );
                thread::yield_now();
            }
        }
        Ok(())
    }
}

const fn place(side: Side) -> usize {
    match side {
        Side::Access => 0,
        Side::Core => 1,
    }
}

/// Sends until it is told to end; says what it sent.
///
/// # Errors
/// If a frame cannot be sent, or does not arrive.
pub(super) fn run(line: &Line, seed: u64) -> Result<Tally> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = Tally::default();
    let mut open: Vec<std::vec::IntoIter<Frame>> = Vec::new();
    let start = Instant::now();
    let mut burst = 0;
    while !line.stop.load(Ordering::Relaxed) {
        if open.len() < AT_ONCE {
            let conversation = Conversation::draw(&mut random).context("a conversation cannot be built")?;
            tally.begin(conversation.carriage);
            line.begun.fetch_add(1, Ordering::Relaxed);
            open.push(conversation.frames.into_iter());
        }
        let chosen = random.usize(0..open.len());
        match open[chosen].next() {
            Some(frame) => {
                line.send(&frame)?;
                tally.count(&frame);
                burst += 1;
            }
            None => drop(open.swap_remove(chosen)),
        }
        if burst >= BURST {
            burst = 0;
            line.wait_until_taken()?;
            keep_rate(start, tally.conversations);
        }
    }
    line.wait_until_taken()?;
    Ok(tally)
}

/// Sleeps if it has been faster than it should.
fn keep_rate(start: Instant, conversations: u64) {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 conversations")]
    let due = Duration::from_secs_f64(conversations as f64 / RATE);
    thread::sleep(due.saturating_sub(start.elapsed()));
}
