//! Postgres, through sqlx and its pool.

use cached_aside::{cached_aside, invalidates};
use cached_aside_tests::PostgresServer;
use sqlx::{
    Executor, PgExecutor, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
    query, query_scalar, raw_sql,
};

use super::{Driver, Failed, play, scenes};

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code) {
            Some(code) if code == "40001" => Failed::Serialization,
            _ => Failed::Database(error.to_string()),
        }
    }
}

/// Through the pool, or a transaction as well: inside of `transaction(…)` nothing of it is stored.
#[cached_aside(ttl = "1m", key = "balance:{table}:{account}", skip(executor))]
async fn balance(executor: impl PgExecutor<'_>, table: &str, account: i64) -> Result<i64, Failed> {
    let select = format!("SELECT balance FROM {table} WHERE id = $1");
    Ok(query_scalar(&select).bind(account).fetch_one(executor).await?)
}

#[invalidates(balance(table, account), transaction = "required", guard_for = "2s")]
async fn change(
    tx: &mut Transaction<'_, Postgres>,
    table: &str,
    account: i64,
    by: i64,
) -> Result<(), Failed> {
    let update = format!("UPDATE {table} SET balance = balance + $1 WHERE id = $2");
    query(&update).bind(by).bind(account).execute(&mut **tx).await?;
    Ok(())
}

#[invalidates(balance(table, *result), transaction = "required", guard_for = "2s")]
async fn change_last(tx: &mut Transaction<'_, Postgres>, table: &str, by: i64) -> Result<i64, Failed> {
    let update = format!(
        "UPDATE {table} SET balance = balance + $1 WHERE id = (SELECT max(id) FROM {table}) RETURNING id"
    );
    Ok(query_scalar(&update).bind(by).fetch_one(&mut **tx).await?)
}

impl Driver for PgPool {
    type Tx<'a> = Transaction<'a, Postgres>;

    async fn connect(at: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass().socket(at).username("test").database("postgres");
        PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap()
    }

    async fn execute(&self, statements: &str) -> Result<(), Failed> {
        raw_sql(statements).execute(self).await?;
        Ok(())
    }

    async fn begin(&mut self, snapshot: bool) -> Result<Self::Tx<'_>, Failed> {
        let mut tx = PgPool::begin(self).await?;
        if snapshot {
            tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        }
        Ok(tx)
    }

    async fn commit(tx: Self::Tx<'_>) -> Result<(), Failed> {
        Ok(tx.commit().await?)
    }

    async fn rollback(tx: Self::Tx<'_>) -> Result<(), Failed> {
        Ok(tx.rollback().await?)
    }

    async fn execute_inside(tx: &mut Self::Tx<'_>, statement: &str) -> Result<(), Failed> {
        tx.execute(statement).await?;
        Ok(())
    }

    async fn balance(&self, table: &str, account: i64) -> Result<i64, Failed> {
        balance(self, table, account).await
    }

    async fn balance_inside(tx: &mut Self::Tx<'_>, table: &str, account: i64) -> Result<i64, Failed> {
        balance(&mut **tx, table, account).await
    }

    async fn change(tx: &mut Self::Tx<'_>, table: &str, account: i64, by: i64) -> Result<(), Failed> {
        change(tx, table, account, by).await
    }

    async fn change_last(tx: &mut Self::Tx<'_>, table: &str, by: i64) -> Result<i64, Failed> {
        change_last(tx, table, by).await
    }
}

play! {
    PgPool, "pool", PostgresServer::shared().socket().display() =>
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
    let test = "databases::through_sqlx::a_process_that_dies_between_its_commit_and_the_release";
    let at = || PostgresServer::shared().socket().display().to_string();
    scenes::a_process_that_dies_between_its_commit_and_the_release::<PgPool>(at, "pool_killed", test).await;
}
