//! The ledger's tables, and how an older file gets them.

use std::cmp::Ordering;

use rusqlite::{Connection, TransactionBehavior};
use tollfree_core::reason::{Bucket, Reason};

use super::error::LedgerError;

/// Each step brings the schema from the version of its place to the next; `user_version` says how many were
/// taken. A step that was released is never changed.
const MIGRATIONS: &[&str] =
    &[VERSION_1, VERSION_2, VERSION_3, super::calls::MIGRATION, super::calls::LOST_PACKETS];

/// Rules, epochs, intervals and records, interfaces, calls, names.
pub(super) const VERSION_1: &str = "
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

/// Balances and transfers, identities, what was sent again, ceilings, and a view for people.
const VERSION_2: &str = "
    CREATE TABLE identities (
        -- Who had an address, as the source of identities says; NULL: not told. Row 0: not known at all.
        identity INTEGER PRIMARY KEY,
        msisdn TEXT,
        imsi TEXT
    ) STRICT;
    CREATE INDEX identities_by_name ON identities (msisdn, imsi);
    INSERT INTO identities (identity) VALUES (0);

    CREATE TABLE intervals_2 (
        -- Closed accounting intervals.
        interval INTEGER PRIMARY KEY,
        gateway TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        instance INTEGER NOT NULL, -- which making of the kernel's maps; 64 bits, as a signed number
        epoch INTEGER NOT NULL REFERENCES epochs,
        started_at TEXT NOT NULL,
        closed_at TEXT NOT NULL,
        reason TEXT NOT NULL,
        records INTEGER NOT NULL,
        last_record INTEGER NOT NULL, -- the gateway's last record number, even if the interval has no records
        recorded_packets INTEGER NOT NULL, -- packets in the balances of all the instance's accounts
        counted_packets INTEGER NOT NULL, -- packets in all the instance's counters
        interface_packets INTEGER NOT NULL, -- packets that arrived
        difference_packets INTEGER NOT NULL AS (counted_packets - interface_packets) STORED,
        published INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    INSERT INTO intervals_2 (interval, gateway, boot_id, instance, epoch, started_at, closed_at, reason, records,
                             last_record, recorded_packets, counted_packets, interface_packets, published)
        SELECT interval, gateway, boot_id, instance, epoch, started_at, closed_at, reason, records,
               last_record, counted_packets, counted_packets, interface_packets, published
        FROM intervals;
    DROP TABLE intervals;
    ALTER TABLE intervals_2 RENAME TO intervals;
    CREATE INDEX intervals_by_gateway ON intervals (gateway, last_record);
    CREATE INDEX intervals_by_instance ON intervals (instance, interval);
    CREATE INDEX intervals_unpublished ON intervals (interval) WHERE published = 0 AND records > 0;

    CREATE TABLE records_2 (
        -- Changes of accounts' balances. An account is an instance's (subscriber, epoch, rule, bucket, reason).
        -- The delta is the balance less the previous one: keeping it as well would allow the three to disagree.
        interval INTEGER NOT NULL REFERENCES intervals,
        record INTEGER NOT NULL,
        subscriber BLOB NOT NULL,
        identity INTEGER NOT NULL REFERENCES identities, -- who had the address when it was counted
        epoch INTEGER NOT NULL REFERENCES epochs,
        bucket INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        rule INTEGER REFERENCES rules (number), -- NULL: none
        rating_group INTEGER,
        uplink_packets_previous INTEGER NOT NULL,
        uplink_octets_previous INTEGER NOT NULL,
        downlink_packets_previous INTEGER NOT NULL,
        downlink_octets_previous INTEGER NOT NULL,
        uplink_packets INTEGER NOT NULL,
        uplink_octets INTEGER NOT NULL,
        downlink_packets INTEGER NOT NULL,
        downlink_octets INTEGER NOT NULL,
        PRIMARY KEY (interval, record)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO records_2
        SELECT interval, record, subscriber, 0, epoch, bucket, reason, rule, rating_group,
               uplink_packets_previous, uplink_octets_previous, downlink_packets_previous,
               downlink_octets_previous, uplink_packets, uplink_octets, downlink_packets, downlink_octets
        FROM records;
    DROP TABLE records;
    ALTER TABLE records_2 RENAME TO records;

    CREATE TABLE transfers (
        -- What went from a flow's pending account to the account of its verdict: both records' detail.
        interval INTEGER NOT NULL REFERENCES intervals,
        transfer INTEGER NOT NULL, -- within the interval, from 1 on
        flow INTEGER NOT NULL, -- the flow's number in the instance; 64 bits, as a signed number
        subscriber BLOB NOT NULL,
        identity INTEGER NOT NULL REFERENCES identities,
        epoch INTEGER NOT NULL REFERENCES epochs, -- under which it was counted; both accounts are of this epoch
        rule INTEGER REFERENCES rules (number), -- likewise; NULL: its address was in none yet
        rule_to INTEGER REFERENCES rules (number), -- of the account that it went to; NULL: none
        bucket INTEGER NOT NULL, -- likewise
        reason INTEGER NOT NULL, -- likewise: the verdict
        uplink_packets INTEGER NOT NULL,
        uplink_octets INTEGER NOT NULL,
        downlink_packets INTEGER NOT NULL,
        downlink_octets INTEGER NOT NULL,
        PRIMARY KEY (interval, transfer)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE received (
        -- What was ever transferred into each account that is open.
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
    CREATE TABLE pending (
        -- Flows' last cut: what the kernel counted as awaiting evidence, and what of it is not transferred.
        instance INTEGER NOT NULL,
        flow INTEGER NOT NULL,
        subscriber BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        rule INTEGER NOT NULL,
        identity INTEGER NOT NULL REFERENCES identities, -- who had the address when it was counted
        uplink_packets INTEGER NOT NULL,
        uplink_octets INTEGER NOT NULL,
        downlink_packets INTEGER NOT NULL,
        downlink_octets INTEGER NOT NULL,
        uplink_packets_held INTEGER NOT NULL,
        uplink_octets_held INTEGER NOT NULL,
        downlink_packets_held INTEGER NOT NULL,
        downlink_octets_held INTEGER NOT NULL,
        PRIMARY KEY (instance, flow, subscriber, epoch, rule, identity)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE retired (
        -- The balances of accounts that can change no more and are in no other table, summed over epochs.
        instance INTEGER NOT NULL,
        subscriber BLOB NOT NULL,
        rule INTEGER NOT NULL,
        bucket INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        uplink_packets INTEGER NOT NULL,
        uplink_octets INTEGER NOT NULL,
        downlink_packets INTEGER NOT NULL,
        downlink_octets INTEGER NOT NULL,
        PRIMARY KEY (instance, subscriber, rule, bucket, reason)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE sent_again (
        -- Payload that was sent before, by rule, since the maps were made, at the intervals in which it grew. It is
        -- part of what records have, not more.
        interval INTEGER NOT NULL REFERENCES intervals,
        rule INTEGER NOT NULL REFERENCES rules (number),
        uplink_segments_previous INTEGER NOT NULL,
        uplink_octets_previous INTEGER NOT NULL,
        downlink_segments_previous INTEGER NOT NULL,
        downlink_octets_previous INTEGER NOT NULL,
        uplink_segments INTEGER NOT NULL,
        uplink_octets INTEGER NOT NULL,
        downlink_segments INTEGER NOT NULL,
        downlink_octets INTEGER NOT NULL,
        PRIMARY KEY (interval, rule)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ceilings (
        -- Daily ceilings that were passed.
        interval INTEGER NOT NULL REFERENCES intervals,
        subscriber BLOB NOT NULL,
        identity INTEGER NOT NULL REFERENCES identities,
        rule INTEGER NOT NULL REFERENCES rules (number),
        day TEXT NOT NULL, -- the gateway's
        used_octets INTEGER NOT NULL, -- of that day, when it was noticed
        PRIMARY KEY (interval, subscriber, rule, day)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE buckets (
        -- Words for buckets' numbers.
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL
    ) STRICT;
    CREATE TABLE reasons (
        -- Words for reasons' numbers.
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL
    ) STRICT;
    CREATE VIEW usage AS
        -- Records in words, with their deltas.
        WITH groups AS (
            SELECT records.*, hex(subscriber) AS octets,
                   coalesce(nullif(ltrim(lower(substr(hex(subscriber), 1, 4)), '0'), ''), '0') AS a,
                   coalesce(nullif(ltrim(lower(substr(hex(subscriber), 5, 4)), '0'), ''), '0') AS b,
                   coalesce(nullif(ltrim(lower(substr(hex(subscriber), 9, 4)), '0'), ''), '0') AS c,
                   coalesce(nullif(ltrim(lower(substr(hex(subscriber), 13, 4)), '0'), ''), '0') AS d
            FROM records
        )
        SELECT groups.interval, record, gateway, closed_at,
               CASE
                   WHEN octets = '0000000000000000' THEN ''
                   WHEN substr(octets, 1, 8) = '0000FFFF' THEN
                       (instr('123456789ABCDEF', substr(octets, 9, 1)) * 16
                           + instr('123456789ABCDEF', substr(octets, 10, 1))) || '.' ||
                       (instr('123456789ABCDEF', substr(octets, 11, 1)) * 16
                           + instr('123456789ABCDEF', substr(octets, 12, 1))) || '.' ||
                       (instr('123456789ABCDEF', substr(octets, 13, 1)) * 16
                           + instr('123456789ABCDEF', substr(octets, 14, 1))) || '.' ||
                       (instr('123456789ABCDEF', substr(octets, 15, 1)) * 16
                           + instr('123456789ABCDEF', substr(octets, 16, 1))) || '/32'
                   WHEN d <> '0' THEN a || ':' || b || ':' || c || ':' || d || '::/64'
                   WHEN c <> '0' THEN a || ':' || b || ':' || c || '::/64'
                   WHEN b <> '0' THEN a || ':' || b || '::/64'
                   ELSE a || '::/64'
               END AS subscriber,
               msisdn, imsi, rules.policy, rules.rule AS rule_id, rating_group,
               coalesce(buckets.name, CAST(groups.bucket AS TEXT)) AS bucket,
               coalesce(reasons.name, CAST(groups.reason AS TEXT)) AS reason, groups.epoch,
               uplink_packets - uplink_packets_previous AS uplink_packets,
               uplink_octets - uplink_octets_previous AS uplink_octets,
               downlink_packets - downlink_packets_previous AS downlink_packets,
               downlink_octets - downlink_octets_previous AS downlink_octets
        FROM groups
        JOIN intervals USING (interval)
        JOIN identities USING (identity)
        LEFT JOIN rules ON rules.number = groups.rule
        LEFT JOIN buckets ON buckets.number = groups.bucket
        LEFT JOIN reasons ON reasons.number = groups.reason;
";

/// Answers that names' addresses are known from, and when rules had which address.
const VERSION_3: &str = "
    CREATE TABLE answers (
        -- The last answer of each source that said that a name has an address, for the next start.
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        source TEXT NOT NULL, -- resolver: the gateway asked; wire: a subscriber did
        learned_at TEXT NOT NULL,
        ttl_seconds INTEGER NOT NULL,
        validated TEXT NOT NULL, -- unchecked, secure, insecure or indeterminate
        resolver TEXT, -- who answered; NULL: an earlier version did not keep it
        chain TEXT NOT NULL, -- the aliases that led to it, in order; a JSON array
        PRIMARY KEY (name, address, source)
    ) STRICT, WITHOUT ROWID;
    -- Whether they were validated was not kept: it cannot be found out any more.
    INSERT INTO answers
        SELECT name, address, 'resolver', learned_at, ttl_seconds, 'indeterminate', NULL, '[]' FROM name_addresses;
    DROP TABLE name_addresses;

    CREATE TABLE holdings (
        -- When a rule had an address by a name, and from which answer.
        holding INTEGER PRIMARY KEY,
        address TEXT NOT NULL,
        name TEXT NOT NULL,
        rule INTEGER NOT NULL REFERENCES rules (number),
        from_at TEXT NOT NULL,
        to_at TEXT, -- NULL: still
        source TEXT NOT NULL, -- this and what follows: of the answer that it began with
        resolver TEXT,
        validated TEXT NOT NULL,
        chain TEXT NOT NULL,
        ttl_seconds INTEGER NOT NULL,
        epoch INTEGER NOT NULL REFERENCES epochs -- in which it began
    ) STRICT;
    CREATE INDEX holdings_by_address ON holdings (address);
    CREATE UNIQUE INDEX holdings_open ON holdings (address, name, rule) WHERE to_at IS NULL;
    CREATE TABLE sharings (
        -- When names that have nothing to do with each other had an address.
        sharing INTEGER PRIMARY KEY,
        address TEXT NOT NULL,
        name TEXT NOT NULL, -- one that a rule covers
        other TEXT NOT NULL, -- one that its policy does not, and of another owner
        from_at TEXT NOT NULL,
        to_at TEXT -- NULL: still
    ) STRICT;
    CREATE INDEX sharings_by_address ON sharings (address);
    CREATE UNIQUE INDEX sharings_open ON sharings (address) WHERE to_at IS NULL;
";

/// Takes the steps that the file has not taken yet, each in a transaction of its own, and leaves foreign keys enforced.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let found = version(connection)?;
    if found > known() {
        return Err(LedgerError::Newer { found, known: known() });
    }
    // A step that makes a table anew drops the old one, which others refer to by name. Inside a transaction this
    // cannot be switched.
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    for (version, step) in (1u32..).zip(MIGRATIONS) {
        if version > found {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
    }
    connection.pragma_update(None, "foreign_keys", "ON")?;
    name_numbers(connection)
}

/// Refuses a file of another schema: who only reads cannot bring it up to date.
pub(super) fn check(connection: &Connection) -> Result<(), LedgerError> {
    let (found, known) = (version(connection)?, known());
    match found.cmp(&known) {
        Ordering::Less => Err(LedgerError::Older { found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(LedgerError::Newer { found, known }),
    }
}

fn version(connection: &Connection) -> Result<u32, LedgerError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Keeps the words of all buckets and reasons of this version, for the view. Numbers are permanent, so words are only
/// added; without a new one, nothing is written.
fn name_numbers(connection: &mut Connection) -> Result<(), LedgerError> {
    let buckets: Vec<_> = Bucket::ALL.into_iter().map(|bucket| (bucket as u16, bucket.name())).collect();
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| (*reason as u16, reason.name())).collect();
    for (table, names) in [("buckets", buckets), ("reasons", reasons)] {
        let known: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        if known.unsigned_abs() < names.len() as u64 {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for name in names {
                let insert = format!("INSERT OR IGNORE INTO {table} (number, name) VALUES (?, ?)");
                transaction.prepare_cached(&insert)?.execute(name)?;
            }
            transaction.commit()?;
        }
    }
    Ok(())
}
