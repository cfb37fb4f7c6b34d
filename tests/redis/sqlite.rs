//! Transactions of SQLite, through rusqlite: its calls block, and what they have open can't be sent to another thread.

use cached_aside::{Cache, cached_aside, invalidates, transaction};
use rusqlite::{Connection, Error, ErrorCode, Transaction};
use tokio::sync::Notify;

#[derive(Debug)]
enum Failed {
    Refused,
    Database(Error),
}

impl From<cached_aside::Error> for Failed {
    fn from(_: cached_aside::Error) -> Self {
        Failed::Refused
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Database(error)
    }
}

/// Through a connection: a transaction derefs to one.
#[cached_aside(ttl = "1m", key = "account:{account}", skip(connection))]
async fn balance(connection: &Connection, account: i64) -> Result<i64, Failed> {
    Ok(connection.query_row("SELECT balance FROM accounts WHERE id = ?1", [account], |row| row.get(0))?)
}

#[invalidates(balance(account), transaction = "required")]
async fn change(tx: &Transaction<'_>, account: i64, by: i64) -> Result<(), Failed> {
    tx.execute("UPDATE accounts SET balance = balance + ?1 WHERE id = ?2", [by, account])?;
    tokio::task::yield_now().await;
    Ok(())
}

async fn transfer(connection: &mut Connection, amount: i64, fails: bool) -> Result<(), Failed> {
    transaction(async {
        let tx = connection.transaction()?;
        change(&tx, 1, -amount).await?;
        change(&tx, 2, amount).await?;
        assert_eq!(balance(&tx, 1).await?, 100 - amount, "its own row");
        if fails {
            tx.execute("INSERT INTO accounts VALUES (1, 0)", [])?;
        }
        Ok(tx.commit()?)
    })
    .await
}

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let make = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL); \
                INSERT INTO accounts VALUES (1, 100), (2, 100)";
    connection.execute_batch(make).unwrap();
    connection
}

async fn both(connection: &Connection) -> (i64, i64) {
    (balance(connection, 1).await.unwrap(), balance(connection, 2).await.unwrap())
}

#[tokio::test(flavor = "current_thread")]
async fn a_commit_is_seen_and_a_rollback_is_not() {
    let (cache, mut connection) = (Cache::in_process(), database());
    cache
        .scope(async {
            assert_eq!(both(&connection).await, (100, 100));
            let failed = transfer(&mut connection, 10, true).await;
            let violation = Some(ErrorCode::ConstraintViolation);
            let is_violation = |error: &Error| error.sqlite_error_code() == violation;
            assert!(matches!(&failed, Err(Failed::Database(error)) if is_violation(error)), "{failed:?}");
            assert_eq!(both(&connection).await, (100, 100));
            let outside = async {
                let tx = connection.unchecked_transaction().unwrap();
                change(&tx, 1, 1).await
            };
            assert!(matches!(outside.await, Err(Failed::Refused)));
            transfer(&mut connection, 10, false).await.unwrap();
            assert_eq!(both(&connection).await, (90, 110));
        })
        .await;
    let stats = cache.stats();
    assert_eq!((stats.transactions, stats.transactions_failed, stats.writes_refused), (2, 1, 1));
}

#[tokio::test(flavor = "current_thread")]
async fn a_transaction_that_is_dropped_is_rolled_back_and_nothing_of_it_is_stored() {
    let (cache, mut connection) = (Cache::in_process(), database());
    cache
        .scope(async {
            let changed = Notify::new();
            let dropped = transaction(async {
                let tx = connection.transaction().unwrap();
                change(&tx, 1, -10).await.unwrap();
                assert_eq!(balance(&tx, 1).await.unwrap(), 90);
                changed.notify_one();
                std::future::pending::<()>().await;
            });
            tokio::select! {
                () = dropped => unreachable!("it never ends"),
                () = changed.notified() => {}
            }
            assert_eq!(both(&connection).await, (100, 100));
            assert_eq!(both(&connection).await, (100, 100));
        })
        .await;
    assert_eq!(cache.stats().total.stored, 1, "the other account, which was not named");
}
