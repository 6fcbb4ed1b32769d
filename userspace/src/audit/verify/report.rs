//! What a verified log says.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::merkle::Hash;
use crate::audit::statement::{Activation, AddressStatement, Statement};

/// A log, all of which was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// The verifier key, as text: compare it with the one you had from the carrier.
    pub key: String,
    /// How many entries it has.
    pub size: u64,
    /// The tree's root; base64 in JSON, as in the checkpoint.
    #[serde(serialize_with = "as_base64")]
    pub root: Hash,
    /// The entries, with their indexes.
    pub entries: Vec<(u64, Statement)>,
    /// The activations, each with all its rules.
    #[serde(skip)]
    pub activations: Vec<Activation>,
}

impl Report {
    /// The activation in force at `time`: the last in the log whose time is not after it; `None` before the first.
    ///
    /// The log's order decides where a clock went back.
    pub fn in_force_at(&self, time: Timestamp) -> Option<&Activation> {
        self.activations.iter().rev().find(|activation| activation.at <= time)
    }

    /// The addresses that names stood for at `time`, under the activation then in force.
    pub fn addresses_at(&self, time: Timestamp) -> BTreeSet<&AddressStatement> {
        let mut listed = BTreeSet::new();
        let Some(epoch) = self.in_force_at(time).map(|activation| activation.epoch) else { return listed };
        for (_, statement) in &self.entries {
            if let Statement::Addresses(change) = statement
                && change.epoch == epoch
                && change.at <= time
            {
                for address in &change.removed {
                    listed.remove(address);
                }
                listed.extend(&change.added);
            }
        }
        listed
    }

    /// The root, as the checkpoint has it.
    pub fn root_text(&self) -> String {
        BASE64.encode(&self.root)
    }
}

fn as_base64<S: Serializer>(root: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(root))
}
