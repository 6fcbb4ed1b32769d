//! One frame of a sequence, also as text and as a fuzzer's input.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use tollfree_core::interface::Role;

use crate::arrival::{Arrival, Begin};

/// A frame, and when it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Nanoseconds of the clock that rules end by.
    pub now_ns: u64,
    /// The frame.
    pub arrival: Arrival,
}

/// Why a line is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It is not five words.
    #[error(
        "a step is: time in ns, access or core, ethernet or ip or ppp, octets on the wire, octets in hexadecimal"
    )]
    Words,
    /// The time or the length is no number.
    #[error("{word:?} is no number")]
    Number {
        /// What stands there.
        word: String,
    },
    /// The role or the beginning is none.
    #[error("{word:?} is not what a frame comes from or begins with")]
    Name {
        /// What stands there.
        word: String,
    },
    /// The octets are not hexadecimal.
    #[error("the octets are not pairs of hexadecimal digits, or more than the frame had on the wire")]
    Octets,
}

impl fmt::Display for Step {
    /// One line: time, role, beginning, octets on the wire, octets in hexadecimal; `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arrival { role, begin, octets, wire_octets } = &self.arrival;
        write!(f, "{} {} {} {wire_octets} ", self.now_ns, role.name(), begin.name())?;
        if octets.is_empty() {
            return f.write_char('-');
        }
        octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl FromStr for Step {
    type Err = StepError;

    fn from_str(line: &str) -> Result<Self, StepError> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [now_ns, role, begin, wire_octets, octets] = words[..] else { return Err(StepError::Words) };
        let name = |word: &str| StepError::Name { word: word.into() };
        let number = |word: &str| StepError::Number { word: word.into() };
        let role =
            [Role::Access, Role::Core].into_iter().find(|known| known.name() == role).ok_or(name(role))?;
        let begin = Begin::ALL.into_iter().find(|known| known.name() == begin).ok_or(name(begin))?;
        let now_ns = now_ns.parse().map_err(|_| number(now_ns))?;
        let wire_octets = wire_octets.parse().map_err(|_| number(wire_octets))?;
        let octets = hexadecimal(octets).ok_or(StepError::Octets)?;
        if octets.len() > wire_octets {
            return Err(StepError::Octets);
        }
        Ok(Self { now_ns, arrival: Arrival { role, begin, octets, wire_octets } })
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let octets = pairs.iter().map(|[high, low]| u8::try_from(high << 4 | low).ok());
    if rest.is_empty() { octets.collect() } else { None }
}

/// How far the clock goes on for one unit of a fuzzer's input, in nanoseconds.
const TICK_NS: u64 = 1_000_000_000;

/// The sequence that a fuzzer's input stands for; every input is one.
///
/// Each frame has four octets in front: bit 0: role; bits 1 and 2: beginning; seconds since the frame before; octets
/// that were cut off its end; pairs of octets that follow. What the input has no more of, the frame has not.
pub fn steps(mut input: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut now_ns = 0;
    while let Some(([flags, seconds, cut, pairs], rest)) = input.split_first_chunk::<4>() {
        let octets = rest.get(..usize::from(*pairs) * 2).unwrap_or(rest);
        input = rest.get(octets.len()..).unwrap_or_default();
        now_ns += u64::from(*seconds) * TICK_NS;
        let role = if flags & 1 == 0 { Role::Access } else { Role::Core };
        let begin = match flags >> 1 & 3 {
            1 => Begin::Ip,
            2 => Begin::Ppp,
            _ => Begin::Ethernet,
        };
        let wire_octets = octets.len() + usize::from(*cut);
        steps.push(Step { now_ns, arrival: Arrival { role, begin, octets: octets.into(), wire_octets } });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::sequence;

    #[test]
    fn text_gives_the_step_back() {
        for step in (0..20).flat_map(sequence) {
            assert_eq!(step.to_string().parse(), Ok(step));
        }
    }

    #[test]
    fn what_is_no_step_is_refused() {
        for line in ["", "1 access ethernet 2", "x access ethernet 2 00", "1 inside ethernet 2 00"] {
            assert!(line.parse::<Step>().is_err(), "{line}");
        }
        for octets in ["0", "zz", "000000"] {
            assert_eq!(format!("1 core ip 2 {octets}").parse::<Step>(), Err(StepError::Octets));
        }
    }

    #[test]
    fn every_input_is_a_sequence() {
        let steps = steps(&[1, 2, 3, 1, 0xaa, 0xbb, 4, 1, 0, 9, 0xcc]);
        let lines: Vec<_> = steps.iter().map(Step::to_string).collect();
        assert_eq!(lines, ["2000000000 core ethernet 5 aabb", "3000000000 access ppp 1 cc"]);
    }
}
