//! Conditions that want an operator's attention.

use std::fmt;

/// Makes [`Alarm`] of one list.
macro_rules! alarms {
    ($($variant:ident = $name:literal,)*) => {
        /// What an alarm concerns: of each there is one at most. docs/operators.md says what to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Alarm {
            $($variant,)*
        }

        /// What its text begins with.
        impl fmt::Display for Alarm {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $name,)*
                })
            }
        }

        #[cfg(test)]
        const ALL: &[Alarm] = &[$(Alarm::$variant,)*];
    };
}

alarms! {
    Addresses = "addresses",
    AddressIntervals = "address intervals",
    AddressStatements = "address statements",
    CallRecord = "call record",
    ChangedHands = "addresses that changed hands",
    Counters = "counters",
    CountersOver = "counters that are over",
    Crowded = "crowded",
    Day = "day",
    Export = "publishing",
    File = "file of subscribers",
    Flows = "flows",
    Ledger = "ledger",
    OwnAddresses = "own addresses",
    Policy = "policy",
    Reconciliation = "reconciliation",
    Rules = "rules by date",
    SavedNames = "saved names",
    Sessions = "sessions",
    Verdicts = "verdicts",
}

/// Counts of the kernel program that are alarms by themselves, as long as its maps live.
pub(super) const STATS: [&str; 3] = ["counter-full", "overflow-full", "copy-lost"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_told_what_to_do_about_each() {
        let manual = include_str!("../../../docs/operators.md");
        let (_, table) = manual.split_once("## Alarms\n").expect("the section");
        let (table, _) = table.split_once("\n## ").expect("its end");
        let rows = table.lines().filter_map(|row| row.strip_prefix("| ")?.split(" | ").next());
        let told: Vec<_> = rows.flat_map(|names| names.split(", ")).collect();
        let all = ALL.iter().map(Alarm::to_string).chain(STATS.map(str::to_owned));
        let untold: Vec<_> = all.filter(|name| !told.contains(&format!("`{name}:`").as_str())).collect();
        assert_eq!(untold, Vec::<String>::new());
    }
}
