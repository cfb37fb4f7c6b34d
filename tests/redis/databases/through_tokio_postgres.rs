//! Postgres, through tokio-postgres.

use cached_aside::{cached_aside, invalidates};
use cached_aside_tests::PostgresServer;
use tokio_postgres::{Client, GenericClient, IsolationLevel, NoTls, Transaction, error::SqlState};

use super::{Driver, Failed, play, scenes};

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::T_R_SERIALIZATION_FAILURE) => Failed::Serialization,
            _ => Failed::Database(error.to_string()),
        }
    }
}

/// Through a connection, or a transaction as well: inside of `transaction(…)` nothing of it is stored.
#[cached_aside(ttl = "1m", key = "balance:{table}:{account}", skip(client))]
async fn balance(client: &impl GenericClient, table: &str, account: i64) -> Result<i64, Failed> {
    let row = client.query_one(&format!("SELECT balance FROM {table} WHERE id = $1"), &[&account]).await?;
    Ok(row.get(0))
}

#[invalidates(balance(table, account), transaction = "required", guard_for = "2s")]
async fn change(tx: &Transaction<'_>, table: &str, account: i64, by: i64) -> Result<(), Failed> {
    tx.execute(&format!("UPDATE {table} SET balance = balance + $1 WHERE id = $2"), &[&by, &account]).await?;
    Ok(())
}

#[invalidates(balance(table, *result), transaction = "required", guard_for = "2s")]
async fn change_last(tx: &Transaction<'_>, table: &str, by: i64) -> Result<i64, Failed> {
    let update = format!(
        "UPDATE {table} SET balance = balance + $1 WHERE id = (SELECT max(id) FROM {table}) RETURNING id"
    );
    Ok(tx.query_one(&update, &[&by]).await?.get(0))
}

impl Driver for Client {
    type Tx<'a> = Transaction<'a>;

    async fn connect(at: &str) -> Self {
        let config = format!("host={at} user=test dbname=postgres");
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn execute(&self, statements: &str) -> Result<(), Failed> {
        Ok(self.batch_execute(statements).await?)
    }

    async fn begin(&mut self, snapshot: bool) -> Result<Self::Tx<'_>, Failed> {
        let isolation = if snapshot { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        Ok(self.build_transaction().isolation_level(isolation).start().await?)
    }

    async fn commit(tx: Self::Tx<'_>) -> Result<(), Failed> {
        Ok(tx.commit().await?)
    }

    async fn rollback(tx: Self::Tx<'_>) -> Result<(), Failed> {
        Ok(tx.rollback().await?)
    }

    async fn execute_inside(tx: &mut Self::Tx<'_>, statement: &str) -> Result<(), Failed> {
        Ok(tx.batch_execute(statement).await?)
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

play! {
    Client, "client", PostgresServer::shared().socket().display() =>
    a_commit_is_seen_when_the_transaction_has_returned
    a_rollback_leaves_what_there_was
    a_key_of_a_result_is_guarded_before_the_commit
    a_write_outside_of_a_transaction_is_refused
    a_transaction_that_is_dropped_leaves_its_guards
    a_transaction_is_tried_again_after_a_serialization_failure
    a_transaction_is_tried_again_as_a_whole
    a_savepoint_is_rolled_back_inside_of_a_transaction
    an_old_snapshot_is_not_stored
    a_commit_whose_answer_is_lost
}

#[tokio::test]
async fn a_process_that_dies_between_its_commit_and_the_release() {
    let test = "databases::through_tokio_postgres::a_process_that_dies_between_its_commit_and_the_release";
    let at = || PostgresServer::shared().socket().display().to_string();
    scenes::a_process_that_dies_between_its_commit_and_the_release::<Client>(at, "client_killed", test).await;
}
