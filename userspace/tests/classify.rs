//! `tollfree classify`, as a shell calls it.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// A pcap file of raw IP with one IPv4 packet: UDP from 10.20.0.11, port 5000, to 198.51.100.9, port 53, 28 octets.
fn capture() -> Vec<u8> {
    let header = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, 101].map(u32::to_le_bytes).concat();
    let record = [1_580_515_200, 0, 28, 28].map(u32::to_le_bytes).concat();
    let ip = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 20, 0, 11, 198, 51, 100, 9];
    let udp = [0x13, 0x88, 0, 53, 0, 8, 0, 0];
    [&header[..], &record, &ip, &udp].concat()
}

fn classify(directory: &Path, arguments: &[&str]) -> std::io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollfree"));
    command.arg("classify").args(arguments).current_dir(directory).output()
}

#[test]
fn exit_codes_say_how_it_went() -> Outcome {
    let directory = tempfile::TempDir::new()?;
    let path = directory.path();
    let whole = capture();
    fs::write(path.join("whole.pcap"), &whole)?;
    fs::write(path.join("cut.pcap"), [&whole[..], &whole[24..30]].concat())?;
    fs::write(path.join("faulty.toml"), "[policy")?;
    for (arguments, code) in [
        (&["whole.pcap"][..], 0),
        (&["whole.pcap", "cut.pcap"], 18),
        (&["absent.pcap", "whole.pcap"], 18),
        (&[], 2),
        (&["--subscribers", "everybody", "whole.pcap"], 2),
        (&["--transport", "absent.toml", "whole.pcap"], 3),
        (&["--policy", ".", "whole.pcap"], 4),
    ] {
        let output = classify(path, arguments)?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert_eq!(code == 0, output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    Ok(())
}

#[test]
fn what_comes_before_a_cut_is_told() -> Outcome {
    let directory = tempfile::TempDir::new()?;
    let whole = capture();
    fs::write(directory.path().join("cut.pcap"), [&whole[..], &whole[24..30]].concat())?;
    let output = classify(directory.path(), &["--json", "cut.pcap"])?;
    let lines = String::from_utf8(output.stdout)?;
    let lines: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!((&lines[0]["type"], &lines[0]["encap"][0]), (&"flow".into(), &"raw".into()));
    assert_eq!((&lines[0]["sport"], &lines[0]["ip_bytes"][0]), (&5000.into(), &28.into()));
    assert_eq!((&lines[1]["type"], &lines[1]["file"]), (&"summary".into(), &"cut.pcap".into()));
    // 24 octets of file header, 16 of record header and 28 of packet are in front of the record that is cut.
    let told = "tollfree: cut.pcap: ends inside the record at octet 68; what comes before was read\n";
    assert_eq!(String::from_utf8(output.stderr)?, told);
    Ok(())
}
