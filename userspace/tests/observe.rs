//! `tollfree observe`, as a shell calls it where there is nothing to observe.

use std::error::Error;
use std::fs;
use std::process::Command;

/// The exit codes are those of docs/operators.md.
#[test]
fn exit_codes_say_what_is_wrong_before_anything_is_read() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::TempDir::new()?;
    let policies = directory.path().join("policies");
    fs::create_dir(&policies)?;
    let observe = |arguments: &[&str]| -> std::io::Result<(Option<i32>, String)> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollfree"));
        command.args(["observe", "--interface", "no-such-if0"]).args(arguments);
        let output = command.current_dir(directory.path()).env_remove("TOLLFREE_CONFIG").output()?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let alone = ["--policy", "policies", "--subscribers", "10.20.0.0/16,2001:db8:20::/48"];
    for (more, code, words) in [
        (&[][..], 6, "no interface \"no-such-if0\""),
        (&["--role", "both"], 2, "\"mirror\" (both)"),
        (&["--subscribers", "10.20.0.1/16"], 2, "10.20.0.0/16"),
        (&["--subscribers", "::/8"], 2, "\"::/8\""),
        (&["--resolver", "0.0.0.0"], 2, "\"0.0.0.0\""),
        (&["--every", "0"], 2, "--every"),
        (&["--packets", "0"], 2, "--packets"),
        (&["--serve"], 2, "--config"),
        (&["--transport", "missing.toml"], 3, "missing.toml"),
        (&["--config", "missing.toml"], 3, "missing.toml"),
    ] {
        let (ended, said) = observe(&[&alone[..], more].concat())?;
        assert_eq!(ended, Some(code), "{more:?}: {said}");
        assert!(said.contains(words), "{more:?}: {said}");
    }
    for part in [&alone[..2], &alone[2..]] {
        assert_eq!(observe(part)?.0, Some(2), "{part:?}");
    }
    fs::write(policies.join("faulty.toml"), "[policy]\n")?;
    assert_eq!(observe(&alone)?.0, Some(4));
    Ok(())
}
