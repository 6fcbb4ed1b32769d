//! With the data plane of an earlier controller: a start that fails leaves it as it is.

use std::fs;
use std::net::TcpListener;

use aya::maps::{Array, Map, MapData};
use aya::programs::XdpMode;
use tollfree_core::layout::{LAYOUT_VERSION, LayoutEntry};

use crate::machine::{FAULTY_POLICY, METRICS, Machine, assert_refused, stop};
use crate::other_program::OtherProgram;

/// A gateway that counted something, and whose controller has ended.
fn stopped() -> Machine {
    let machine = Machine::new();
    let controller = machine.start();
    machine.send(5);
    stop(controller);
    assert_eq!(machine.kernel().programs_on_interfaces(), 2);
    machine
}

/// A start is refused, and the kernel's side is what it was.
#[track_caller]
fn assert_untouched(machine: &Machine, code: i32, words: &[&str]) {
    let before = machine.kernel();
    assert_refused(&machine.run(), code, words);
    machine.kernel().assert_same(&before);
}

#[test]
fn maps_of_another_layout_are_not_touched() {
    let machine = stopped();
    let pinned = MapData::from_pin(machine.pins().join("LAYOUT")).unwrap();
    let mut layout: Array<_, LayoutEntry> = Map::Array(pinned).try_into().unwrap();
    let own = layout.get(&0, 0).unwrap();
    let version = LAYOUT_VERSION + 1;
    layout.set(0, LayoutEntry { version, ..own }, 0).unwrap();
    let found = format!("layout {version}, this build has {LAYOUT_VERSION}");
    assert_untouched(&machine, 10, &[&found, "tollfree detach"]);
    layout.set(0, own, 0).unwrap();
    let before = machine.kernel();
    let controller = machine.start();
    let status = machine.status();
    assert_eq!(status["instance"], format!("{:016x}", own.instance));
    assert_eq!(status["totals"]["charged"]["packets"], 5);
    stop(controller);
    assert_ne!(
        machine.kernel().programs,
        before.programs,
        "a start replaces them, so ids tell programs apart"
    );
}

#[test]
fn settings_that_cannot_be_put_in_force_leave_the_old_ones() {
    let machine = stopped();
    machine.change("core0", "core9");
    assert_untouched(&machine, 6, &["core9"]);
    machine.change("\"access\"", "\"sideways\"");
    assert_untouched(&machine, 3, &["sideways"]);
    machine.change("[limits]", &format!("[export.prometheus]\nlisten = \"{METRICS}\"\n[limits]"));
    let other = machine.inside.within(|| Ok(TcpListener::bind(METRICS)?)).unwrap();
    assert_untouched(&machine, 17, &[METRICS]);
    drop(other);
}

#[test]
fn a_new_interface_that_is_taken_leaves_the_others_as_they_are() {
    let machine = stopped();
    machine.add_link("core1");
    let other = OtherProgram::attach(&machine, "core1", XdpMode::Driver);
    // Other pools and tags, which must not be in force either.
    machine.change(
        "[subscribers]\npools = [\"10.20.0.0/16\"]",
        "[[interface]]\nname = \"core1\"\nrole = \"core\"\n[subscribers]\npools = [\"10.21.0.0/16\"]",
    );
    assert_untouched(&machine, 7, &["core1"]);
    drop(other);
    stop(machine.start());
    assert_eq!(machine.kernel().programs_on_interfaces(), 3);
}

#[test]
fn damaged_state_leaves_the_data_plane() {
    let machine = stopped();
    let [ledger, head] = ["state/ledger.sqlite", "state/audit.key.head"].map(|name| machine.path(name));
    let tile = machine.path("state/audit/tile/entries/000.p");
    let entries = fs::read_dir(&tile).unwrap().next().unwrap().unwrap().path();
    for (file, code, words) in [
        (&ledger, 13, ["ledger.sqlite", "restore a copy"]),
        (&head, 14, ["audit.key.head", "restore it from a copy"]),
        (&entries, 14, ["entries", "restore the published log"]),
    ] {
        let octets = fs::read(file).unwrap();
        fs::write(file, vec![b'x'; octets.len()]).unwrap();
        assert_untouched(&machine, code, &words);
        fs::write(file, octets).unwrap();
    }
    fs::rename(&head, machine.path("elsewhere")).unwrap();
    assert_untouched(&machine, 14, &["audit.key.head is missing", "copy"]);
    fs::rename(machine.path("elsewhere"), &head).unwrap();
    stop(machine.start());
}

#[test]
fn a_faulty_policy_leaves_the_one_in_force() {
    let machine = stopped();
    machine.write("policies/lab.toml", FAULTY_POLICY);
    let controller = machine.start();
    let status = machine.status();
    assert_eq!(status["epoch"], 1);
    assert_eq!(status["rules"][0]["rule_id"], "conference");
    assert!(status["policy_faults"][0].as_str().unwrap().contains("lab.toml:9:13: "));
    stop(controller);
}
