//! Transactions of a real Postgres, through tokio-postgres: what becomes of the cache when they are committed, rolled back,
//! dropped, tried again, and when their process dies or their connection is lost.

use std::time::Duration;

use cached_aside::{Cache, cached_aside, invalidates, transaction};
use cached_aside_tests::{PostgresServer, RedisServer};
use redis::cmd;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{Client, Error, GenericClient, IsolationLevel, NoTls, Transaction, error::SqlState};

use crate::support::{eventually, filled};

/// A busy machine may need this.
const LONG: Duration = Duration::from_secs(20);

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

/// Through a connection, or a transaction as well: inside of `transaction(…)` nothing of it is stored.
#[cached_aside(ttl = "1m", key = "balance:{table}:{account}", skip(client))]
async fn balance(client: &impl GenericClient, table: &str, account: i64) -> Result<i64, Failed> {
    let row = client.query_one(&format!("SELECT balance FROM {table} WHERE id = $1"), &[&account]).await?;
    Ok(row.get(0))
}

#[invalidates(balance(table, account), transaction = "required", guard_for = "1s")]
async fn change(tx: &Transaction<'_>, table: &str, account: i64, by: i64) -> Result<(), Failed> {
    tx.execute(&format!("UPDATE {table} SET balance = balance + $1 WHERE id = $2"), &[&by, &account]).await?;
    Ok(())
}

async fn transfer(client: &mut Client, table: &str, amount: i64) -> Result<(), Failed> {
    transaction(async {
        let tx = client.transaction().await?;
        change(&tx, table, 1, -amount).await?;
        change(&tx, table, 2, amount).await?;
        Ok(tx.commit().await?)
    })
    .await
}

async fn connect() -> (Client, JoinHandle<()>) {
    let (client, connection) =
        tokio_postgres::connect(&PostgresServer::shared().config(), NoTls).await.unwrap();
    (client, tokio::spawn(async move { drop(connection.await) }))
}

/// A table of this test's own, with two accounts of a hundred; two processes with one Redis; and a connection for each.
struct Bank {
    redis: RedisServer,
    table: &'static str,
    writer: Cache,
    reader: Cache,
    client: Client,
    other: Client,
}

impl Bank {
    async fn new(table: &'static str) -> Bank {
        let redis = RedisServer::start();
        let cache = async || Cache::builder().url(redis.url()).namespace("bank").build().await.unwrap();
        let (writer, reader) = (cache().await, cache().await);
        let ((client, _), (other, _)) = (connect().await, connect().await);
        let make = format!(
            "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id bigint PRIMARY KEY, balance bigint NOT NULL); \
             INSERT INTO {table} VALUES (1, 100), (2, 100)"
        );
        client.batch_execute(&make).await.unwrap();
        Bank { redis, table, writer, reader, client, other }
    }

    /// What the other process reads of both accounts.
    async fn read(&self) -> (i64, i64) {
        let read = async {
            let one = balance(&self.other, self.table, 1).await.unwrap();
            (one, balance(&self.other, self.table, 2).await.unwrap())
        };
        self.reader.scope(read).await
    }

    /// The same, once both are in the cache.
    async fn read_and_store(&self) -> (i64, i64) {
        let read = self.read().await;
        let total = self.reader.stats().total;
        filled(&self.reader, total.loads - total.unstored).await;
        read
    }

    fn kind(&self, account: i64) -> Option<u8> {
        let key = format!("bank:balance:{}:{account}", self.table);
        self.redis.run::<Option<Vec<u8>>>(cmd("GET").arg(key)).map(|entry| entry[3])
    }
}

const GUARD: Option<u8> = Some(2);
const VALUE: Option<u8> = Some(0x10);

#[tokio::test]
async fn a_commit_is_seen_by_everybody_when_the_transaction_has_returned() {
    let mut bank = Bank::new("committed").await;
    assert_eq!(bank.read_and_store().await, (100, 100));
    bank.writer.scope(transfer(&mut bank.client, "committed", 10)).await.unwrap();
    assert_eq!((bank.kind(1), bank.kind(2)), (None, None));
    assert_eq!(bank.read_and_store().await, (90, 110));
    let loads = bank.reader.stats().total.loads;
    assert_eq!(bank.read().await, (90, 110));
    assert_eq!(bank.reader.stats().total.loads, loads, "from the cache");
}

#[tokio::test]
async fn a_rollback_leaves_what_there_was() {
    let mut bank = Bank::new("rolled_back").await;
    bank.read_and_store().await;
    let rolled_back = bank.writer.scope(transaction(async {
        let tx = bank.client.transaction().await?;
        change(&tx, "rolled_back", 1, -10).await?;
        let own = balance(&tx, "rolled_back", 1).await?;
        assert_eq!(own, 90, "its own row, which nobody else may be given");
        tx.execute("SELECT 1 / 0", &[]).await?;
        Ok::<_, Failed>(tx.commit().await?)
    }));
    assert!(matches!(rolled_back.await, Err(Failed::Database(_))));
    assert_eq!(bank.read().await, (100, 100));
    assert_eq!(bank.kind(1), GUARD, "for a second, in case that the commit was on its way");
    eventually("it ends by itself", || bank.kind(1).is_none());
    assert_eq!(bank.read_and_store().await, (100, 100));
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back_and_leaves_its_guards() {
    let mut bank = Bank::new("dropped").await;
    bank.read_and_store().await;
    let changed = Notify::new();
    let dropped = bank.writer.scope(transaction(async {
        let tx = bank.client.transaction().await.unwrap();
        change(&tx, "dropped", 1, -10).await.unwrap();
        changed.notify_one();
        std::future::pending::<()>().await;
    }));
    tokio::select! {
        () = dropped => unreachable!("it never ends"),
        () = changed.notified() => {}
    }
    assert_eq!(bank.read().await, (100, 100));
    assert_eq!(bank.kind(1), GUARD);
    eventually("it ends by itself", || bank.kind(1).is_none());
    assert_eq!(bank.read_and_store().await, (100, 100));
}

#[tokio::test]
async fn a_transaction_is_tried_again_after_a_serialization_failure() {
    let mut bank = Bank::new("serialized").await;
    bank.read_and_store().await;
    let (mut other, _) = connect().await;
    let mut attempts = 0;
    let change_serially = transaction(async {
        loop {
            attempts += 1;
            let begin = bank.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
            let tx = begin.start().await?;
            let before = balance(&tx, "serialized", 1).await?;
            if attempts == 1 {
                // Somebody else is faster.
                bank.reader.scope(transfer(&mut other, "serialized", 1)).await?;
            }
            match change(&tx, "serialized", 1, -before / 2).await {
                Err(Failed::Database(error))
                    if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) =>
                {
                    tx.rollback().await?;
                }
                changed => {
                    changed?;
                    return Ok::<_, Failed>(tx.commit().await?);
                }
            }
        }
    });
    bank.writer.scope(change_serially).await.unwrap();
    assert_eq!(attempts, 2);
    assert_eq!(bank.read_and_store().await, (50, 101));
    assert_eq!(bank.read().await, (50, 101));
}

/// Its snapshot is older than a commit that is over: what it reads must not come into the cache.
#[tokio::test]
async fn an_old_snapshot_is_not_stored() {
    let mut bank = Bank::new("snapshots").await;
    let (mut old, _) = connect().await;
    let tx = old.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start().await.unwrap();
    tx.query_one("SELECT sum(balance) FROM snapshots", &[]).await.unwrap();
    bank.writer.scope(transfer(&mut bank.client, "snapshots", 10)).await.unwrap();
    let old_read = bank.reader.scope(transaction(async { balance(&tx, "snapshots", 1).await }));
    assert_eq!(old_read.await.unwrap(), 100, "as its snapshot has it");
    drop(tx);
    assert_eq!((bank.reader.stats().total.stored, bank.kind(1)), (0, None));
    assert_eq!(bank.read_and_store().await, (90, 110));
}

/// Killed after the commit and before the release: the guards end by themselves, and nobody is given an old value meanwhile.
#[tokio::test]
async fn a_process_that_dies_between_its_commit_and_the_release_does_no_harm() {
    let bank = Bank::new("killed").await;
    bank.read_and_store().await;
    let database = PostgresServer::shared().config();
    let mut worker = crate::worker("bank", &[&bank.redis.url(), &database, "bank", "killed"]);
    worker.expect("committed").await;
    worker.kill9();
    assert_eq!((bank.kind(1), bank.kind(2)), (GUARD, GUARD));
    assert_eq!(bank.read().await, (90, 110), "nobody is given what was cached before");
    eventually("the guards end by themselves", || bank.kind(1).is_none() && bank.kind(2).is_none());
    assert_eq!(bank.read_and_store().await, (90, 110));
    assert_eq!((bank.kind(1), bank.kind(2)), (VALUE, VALUE));
}

/// The connection is lost while the database commits: the caller is given an error, and the commit is carried out after it.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_seen_although_the_transaction_failed() {
    let bank = Bank::new("lost").await;
    // The commit waits for a lock that this test has.
    let waits = "CREATE FUNCTION wait_for_the_test() RETURNS trigger AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$ \
                 LANGUAGE plpgsql; CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON lost DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION wait_for_the_test(); SELECT pg_advisory_lock(1)";
    bank.client.batch_execute(waits).await.unwrap();
    bank.read_and_store().await;
    let (mut client, connection) = connect().await;
    let cut = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        while bank.client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            sleep(Duration::from_millis(2)).await;
        }
        connection.abort();
    };
    let (lost, ()) = tokio::join!(bank.writer.scope(transfer(&mut client, "lost", 10)), cut);
    assert!(matches!(lost, Err(Failed::Database(_))), "{lost:?}");
    assert_eq!(bank.read().await, (100, 100), "the database commits still");
    assert_eq!((bank.kind(1), bank.kind(2)), (GUARD, GUARD), "and meanwhile nothing is stored");
    bank.client.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    let committed = async {
        loop {
            match bank.read().await {
                (90, 110) => return,
                // Whoever was given the new balance of one is not given the old balance of the other.
                seen => assert_eq!(seen, (100, 100)),
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, committed).await.expect("the commit is carried out");
    eventually("the guards end by themselves", || bank.kind(1).is_none() && bank.kind(2).is_none());
    assert_eq!(bank.read_and_store().await, (90, 110));
    assert_eq!(bank.read().await, (90, 110));
}
