//! What the log says: one statement an entry.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollfree_core::plan::{Evidence, RuleClass};

use super::digest::{Digest, addresses_digest};

/// Octets of one log entry. Reason: an entry bundle gives each entry's length in 16 bits (C2SP tlog-tiles,
/// "Log entries").
pub const ENTRY_OCTETS_MAX: usize = 65_535;

/// One entry of the log: compact JSON, told apart by `type`, its fields in the order in which they are
/// declared.
///
/// Epochs of activations strictly increase. `Rules` and `Addresses` name the epoch of the last activation
/// before them. Each epoch begins with an empty list of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Statement {
    /// A policy came into force.
    Activation(Activation),
    /// More rules of the activation before it, which did not fit into one entry.
    Rules(Rules),
    /// The addresses that names stand for changed.
    Addresses(Addresses),
    /// A policy was refused; what was in force stays.
    Refused(Refused),
}

/// A policy came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The gateway, by its configured name.
    pub gateway: String,
    /// The activation's number.
    pub epoch: u32,
    /// When the statement was made, just before it took effect.
    pub at: Timestamp,
    /// Why.
    pub cause: ActivationCause,
    /// The policy: see [`policy_digest`](super::policy_digest).
    pub policy_digest: Digest,
    /// The rules in force, in the plan's order.
    pub rules: Vec<RuleStatement>,
}

/// Why a policy came into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationCause {
    /// The controller started.
    Start,
    /// The policy's files changed.
    PolicyChanged,
    /// A rule's time began or ended.
    RuleStartedOrEnded,
    /// The counters of the epoch before were nearly full: the policy is the same.
    CountersRenewed,
}

/// One rule in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleStatement {
    /// The rule's permanent number.
    pub rule: u32,
    /// The policy it is in, by its `id`.
    pub policy: String,
    /// Its `id` within the policy.
    pub id: String,
    /// What it gives.
    pub class: ClassStatement,
    /// What it asks for beside the remote address; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceStatement>,
    /// What it gives one subscriber in a day, in octets of volume; absent: as much as he wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_ceiling_octets: Option<u64>,
    /// Rating-Group (RFC 8506, section 8.29).
    pub rating_group: u32,
    /// Its first instant.
    pub valid_from: Timestamp,
    /// The instant at which it is over; `None`: it has no end.
    pub valid_until: Option<Timestamp>,
}

/// What a rule gives: [`RuleClass`], in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassStatement {
    /// Free of charge.
    Free,
    /// Free of charge, and ahead of others.
    FreePriority,
    /// Ahead of others, but paid for.
    Priority,
}

/// What a rule asks for beside the remote address: [`Evidence`], in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceStatement {
    /// The name that the subscriber asks for.
    NameAndAddress,
}

impl EvidenceStatement {
    /// Of what a rule asks for.
    pub const fn of(evidence: Evidence) -> Option<Self> {
        match evidence {
            Evidence::Address => None,
            Evidence::NameAndAddress => Some(Self::NameAndAddress),
        }
    }
}

/// More rules of the activation before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The gateway, by its configured name.
    pub gateway: String,
    /// The activation's number.
    pub epoch: u32,
    /// The rules.
    pub rules: Vec<RuleStatement>,
}

/// The addresses that names stand for changed.
///
/// A change that does not fit into one entry is several with the same `digest`, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// The gateway, by its configured name.
    pub gateway: String,
    /// The activation in force.
    pub epoch: u32,
    /// When the statement was made, just before it took effect.
    pub at: Timestamp,
    /// The whole list, once the change is complete: see [`addresses_digest`].
    pub digest: Digest,
    /// What joins the list.
    pub added: Vec<AddressStatement>,
    /// What leaves it; before `added` joins.
    pub removed: Vec<AddressStatement>,
}

/// One address of one name. Lists are ordered by rules, then name, then address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressStatement {
    /// The permanent numbers of the rules that list the name.
    pub rules: Vec<u32>,
    /// The name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

/// A policy was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The gateway, by its configured name.
    pub gateway: String,
    /// When.
    pub at: Timestamp,
    /// The refused policy; `None` where its files could not be read.
    pub policy_digest: Option<Digest>,
    /// How many faults it had.
    pub faults: u32,
}

/// Why a statement is no entry, or an entry no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// It does not fit.
    #[error(
        "a statement of {octets} octets does not fit into an entry of at most {ENTRY_OCTETS_MAX}; shorten \
         the names"
    )]
    TooLong {
        /// Its length as JSON.
        octets: usize,
    },
    /// It is not JSON, or not of a known type, or has other fields.
    #[error("an entry is no statement: {source}; a newer version of this program may know it")]
    Json {
        /// What is wrong where.
        #[from]
        source: serde_json::Error,
    },
    /// The same statement is written otherwise.
    #[error("an entry is not in canonical form (compact JSON, fields in order)")]
    NotCanonical,
}

impl From<RuleClass> for ClassStatement {
    fn from(class: RuleClass) -> Self {
        match class {
            RuleClass::Free => Self::Free,
            RuleClass::FreePriority => Self::FreePriority,
            RuleClass::Priority => Self::Priority,
        }
    }
}

impl Statement {
    /// The entry's octets.
    ///
    /// # Errors
    /// [`StatementError::TooLong`].
    pub fn to_entry(&self) -> Result<Vec<u8>, StatementError> {
        let entry = serde_json::to_vec(self)?;
        if entry.len() > ENTRY_OCTETS_MAX {
            return Err(StatementError::TooLong { octets: entry.len() });
        }
        Ok(entry)
    }

    /// The statement of an entry's octets.
    ///
    /// # Errors
    /// Octets that [`Statement::to_entry`] would not have made.
    pub fn from_entry(entry: &[u8]) -> Result<Self, StatementError> {
        let statement: Self = serde_json::from_slice(entry)?;
        if statement.to_entry()? != entry {
            return Err(StatementError::NotCanonical);
        }
        Ok(statement)
    }
}

impl Activation {
    /// The activation as entries: itself, and [`Rules`] for what did not fit.
    ///
    /// # Errors
    /// [`StatementError::TooLong`] if one rule alone does not fit.
    pub fn into_statements(mut self) -> Result<Vec<Statement>, StatementError> {
        let rules = std::mem::take(&mut self.rules);
        let mut more = Rules { gateway: self.gateway.clone(), epoch: self.epoch, rules: Vec::new() };
        let frame = json_octets(&Statement::Activation(self.clone()))?
            .max(json_octets(&Statement::Rules(more.clone()))?);
        let mut parts = split(rules, frame, json_octets)?.into_iter();
        self.rules = parts.next().unwrap_or_default();
        let mut statements = vec![Statement::Activation(self)];
        for rules in parts {
            more.rules = rules;
            statements.push(Statement::Rules(more.clone()));
        }
        Ok(statements)
    }
}

impl RuleStatement {
    /// Whether the rule applies at `time`.
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        self.valid_from <= time && self.valid_until.is_none_or(|end| time < end)
    }
}

/// One difference between two lists of addresses.
enum Change {
    Removed(AddressStatement),
    Added(AddressStatement),
}

impl Addresses {
    /// The change from `before` to `after` as entries; none where the lists are the same. After an
    /// activation, `before` is empty: each epoch states its list anew.
    ///
    /// # Errors
    /// [`StatementError::TooLong`] if one address alone does not fit.
    pub fn of_change(
        gateway: &str,
        epoch: u32,
        at: Timestamp,
        before: &BTreeSet<AddressStatement>,
        after: &BTreeSet<AddressStatement>,
    ) -> Result<Vec<Statement>, StatementError> {
        let digest = addresses_digest(after);
        let empty =
            Self { gateway: gateway.to_owned(), epoch, at, digest, added: Vec::new(), removed: Vec::new() };
        let frame = json_octets(&Statement::Addresses(empty.clone()))?;
        let removed = before.difference(after).cloned().map(Change::Removed);
        let changes = removed.chain(after.difference(before).cloned().map(Change::Added)).collect();
        let parts = split(changes, frame, |change| match change {
            Change::Removed(address) | Change::Added(address) => json_octets(address),
        })?;
        Ok(parts.into_iter().map(|part| Statement::Addresses(empty.clone().with(part))).collect())
    }

    fn with(mut self, changes: Vec<Change>) -> Self {
        for change in changes {
            match change {
                Change::Removed(address) => self.removed.push(address),
                Change::Added(address) => self.added.push(address),
            }
        }
        self
    }
}

fn json_octets<T: Serialize>(value: &T) -> Result<usize, StatementError> {
    Ok(serde_json::to_vec(value)?.len())
}

/// Cuts `items` into parts that fit into an entry beside `frame` octets of JSON.
fn split<T>(
    items: Vec<T>,
    frame: usize,
    octets: impl Fn(&T) -> Result<usize, StatementError>,
) -> Result<Vec<Vec<T>>, StatementError> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut used = usize::MAX;
    for item in items {
        // One more for the comma.
        let needed = octets(&item)? + 1;
        if frame + needed > ENTRY_OCTETS_MAX {
            return Err(StatementError::TooLong { octets: frame + needed });
        }
        if used.saturating_add(needed) > ENTRY_OCTETS_MAX {
            parts.push(Vec::new());
            used = frame;
        }
        used += needed;
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(faults: u32) -> Statement {
        let at = Timestamp::UNIX_EPOCH;
        Statement::Refused(Refused { gateway: "gw1".to_owned(), at, policy_digest: None, faults })
    }

    #[test]
    fn entry_is_compact_json_in_the_declared_order() {
        let wanted = concat!(
            r#"{"type":"refused","gateway":"gw1","at":"1970-01-01T00:00:00Z","#,
            r#""policy_digest":null,"faults":3}"#
        );
        assert_eq!(refused(3).to_entry().expect("an entry"), wanted.as_bytes());
        assert_eq!(Statement::from_entry(wanted.as_bytes()).expect("a statement"), refused(3));
    }

    #[test]
    fn other_spellings_are_refused() {
        let right = String::from_utf8(refused(3).to_entry().expect("an entry")).expect("UTF-8");
        for wrong in [
            right.replace(':', ": "),
            right.replace(r#""policy_digest":null,"#, ""),
            right.replace("00Z", "00.0Z"),
            right.replace(r#""faults":3"#, r#""faults":3,"more":1"#),
            right.replace("refused", "unknown"),
            right.replace(r#"{"type":"refused","gateway":"gw1""#, r#"{"gateway":"gw1","type":"refused""#),
            format!("{right}\n"),
            String::new(),
        ] {
            assert_ne!(wrong, right);
            assert!(Statement::from_entry(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rule_is_valid_from_its_first_instant_until_before_its_end() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut rule = RuleStatement {
            rule: 1,
            policy: "p".to_owned(),
            id: "i".to_owned(),
            class: RuleClass::Free.into(),
            evidence: None,
            daily_ceiling_octets: None,
            rating_group: 1,
            valid_from: at(10),
            valid_until: Some(at(20)),
        };
        assert_eq!([9, 10, 19, 20].map(|second| rule.is_valid_at(at(second))), [false, true, true, false]);
        rule.valid_until = None;
        assert!(rule.is_valid_at(at(i64::from(u32::MAX))));
    }

    #[test]
    fn classes_have_the_words_of_policies() {
        for class in [RuleClass::Free, RuleClass::FreePriority, RuleClass::Priority] {
            let word = serde_json::to_value(ClassStatement::from(class)).expect("a word");
            assert_eq!(word, class.name());
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(entry in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Statement::from_entry(&entry).is_err());
        }

        #[test]
        fn every_part_fits_and_nothing_is_lost(
            names in proptest::collection::vec((prop_oneof!["a", "\"", "\u{1}", "é"], 1..9000_usize), 0..40),
            cut in any::<u64>(),
        ) {
            let names: BTreeSet<_> = names.into_iter().map(|(text, times)| text.repeat(times)).collect();
            let statement = |name: &String| {
                let address = [192, 0, 2, 1].into();
                AddressStatement { rules: vec![1], name: name.clone(), address }
            };
            let all: Vec<_> = names.iter().map(statement).collect();
            let is_before = |position: usize| cut >> (position % 64) & 1 == 1;
            let pick = |wanted| {
                let chosen = all.iter().enumerate().filter(|(position, _)| is_before(*position) == wanted);
                chosen.map(|(_, address)| address.clone()).collect::<BTreeSet<_>>()
            };
            let (before, after) = (pick(true), pick(false));
            // A name of 9000 control characters is six times as long in JSON, and still fits.
            let at = Timestamp::UNIX_EPOCH;
            let parts = Addresses::of_change("gw1", 1, at, &before, &after).expect("parts that fit");
            let mut list = before;
            for part in parts {
                part.to_entry().expect("a part that fits");
                let Statement::Addresses(part) = part else {
                    return Err(TestCaseError::fail("another type"));
                };
                prop_assert_eq!(part.digest, addresses_digest(&after));
                for address in part.removed {
                    prop_assert!(list.remove(&address));
                }
                list.extend(part.added);
            }
            prop_assert_eq!(list, after);
        }
    }
}
