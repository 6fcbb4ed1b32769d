//! Sequences of frames that are likely to tell two classifiers apart.
//!
//! Everything follows from one number, so that a sequence can be made again. Addresses, ports and identifications are
//! drawn from small sets, so that pools, rules, transports, flows and fragments meet.

mod address;
mod damage;
mod internet;
mod link;
mod random;
mod segment;
mod tunnel;

use tollfree_core::interface::Role;

use address::Ends;
pub use address::world;
use internet::Datagram;
use random::Random;

use crate::arrival::Arrival;
use crate::step::Step;

/// Tunnels that a frame has at most: one more than are looked into, and one more of a subscriber's own.
const TUNNELS_MAX: usize = 5;

/// Turns of a sequence, each a packet or a datagram's fragments. Reason: enough for flows to open, fill the table and
/// end with their rule; few enough to read when they disagree.
const TURNS: usize = 24;

/// Datagrams of a thousand that are sent in fragments.
const FRAGMENTED: u32 = 250;

/// How far the clock goes on from one frame to the next at most, in nanoseconds.
const TICK_NS: u64 = 2_000_000_000;

/// The sequence with this number, to be sent through a gateway that has seen nothing before.
pub fn sequence(number: u64) -> Vec<Step> {
    let mut random = Random::new(number);
    let mut now_ns = random.below_u64(address::END_NS);
    let mut steps = Vec::new();
    for _ in 0..TURNS {
        for arrival in turn(&mut random) {
            now_ns += random.below_u64(TICK_NS);
            steps.push(Step { now_ns, arrival });
        }
    }
    steps
}

/// One datagram's frames.
fn turn(random: &mut Random) -> Vec<Arrival> {
    let role = *random.pick(&[Role::Access, Role::Core]);
    let ends = Ends::conversation(random, role);
    let (protocol, payload) = segment::segment(random, role);
    let mut packets = Datagram { ends, protocol, payload }.packets(random, FRAGMENTED);
    for _ in 0..tunnels(random) {
        packets = tunnel::around(random, role, &packets);
    }
    let link = link::Link::draw(random);
    packets
        .iter()
        .map(|packet| {
            let mut arrival = link.frame(random, role, packet);
            damage::damage(random, &mut arrival);
            arrival
        })
        .collect()
}

/// Mostly none or one.
fn tunnels(random: &mut Random) -> usize {
    (0..TUNNELS_MAX).find(|_| random.chance(550)).unwrap_or(TUNNELS_MAX)
}
