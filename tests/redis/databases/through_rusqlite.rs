//! SQLite, through rusqlite: its calls block, and what they have open can't be sent to another thread. There is no connection
//! that could be lost.

use cached_aside::{cached_aside, invalidates};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tempfile::TempDir;

use super::{Driver, Failed, play, scenes};

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // A snapshot is older than what it is to write over.
            Some(ErrorCode::DatabaseBusy) => Failed::Serialization,
            _ => Failed::Database(error.to_string()),
        }
    }
}

/// Through a connection: a transaction derefs to one.
#[cached_aside(ttl = "1m", key = "balance:{table}:{account}", skip(connection))]
async fn balance(connection: &Connection, table: &str, account: i64) -> Result<i64, Failed> {
    let select = format!("SELECT balance FROM {table} WHERE id = ?1");
    Ok(connection.query_row(&select, [account], |row| row.get(0))?)
}

#[invalidates(balance(table, account), transaction = "required", guard_for = "2s")]
async fn change(tx: &Transaction<'_>, table: &str, account: i64, by: i64) -> Result<(), Failed> {
    tx.execute(&format!("UPDATE {table} SET balance = balance + ?1 WHERE id = ?2"), [by, account])?;
    tokio::task::yield_now().await;
    Ok(())
}

#[invalidates(balance(table, *result), transaction = "required", guard_for = "2s")]
async fn change_last(tx: &Transaction<'_>, table: &str, by: i64) -> Result<i64, Failed> {
    let update = format!(
        "UPDATE {table} SET balance = balance + ?1 WHERE id = (SELECT max(id) FROM {table}) RETURNING id"
    );
    Ok(tx.query_row(&update, [by], |row| row.get(0))?)
}

impl Driver for Connection {
    type Tx<'a> = Transaction<'a>;

    async fn connect(at: &str) -> Self {
        let connection = Connection::open(at).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection
    }

    async fn execute(&self, statements: &str) -> Result<(), Failed> {
        Ok(self.execute_batch(statements)?)
    }

    async fn begin(&mut self, snapshot: bool) -> Result<Self::Tx<'_>, Failed> {
        let behavior = if snapshot { TransactionBehavior::Deferred } else { TransactionBehavior::Immediate };
        Ok(self.transaction_with_behavior(behavior)?)
    }

    async fn commit(tx: Self::Tx<'_>) -> Result<(), Failed> {
        Ok(tx.commit()?)
    }

    async fn rollback(tx: Self::Tx<'_>) -> Result<(), Failed> {
        Ok(tx.rollback()?)
    }

    async fn execute_inside(tx: &mut Self::Tx<'_>, statement: &str) -> Result<(), Failed> {
        Ok(tx.execute_batch(statement)?)
    }

    async fn balance(&self, table: &str, account: i64) -> Result<i64, Failed> {
        balance(self, table, account).await
    }

    async fn balance_inside(tx: &mut Self::Tx<'_>, table: &str, account: i64) -> Result<i64, Failed> {
        balance(tx, table, account).await
    }

    async fn change(tx: &mut Self::Tx<'_>, table: &str, account: i64, by: i64) -> Result<(), Failed> {
        change(tx, table, account, by).await
    }

    async fn change_last(tx: &mut Self::Tx<'_>, table: &str, by: i64) -> Result<i64, Failed> {
        change_last(tx, table, by).await
    }
}

/// A database of a test's own, and its folder.
struct File(TempDir);

impl File {
    fn new() -> File {
        File(tempfile::tempdir().unwrap())
    }
}

impl std::fmt::Display for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.path().join("bank.sqlite").display())
    }
}

play! {
    Connection, "file", File::new() =>
    a_commit_is_seen_when_the_transaction_has_returned
    a_rollback_leaves_what_there_was
    a_key_of_a_result_is_guarded_before_the_commit
    a_write_outside_of_a_transaction_is_refused
    a_transaction_that_is_dropped_leaves_its_guards
    a_transaction_is_tried_again_after_a_serialization_failure
    a_transaction_is_tried_again_as_a_whole
    a_savepoint_is_rolled_back_inside_of_a_transaction
    an_old_snapshot_is_not_stored
}

#[tokio::test]
async fn a_process_that_dies_between_its_commit_and_the_release() {
    let test = "databases::through_rusqlite::a_process_that_dies_between_its_commit_and_the_release";
    let file = File::new();
    let at = || file.to_string();
    scenes::a_process_that_dies_between_its_commit_and_the_release::<Connection>(at, "killed", test).await;
}
