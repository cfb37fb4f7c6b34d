//! What happens to transactions, whatever their driver.

use std::{env, time::Duration};

use cached_aside::transaction;
use cached_aside_tests::{PostgresProxy, PostgresServer, Worker};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Bank, Driver, Failed, GUARD, VALUE, cache, kind};
use crate::support::eventually;

/// A busy machine may need this.
const LONG: Duration = Duration::from_secs(20);

async fn transfer<D: Driver>(client: &mut D, table: &str, amount: i64) -> Result<(), Failed> {
    transaction(async {
        let mut tx = client.begin(false).await?;
        D::change(&mut tx, table, 1, -amount).await?;
        D::change(&mut tx, table, 2, amount).await?;
        D::commit(tx).await
    })
    .await
}

pub(super) async fn a_commit_is_seen_when_the_transaction_has_returned<D: Driver>(
    at: &str,
    table: &'static str,
) {
    let mut bank = Bank::<D>::new(at, table).await;
    assert_eq!(bank.read_and_store().await, (100, 100));
    bank.writer.scope(transfer(&mut bank.client, table, 10)).await.unwrap();
    assert_eq!(bank.kinds(), [None; 2]);
    assert_eq!(bank.read_and_store().await, (90, 110));
    let loads = bank.reader.stats().total.loads;
    assert_eq!(bank.read().await, (90, 110));
    assert_eq!(bank.reader.stats().total.loads, loads, "from the cache");
}

pub(super) async fn a_rollback_leaves_what_there_was<D: Driver>(at: &str, table: &'static str) {
    let mut bank = Bank::<D>::new(at, table).await;
    bank.read_and_store().await;
    let rolled_back = bank.writer.scope(transaction(async {
        let mut tx = bank.client.begin(false).await?;
        D::change(&mut tx, table, 1, -10).await?;
        let own = D::balance_inside(&mut tx, table, 1).await?;
        assert_eq!(own, 90, "its own row, which nobody else may be given");
        D::execute_inside(&mut tx, &format!("INSERT INTO {table} VALUES (1, 0)")).await?;
        D::commit(tx).await
    }));
    let rolled_back = rolled_back.await;
    assert!(matches!(rolled_back, Err(Failed::Database(_))), "{rolled_back:?}");
    assert_eq!(bank.read().await, (100, 100));
    assert_eq!(bank.kind(1), GUARD, "for a second, in case that the commit was on its way");
    eventually("it ends by itself", || bank.kind(1).is_none());
    assert_eq!(bank.read_and_store().await, (100, 100));
    let stats = bank.writer.stats();
    assert_eq!((stats.transactions, stats.transactions_failed, stats.total.stored), (1, 1, 0));
}

pub(super) async fn a_key_of_a_result_is_guarded_before_the_commit<D: Driver>(at: &str, table: &'static str) {
    let mut bank = Bank::<D>::new(at, table).await;
    bank.read_and_store().await;
    let (client, writer) = (&mut bank.client, &bank.writer);
    let (changed, may_commit) = (Notify::new(), Notify::new());
    let change = writer.scope(transaction(async {
        let mut tx = client.begin(false).await?;
        assert_eq!(D::change_last(&mut tx, table, 10).await?, 2);
        changed.notify_one();
        may_commit.notified().await;
        D::commit(tx).await
    }));
    let read = async {
        changed.notified().await;
        let read = bank.other.balance(table, 2);
        let read = bank.reader.scope(read).await.unwrap();
        assert_eq!(read, 100, "nothing is committed");
        assert_eq!(kind(&bank.redis, table, 2), GUARD, "and nothing is stored");
        may_commit.notify_one();
    };
    let (changed, ()) = tokio::join!(change, read);
    changed.unwrap();
    assert_eq!(bank.kinds(), [VALUE, None]);
    assert_eq!(bank.read_and_store().await, (100, 110));
}

pub(super) async fn a_write_outside_of_a_transaction_is_refused<D: Driver>(at: &str, table: &'static str) {
    let mut bank = Bank::<D>::new(at, table).await;
    let refused = bank.writer.scope(async {
        let mut tx = bank.client.begin(false).await?;
        let refused = D::change(&mut tx, table, 1, -10).await;
        D::commit(tx).await?;
        refused
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(Failed::Refused(cached_aside::Error::OutsideTransaction { .. }))),
        "{refused:?}"
    );
    assert_eq!((bank.read().await, bank.writer.stats().writes_refused), ((100, 100), 1));
}

pub(super) async fn a_transaction_that_is_dropped_leaves_its_guards<D: Driver>(
    at: &str,
    table: &'static str,
) {
    let mut bank = Bank::<D>::new(at, table).await;
    bank.read_and_store().await;
    let changed = Notify::new();
    let dropped = bank.writer.scope(transaction(async {
        let mut tx = bank.client.begin(false).await.unwrap();
        D::change(&mut tx, table, 1, -10).await.unwrap();
        changed.notify_one();
        std::future::pending::<()>().await;
    }));
    tokio::select! {
        () = dropped => unreachable!("it never ends"),
        () = changed.notified() => {}
    }
    eventually("its guards are left", || bank.writer.stats().invalidated == 1);
    assert_eq!(bank.kind(1), GUARD);
    assert_eq!(bank.read().await, (100, 100));
    eventually("it ends by itself", || bank.kind(1).is_none());
    assert_eq!(bank.read_and_store().await, (100, 100));
}

pub(super) async fn a_transaction_is_tried_again_after_a_serialization_failure<D: Driver>(
    at: &str,
    table: &'static str,
) {
    let mut bank = Bank::<D>::new(at, table).await;
    bank.read_and_store().await;
    let mut other = D::connect(at).await;
    let mut attempts = 0;
    let change_serially = transaction(async {
        loop {
            attempts += 1;
            let mut tx = bank.client.begin(true).await?;
            let before = D::balance_inside(&mut tx, table, 1).await?;
            if attempts == 1 {
                // Somebody else is faster.
                bank.reader.scope(transfer(&mut other, table, 1)).await?;
            }
            match D::change(&mut tx, table, 1, -before / 2).await {
                Err(Failed::Serialization) => D::rollback(tx).await?,
                changed => {
                    changed?;
                    return D::commit(tx).await;
                }
            }
        }
    });
    bank.writer.scope(change_serially).await.unwrap();
    assert_eq!(attempts, 2);
    assert_eq!(bank.read_and_store().await, (50, 101));
    assert_eq!(bank.read().await, (50, 101));
    let stats = bank.writer.stats();
    assert_eq!((stats.transactions, stats.transactions_failed, stats.joined), (1, 0, 2));
}

/// Its snapshot is older than a commit that is over: what it reads must not come into the cache.
pub(super) async fn a_transaction_is_tried_again_as_a_whole<D: Driver>(at: &str, table: &'static str) {
    let mut bank = Bank::<D>::new(at, table).await;
    bank.read_and_store().await;
    let mut other = D::connect(at).await;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let attempt = transaction(async {
            let mut tx = bank.client.begin(true).await?;
            let before = D::balance_inside(&mut tx, table, 1).await?;
            if attempts == 1 {
                bank.reader.scope(transfer(&mut other, table, 1)).await?;
            }
            D::change(&mut tx, table, 1, -before / 2).await?;
            D::commit(tx).await
        });
        match bank.writer.scope(attempt).await {
            Err(Failed::Serialization) => {}
            done => break done.unwrap(),
        }
    }
    assert_eq!((attempts, bank.read().await), (2, (50, 101)));
    // The guard of the first attempt stays for its second.
    eventually("the guards end by themselves", || bank.kind(1) != GUARD);
    assert_eq!(bank.read_and_store().await, (50, 101));
    let stats = bank.writer.stats();
    assert_eq!((stats.transactions, stats.transactions_failed), (2, 1));
}

pub(super) async fn a_savepoint_is_rolled_back_inside_of_a_transaction<D: Driver>(
    at: &str,
    table: &'static str,
) {
    let mut bank = Bank::<D>::new(at, table).await;
    bank.read_and_store().await;
    let committed = bank.writer.scope(transaction(async {
        let mut tx = bank.client.begin(false).await?;
        D::change(&mut tx, table, 1, -10).await?;
        D::execute_inside(&mut tx, "SAVEPOINT half").await?;
        let second = transaction(async {
            D::change(&mut tx, table, 2, 10).await?;
            D::execute_inside(&mut tx, &format!("INSERT INTO {table} VALUES (1, 0)")).await
        });
        assert!(matches!(second.await, Err(Failed::Database(_))));
        D::execute_inside(&mut tx, "ROLLBACK TO half").await?;
        assert_eq!(D::balance_inside(&mut tx, table, 2).await?, 100);
        let kinds = [1, 2].map(|account| kind(&bank.redis, table, account));
        assert_eq!(kinds, [GUARD; 2], "the outermost transaction is not over");
        D::commit(tx).await
    }));
    committed.await.unwrap();
    assert_eq!(bank.read().await, (90, 100));
    eventually("the guards end by themselves", || bank.kinds().iter().all(|kind| *kind != GUARD));
    assert_eq!(bank.read_and_store().await, (90, 100));
}

pub(super) async fn an_old_snapshot_is_not_stored<D: Driver>(at: &str, table: &'static str) {
    let mut bank = Bank::<D>::new(at, table).await;
    let mut old = D::connect(at).await;
    let mut tx = old.begin(true).await.unwrap();
    D::execute_inside(&mut tx, &format!("SELECT balance FROM {table}")).await.unwrap();
    bank.writer.scope(transfer(&mut bank.client, table, 10)).await.unwrap();
    let old_read = bank.reader.scope(transaction(async { D::balance_inside(&mut tx, table, 1).await }));
    assert_eq!(old_read.await.unwrap(), 100, "as its snapshot has it");
    D::rollback(tx).await.unwrap();
    assert_eq!((bank.reader.stats().total.stored, bank.kind(1)), (0, None));
    assert_eq!(bank.read_and_store().await, (90, 110));
}

/// The name of the variable that makes a test the process that is to be killed: the servers that it uses, one a line.
const CHILD: &str = "CACHED_ASIDE_TEST_BANK";

/// Killed after the commit and before the release: the guards end by themselves, and nobody is given an old value meanwhile.
pub(super) async fn a_process_that_dies_between_its_commit_and_the_release<D: Driver>(
    at: impl FnOnce() -> String,
    table: &'static str,
    test: &str,
) {
    if let Ok(servers) = env::var(CHILD) {
        let (redis, at) = servers.split_once(' ').unwrap();
        return commit_and_wait::<D>(redis, at, table).await;
    }
    let bank = Bank::<D>::new(&at(), table).await;
    bank.read_and_store().await;
    let this = env::current_exe().unwrap();
    let child = format!("{CHILD}={} {}", bank.redis.url(), bank.at);
    // The same test in another process.
    let mut child = Worker::spawn("env", &child, [&this.to_string_lossy(), test, "--exact", "--nocapture"]);
    while child.line().await != "committed" {}
    child.kill9();
    assert_eq!(bank.kinds(), [GUARD; 2]);
    assert_eq!(bank.read().await, (90, 110), "nobody is given what was cached before");
    eventually("the guards end by themselves", || bank.kinds().iter().all(|kind| *kind != GUARD));
    assert_eq!(bank.read_and_store().await, (90, 110));
    assert_eq!(bank.kinds(), [VALUE; 2]);
}

async fn commit_and_wait<D: Driver>(redis: &str, at: &str, table: &str) {
    let (cache, mut client) = (cache(redis).await, D::connect(at).await);
    let committed = transaction(async {
        let mut tx = client.begin(false).await.unwrap();
        D::change(&mut tx, table, 1, -10).await.unwrap();
        D::change(&mut tx, table, 2, 10).await.unwrap();
        D::commit(tx).await.unwrap();
        println!("\ncommitted");
        std::future::pending::<()>().await;
    });
    cache.scope(committed).await;
}

/// The connection is lost while the database commits: the caller is given an error, and the commit is carried out after it.
pub(super) async fn a_commit_whose_answer_is_lost<D: Driver>(at: &str, table: &'static str) {
    let bank = Bank::<D>::new(at, table).await;
    // The commit waits for a lock that this test has.
    let lock = format!("hashtext('{table}')");
    let mut holder = D::connect(at).await;
    let mut held = holder.begin(false).await.unwrap();
    D::execute_inside(&mut held, &format!("SELECT pg_advisory_xact_lock({lock})")).await.unwrap();
    let waits = format!(
        "CREATE FUNCTION {table}_waits() RETURNS trigger AS \
         $$ BEGIN PERFORM pg_advisory_xact_lock({lock}); RETURN NULL; END $$ LANGUAGE plpgsql; \
         CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION {table}_waits()"
    );
    bank.client.execute(&waits).await.unwrap();
    bank.read_and_store().await;
    let proxy = PostgresProxy::start(PostgresServer::shared());
    let mut client = D::connect(&proxy.socket().display().to_string()).await;
    let cut = async {
        // Fails while nobody waits for the lock.
        let waiting = format!(
            "DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
             AND ((classid::bigint << 32) | objid::bigint) = {lock}::bigint) > 0; END $$"
        );
        while bank.client.execute(&waiting).await.is_err() {
            sleep(Duration::from_millis(2)).await;
        }
        proxy.cut();
    };
    let (lost, ()) = tokio::join!(bank.writer.scope(transfer(&mut client, table, 10)), cut);
    assert!(matches!(lost, Err(Failed::Database(_))), "{lost:?}");
    assert_eq!(bank.read().await, (100, 100), "the database commits still");
    assert_eq!(bank.kinds(), [GUARD; 2], "and meanwhile nothing is stored");
    D::rollback(held).await.unwrap();
    let committed = async {
        loop {
            match bank.read().await {
                (90, 110) => return,
                // Whoever was given the new balance of the first is not given the old balance of the second, which is read later.
                (first, second) => assert!(first == 100 && [100, 110].contains(&second), "{first}, {second}"),
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, committed).await.expect("the commit is carried out");
    eventually("the guards end by themselves", || bank.kinds().iter().all(|kind| *kind != GUARD));
    assert_eq!(bank.read_and_store().await, (90, 110));
    assert_eq!(bank.read().await, (90, 110));
}
