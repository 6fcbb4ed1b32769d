//! The scenario `carrier`, run once; each test is one of the things it has to show. And the carrier's transport without
//! Tollfree: it carries the traffic, and the captures show how.

use tollfree_tests::capture::{Captures, Point, Traffic};
use tollfree_tests::encapsulation::Encapsulation;
use tollfree_tests::encapsulator::Encapsulators;
use tollfree_tests::network::Network;
use tollfree_tests::packet::Packet;
use tollfree_tests::scenario::carrier;
use tollfree_tests::shown::Shown;
use tollfree_tests::topology::Crossing;

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::new("carrier");
    SHOWN.assert(prefix);
}

#[test]
fn what_is_in_two_tags_is_billed() {
    assert_shown("carrier-qinq-");
}

#[test]
fn what_is_in_a_pppoe_session_is_billed() {
    assert_shown("carrier-pppoe-");
}

#[test]
fn what_is_in_gtpu_is_billed() {
    assert_shown("carrier-gtpu-");
}

fn capture(network: &Network, encapsulation: Encapsulation) -> Traffic {
    let directory = network.directory().join(encapsulation.name());
    std::fs::create_dir(&directory).expect("a directory of the lab's");
    let mut captures = Captures::start(&network.topology, &directory).expect("tcpdump");
    let from = captures.mark().expect("tcpdump's counts");
    let encapsulators = Encapsulators::start(&network.topology, encapsulation).expect("encapsulators");
    carrier::traffic(network).unwrap_or_else(|error| panic!("{}: {error:#}", encapsulation.name()));
    encapsulators.stop().unwrap_or_else(|error| panic!("{}: {error:#}", encapsulation.name()));
    let to = captures.mark().expect("tcpdump's counts");
    captures.stop(&from, &to).expect("captures")
}

#[test]
fn the_transport_carries_traffic() {
    let network = Network::start(Crossing::Carried).expect("root, and what `cargo xtask setup` installs");
    for encapsulation in Encapsulation::ALL {
        let traffic = capture(&network, encapsulation);
        let packed = |packet: &Packet| packet.carriage == encapsulation.carriage();
        for (before, after) in [(Point::UplinkIn, Point::UplinkOut), (Point::DownlinkIn, Point::DownlinkOut)]
        {
            let [came, left] = [before, after].map(|point| traffic.volume(point, packed));
            assert!(came.packets > 50, "{}: {came}", encapsulation.name());
            // Nothing in the gateway changes anything, so it leaves as it came.
            assert_eq!(came, left, "{}", encapsulation.name());
        }
    }
}
