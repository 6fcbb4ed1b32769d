//! Answers that names' addresses are known from, so that a restart does not begin with none.

use std::time::Duration;

use rusqlite::{Row, Transaction, params};

use super::stored::{parsed, parsed_option, signed, unsigned};
use super::{Ledger, LedgerError};
use crate::book::{Answer, SavedAnswers, Source};

const INSERT: &str = "
    INSERT INTO answers (name, address, source, learned_at, ttl_seconds, validated, resolver, chain)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

impl Ledger {
    /// Keeps these names' addresses' answers in place of those that were kept of them before; others stay. A lifetime's
    /// fraction of a second is cut.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn save_answers(&mut self, changed: &[SavedAnswers]) -> Result<(), LedgerError> {
        let transaction = self.begin()?;
        for saved in changed {
            save(&transaction, saved)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// All answers that are kept, by name and address.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn saved_answers(&self) -> Result<Vec<SavedAnswers>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT name, address, source, learned_at, ttl_seconds, validated, resolver, chain FROM answers
             ORDER BY name, address, source",
        )?;
        let mut kept: Vec<SavedAnswers> = Vec::new();
        for row in statement.query_map([], saved_answer)? {
            let (name, address, source, answer) = row?;
            match kept.last_mut().filter(|last| last.name == name && last.address == address) {
                Some(last) => last.answers.push((source, answer)),
                None => kept.push(SavedAnswers { name, address, answers: vec![(source, answer)] }),
            }
        }
        Ok(kept)
    }
}

fn save(transaction: &Transaction<'_>, saved: &SavedAnswers) -> Result<(), LedgerError> {
    let address = saved.address.to_string();
    let mut delete = transaction.prepare_cached("DELETE FROM answers WHERE name = ? AND address = ?")?;
    delete.execute(params![saved.name, address])?;
    let mut insert = transaction.prepare_cached(INSERT)?;
    for (source, answer) in &saved.answers {
        insert.execute(params![
            saved.name,
            address,
            source.name(),
            answer.learned_at.to_string(),
            signed("a lifetime in seconds", answer.ttl.as_secs())?,
            answer.security.name(),
            answer.resolver.map(|resolver| resolver.to_string()),
            chain_text(&answer.chain),
        ])?;
    }
    Ok(())
}

type Row4 = (String, std::net::IpAddr, Source, Answer);

fn saved_answer(row: &Row<'_>) -> rusqlite::Result<Row4> {
    let answer = Answer {
        learned_at: parsed(row, 3)?,
        ttl: Duration::from_secs(unsigned(row, 4)?),
        security: parsed(row, 5)?,
        resolver: parsed_option(row, 6)?,
        chain: chain(row, 7)?.into(),
    };
    Ok((row.get(0)?, parsed(row, 1)?, parsed(row, 2)?, answer))
}

/// Names as a JSON array.
pub(super) fn chain_text(chain: &[String]) -> String {
    serde_json::Value::from(chain.to_vec()).to_string()
}

/// Names of a JSON array.
pub(super) fn chain(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
