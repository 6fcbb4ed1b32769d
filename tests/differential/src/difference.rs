//! The first thing that the planes do not say alike.

use std::fmt;
use std::path::PathBuf;

use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::answer::Answer;

/// Where the planes differ, and in what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The capture.
    pub capture: PathBuf,
    /// How it was passed.
    pub variant: &'static str,
    /// The frame, if it is known which.
    pub frame: Option<DifferingFrame>,
    /// What each plane says, one item a line.
    pub items: Vec<String>,
}

/// A frame of which the planes do not say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferingFrame {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// Which side it came from.
    pub role: Role,
    /// As it arrived.
    pub octets: Vec<u8>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the planes differ: {}, passed as {:?}", self.capture.display(), self.variant)?;
        if let Some(frame) = &self.frame {
            write!(f, ", frame {}, from the {} side", frame.number, frame.role.name())?;
        }
        for item in &self.items {
            write!(f, "\n  {item}")?;
        }
        match &self.frame {
            Some(frame) => write!(f, "\nthe frame:\n{}", Hexdump(&frame.octets)),
            None => Ok(()),
        }
    }
}

/// What differs between two answers.
pub(crate) fn items(kernel: &Answer, userspace: &Answer) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = |what: &str, kernel: String, userspace: String| {
        if kernel != userspace {
            items.push(format!("{what}:\n    kernel    {kernel}\n    userspace {userspace}"));
        }
    };
    item("parsed", format!("{:?}", kernel.parsed), format!("{:?}", userspace.parsed));
    item("counted", counted(&kernel.counted), counted(&userspace.counted));
    item("flow", format!("{:?}", kernel.flow), format!("{:?}", userspace.flow));
    item("datagram's ports", format!("{:?}", kernel.fragment), format!("{:?}", userspace.fragment));
    item("copied", format!("{:?}", kernel.copied), format!("{:?}", userspace.copied));
    item("verdict", kernel.verdict.to_string(), userspace.verdict.to_string());
    let leaves = |octets| format!("as\n{}", Hexdump(octets));
    item("leaves", leaves(&kernel.leaves_as), leaves(&userspace.leaves_as));
    items
}

fn counted(counted: &[(CounterKey, Usage)]) -> String {
    let words = counted.iter().map(|(key, usage)| {
        let whose = key
            .subscriber
            .prefix()
            .map_or_else(|| "nobody".to_owned(), |(ip, length)| format!("{ip}/{length}"));
        let reason = Reason::from_number(key.reason).map_or("of no known reason", Reason::name);
        format!(
            "{whose}, rule {}, bucket {}, {reason}, epoch {}: {} packets up, {} octets; {} down, {} octets",
            key.rule,
            key.bucket,
            key.epoch,
            usage.uplink_packets,
            usage.uplink_octets,
            usage.downlink_packets,
            usage.downlink_octets
        )
    });
    words.collect::<Vec<_>>().join(" | ")
}

/// Sixteen octets a line, with the offset in front.
struct Hexdump<'a>(&'a [u8]);

impl fmt::Display for Hexdump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.0.chunks(16).enumerate() {
            write!(f, "      {:04x} ", index * 16)?;
            for octet in line {
                write!(f, " {octet:02x}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
