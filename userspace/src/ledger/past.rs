//! What the ledger remembers of an address or a name, read without changing anything.

use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::LedgerError;
use super::answers::chain;
use super::reconcile::open;
use super::stored::{parsed, parsed_option, unsigned};
use crate::book::Source;
use crate::resolve::Security;

/// An epoch, and the policy that was in force in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEpoch {
    /// Its number.
    pub epoch: u32,
    /// The digest of its policy.
    pub policy_digest: String,
    /// When it began; it ended when the next one did.
    pub activated_at: Timestamp,
}

/// That a rule had an address by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastHolding {
    /// The address.
    pub address: IpAddr,
    /// The name.
    pub name: String,
    /// The rule's permanent number.
    pub rule: u32,
    /// The policy that it is in, by its id.
    pub policy: String,
    /// Its id in the policy.
    pub rule_id: String,
    /// From when on.
    pub from_at: Timestamp,
    /// Until just before this; `None`: still.
    pub to_at: Option<Timestamp>,
    /// Who asked the question whose answer it began with.
    pub source: Source,
    /// Who gave that answer; `None`: not known.
    pub resolver: Option<IpAddr>,
    /// What validation said of it.
    pub security: Security,
    /// The aliases that it went through, in order.
    pub chain: Vec<String>,
    /// How long it was good for, in seconds.
    pub ttl_seconds: u64,
    /// The epoch in which the rule came to have it.
    pub epoch: u32,
}

/// That unrelated names had an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSharing {
    /// A name that a rule covers.
    pub name: String,
    /// One that has nothing to do with it.
    pub other: String,
    /// From when on.
    pub from_at: Timestamp,
    /// Until just before this; `None`: still.
    pub to_at: Option<Timestamp>,
}

/// What the ledger is asked about, beside activations and rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// Which names had an address.
    Address(IpAddr),
    /// Which addresses a name had; as it is on the wire.
    Name(&'a str),
    /// Nothing else.
    Rules,
}

/// All that is remembered of what was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Activations, by number.
    pub epochs: Vec<PastEpoch>,
    /// In the order in which they began.
    pub holdings: Vec<PastHolding>,
    /// In the order in which they began.
    pub sharings: Vec<PastSharing>,
    /// Permanent numbers with the ids of policy and rule.
    pub rules: Vec<super::NumberedRule>,
}

const HOLDINGS: &str = "
    SELECT name, holdings.rule, rules.policy, rules.rule, from_at, to_at, source, resolver, validated, chain,
           ttl_seconds, epoch, address
    FROM holdings JOIN rules ON rules.number = holdings.rule";

impl Past {
    /// Reads what the ledger at `path` has, as of one instant. A controller may write meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Open`] if the file cannot be opened as a ledger of this version; else a fault of the file.
    pub fn read(path: &Path, about: About<'_>) -> Result<Self, LedgerError> {
        let mut connection = open(path)
            .map_err(|source| LedgerError::Open { path: path.to_owned(), source: Box::new(source) })?;
        let transaction = connection.transaction()?;
        let epochs = "SELECT epoch, policy_digest, activated_at FROM epochs ORDER BY epoch";
        let rules = "SELECT number, policy, rule FROM rules ORDER BY number";
        let mut past = Self {
            epochs: all(&transaction, epochs, &[], epoch)?,
            rules: all(&transaction, rules, &[], rule)?,
            ..Self::default()
        };
        match about {
            About::Address(address) => {
                let address = address.to_string();
                let query = format!("{HOLDINGS} WHERE address = ? ORDER BY holding");
                past.holdings = all(&transaction, &query, &[&address], holding)?;
                let query =
                    "SELECT name, other, from_at, to_at FROM sharings WHERE address = ? ORDER BY sharing";
                past.sharings = all(&transaction, query, &[&address], sharing)?;
            }
            About::Name(name) => {
                let query = format!("{HOLDINGS} WHERE name = ? ORDER BY holding");
                past.holdings = all(&transaction, &query, &[&name], holding)?;
            }
            About::Rules => {}
        }
        Ok(past)
    }

    /// The permanent number of a rule; `None`: it never had one.
    pub fn rule_number(&self, policy: &str, rule: &str) -> Option<u32> {
        self.rules.iter().find(|known| known.policy == policy && known.rule == rule).map(|known| known.number)
    }

    /// The epoch that was in force at `at`; `None`: none was yet.
    pub fn epoch_at(&self, at: Timestamp) -> Option<&PastEpoch> {
        self.epochs.iter().rfind(|epoch| epoch.activated_at <= at)
    }
}

fn all<T>(
    connection: &Connection,
    query: &str,
    parameters: &[&dyn rusqlite::ToSql],
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map(parameters, read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn epoch(row: &Row<'_>) -> rusqlite::Result<PastEpoch> {
    Ok(PastEpoch { epoch: row.get(0)?, policy_digest: row.get(1)?, activated_at: parsed(row, 2)? })
}

fn rule(row: &Row<'_>) -> rusqlite::Result<super::NumberedRule> {
    Ok(super::NumberedRule { number: row.get(0)?, policy: row.get(1)?, rule: row.get(2)? })
}

fn sharing(row: &Row<'_>) -> rusqlite::Result<PastSharing> {
    Ok(PastSharing {
        name: row.get(0)?,
        other: row.get(1)?,
        from_at: parsed(row, 2)?,
        to_at: parsed_option(row, 3)?,
    })
}

fn holding(row: &Row<'_>) -> rusqlite::Result<PastHolding> {
    Ok(PastHolding {
        address: parsed(row, 12)?,
        name: row.get(0)?,
        rule: row.get(1)?,
        policy: row.get(2)?,
        rule_id: row.get(3)?,
        from_at: parsed(row, 4)?,
        to_at: parsed_option(row, 5)?,
        source: parsed(row, 6)?,
        resolver: parsed_option(row, 7)?,
        security: parsed(row, 8)?,
        chain: chain(row, 9)?,
        ttl_seconds: unsigned(row, 10)?,
        epoch: row.get(11)?,
    })
}
