//! Observing an interface without XDP: beside a gateway whose traffic is mirrored, and by itself.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize as _;
use serde_json::Value;
use tollfree_tests::address::{FREE_SITE, Family, OTHER_SITE, SUBSCRIBERS, socket, subscriber};
use tollfree_tests::laboratory::Laboratory;
use tollfree_tests::namespace::Namespace;
use tollfree_tests::packet_socket::PacketSocket;
use tollfree_tests::process::Process;
use tollfree_tests::scratch::Scratch;
use tollfree_tests::status::{Counter, Status};
use tollfree_tests::topology::{Crossing, stop_merging};
use tollfree_tests::{binary, command, stranger, wait};

/// The program starts and ends at once, unless the machine is very busy.
const LIMIT: Duration = Duration::from_mins(1);

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| binary::build().unwrap())
}

/// `tollfree observe` under way.
struct Observing {
    process: Process,
}

impl Observing {
    fn start(name: &str, command: &mut Command, directory: &Path) -> Self {
        let mut process = Process::start(name, command, directory).unwrap();
        wait::until("frames being read", LIMIT, || {
            process.expect_running()?;
            Ok(process.log()?.contains("observing").then_some(()))
        })
        .unwrap();
        Self { process }
    }

    /// The account that it wrote last.
    fn last(&self) -> Option<Value> {
        let log = self.process.log().unwrap();
        let mut whole =
            log.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.starts_with('{'));
        whole.next_back().map(|line| serde_json::from_str(line).unwrap())
    }

    /// Its last word, and its exit code.
    fn ended(mut self) -> (Value, Option<i32>) {
        let status = self.process.wait(LIMIT).unwrap();
        let last = self.last();
        (last.unwrap_or_else(|| panic!("no account:\n{}", self.process.log_end())), status.code())
    }

    fn end(mut self) -> Value {
        self.process.signal(Signal::SIGTERM).unwrap();
        let (account, code) = self.ended();
        assert_eq!(code, Some(0));
        account
    }
}

/// What `dup` of nftables makes of the gateway's arrivals is what a switch's mirror port gives.
const MIRROR: &str = r#"
table netdev mirror {
    chain access { type filter hook ingress device "acc0" priority 0
        dup to "span0"
    }
    chain core { type filter hook ingress device "core0" priority 0
        dup to "span0"
    }
}
"#;

const SPAN: &str = "link add span0 type veth peer name span1
link set span0 addrgenmode none
link set span1 addrgenmode none
link set span0 up
link set span1 up";

/// Counters of subscribers, as both planes must have them.
fn subscribers_counters(status: &Status) -> Vec<String> {
    let of_subscribers = status.counters.iter().filter(|counter| counter.subscriber.contains('/'));
    let mut rows: Vec<_> = of_subscribers
        .map(|counter| {
            let Counter { subscriber, bucket, reason, rule_id, .. } = counter;
            let usage = counter.usage();
            format!("{subscriber} {bucket} {reason} {rule_id:?} up {} down {}", usage.uplink, usage.downlink)
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn a_mirror_port_gives_the_gateways_own_account() {
    let lab = Laboratory::start(program(), Crossing::Routed).unwrap();
    let gateway = &lab.network.topology.gateway;
    gateway.ip(SPAN).unwrap();
    for end in ["span0", "span1"] {
        stop_merging(gateway, end).unwrap();
    }
    command::run(gateway.command("nft").args(["-f", "-"]), MIRROR).unwrap();
    let directory = lab.network.directory();
    let mut command = gateway.command(program());
    command.args(["observe", "--interface", "span1", "--every", "1", "--json", "--config"]);
    let observing = Observing::start("observe", command.arg(directory.join("gateway.toml")), directory);
    wait::until("the free site's addresses", LIMIT, || {
        let status = observing.last().map(Status::deserialize).transpose()?;
        let known = status.map(|status| status.addresses(FREE_SITE.name)).unwrap_or_default();
        Ok(Family::ALL.iter().all(|family| known.contains(&FREE_SITE.address(*family))).then_some(()))
    })
    .unwrap();
    for family in Family::ALL {
        lab.network.subscriber(0).browse(&FREE_SITE, family).unwrap();
        lab.network.subscriber(1).browse(&OTHER_SITE, family).unwrap();
        lab.network.subscriber(2).ping(&FREE_SITE, family).unwrap();
        let from = socket(FREE_SITE.address(family), 4443);
        let to = socket(subscriber(2, family), 9);
        stranger::send_datagrams(&lab.network.topology.internet, from, to, 5, 972).unwrap();
        stranger::knock(&lab.network.topology.internet, from, to, 2).unwrap();
    }
    let of_gateway = lab.at_rest().unwrap();
    let account = observing.end();
    let of_mirror = Status::deserialize(&account).unwrap();
    let expected = subscribers_counters(&of_gateway.status);
    for word in [" free address \"free-site\"", " charged not-listed", " charged icmp", " charged no-flow"] {
        assert!(expected.iter().any(|row| row.contains(word)), "no {word}: {expected:#?}");
    }
    assert!(expected.len() >= usize::from(SUBSCRIBERS), "{expected:#?}");
    assert_eq!(subscribers_counters(&of_mirror), expected);
    assert_eq!(of_mirror.policy_digest, of_gateway.status.policy_digest);
    assert_reconciled(&account);
    assert_eq!(account["alarms"], Value::Array(Vec::new()));
}

/// Nothing is lost between the NIC, the socket, and the buckets.
#[track_caller]
fn assert_reconciled(account: &Value) {
    for (name, difference) in account["reconciliation"].as_object().unwrap() {
        assert_eq!(*difference, 0, "{name}: {account:#}");
    }
    assert_eq!(account["stats"]["socket-lost"], 0);
}

/// Two namespaces and a link: what `far` sends, `near` observes.
struct Link {
    // Dropped in this order.
    far_socket: PacketSocket,
    far: Namespace,
    near: Namespace,
    scratch: Scratch,
}

const POLICY: &str = r#"[policy]
id = "lab"
legal_basis = "the lab's order"
authority = "the lab"
valid_from = 2020-01-01T00:00:00+07:00

[[site]]
id = "site"
networks = ["203.0.113.0/24"]
evidence = "address"
class = "free"
rating_group = 9001
"#;

impl Link {
    fn create() -> Self {
        let scratch = Scratch::create().expect("the lab needs root and what `cargo xtask setup` installs");
        let [near, far] = ["near", "far"].map(|role| Namespace::create(scratch.id(), role).unwrap());
        near.ip(&format!("link add eth0 type veth peer name eth0 netns {}", far.name())).unwrap();
        for end in [&near, &far] {
            stop_merging(end, "eth0").unwrap();
            end.ip("link set eth0 addrgenmode none\nlink set eth0 up").unwrap();
        }
        let policies = scratch.path().join("policies");
        fs::create_dir(&policies).unwrap();
        fs::write(policies.join("lab.toml"), POLICY).unwrap();
        let far_socket = PacketSocket::open(&far, "eth0").unwrap();
        Self { far_socket, far, near, scratch }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.near.command(program());
        self.add_arguments(&mut command, arguments);
        command
    }

    fn add_arguments(&self, command: &mut Command, arguments: &[&str]) {
        command.args(["observe", "--subscribers", "10.20.0.0/16", "--json", "--policy"]);
        command.arg(self.scratch.path().join("policies")).args(arguments);
    }

    fn observe(&self, arguments: &[&str]) -> Observing {
        let command = &mut self.command(&["--interface", "eth0"]);
        Observing::start("observe", command.args(arguments), self.scratch.path())
    }
}

/// UDP from a subscriber to the site, so many octets of IP.
fn uplink(octets: u16) -> Vec<u8> {
    let mut frame = vec![2; 12];
    let [high, low] = octets.to_be_bytes();
    frame.extend([8, 0, 0x45, 0, high, low, 0, 1, 0, 0, 64, 17, 0, 0, 10, 20, 0, 11, 203, 0, 113, 10]);
    let [high, low] = (octets - 20).to_be_bytes();
    frame.extend([0x13, 0x88, 1, 0xbb, high, low, 0, 0]);
    frame.resize(14 + usize::from(octets), 0);
    frame
}

#[test]
fn frames_that_the_machine_sends_itself_are_not_counted() {
    let link = Link::create();
    let observing = link.observe(&["--packets", "7"]);
    let near_socket = PacketSocket::open(&link.near, "eth0").unwrap();
    (0..5).for_each(|_| near_socket.send(&uplink(1000)).unwrap());
    (0..7).for_each(|_| link.far_socket.send(&uplink(100)).unwrap());
    let (account, code) = observing.ended();
    assert_eq!(code, Some(0));
    let counters = account["counters"].as_array().unwrap();
    assert_eq!(counters.len(), 1, "{counters:#?}");
    for (field, expected) in [
        ("subscriber", Value::from("10.20.0.11/32")),
        ("bucket", "free".into()),
        ("rule_id", "site".into()),
        ("rating_group", 9001.into()),
        ("uplink_packets", 7.into()),
        ("uplink_octets", 700.into()),
        ("downlink_packets", 0.into()),
    ] {
        assert_eq!(counters[0][field], expected, "{field}");
    }
    let interface = &account["interfaces"][0];
    assert_eq!([&interface["role"], &interface["mode"]], ["mirror", "af-packet"]);
    assert_eq!(interface["seen"]["octets"], 7 * 114);
    assert_eq!(interface["nic"]["octets"], 7 * 114);
    assert_reconciled(&account);
}

/// The kernel takes the outermost tag off before a packet socket sees the frame, which the NIC has counted with it.
#[test]
fn a_tagged_frame_is_counted_without_its_outermost_tag() {
    let link = Link::create();
    let observing = link.observe(&["--packets", "2"]);
    let tag = [0x81, 0, 0, 100];
    let mut frame = uplink(100);
    frame.splice(12..12, tag);
    link.far_socket.send(&frame).unwrap();
    frame.splice(12..12, [0x88, 0xa8, 0, 200]);
    link.far_socket.send(&frame).unwrap();
    let (account, _) = observing.ended();
    assert_eq!(account["totals"]["free"], serde_json::json!({ "packets": 2, "octets": 200 }));
    assert_eq!(account["interfaces"][0]["seen"]["octets"], 114 + 118);
    assert_eq!(account["interfaces"][0]["nic"]["octets"], 118 + 122);
}

#[test]
fn what_the_socket_has_no_room_for_is_counted_as_lost() {
    const FRAMES: u64 = 80_000;
    let link = Link::create();
    let mut observing = link.observe(&[]);
    observing.process.signal(Signal::SIGSTOP).unwrap();
    let frame = uplink(1400);
    (0..FRAMES).for_each(|_| link.far_socket.send(&frame).unwrap());
    observing.process.signal(Signal::SIGCONT).unwrap();
    let account = observing.end();
    let number = |value: &Value| value.as_u64().unwrap();
    let interface = &account["interfaces"][0];
    let [seen, nic] = ["seen", "nic"].map(|place| number(&interface[place]["packets"]));
    let lost = number(&account["stats"]["socket-lost"]);
    assert!(lost > 0 && seen > 0, "{account:#}");
    assert_eq!(seen + lost, nic);
    assert_eq!(account["reconciliation"]["nic_difference_packets"], lost);
    assert_eq!(account["counters"][0]["uplink_packets"], seen);
    let alarms = account["alarms"].as_array().unwrap();
    assert_eq!(alarms.len(), 1);
    assert!(alarms[0].as_str().unwrap().starts_with("socket-lost: "), "{alarms:?}");
}

/// A configuration with its sockets in the lab's directory.
fn configure(link: &Link) -> PathBuf {
    let home = link.scratch.path();
    let path = home.join("gateway.toml");
    let text = format!(
        r#"[gateway]
id = "mirror"
run_dir = "{}/run"

[[interface]]
name = "eth0"
role = "access"

[subscribers]
pools = ["10.20.0.0/16"]
"#,
        home.display()
    );
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn status_is_answered_and_an_interface_may_go_down_and_away() {
    let link = Link::create();
    let config = configure(&link);
    let config = config.to_str().unwrap();
    let observing = link.observe(&["--serve", "--config", config]);
    let status = || -> anyhow::Result<Value> {
        let mut command = Command::new(program());
        Ok(serde_json::from_str(&command::run(command.args(["status", "--json", "--config", config]), "")?)?)
    };
    link.far_socket.send(&uplink(100)).unwrap();
    let answer = status().unwrap();
    assert_eq!(answer["gateway"], "mirror");
    assert_eq!(answer["totals"]["free"]["octets"], 100);
    let second = command::output(
        &mut link.command(&["--interface", "eth0", "--serve", "--config", config]),
        "",
        LIMIT,
    );
    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(11), "{}", second.stderr);
    link.near.ip("link set eth0 down").unwrap();
    wait::until("the interface down", LIMIT, || Ok((status()?["stats"]["went-down"] == 1).then_some(())))
        .unwrap();
    link.near.ip("link set eth0 up").unwrap();
    wait::until("frames again", LIMIT, || {
        // A link that has just come up may still refuse.
        let _ = link.far_socket.send(&uplink(100));
        Ok((status()?["totals"]["free"]["packets"].as_u64() > Some(1)).then_some(()))
    })
    .unwrap();
    link.near.ip("link del eth0").unwrap();
    let mut process = observing.process;
    assert_eq!(process.wait(LIMIT).unwrap().code(), Some(6), "{}", process.log_end());
    let log = process.log().unwrap();
    assert!(log.contains("there is no interface \"eth0\""), "{log}");
}

#[test]
fn merged_packets_and_names_without_a_resolver_are_told() {
    let link = Link::create();
    command::run(link.near.command("ethtool").args(["-K", "eth0", "gro", "on"]), "").unwrap();
    let named = POLICY.replace("networks = [\"203.0.113.0/24\"]", "domains = [\"moh.example.vn\"]");
    fs::write(link.scratch.path().join("policies/lab.toml"), named).unwrap();
    let account = link.observe(&[]).end();
    let alarms: Vec<_> = account["alarms"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    assert!(
        alarms[0].starts_with("merging: ") && alarms[0].contains("ethtool -K eth0 gro off"),
        "{alarms:?}"
    );
    assert!(alarms[1].starts_with("names: ") && alarms[1].contains("--resolver"), "{alarms:?}");
}

/// The exit codes are those of docs/operators.md.
#[test]
fn one_capability_is_enough_and_what_is_wrong_has_its_exit_code() {
    let link = Link::create();
    link.far.ip("link set eth0 down").unwrap();
    link.near.ip("link add down0 type veth peer name down1").unwrap();
    let exit = |capabilities: &str, interface: &str| {
        let mut command = link.near.command("setpriv");
        command.arg(format!("--bounding-set={capabilities}")).arg(format!("--inh-caps={capabilities}"));
        command.arg(program());
        link.add_arguments(&mut command, &["--interface", interface, "--duration", "1"]);
        let output = command::output(&mut command, "", LIMIT).unwrap();
        (output.status.code(), output.stderr)
    };
    for (capabilities, interface, code, words) in [
        ("-all,+net_raw", "eth0", 0, "observing"),
        ("-net_raw", "eth0", 5, "CAP_NET_RAW"),
        ("-all,+net_raw", "no-such-if0", 6, "`ip link`"),
        ("-all,+net_raw", "down0", 19, "ip link set down0 up"),
        ("-all,+net_raw", "lo", 19, "not Ethernet"),
    ] {
        let (ended, said) = exit(capabilities, interface);
        assert_eq!(ended, Some(code), "{interface}: {said}");
        assert!(said.contains(words), "{said}");
    }
}
