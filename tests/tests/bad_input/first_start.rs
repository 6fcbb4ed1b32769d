//! Where nothing ran before: a start that fails leaves nothing.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use aya::programs::XdpMode;
use jiff::Timestamp;
use serde_json::Value;
use tollfree::book::{Answer, SavedAnswers, Source};
use tollfree::ledger::Ledger;
use tollfree::resolve::Security;
use tollfree_tests::command::{self, Output};

use crate::machine::{
    BINARY, FAULTY_POLICY, INTERFACES, LIMIT, METRICS, Machine, NAMED_POLICY, assert_refused, stop,
};
use crate::other_program::OtherProgram;

/// The user `nobody` of Debian.
const NOBODY: &str = "65534";

/// Runs a command of the program as `nobody`, from a copy that `nobody` can read.
fn as_nobody(machine: &Machine, command: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("tollfree");
    fs::copy(&*BINARY, &copy).unwrap();
    let mut setpriv = machine.inside.command("setpriv");
    setpriv.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(copy);
    setpriv.arg(command).arg("--config").arg(machine.path("gateway.toml"));
    command::output(&mut setpriv, "", LIMIT).unwrap()
}

#[test]
fn without_root_nothing_is_done() {
    let machine = Machine::new();
    // Whose modes allow everything, so that it is not they that refuse.
    for directory in ["state", "run"] {
        fs::set_permissions(machine.path(directory), fs::Permissions::from_mode(0o777)).unwrap();
    }
    for command in ["run", "detach"] {
        assert_refused(&as_nobody(&machine, command), 5, &["needs root", "sudo"]);
    }
    for directory in ["state", "run"] {
        assert_eq!(fs::read_dir(machine.path(directory)).unwrap().count(), 0, "a file in {directory}");
    }
    machine.assert_nothing_applied();
    let controller = machine.start();
    assert_refused(&as_nobody(&machine, "status"), 5, &["root", "sudo"]);
    drop(controller);
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let machine = Machine::new();
    machine.change("core0", "core9");
    assert_refused(&machine.run(), 6, &["core9", "`ip link`", "[[interface]]"]);
    machine.assert_nothing_applied();
}

#[test]
fn another_program_is_left_alone() {
    let machine = Machine::new();
    let [first, second] = INTERFACES;
    // On the second one the first has to be taken back.
    for (interface, mode) in [(second, XdpMode::Driver), (first, XdpMode::Skb)] {
        let other = OtherProgram::attach(&machine, interface, mode);
        refused_by_other_program(&machine, interface);
        drop(other);
        machine.assert_nothing_applied();
    }
    OtherProgram::attach_unlinked(&machine, first);
    refused_by_other_program(&machine, first);
}

#[track_caller]
fn refused_by_other_program(machine: &Machine, interface: &str) {
    let before = machine.programs();
    assert_eq!(before["xdp"].as_array().map(Vec::len), Some(1), "{before}");
    assert_refused(&machine.run(), 7, &[interface, "ip link show", "xdp off"]);
    assert_eq!(machine.programs(), before);
    machine.assert_nothing_pinned();
}

#[test]
fn a_plain_directory_is_no_bpf_file_system() {
    let machine = Machine::new();
    let plain = machine.path("plain");
    machine.change(&machine.pins().display().to_string(), &plain.display().to_string());
    for command in ["run", "detach"] {
        assert_refused(&machine.output(command), 8, &["plain", "mount -t bpf", "gateway.bpffs"]);
    }
    fs::create_dir(&plain).unwrap();
    assert_refused(&machine.run(), 8, &["plain", "mount -t bpf", "gateway.bpffs"]);
    assert_eq!(fs::read_dir(&plain).unwrap().count(), 0);
    machine.assert_nothing_applied();
}

#[test]
fn what_the_kernel_refuses_is_taken_back() {
    let machine = Machine::new();
    let obstacle = machine.pins().join("STATS");
    fs::create_dir_all(&obstacle).unwrap();
    assert_refused(&machine.run(), 9, &["refused", "STATS"]);
    assert_eq!(fs::read_dir(machine.pins()).unwrap().count(), 1, "all but the obstacle is gone");
    assert_eq!(machine.programs()["xdp"], Value::Array(vec![]));
    fs::remove_dir(&obstacle).unwrap();
    stop(machine.start());
}

#[test]
fn an_unreadable_configuration_is_refused_by_every_command() {
    let machine = Machine::new();
    let file = machine.path("gateway.toml");
    fs::remove_file(&file).unwrap();
    refused_by_every_command(&machine, &["gateway.toml:", "help: check the path"]);
    fs::create_dir(&file).unwrap();
    refused_by_every_command(&machine, &["gateway.toml:", "not a regular file"]);
    fs::remove_dir(&file).unwrap();
    fs::write(&file, b"[gateway]\nid = \"\xff\"\n").unwrap();
    refused_by_every_command(&machine, &["gateway.toml:", "help: save the file as UTF-8"]);
    machine.assert_nothing_applied();
}

#[track_caller]
fn refused_by_every_command(machine: &Machine, words: &[&str]) {
    for command in ["run", "status", "check", "detach"] {
        assert_refused(&machine.output(command), 3, words);
    }
}

#[test]
fn a_faulty_configuration_shows_where() {
    let machine = Machine::new();
    machine.change("role = \"access\"", "role = \"sideways\"");
    // By hand: `role` is in the twelfth line, and its value begins at the eighth character.
    let place = format!("{}:12:8: ", machine.path("gateway.toml").display());
    refused_by_every_command(&machine, &[&place, "sideways", "help: write \"access\""]);
    machine.assert_nothing_applied();
}

#[test]
fn a_first_start_needs_policies_without_faults() {
    let machine = Machine::new();
    machine.write("policies/lab.toml", FAULTY_POLICY);
    let place = format!("{}:9:13: ", machine.path("policies/lab.toml").display());
    for command in ["run", "check"] {
        assert_refused(&machine.output(command), 4, &[&place, "203.0.113.1/24", "help: "]);
    }
    machine.assert_nothing_applied();
    fs::remove_dir_all(machine.path("policies")).unwrap();
    for command in ["run", "check"] {
        assert_refused(&machine.output(command), 4, &["policies:", "help: check the path"]);
    }
    machine.assert_nothing_applied();
}

/// A resolver that hears everything and says nothing, and how it is configured.
fn silent_resolver(machine: &Machine) -> (UdpSocket, String) {
    let socket = machine.inside.within(|| Ok(UdpSocket::bind("127.0.0.1:0")?)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, format!("[resolver]\nservers = [\"{address}\"]\ntimeout = \"500ms\"\n"))
}

#[test]
fn a_silent_resolver_is_not_waited_for() {
    let machine = Machine::new();
    machine.write("policies/lab.toml", NAMED_POLICY);
    assert_refused(&machine.run(), 12, &["no resolver is configured", "servers"]);
    machine.assert_nothing_applied();
    let (socket, settings) = silent_resolver(&machine);
    machine.extend(&settings);
    let started = Instant::now();
    let output = machine.run();
    let address = socket.local_addr().unwrap().to_string();
    assert_refused(&output, 12, &[&address, "500ms", "check their addresses"]);
    // The timeout, and what an unoptimised build takes to start.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(socket.set_nonblocking(true).and_then(|()| socket.recv(&mut [0; 512])).is_ok(), "never asked");
    machine.assert_nothing_applied();
}

#[test]
fn earlier_answers_do_without_a_resolver() {
    let machine = Machine::new();
    machine.write("policies/lab.toml", NAMED_POLICY);
    let address = "203.0.113.10".parse().unwrap();
    let answer = Answer {
        learned_at: Timestamp::now(),
        ttl: Duration::from_mins(1),
        security: Security::Unchecked,
        resolver: None,
        chain: [].into(),
    };
    let answers = vec![(Source::Resolver, answer)];
    let saved = SavedAnswers { name: "portal.example.vn".into(), address, answers };
    let mut ledger = Ledger::open(&machine.path("state/ledger.sqlite")).unwrap();
    ledger.save_answers(&[saved]).unwrap();
    drop(ledger);
    let (_socket, settings) = silent_resolver(&machine);
    machine.extend(&settings);
    let controller = machine.start();
    let status = machine.status();
    assert_eq!(status["rules"][0]["rule_id"], "portal");
    let names = status["names"].as_array().unwrap();
    assert!(names.iter().any(|name| name["addresses"][0] == "203.0.113.10"), "{names:?}");
    let warned = || {
        let log = controller.log()?;
        Ok((log.contains("WARN") && log.contains("no resolver answers within")).then_some(()))
    };
    tollfree_tests::wait::until("the warning", LIMIT, warned).unwrap();
    stop(controller);
}

#[test]
fn a_metrics_address_in_use_is_named() {
    let machine = Machine::new();
    let _other = machine.inside.within(|| Ok(TcpListener::bind(METRICS)?)).unwrap();
    machine.extend(&format!("[export.prometheus]\nlisten = \"{METRICS}\"\n"));
    assert_refused(&machine.run(), 17, &[METRICS, "in use", "export.prometheus.listen"]);
    machine.assert_nothing_applied();
}

#[test]
fn a_ledger_that_cannot_be_written_says_why() {
    let machine = Machine::new();
    let state = machine.path("state");
    let mut unshare = Command::new("unshare");
    let mounted = "mount -t tmpfs -o ro none \"$0\" && exec \"$@\"";
    unshare.args(["--mount", "sh", "-c", mounted]).arg(&state);
    let command = machine.command(&["run"]);
    unshare.arg(command.get_program()).args(command.get_args());
    let output = command::output(&mut unshare, "", LIMIT).unwrap();
    assert_refused(&output, 13, &["state/ledger.sqlite", "gateway.state_dir"]);
    fs::remove_dir(&state).unwrap();
    assert_refused(&machine.run(), 13, &["state/ledger.sqlite", "gateway.state_dir"]);
    assert!(!state.exists());
    machine.assert_nothing_applied();
}

#[test]
fn a_corrupt_ledger_is_not_overwritten() {
    let machine = Machine::new();
    let ledger = machine.path("state/ledger.sqlite");
    let garbage = [b'x'; 8192];
    fs::write(&ledger, garbage).unwrap();
    assert_refused(&machine.run(), 13, &["ledger.sqlite", "damaged", "restore a copy"]);
    assert_eq!(fs::read(&ledger).unwrap(), garbage);
    machine.assert_nothing_applied();
}

#[test]
fn an_audit_key_that_cannot_be_read_or_others_can_is_refused() {
    let machine = Machine::new();
    let key = machine.path("state/audit.key");
    fs::create_dir(&key).unwrap();
    assert_refused(&machine.run(), 14, &["cannot read", "audit.key"]);
    fs::remove_dir(&key).unwrap();
    fs::write(&key, "no key\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert_refused(&machine.run(), 14, &["audit.key", "644", "chmod 600"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert_refused(&machine.run(), 14, &["audit.key", "restore it from a copy"]);
    assert_eq!(fs::read(&key).unwrap(), b"no key\n");
    machine.assert_nothing_applied();
}

#[test]
fn an_audit_key_of_another_user_needs_a_capability() {
    let machine = Machine::new();
    let key = machine.path("state/audit.key");
    fs::write(&key, "no key\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&key, Some(65534), None).unwrap();
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    let command = machine.command(&["run"]);
    setpriv.arg(command.get_program()).args(command.get_args());
    let output = command::output(&mut setpriv, "", LIMIT).unwrap();
    assert_refused(&output, 14, &["audit.key", "ermission", "owner"]);
    machine.assert_nothing_applied();
}

#[test]
fn without_a_controller_there_is_no_status_and_nothing_to_detach() {
    let machine = Machine::new();
    assert_refused(&machine.output("status"), 15, &["tollfree.sock", "is `tollfree run` running"]);
    for _ in 0..2 {
        let output = machine.output("detach");
        assert!(output.status.success(), "{}", output.stderr);
        assert_eq!(output.stdout, "detached from 0 interfaces\n");
    }
    machine.assert_nothing_applied();
}
