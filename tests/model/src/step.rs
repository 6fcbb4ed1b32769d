//! One frame of a sequence, also as text and as a fuzzer's input.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::arrival::{Arrival, Begin};

/// A frame, and when it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Nanoseconds of the clock that rules end by.
    pub now_ns: u64,
    /// What evidence said, just before, of the flow whose packet awaited it last; not said twice of one packet.
    pub told: Option<Reason>,
    /// The frame.
    pub arrival: Arrival,
}

/// Why a line is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It is neither five words nor six.
    #[error(
        "a step is: time in ns, access or core, ethernet or ip or ppp, octets on the wire, octets in hexadecimal, and \
         maybe what evidence said"
    )]
    Words,
    /// The time or the length is no number.
    #[error("{word:?} is no number")]
    Number {
        /// What stands there.
        word: String,
    },
    /// The role, the beginning or the verdict is none.
    #[error("{word:?} is not what a frame comes from or begins with, nor what evidence says")]
    Name {
        /// What stands there.
        word: String,
    },
    /// The octets are not hexadecimal.
    #[error("the octets are not pairs of hexadecimal digits, or more than the frame had on the wire")]
    Octets,
}

impl fmt::Display for Step {
    /// One line: time, role, beginning, octets on the wire, octets in hexadecimal (`-` for none), and what evidence said,
    /// if it did.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arrival { role, begin, octets, wire_octets } = &self.arrival;
        write!(f, "{} {} {} {wire_octets} ", self.now_ns, role.name(), begin.name())?;
        if octets.is_empty() {
            f.write_char('-')?;
        }
        octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        self.told.map_or(Ok(()), |reason| write!(f, " {}", reason.name()))
    }
}

impl FromStr for Step {
    type Err = StepError;

    fn from_str(line: &str) -> Result<Self, StepError> {
        let words: Vec<_> = line.split_whitespace().collect();
        let (words, told) = words.split_at_checked(5).ok_or(StepError::Words)?;
        let &[now_ns, role, begin, wire_octets, octets] = words else { return Err(StepError::Words) };
        let name = |word: &str| StepError::Name { word: word.into() };
        let told = match *told {
            [] => None,
            [word] => Some(VERDICTS.into_iter().find(|known| known.name() == word).ok_or(name(word))?),
            _ => return Err(StepError::Words),
        };
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
        Ok(Self { now_ns, told, arrival: Arrival { role, begin, octets, wire_octets } })
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

/// What evidence may say.
pub(crate) const VERDICTS: [Reason; 3] = [Reason::NameAndAddress, Reason::OtherName, Reason::Undecided];

/// How far the clock goes on for one unit of a fuzzer's input, in nanoseconds: a second, or ten minutes.
const TICK_NS: u64 = 1_000_000_000;
const LONG_TICK_NS: u64 = 600 * TICK_NS;

/// Bit of a fuzzer's input: its time is in long ticks.
const LONG: u8 = 0x20;

/// The sequence that a fuzzer's input stands for; every input is one.
///
/// Each frame has four octets in front: bit 0: role; bits 1 and 2: beginning; bits 3 and 4: what evidence said; bit 5:
/// which ticks are meant; ticks since the frame before; octets that were cut off its end; pairs of octets that follow.
/// What the input has no more of, the frame has not.
pub fn steps(mut input: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut now_ns = 0;
    while let Some(([flags, ticks, cut, pairs], rest)) = input.split_first_chunk::<4>() {
        let octets = rest.get(..usize::from(*pairs) * 2).unwrap_or(rest);
        input = rest.get(octets.len()..).unwrap_or_default();
        now_ns += u64::from(*ticks) * if flags & LONG == 0 { TICK_NS } else { LONG_TICK_NS };
        let role = if flags & 1 == 0 { Role::Access } else { Role::Core };
        let begin = match flags >> 1 & 3 {
            1 => Begin::Ip,
            2 => Begin::Ppp,
            _ => Begin::Ethernet,
        };
        let wire_octets = octets.len() + usize::from(*cut);
        let told =
            usize::from(flags >> 3 & 3).checked_sub(1).and_then(|verdict| VERDICTS.get(verdict)).copied();
        steps.push(Step {
            now_ns,
            told,
            arrival: Arrival { role, begin, octets: octets.into(), wire_octets },
        });
    }
    steps
}

/// An input that stands for these frames, as far as one can: whole ticks, an even number of octets and at most 510.
pub fn input(steps: &[Step]) -> Vec<u8> {
    let mut input = Vec::new();
    let mut before_ns = 0;
    for Step { now_ns, told, arrival } in steps {
        let begin = match arrival.begin {
            Begin::Ethernet => 0,
            Begin::Ip => 1,
            Begin::Ppp => 2,
        };
        let since_ns = now_ns.saturating_sub(before_ns);
        let (long, tick_ns) =
            if since_ns / TICK_NS > u8::MAX.into() { (LONG, LONG_TICK_NS) } else { (0, TICK_NS) };
        let ticks = since_ns / tick_ns;
        let told = told.and_then(|reason| VERDICTS.iter().position(|known| *known == reason));
        let verdict = u8::try_from(told.map_or(0, |place| place + 1)).unwrap_or_default();
        let cut = arrival.wire_octets.saturating_sub(arrival.octets.len());
        let pairs = arrival.octets.len() / 2;
        let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        let [ticks, cut, pairs] = [usize::try_from(ticks).unwrap_or(usize::MAX), cut, pairs].map(octet);
        input.extend([
            u8::from(arrival.role == Role::Core) | begin << 1 | verdict << 3 | long,
            ticks,
            cut,
            pairs,
        ]);
        input.extend(arrival.octets.iter().take(usize::from(pairs) * 2));
        before_ns += u64::from(ticks) * tick_ns;
    }
    input
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
        for line in [
            "",
            "1 access ethernet 2",
            "x access ethernet 2 00",
            "1 inside ethernet 2 00",
            "1 access ethernet 2 00 free",
            "1 access ethernet 2 00 other-name 7",
        ] {
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
        let told = Step { told: Some(Reason::Undecided), now_ns: 3 * LONG_TICK_NS, ..steps[0].clone() };
        assert_eq!(super::steps(&input(std::slice::from_ref(&told))), [told]);
        let whole = steps.first().cloned().into_iter().collect::<Vec<_>>();
        assert_eq!(super::steps(&input(&whole)), whole);
    }
}
