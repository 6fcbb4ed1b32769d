//! A gateway's machine, with nothing wrong yet: two links, a configuration, a policy, and the program.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;
use std::{fs, io};

use nix::sys::signal::Signal;
use serde_json::Value;
use tollfree_tests::command::{self, Output};
use tollfree_tests::namespace::Namespace;
use tollfree_tests::process::Process;
use tollfree_tests::scratch::Scratch;
use tollfree_tests::{binary, wait};

/// From the start to the answer, and from the signal to the end, on a busy machine and with an unoptimised build.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Interfaces of the configuration, in its order.
pub(crate) const INTERFACES: [&str; 2] = ["acc0", "core0"];
/// Where the metrics are.
pub(crate) const METRICS: &str = "127.0.0.1:9469";

/// A ring buffer has no keys to look up; and a table that is long, and never changes alone.
const NOT_DUMPED: [&str; 2] = ["COPIES", "MATCH_SETS"];

/// The program under test.
pub(crate) static BINARY: LazyLock<PathBuf> = LazyLock::new(|| binary::build().expect("tollfree builds"));

/// The machine. Removed on drop: first what runs in it.
pub(crate) struct Machine {
    outside: Namespace,
    pub(crate) inside: Namespace,
    scratch: Scratch,
}

/// All that the program keeps in the kernel.
pub(crate) struct Kernel {
    /// Programs on interfaces, by their ids.
    pub(crate) programs: Value,
    pins: BTreeSet<PathBuf>,
    /// The pinned maps' content.
    maps: BTreeMap<PathBuf, String>,
}

impl Kernel {
    #[track_caller]
    pub(crate) fn assert_same(&self, before: &Self) {
        assert_eq!(self.programs, before.programs);
        assert_eq!(self.pins, before.pins);
        // Without their content, which is long.
        let is_changed = |(name, text): &(&PathBuf, &String)| before.maps.get(*name) != Some(*text);
        let changed: Vec<_> = self.maps.iter().filter(is_changed).map(|(name, _)| name).collect();
        assert!(changed.is_empty(), "changed: {changed:?}");
    }

    /// Without the control word: every reading of the status changes its counter bank, and says its epoch.
    pub(crate) fn without_control(mut self) -> Self {
        self.maps.retain(|map, _| !map.ends_with("CONTROL"));
        self
    }

    /// How many interfaces have an XDP program.
    pub(crate) fn programs_on_interfaces(&self) -> usize {
        self.programs["xdp"].as_array().map_or(0, Vec::len)
    }
}

impl Machine {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::create().expect("the tests need root and what `cargo xtask setup` installs");
        let [inside, outside] =
            ["in", "out"].map(|role| Namespace::create(scratch.id(), role).expect("a namespace"));
        let machine = Self { outside, inside, scratch };
        for interface in INTERFACES {
            machine.add_link(interface);
        }
        let subscriber = "addr add 10.20.0.11/32 dev acc0
neigh add 10.20.0.1 lladdr 02:00:00:00:00:01 dev acc0 nud permanent
route add default via 10.20.0.1 dev acc0 onlink";
        machine.outside.ip(subscriber).unwrap();
        for directory in ["policies", "state", "run"] {
            fs::create_dir(machine.path(directory)).unwrap();
        }
        machine.write("gateway.toml", &machine.settings());
        machine.write("policies/lab.toml", POLICY);
        machine
    }

    /// A link into the machine whose ends have the same name, and which carries nothing by itself.
    pub(crate) fn add_link(&self, name: &str) {
        for namespace in [&self.inside, &self.outside] {
            namespace.shell("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6").unwrap();
        }
        let outside = self.outside.name();
        self.inside.ip(&format!("link add {name} type veth peer name {name} netns {outside}")).unwrap();
        for namespace in [&self.inside, &self.outside] {
            namespace.ip(&format!("link set {name} up")).unwrap();
        }
    }

    /// A file of the machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        // By rename, so that a running controller never reads half of it.
        let temporary = self.path(".new");
        fs::write(&temporary, text).unwrap();
        fs::rename(&temporary, self.path(name)).unwrap();
    }

    /// The directory on a bpf file system that the configuration names.
    pub(crate) fn pins(&self) -> PathBuf {
        self.scratch.bpffs().join("tollfree")
    }

    /// Writes the configuration with `from` replaced.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let settings = self.settings();
        assert!(settings.contains(from), "no {from} in the settings");
        self.write("gateway.toml", &settings.replace(from, to));
    }

    /// Adds tables to the configuration.
    pub(crate) fn extend(&self, tables: &str) {
        self.write("gateway.toml", &format!("{}\n{tables}", self.settings()));
    }

    /// A command of the program, inside the machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.inside.command(&*BINARY);
        command.args(arguments).arg("--config").arg(self.path("gateway.toml"));
        command
    }

    /// Does one command to its end.
    pub(crate) fn output(&self, command: &str) -> Output {
        command::output(&mut self.command(&[command]), "", LIMIT).unwrap()
    }

    /// `tollfree run` that is expected to end by itself.
    pub(crate) fn run(&self) -> Output {
        self.output("run")
    }

    /// `tollfree run` in the background, once it answers.
    pub(crate) fn start(&self) -> Process {
        let mut process =
            Process::start("tollfree", &mut self.command(&["run"]), self.scratch.path()).unwrap();
        wait::until("an answer of the controller", LIMIT, || {
            process.expect_running()?;
            Ok(self.answer())
        })
        .unwrap();
        process
    }

    /// What a running controller says.
    pub(crate) fn status(&self) -> Value {
        self.answer().expect("an answer of the controller")
    }

    /// What a running controller says once that is as it should be.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        wait::until("the controller's new state", LIMIT, || Ok(Some(self.status()).filter(&wanted))).unwrap()
    }

    fn answer(&self) -> Option<Value> {
        let output = command::output(&mut self.command(&["status", "--json"]), "", LIMIT).unwrap();
        output.status.success().then(|| serde_json::from_str(&output.stdout).unwrap())
    }

    /// Has a subscriber send so many datagrams.
    pub(crate) fn send(&self, datagrams: u8) {
        let work = || {
            let socket = UdpSocket::bind("10.20.0.11:0")?;
            (0..datagrams).try_for_each(|_| socket.send_to(b"hello", "192.0.2.9:9").map(drop))?;
            Ok(())
        };
        self.outside.within(work).unwrap();
    }

    /// Has each of these subscribers, of 10.20.16.0/20, send one datagram.
    pub(crate) fn send_from(&self, subscribers: impl Iterator<Item = Ipv4Addr> + Send) {
        self.outside.ip("link set lo up\nroute replace local 10.20.16.0/20 dev lo").unwrap();
        let work = || {
            for subscriber in subscribers {
                UdpSocket::bind((subscriber, 0))?.send_to(b"hello", "192.0.2.9:9")?;
            }
            Ok(())
        };
        self.outside.within(work).unwrap();
    }

    /// What is in the kernel now.
    pub(crate) fn kernel(&self) -> Kernel {
        let pins = if self.pins().exists() { files(&self.pins()).unwrap() } else { BTreeSet::new() };
        let is_map = |path: &&PathBuf| !path.starts_with(self.pins().join("links"));
        let is_dumped = |path: &&PathBuf| !NOT_DUMPED.iter().any(|map| path.ends_with(map));
        let dump = |path: &PathBuf| {
            let mut bpftool = Command::new("bpftool");
            let text = command::run(bpftool.args(["-j", "map", "dump", "pinned"]).arg(path), "").unwrap();
            (path.clone(), text)
        };
        let maps = pins.iter().filter(is_map).filter(is_dumped).map(dump).collect();
        Kernel { programs: self.programs(), pins, maps }
    }

    /// How many entries a pinned map has.
    pub(crate) fn entries(&self, map: &str) -> usize {
        let mut bpftool = Command::new("bpftool");
        let dump = bpftool.args(["-j", "map", "dump", "pinned"]).arg(self.pins().join(map));
        serde_json::from_str::<Vec<Value>>(&command::run(dump, "").unwrap()).unwrap().len()
    }

    /// XDP and tc programs on the machine's interfaces.
    pub(crate) fn programs(&self) -> Value {
        let text = command::run(self.inside.command("bpftool").args(["-j", "net", "show"]), "").unwrap();
        serde_json::from_str::<Value>(&text).unwrap()[0].take()
    }

    /// Nothing is attached, nothing pinned, and nobody answers.
    #[track_caller]
    pub(crate) fn assert_nothing_applied(&self) {
        let programs = self.programs();
        assert_eq!((&programs["xdp"], &programs["tc"]), (&Value::Array(vec![]), &Value::Array(vec![])));
        self.assert_nothing_pinned();
    }

    #[track_caller]
    pub(crate) fn assert_nothing_pinned(&self) {
        assert!(!self.pins().exists(), "pinned: {:?}", files(&self.pins()));
        assert!(self.answer().is_none());
    }

    fn settings(&self) -> String {
        let home = self.scratch.path().display();
        let [access, core] = INTERFACES;
        format!(
            r#"[gateway]
id = "bad-input"
state_dir = "{home}/state"
run_dir = "{home}/run"
bpffs = "{}"

[policy]
directory = "{home}/policies"

[[interface]]
name = "{access}"
role = "access"

[[interface]]
name = "{core}"
role = "core"

[subscribers]
pools = ["10.20.0.0/16"]

[tag.free]
dscp = 10
mark = 16

[limits]
counters = 1024
flows = 1024
"#,
            self.pins().display()
        )
    }
}

/// The lab's policy with this site, its keys from the eighth line on.
macro_rules! policy {
    ($site:literal) => {
        concat!(
            r#"[policy]
id = "lab"
legal_basis = "the lab's order"
authority = "the lab"
valid_from = 2020-01-01T00:00:00+07:00

[[site]]
"#,
            $site
        )
    };
}

/// One policy that needs no resolver.
pub(crate) const POLICY: &str = policy!(
    r#"id = "conference"
networks = ["203.0.113.0/24"]
evidence = "address"
class = "free"
rating_group = 9002
"#
);

/// The same, with a name, so that it does need one.
pub(crate) const NAMED_POLICY: &str = policy!(
    r#"id = "portal"
domains = ["portal.example.vn"]
evidence = "address"
class = "free"
rating_group = 9001
"#
);

/// The policy with a fault: host bits, at the 13th character of the ninth line.
pub(crate) const FAULTY_POLICY: &str = policy!(
    r#"id = "conference"
networks = ["203.0.113.1/24"]
evidence = "address"
class = "free"
rating_group = 9002
"#
);

/// Ends a controller as a service manager would.
#[track_caller]
pub(crate) fn stop(mut process: Process) {
    process.signal(Signal::SIGTERM).unwrap();
    let status = process.wait(LIMIT).unwrap();
    assert!(status.success(), "{status}\n{}", process.log_end());
}

/// Every file under `directory`.
pub(crate) fn files(directory: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.insert(path);
        }
    }
    Ok(found)
}

/// The program ended with this code, and its message has all of these words.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let Output { status, stderr, .. } = output;
    assert_eq!(status.code(), Some(code), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}
