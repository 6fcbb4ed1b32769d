//! Names for flows: each plane gives them numbers of its own.

use std::collections::BTreeMap;

/// The name of what has the number of no flow that was seen.
pub(crate) const NO_FLOW: u64 = 0;

/// Flows of one plane in the order in which they were first seen, from 1. The planes see the same flows in the same order,
/// so one flow has one name in both, unless one of them gave it the number of another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    names: BTreeMap<u64, u64>,
    /// By name, less one.
    numbers: Vec<u64>,
}

impl Names {
    /// The name of the flow with this number, which is new if the number is.
    pub(crate) fn see(&mut self, number: u64) -> u64 {
        if let Some(name) = self.names.get(&number) {
            return *name;
        }
        self.numbers.push(number);
        let name = self.numbers.len() as u64;
        self.names.insert(number, name);
        name
    }

    /// The name of the flow with this number, or [`NO_FLOW`].
    pub(crate) fn of(&self, number: u64) -> u64 {
        self.names.get(&number).copied().unwrap_or(NO_FLOW)
    }

    /// The number of the flow with this name.
    pub(crate) fn number(&self, name: u64) -> Option<u64> {
        let place = usize::try_from(name.checked_sub(1)?).ok()?;
        self.numbers.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_named_in_order_and_only_once() {
        let mut names = Names::default();
        assert_eq!([7 << 48 | 3, 9, 7 << 48 | 3, 1].map(|number| names.see(number)), [1, 2, 1, 3]);
        assert_eq!([9, 1, 2].map(|number| names.of(number)), [2, 3, NO_FLOW]);
        assert_eq!(
            [1, 3, 4, NO_FLOW].map(|name| names.number(name)),
            [Some(7 << 48 | 3), Some(1), None, None]
        );
    }
}
