//! The first thing that the planes do not say alike.

use std::fmt;
use std::path::PathBuf;

use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::interface::Role;
use tollfree_core::reason::{Bucket, Reason};

use crate::answer::{Answer, Place};

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
    item("sent again", format!("{:?}", kernel.sent_again), format!("{:?}", userspace.sent_again));
    item("flow", format!("{:?}", kernel.flow), format!("{:?}", userspace.flow));
    item("datagram's ports", format!("{:?}", kernel.fragment), format!("{:?}", userspace.fragment));
    item("copied", format!("{:?}", kernel.copied), format!("{:?}", userspace.copied));
    item("verdict", kernel.verdict.to_string(), userspace.verdict.to_string());
    let leaves = |octets| format!("as\n{}", Hexdump(octets));
    item("leaves", leaves(&kernel.leaves_as), leaves(&userspace.leaves_as));
    items
}

fn counted(counted: &[(Place, Usage)]) -> String {
    let words = counted.iter().map(|(place, usage)| {
        format!(
            "{}: {} packets up, {} octets; {} down, {} octets",
            where_counted(place),
            usage.uplink_packets,
            usage.uplink_octets,
            usage.downlink_packets,
            usage.downlink_octets
        )
    });
    words.collect::<Vec<_>>().join(" | ")
}

fn where_counted(place: &Place) -> String {
    let whose = |subscriber: SubscriberId| {
        subscriber.prefix().map_or_else(|| "nobody".to_owned(), |(ip, length)| format!("{ip}/{length}"))
    };
    match place {
        Place::Counter(CounterKey { subscriber, epoch, rule, bucket, reason, .. }) => {
            let bucket = Bucket::ALL.iter().find(|known| **known as u16 == *bucket);
            let bucket = bucket.map_or("in no known bucket", |bucket| bucket.name());
            let reason = Reason::from_number(*reason).map_or("of no known reason", Reason::name);
            format!("{}, rule {rule}, {bucket}, {reason}, epoch {epoch}", whose(*subscriber))
        }
        Place::Pending(PendingKey { flow, subscriber, epoch, rule }) => {
            format!("{}, rule {rule}, pending of flow {flow}, epoch {epoch}", whose(*subscriber))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(reason: Reason) -> Answer {
        let key = CounterKey::new(SubscriberId::NONE, 1, 0, reason.bucket(), reason);
        Answer {
            parsed: None,
            counted: vec![(Place::Counter(key), Usage { uplink_packets: 1, ..Usage::default() })],
            sent_again: Usage::default(),
            leaves_as: vec![0; 14],
            copied: None,
            flow: None,
            fragment: None,
            verdict: 2,
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        assert_eq!(items(&answer(Reason::NotIp), &answer(Reason::NotIp)), [""; 0]);
        let told = items(&answer(Reason::NotIp), &answer(Reason::Own));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("not-ip") && told[0].contains("own"), "{told:?}");
        let changed = Answer { leaves_as: vec![1; 14], ..answer(Reason::NotIp) };
        let told = items(&changed, &answer(Reason::NotIp));
        assert!(told.len() == 1 && told[0].starts_with("leaves"), "{told:?}");
    }

    #[test]
    fn a_frame_is_shown_sixteen_octets_a_line() {
        let dump = Hexdump(&[0xab; 17]).to_string();
        let lines: Vec<_> = dump.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].trim().starts_with("0010") && lines[1].ends_with("ab"), "{dump}");
    }
}
