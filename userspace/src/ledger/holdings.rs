//! When each rule had which address, by which name, from which answer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::answers::chain_text;
use super::stored::{parsed, signed};
use super::{Ledger, LedgerError};
use crate::book::{Holding, HoldingEvent};

const OPEN: &str = "
    INSERT INTO holdings (address, name, rule, from_at, source, resolver, validated, chain, ttl_seconds, epoch)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING";

const CLOSE: &str = "
    UPDATE holdings SET to_at = ? WHERE address = ? AND name = ? AND rule = ? AND to_at IS NULL";

const SHARE: &str = "
    INSERT INTO sharings (address, name, other, from_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";

const UNSHARE: &str = "UPDATE sharings SET to_at = ? WHERE address = ? AND to_at IS NULL";

impl Ledger {
    /// Keeps what happened under `epoch`, in order. What is open already stays as it began.
    ///
    /// # Errors
    ///
    /// A fault of the file, or a rule or an epoch that is not in it.
    pub fn record_holdings(&mut self, epoch: u32, events: &[HoldingEvent]) -> Result<(), LedgerError> {
        let transaction = self.begin()?;
        for event in events {
            record(&transaction, epoch, event)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Makes what is open be what rules hold and what is shared at `at`, under `epoch`: after a start, when an earlier
    /// controller may have left without closing anything.
    ///
    /// # Errors
    ///
    /// As [`Ledger::record_holdings`].
    pub fn settle_holdings(
        &mut self,
        epoch: u32,
        at: Timestamp,
        held: &[Holding],
        shared: &[(IpAddr, String, String)],
    ) -> Result<(), LedgerError> {
        let transaction = self.begin()?;
        let wanted: BTreeSet<_> = held.iter().map(|one| (one.address, one.name.as_str(), one.rule)).collect();
        for (address, name, rule) in open_holdings(&transaction)? {
            if !wanted.contains(&(address, name.as_str(), rule)) {
                record(&transaction, epoch, &HoldingEvent::Closed { address, name, rule, at })?;
            }
        }
        for holding in held {
            let holding = Holding { since: at, ..holding.clone() };
            record(&transaction, epoch, &HoldingEvent::Opened(holding))?;
        }
        let wanted: BTreeSet<_> = shared.iter().map(|(address, ..)| *address).collect();
        for (address, _) in open_sharings(&transaction)? {
            if !wanted.contains(&address) {
                record(&transaction, epoch, &HoldingEvent::Unshared { address, at })?;
            }
        }
        for (address, name, other) in shared.iter().cloned() {
            record(&transaction, epoch, &HoldingEvent::Shared { address, name, other, at })?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Addresses that are shared, each with the name that does not belong there.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn shared_addresses(&self) -> Result<Vec<(IpAddr, String)>, LedgerError> {
        open_sharings(&self.connection)
    }
}

fn open_holdings(transaction: &Transaction<'_>) -> Result<Vec<(IpAddr, String, u32)>, LedgerError> {
    let mut statement =
        transaction.prepare("SELECT address, name, rule FROM holdings WHERE to_at IS NULL")?;
    let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn open_sharings(connection: &rusqlite::Connection) -> Result<Vec<(IpAddr, String)>, LedgerError> {
    let mut statement =
        connection.prepare("SELECT address, other FROM sharings WHERE to_at IS NULL ORDER BY sharing")?;
    let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn record(transaction: &Transaction<'_>, epoch: u32, event: &HoldingEvent) -> Result<(), LedgerError> {
    match event {
        HoldingEvent::Opened(holding) => open(transaction, epoch, holding)?,
        HoldingEvent::Closed { address, name, rule, at } => {
            let mut close = transaction.prepare_cached(CLOSE)?;
            close.execute(params![at.to_string(), address.to_string(), name, rule])?;
        }
        HoldingEvent::Shared { address, name, other, at } => {
            let mut share = transaction.prepare_cached(SHARE)?;
            share.execute(params![address.to_string(), name, other, at.to_string()])?;
        }
        HoldingEvent::Unshared { address, at } => {
            let mut unshare = transaction.prepare_cached(UNSHARE)?;
            unshare.execute(params![at.to_string(), address.to_string()])?;
        }
    }
    Ok(())
}

fn open(transaction: &Transaction<'_>, epoch: u32, holding: &Holding) -> Result<(), LedgerError> {
    let Holding { address, name, rule, since, source, answer } = holding;
    transaction.prepare_cached(OPEN)?.execute(params![
        address.to_string(),
        name,
        rule,
        since.to_string(),
        source.name(),
        answer.resolver.map(|resolver| resolver.to_string()),
        answer.security.name(),
        chain_text(&answer.chain),
        signed("a lifetime in seconds", answer.ttl.as_secs())?,
        epoch,
    ])?;
    Ok(())
}
