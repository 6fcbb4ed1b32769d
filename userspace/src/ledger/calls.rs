//! Records of free calls.

use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params};

use super::stored::{parsed, parsed_option, signed, unsigned};
use super::{BUSY_TIMEOUT, Ledger, LedgerError, schema};
use crate::calls::MediaUsage;

/// What later versions know of a call, and which call it is: one that comes twice is kept once.
pub(super) const MIGRATION: &str = "
    ALTER TABLE calls ADD COLUMN uid TEXT; -- NULL: kept by an older version
    ALTER TABLE calls ADD COLUMN caller_asserted INTEGER NOT NULL DEFAULT 0; -- 1: by the operator (RFC 3325)
    ALTER TABLE calls ADD COLUMN charging_id TEXT; -- icid-value (RFC 7315); NULL: not told
    CREATE UNIQUE INDEX calls_by_uid ON calls (gateway, uid);
";

/// What calls' media lost.
pub(super) const LOST_PACKETS: &str = "
    -- By sequence numbers (RFC 3550, appendix A.3). 0: none, or the call was kept by an older version.
    ALTER TABLE calls ADD COLUMN uplink_packets_lost INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE calls ADD COLUMN downlink_packets_lost INTEGER NOT NULL DEFAULT 0;
";

/// A free call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// Names the call among the gateway's; `None`: kept by an older version.
    pub uid: Option<String>,
    /// The gateway's id.
    pub gateway: String,
    /// The dialog's Call-ID (RFC 3261, section 20.8), or the id that the API was given.
    pub call_id: String,
    /// Permanent number of the hotline's rule.
    pub rule: u32,
    /// The hotline's number, as the policy writes it.
    pub number: String,
    /// Who called, as signalling says.
    pub caller: String,
    /// Whether the operator asserts the caller (RFC 3325), not he himself.
    pub is_caller_asserted: bool,
    /// `icid-value` of `P-Charging-Vector` (RFC 7315).
    pub charging_id: Option<String>,
    /// The subscriber's address or prefix, as in `10.20.0.11/32`.
    pub subscriber: String,
    /// The signalling proxy; `None`: the API opened the call.
    pub proxy: Option<IpAddr>,
    /// When the call was asked for.
    pub invited_at: Timestamp,
    /// When it was answered, if it was.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it ended.
    pub cause: String,
    /// The epoch under which it was free.
    pub epoch: u32,
    /// What its media took.
    pub media: MediaUsage,
}

/// A call as it is read back for export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCall {
    /// Number within the gateway, from 1 on, gapless; a sequence of its own, beside that of the records.
    pub call: u64,
    /// The call.
    pub row: CallRow,
    /// The policy of its rule.
    pub policy: String,
    /// The rule's id in its policy.
    pub rule_id: String,
    /// The digest of the policy of its epoch.
    pub policy_digest: String,
}

/// Calls that are exported together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFile {
    /// The file's number, from 1 on, gapless.
    pub file: u64,
    /// The gateway whose calls they are.
    pub gateway: String,
}

const INSERT: &str = "
    INSERT INTO calls (gateway, call, call_id, rule, number, caller, subscriber, proxy, invited_at,
                       answered_at, ended_at, cause, epoch, uplink_packets, uplink_octets, downlink_packets,
                       downlink_octets, uid, caller_asserted, charging_id, uplink_packets_lost,
                       downlink_packets_lost)
    VALUES (?1, (SELECT coalesce(max(call), 0) + 1 FROM calls WHERE gateway = ?1), ?, ?, ?, ?, ?, ?, ?, ?, ?,
            ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    RETURNING call";

const CALLS: &str = "
    SELECT gateway, call, call_id, calls.rule, calls.number, caller, subscriber, proxy, invited_at,
           answered_at, ended_at, cause, calls.epoch, uplink_packets, uplink_octets, downlink_packets,
           downlink_octets, rules.policy, rules.rule, policy_digest, uid, caller_asserted, charging_id,
           uplink_packets_lost, downlink_packets_lost
    FROM calls JOIN rules ON rules.number = calls.rule JOIN epochs USING (epoch)";

impl Ledger {
    /// Keeps a call and gives its number within its gateway; of one that is kept already, the number that it has.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownRule`] or [`LedgerError::UnknownEpoch`] if the ledger does not know its rule or
    /// epoch; else a fault of the file.
    pub fn insert_call(&mut self, row: &CallRow) -> Result<u64, LedgerError> {
        let transaction = self.begin()?;
        let known = "SELECT call FROM calls WHERE gateway = ? AND uid = ?";
        let kept =
            transaction.query_row(known, params![row.gateway, row.uid], |row| unsigned(row, 0)).optional()?;
        if let Some(call) = kept {
            return Ok(call);
        }
        check_references(&transaction, row)?;
        let media = |count| signed("what a call's media took", count);
        let values = params![
            row.gateway,
            row.call_id,
            row.rule,
            row.number,
            row.caller,
            row.subscriber,
            row.proxy.map(|proxy| proxy.to_string()).unwrap_or_default(),
            row.invited_at.to_string(),
            row.answered_at.map(|at| at.to_string()),
            row.ended_at.to_string(),
            row.cause,
            row.epoch,
            media(row.media.uplink_packets)?,
            media(row.media.uplink_octets)?,
            media(row.media.downlink_packets)?,
            media(row.media.downlink_octets)?,
            row.uid,
            row.is_caller_asserted,
            row.charging_id,
            media(row.media.uplink_packets_lost)?,
            media(row.media.downlink_packets_lost)?,
        ];
        let call = transaction.query_row(INSERT, values, |row| unsigned(row, 0))?;
        transaction.commit()?;
        Ok(call)
    }

    /// Puts the calls that are in no file yet into one new file for each gateway, then gives every file that
    /// is not marked as published, in order. What is in a file never changes after.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn unpublished_call_files(&mut self) -> Result<Vec<CallFile>, LedgerError> {
        let transaction = self.begin()?;
        transaction.execute_batch(
            "INSERT INTO call_files (gateway)
             SELECT DISTINCT gateway FROM calls WHERE file IS NULL ORDER BY gateway;
             UPDATE calls
             SET file = (SELECT max(file) FROM call_files WHERE call_files.gateway = calls.gateway)
             WHERE file IS NULL;",
        )?;
        let files = {
            let mut statement = transaction
                .prepare("SELECT file, gateway FROM call_files WHERE published = 0 ORDER BY file")?;
            let rows = statement
                .query_map([], |row| Ok(CallFile { file: unsigned(row, 0)?, gateway: row.get(1)? }))?;
            rows.collect::<Result<_, _>>()?
        };
        transaction.commit()?;
        Ok(files)
    }

    /// Hands each call of a file to `take`, by number; stops at its first error.
    ///
    /// # Errors
    ///
    /// A fault of the file, or what `take` returned.
    pub fn each_call<E: From<LedgerError>>(
        &self,
        file: u64,
        mut take: impl FnMut(&StoredCall) -> Result<(), E>,
    ) -> Result<(), E> {
        let number = signed("a file number", file)?;
        let query = format!("{CALLS} WHERE file = ? ORDER BY call");
        let mut statement = self.connection.prepare_cached(&query).map_err(LedgerError::from)?;
        let rows = statement.query_map([number], stored_call).map_err(LedgerError::from)?;
        for row in rows {
            take(&row.map_err(LedgerError::from)?)?;
        }
        Ok(())
    }

    /// Marks a file of calls as published: it is durable.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub fn mark_calls_published(&mut self, file: u64) -> Result<(), LedgerError> {
        let number = signed("a file number", file)?;
        self.connection.execute("UPDATE call_files SET published = 1 WHERE file = ?", [number])?;
        Ok(())
    }
}

/// The last calls that ended, the latest first, at most `count`; the ledger is read and never written.
///
/// # Errors
///
/// [`LedgerError::Open`] if the file cannot be opened as a ledger of this version; else a fault of the file.
pub fn past_calls(path: &Path, count: u32) -> Result<Vec<StoredCall>, LedgerError> {
    let open = || -> Result<Connection, LedgerError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        schema::check(&connection)?;
        Ok(connection)
    };
    let connection =
        open().map_err(|source| LedgerError::Open { path: path.to_owned(), source: Box::new(source) })?;
    let query = format!("{CALLS} ORDER BY ended_at DESC, gateway, call DESC LIMIT ?");
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map([count], stored_call)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn check_references(transaction: &Transaction<'_>, row: &CallRow) -> Result<(), LedgerError> {
    let find = |query, number| transaction.query_row(query, [number], |_| Ok(())).optional();
    find("SELECT 1 FROM rules WHERE number = ?", row.rule)?
        .ok_or(LedgerError::UnknownRule { rule: row.rule })?;
    find("SELECT 1 FROM epochs WHERE epoch = ?", row.epoch)?
        .ok_or(LedgerError::UnknownEpoch { epoch: row.epoch })
}

fn stored_call(row: &Row<'_>) -> rusqlite::Result<StoredCall> {
    Ok(StoredCall {
        call: unsigned(row, 1)?,
        row: CallRow {
            uid: row.get(20)?,
            gateway: row.get(0)?,
            call_id: row.get(2)?,
            rule: row.get(3)?,
            number: row.get(4)?,
            caller: row.get(5)?,
            is_caller_asserted: row.get(21)?,
            charging_id: row.get(22)?,
            subscriber: row.get(6)?,
            proxy: if row.get_ref(7)?.as_str()?.is_empty() { None } else { Some(parsed(row, 7)?) },
            invited_at: parsed(row, 8)?,
            answered_at: parsed_option(row, 9)?,
            ended_at: parsed(row, 10)?,
            cause: row.get(11)?,
            epoch: row.get(12)?,
            media: MediaUsage {
                uplink_packets: unsigned(row, 13)?,
                uplink_octets: unsigned(row, 14)?,
                downlink_packets: unsigned(row, 15)?,
                downlink_octets: unsigned(row, 16)?,
                uplink_packets_lost: unsigned(row, 23)?,
                downlink_packets_lost: unsigned(row, 24)?,
            },
        },
        policy: row.get(17)?,
        rule_id: row.get(18)?,
        policy_digest: row.get(19)?,
    })
}
