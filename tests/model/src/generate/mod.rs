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
mod talk;
mod tunnel;

use tollfree_core::interface::Role;

use address::Ends;
pub use address::world;
use internet::Datagram;
use random::Random;
use talk::Talk;

use crate::arrival::Arrival;
use crate::step::{Step, VERDICTS};

/// Tunnels that a frame has at most: one more than are looked into, and one more of a subscriber's own.
const TUNNELS_MAX: usize = 5;

/// Turns of a sequence, each a packet or a datagram's fragments. Reason: enough for flows to open, fill the table and
/// end with their rule; few enough to read when they disagree.
const TURNS: usize = 24;

/// Datagrams of a thousand that are sent in fragments.
const FRAGMENTED: u32 = 250;

/// The same, of conversations that go on.
const FRAGMENTED_TALK: u32 = 80;

/// Of them, those that may be in tunnels: damage on the way ends a conversation before it has begun.
const TUNNELLED_TALK: u32 = 200;

/// How far the clock goes on from one frame to the next at most, in nanoseconds.
const TICK_NS: u64 = 2_000_000_000;

/// Frames of a thousand before which nothing comes for longer.
const RESTS: u32 = 40;

/// How long then, in seconds: what flows may rest (RFC 4787, RFC 5382, and half a minute for what is closed), and a day.
const RESTS_S: [u64; 8] = [30, 30, 120, 240, 300, 7440, 86_400, 200_000];

/// Turns of a thousand that belong to a conversation that goes on through the sequence.
const OF_TALKS: u32 = 700;

/// Frames of a thousand before which evidence says something.
const TOLD: u32 = 150;

/// The sequence with this number, to be sent through a gateway that has seen nothing before.
pub fn sequence(number: u64) -> Vec<Step> {
    let mut random = Random::new(number);
    let mut now_ns = random.below_u64(address::END_NS);
    let talks = Talk::draw_some(&mut random);
    let mut steps = Vec::new();
    for _ in 0..TURNS {
        for arrival in turn(&mut random, &talks) {
            now_ns += pause_ns(&mut random, now_ns);
            let told = random.chance(TOLD).then(|| *random.pick(&VERDICTS));
            steps.push(Step { now_ns, told, arrival });
        }
    }
    steps
}

/// How long nothing comes: mostly some seconds, now and then as long as a flow may rest or until a day ends, a nanosecond
/// less, or more.
fn pause_ns(random: &mut Random, now_ns: u64) -> u64 {
    if !random.chance(RESTS) {
        return random.below_u64(TICK_NS);
    }
    let rest_ns = *random.pick(&RESTS_S) * 1_000_000_000;
    let rest_of_day_ns = address::DAY_ENDS_NS.saturating_sub(now_ns).max(1);
    *random.pick(&[rest_ns, rest_ns, rest_ns, rest_of_day_ns]) - 1 + random.below_u64(3)
}

/// One datagram's frames.
fn turn(random: &mut Random, talks: &[Talk]) -> Vec<Arrival> {
    let role = *random.pick(&[Role::Access, Role::Core]);
    let is_of_talk = random.chance(OF_TALKS);
    let mut packets = if is_of_talk {
        random.pick(talks).next(random, role).packets(random, FRAGMENTED_TALK)
    } else {
        let ends = Ends::conversation(random, role);
        let (protocol, payload) = segment::segment(random, role);
        Datagram { ends, protocol, payload }.packets(random, FRAGMENTED)
    };
    let count = if is_of_talk && !random.chance(TUNNELLED_TALK) { 0 } else { tunnels(random) };
    for _ in 0..count {
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
