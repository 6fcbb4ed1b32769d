//! The ledger's tables, and how an older file gets them.

use rusqlite::{Connection, TransactionBehavior};

use super::error::LedgerError;

/// Each step brings the schema from the version of its place to the next; `user_version` says how many were
/// taken. A step that was released is never changed.
const MIGRATIONS: &[&str] = &[VERSION_1];

const VERSION_1: &str = "
    -- AUTOINCREMENT: a number is not given again even if its row is deleted.
    CREATE TABLE rules (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        policy TEXT NOT NULL,
        rule TEXT NOT NULL,
        UNIQUE (policy, rule)
    ) STRICT;
    CREATE TABLE epochs (
        epoch INTEGER PRIMARY KEY,
        policy_digest TEXT NOT NULL,
        activated_at TEXT NOT NULL,
        log_index INTEGER NOT NULL
    ) STRICT;
    -- last_record: the gateway's last record number once the interval was closed, even if it has no records.
    CREATE TABLE intervals (
        interval INTEGER PRIMARY KEY,
        gateway TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        instance INTEGER NOT NULL,
        epoch INTEGER NOT NULL REFERENCES epochs,
        started_at TEXT NOT NULL,
        closed_at TEXT NOT NULL,
        reason TEXT NOT NULL,
        records INTEGER NOT NULL,
        last_record INTEGER NOT NULL,
        counted_packets INTEGER NOT NULL,
        interface_packets INTEGER NOT NULL,
        difference_packets INTEGER NOT NULL AS (counted_packets - interface_packets) STORED,
        published INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX intervals_by_gateway ON intervals (gateway, last_record);
    CREATE INDEX intervals_unpublished ON intervals (interval) WHERE published = 0 AND records > 0;
    -- Clustered by interval, because that is how records are read. The delta is cumulative - previous:
    -- keeping it as well would allow the three to disagree.
    CREATE TABLE records (
        interval INTEGER NOT NULL REFERENCES intervals,
        record INTEGER NOT NULL,
        subscriber BLOB NOT NULL,
        epoch INTEGER NOT NULL REFERENCES epochs,
        bucket INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        rule INTEGER REFERENCES rules (number),
        rating_group INTEGER,
        uplink_packets_previous INTEGER NOT NULL,
        uplink_octets_previous INTEGER NOT NULL,
        downlink_packets_previous INTEGER NOT NULL,
        downlink_octets_previous INTEGER NOT NULL,
        uplink_packets INTEGER NOT NULL CHECK (uplink_packets >= uplink_packets_previous),
        uplink_octets INTEGER NOT NULL CHECK (uplink_octets >= uplink_octets_previous),
        downlink_packets INTEGER NOT NULL CHECK (downlink_packets >= downlink_packets_previous),
        downlink_octets INTEGER NOT NULL CHECK (downlink_octets >= downlink_octets_previous),
        PRIMARY KEY (interval, record)
    ) STRICT, WITHOUT ROWID;
    -- The last cut of every kernel counter.
    CREATE TABLE cumulatives (
        instance INTEGER NOT NULL,
        subscriber BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        rule INTEGER NOT NULL,
        bucket INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        uplink_packets INTEGER NOT NULL,
        uplink_octets INTEGER NOT NULL,
        downlink_packets INTEGER NOT NULL,
        downlink_octets INTEGER NOT NULL,
        PRIMARY KEY (instance, subscriber, epoch, rule, bucket, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE interface_cuts (
        interval INTEGER NOT NULL REFERENCES intervals,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        packets INTEGER NOT NULL,
        frame_octets INTEGER NOT NULL,
        bucket_packets INTEGER NOT NULL,
        bucket_frame_octets INTEGER NOT NULL,
        nic_packets INTEGER NOT NULL,
        nic_octets INTEGER NOT NULL,
        bucket_packets_difference INTEGER NOT NULL AS (bucket_packets - packets) STORED,
        bucket_frame_octets_difference INTEGER NOT NULL AS (bucket_frame_octets - frame_octets) STORED,
        nic_packets_difference INTEGER NOT NULL AS (nic_packets - packets) STORED,
        nic_octets_difference INTEGER NOT NULL AS (nic_octets - frame_octets) STORED,
        PRIMARY KEY (interval, name)
    ) STRICT, WITHOUT ROWID;
    -- Which calls are in one exported file; decided before the file is written, so that writing it again
    -- after a crash gives the same octets.
    CREATE TABLE call_files (
        file INTEGER PRIMARY KEY,
        gateway TEXT NOT NULL,
        published INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE calls (
        gateway TEXT NOT NULL,
        call INTEGER NOT NULL,
        file INTEGER REFERENCES call_files,
        call_id TEXT NOT NULL,
        rule INTEGER NOT NULL REFERENCES rules (number),
        number TEXT NOT NULL,
        caller TEXT NOT NULL,
        subscriber TEXT NOT NULL,
        proxy TEXT NOT NULL,
        invited_at TEXT NOT NULL,
        answered_at TEXT,
        ended_at TEXT NOT NULL,
        cause TEXT NOT NULL,
        epoch INTEGER NOT NULL REFERENCES epochs,
        uplink_packets INTEGER NOT NULL,
        uplink_octets INTEGER NOT NULL,
        downlink_packets INTEGER NOT NULL,
        downlink_octets INTEGER NOT NULL,
        PRIMARY KEY (gateway, call)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX calls_by_file ON calls (file, gateway, call);
    CREATE TABLE name_addresses (
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        learned_at TEXT NOT NULL,
        ttl_seconds INTEGER NOT NULL,
        PRIMARY KEY (name, address)
    ) STRICT, WITHOUT ROWID;
";

/// Takes the steps that the file has not taken yet, each in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(LedgerError::Newer { found, known });
    }
    for (version, step) in (1u32..).zip(MIGRATIONS) {
        if version > found {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
    }
    Ok(())
}
