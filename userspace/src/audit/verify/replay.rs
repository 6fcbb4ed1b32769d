//! What the statements say, taken one after the other.

use std::collections::BTreeSet;

use super::fault::Fault;
use crate::audit::digest::{Digest, addresses_digest, policy_digest};
use crate::audit::statement::{Activation, AddressStatement, Addresses, Rules, Statement};

/// The account so far.
#[derive(Default)]
pub(super) struct Replay {
    /// Activations with all their rules.
    pub(super) activations: Vec<Activation>,
    pub(super) faults: Vec<Fault>,
    /// Index of the entry whose rules the next entry may continue.
    rules_until: Option<u64>,
    addresses: BTreeSet<AddressStatement>,
    /// The digest to be reached, and the entry that stated it last.
    stated: Option<(u64, Digest)>,
}

impl Replay {
    /// All statements of a log; `policies` are those that are stored.
    pub(super) fn of(entries: &[(u64, Statement)], policies: &BTreeSet<Digest>) -> Self {
        let mut replay = Self::default();
        for (index, statement) in entries {
            let digest = match statement {
                Statement::Addresses(addresses) => Some(addresses.digest),
                _ => None,
            };
            if replay.stated.is_some_and(|(_, stated)| Some(stated) != digest) {
                replay.end_change();
            }
            match statement {
                Statement::Activation(activation) => replay.activate(*index, activation, policies),
                Statement::Rules(rules) => replay.add_rules(*index, rules),
                Statement::Addresses(addresses) => replay.change_addresses(*index, addresses),
                Statement::Refused(_) => {}
            }
        }
        replay.end_change();
        replay
    }

    fn last_epoch(&self) -> Option<u32> {
        self.activations.last().map(|activation| activation.epoch)
    }

    fn activate(&mut self, index: u64, activation: &Activation, policies: &BTreeSet<Digest>) {
        let epoch = activation.epoch;
        if let Some(last) = self.last_epoch().filter(|&last| epoch <= last) {
            self.faults.push(Fault::EpochNotNew { index, epoch, last });
        }
        let digest = activation.policy_digest;
        // A policy without files has nothing to store.
        if !policies.contains(&digest) && digest != Digest(policy_digest::<&str, &[u8]>(&[])) {
            self.faults.push(Fault::PolicyMissing { index, digest });
        }
        self.addresses.clear();
        self.activations.push(activation.clone());
        self.rules_until = Some(index);
    }

    fn add_rules(&mut self, index: u64, rules: &Rules) {
        if !self.is_in_force(index, rules.epoch) {
            return;
        }
        if self.rules_until.is_none_or(|until| until + 1 != index) {
            self.faults.push(Fault::RulesApart { index });
        }
        self.rules_until = Some(index);
        if let Some(activation) = self.activations.last_mut() {
            activation.rules.extend_from_slice(&rules.rules);
        }
    }

    fn change_addresses(&mut self, index: u64, change: &Addresses) {
        if !self.is_in_force(index, change.epoch) {
            return;
        }
        let mut is_right = true;
        for address in &change.removed {
            is_right &= self.addresses.remove(address);
        }
        for address in &change.added {
            is_right &= self.addresses.insert(address.clone());
        }
        if !is_right {
            self.faults.push(Fault::AddressChange { index });
        }
        self.stated = Some((index, change.digest));
    }

    /// A change of addresses is complete: the list must be what was stated.
    fn end_change(&mut self) {
        let Some((index, stated)) = self.stated.take() else { return };
        let found = addresses_digest(&self.addresses);
        if found != stated {
            self.faults.push(Fault::AddressDigest { index, stated, found });
        }
    }

    fn is_in_force(&mut self, index: u64, epoch: u32) -> bool {
        let last = self.last_epoch();
        if last != Some(epoch) {
            self.faults.push(Fault::EpochNotInForce { index, epoch, last });
        }
        last == Some(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{ActivationCause, AddressStatement};

    /// The writer never makes such a log, so the statements are given without one.
    #[test]
    fn an_address_that_is_added_twice_or_removed_unlisted_is_found() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let gateway = String::from("gw1");
        let address = AddressStatement {
            rules: vec![1],
            name: "moh.example.vn".into(),
            address: std::net::IpAddr::from([192, 0, 2, 1]),
        };
        let none = addresses_digest(&BTreeSet::new());
        let one = addresses_digest(&BTreeSet::from([address.clone()]));
        let change = |digest, added: &[AddressStatement], removed: &[AddressStatement]| {
            let (added, removed) = (added.to_vec(), removed.to_vec());
            Statement::Addresses(Addresses { gateway: gateway.clone(), epoch: 1, at, digest, added, removed })
        };
        let cause = ActivationCause::Start;
        let policy_digest = Digest(policy_digest::<&str, &[u8]>(&[]));
        let activation =
            Activation { gateway: gateway.clone(), epoch: 1, at, cause, policy_digest, rules: Vec::new() };
        let listed = [address];
        let statements = [
            Statement::Activation(activation),
            change(one, &listed, &[]),
            change(one, &listed, &[]),
            change(none, &[], &listed),
            change(none, &[], &listed),
        ];
        let entries: Vec<_> = (0..).zip(statements).collect();
        let faults = Replay::of(&entries, &BTreeSet::new()).faults;
        assert!(
            matches!(
                faults.as_slice(),
                [Fault::AddressChange { index: 2 }, Fault::AddressChange { index: 4 }]
            ),
            "{faults:?}"
        );
    }
}
