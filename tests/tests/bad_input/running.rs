//! While a controller runs: what it holds is not taken from it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tollfree_tests::{audit, command};

use crate::machine::{BINARY, FAULTY_POLICY, LIMIT, Machine, POLICY, assert_refused, files, stop};
use crate::other_program::OtherProgram;

#[test]
fn there_is_one_controller_at_a_time() {
    let machine = Machine::new();
    let controller = machine.start();
    machine.send(3);
    let before = machine.kernel();
    for command in ["run", "detach"] {
        assert_refused(&machine.output(command), 11, &["run/lock", "stop it first"]);
    }
    machine.kernel().assert_same(&before);
    assert_eq!(machine.status()["epoch"], 1);
    stop(controller);
    assert_eq!(machine.kernel().programs_on_interfaces(), 2);
    detach(&machine, 2);
    detach(&machine, 0);
    machine.assert_nothing_applied();
}

#[track_caller]
fn detach(machine: &Machine, interfaces: usize) {
    let output = machine.output("detach");
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!(output.stdout, format!("detached from {interfaces} interfaces\n"));
}

#[test]
fn detaching_leaves_what_is_not_its_own() {
    let machine = Machine::new();
    let root = machine.pins().with_file_name("");
    // A directory that belongs to everybody.
    let [own, shared] = [machine.pins(), root.clone()].map(|path| format!("bpffs = \"{}\"", path.display()));
    machine.change(&own, &shared);
    let others = root.join("others");
    fs::create_dir(&others).unwrap();
    OtherProgram::pin(&root.join("other"));
    OtherProgram::pin(&others.join("other"));
    let before = files(&root).unwrap();
    assert!(before.contains(&root.join("other")) && before.contains(&others.join("other")), "{before:?}");
    stop(machine.start());
    assert!(files(&root).unwrap().len() > before.len());
    detach(&machine, 2);
    assert_eq!(files(&root).unwrap(), before);
    assert!(!root.join("links").exists());
    machine.assert_nothing_applied();
}

#[test]
fn a_faulty_policy_changes_nothing_until_it_is_mended() {
    let machine = Machine::new();
    let controller = machine.start();
    let before = machine.kernel().without_control();
    let status = machine.status();
    assert_eq!(status["policy_faults"], Value::Array(vec![]));
    machine.write("policies/lab.toml", FAULTY_POLICY);
    let faulty = machine.wait_for(|status| status["policy_faults"] != Value::Array(vec![]));
    let fault = faulty["policy_faults"][0].as_str().unwrap();
    let place = format!("{}:9:13: ", machine.path("policies/lab.toml").display());
    assert!(fault.starts_with(&place) && fault.contains("help: "), "{fault}");
    for unchanged in ["epoch", "policy_digest", "rules", "instance"] {
        assert_eq!(faulty[unchanged], status[unchanged]);
    }
    machine.kernel().without_control().assert_same(&before);
    machine.write("policies/lab.toml", &POLICY.replace("9002", "9003"));
    let mended = machine.wait_for(|status| status["policy_faults"] == Value::Array(vec![]));
    assert_eq!((&mended["epoch"], &mended["rules"][0]["rating_group"]), (&2.into(), &9003.into()));
    assert_ne!(mended["policy_digest"], status["policy_digest"]);
    stop(controller);
}

#[test]
fn an_audit_log_with_a_changed_octet_does_not_verify() {
    let machine = Machine::new();
    stop(machine.start());
    let log = machine.path("state/audit");
    let verify = |directory: &Path| {
        let mut verify = Command::new(&*BINARY);
        command::output(verify.args(["audit", "verify"]).arg(directory), "", LIMIT).unwrap()
    };
    assert_eq!(verify(&log).status.code(), Some(0));
    let files = audit::files(&log).unwrap();
    assert!(files.len() >= 5, "checkpoint, key, tile, entries, policy: {files:?}");
    for (index, victim) in files.iter().enumerate() {
        let copy = machine.path(&format!("copy-{index}"));
        audit::forge(&log, &copy, victim).unwrap();
        let output = verify(&copy);
        assert_eq!(output.status.code(), Some(16), "{}: {}", victim.display(), output.stdout);
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "says nothing");
    }
    let missing = verify(&machine.path("nowhere"));
    assert_eq!(missing.status.code(), Some(16), "{}", missing.stderr);
    fs::remove_file(log.join("checkpoint")).unwrap();
    assert_eq!(verify(&log).status.code(), Some(16));
}
