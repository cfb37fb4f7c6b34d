//! Transactions as programs come to use them: in pieces, at the same time, with a server that goes away, and on each kind of server.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use cached_aside::{
    AnyKey, Cache, bypass, cached_aside, inherit, invalidates, invalidating, only_cached, refresh,
    transaction, updates,
};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
    time::sleep,
};

use super::{Db, GUARD, Tx, balance, cache, change, kind, set, two};
use crate::support::{eventually, filled, on_both_stores};

/// A write whose body is a transaction.
#[invalidates(balance(account))]
async fn deposit(db: &Db, account: u64, by: i64) -> Result<i64, ()> {
    transaction(async {
        let mut tx = db.begin().await;
        change(&mut tx, account, by).await;
        let row = tx.row(account);
        tx.commit().await;
        Ok(row)
    })
    .await
}

/// A write that calls itself.
#[invalidates(balance(depth))]
async fn descend(tx: &mut Tx<'_>, depth: u64) {
    tx.written.insert(depth, i64::try_from(depth).unwrap());
    if depth > 0 {
        Box::pin(descend(tx, depth - 1)).await;
    }
}

/// A read that can say that there is nothing in the cache.
#[cached_aside(ttl = "1m", key = "optional:{account}", skip(db))]
async fn optional(db: &Db, account: u64) -> Option<i64> {
    Some(db.row(account))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_kind_of_server() {
    on_both_stores("transactions", async |cache| {
        let db = Db::default();
        assert_eq!((balance(&db, 1).await, balance(&db, 2).await, optional(&db, 3).await), (0, 0, Some(0)));
        assert_eq!(deposit(&db, 1, 10).await, Ok(10));
        assert_eq!(balance(&db, 1).await, 10);
        transaction(async {
            let mut tx = db.begin().await;
            descend(&mut tx, 30).await;
            assert_eq!(set(&mut tx, 2, 22).await, 22);
            assert_eq!(only_cached(optional(&db, 3)).await, None);
            for read in [bypass(balance(&db, 2)).await, refresh(balance(&db, 2)).await, balance(&db, 2).await]
            {
                assert_eq!(read, 0, "not committed");
            }
            cache.invalidate(&optional::key(3)).await.unwrap();
            assert_eq!(balance::key(2).peek().await.unwrap(), None);
            tx.commit().await;
        })
        .await;
        for account in 0..=30 {
            let expected = if account == 2 { 22 } else { i64::try_from(account).unwrap() };
            assert_eq!(balance(&db, account).await, expected);
        }
        let stats = cache.stats();
        assert_eq!((stats.guards_failed, stats.guards_lost, stats.undelivered), (0, 0, 0));
        assert_eq!((stats.transactions, stats.transactions_failed), (1, 0), "one is inside of a write");
    })
    .await;
}

/// Several writes at once inside of one transaction, which name the same keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_at_the_same_time_inside_of_one_transaction() {
    let server = RedisServer::start();
    let (writer, reader) = two(&server, "together").await;
    let write = async |account: u64| writer.invalidate_keys([balance::key(account % 7)]).await.unwrap();
    writer
        .scope(transaction(async {
            let all: Vec<_> = (0..50).map(write).collect();
            futures_join(all).await;
            let mut tasks = JoinSet::new();
            for account in 0..20 {
                let key = balance::key(account % 7);
                tasks.spawn(inherit(async move { key.invalidate().await.unwrap() }));
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
            for account in 0..7 {
                assert_eq!(kind(&server, &format!("together:balance:{account}")), GUARD);
            }
        }))
        .await;
    for account in 0..7 {
        assert_eq!(kind(&server, &format!("together:balance:{account}")), None);
    }
    let db = Db::default();
    assert_eq!(reader.scope(balance(&db, 1)).await, 0);
}

/// Polls them by turns, each until it is over.
async fn futures_join<F: Future<Output = ()>>(all: Vec<F>) {
    let mut all: Vec<Pin<Box<F>>> = all.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Two transactions by turns in one task, each moved to another thread in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_transactions_by_turns_keep_their_keys_apart() {
    let server = RedisServer::start();
    let (writer, _) = two(&server, "turns").await;
    let go_on = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let begin = |number: usize| {
        let (db, go_on) = (Db::default(), go_on[number].clone());
        let account = u64::try_from(number).unwrap();
        let mut future = Box::pin(writer.scope(transaction(async move {
            let mut tx = db.begin().await;
            change(&mut tx, account, 1).await;
            go_on.notified().await;
            change(&mut tx, account + 10, 1).await;
            tx.commit().await;
        })));
        async move {
            // This number of polls here, and the rest elsewhere.
            for _ in 0..50 {
                tokio::select! {
                    biased;
                    () = &mut future => unreachable!("it waits"),
                    () = sleep(Duration::from_millis(1)) => {}
                }
            }
            (future,)
        }
    };
    let ((one,), (other,)) = tokio::join!(begin(0), begin(1));
    let guards = || ["0", "1", "10", "11"].map(|account| kind(&server, &format!("turns:balance:{account}")));
    assert_eq!(guards(), [GUARD, GUARD, None, None]);
    go_on[1].notify_one();
    tokio::spawn(other).await.unwrap();
    assert_eq!(guards(), [GUARD, None, None, None], "the other one has not committed");
    go_on[0].notify_one();
    tokio::spawn(one).await.unwrap();
    assert_eq!(guards(), [None; 4]);
}

/// Redis is away at the beginning, in the middle, or at the end: what this process reads afterwards is what was committed, and in the
/// end nothing is owed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_go_away_at_any_time() {
    for away in 0..4 {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.addr());
        let namespace = "away";
        let writer = cache(&proxy.url(), namespace).await;
        let (db, reader) = (Db::default(), cache(&server.url(), namespace).await);
        for account in [1, 2] {
            reader.scope(balance(&db, account)).await;
        }
        filled(&reader, 2).await;
        let goes = |now: usize| {
            if now == away {
                proxy.set(Mode::Refuse);
                proxy.drop_all();
            }
        };
        writer
            .scope(transaction(async {
                goes(0);
                let mut tx = db.begin().await;
                change(&mut tx, 1, 5).await;
                goes(1);
                change(&mut tx, 2, 5).await;
                goes(2);
                tx.commit().await;
                goes(3);
            }))
            .await;
        for account in [1, 2] {
            assert_eq!(writer.scope(balance(&db, account)).await, 5, "away at {away}");
        }
        proxy.set(Mode::Pass);
        eventually("what was owed is delivered", || writer.stats().recovering == 0);
        // A guard whose release was sent late ends by itself at the latest.
        for account in [1, 2] {
            assert_eq!(reader.scope(balance(&db, account)).await, 5, "away at {away}");
            let key = format!("{namespace}:balance:{account}");
            eventually("no guard is left behind", || kind(&server, &key) != GUARD);
        }
    }
}

/// A panic that is caught inside leaves the rest of the transaction as it was.
#[tokio::test]
async fn a_write_that_panics_inside_leaves_doubt_about_its_own_keys() {
    let server = RedisServer::start();
    let (writer, _) = two(&server, "panics").await;
    #[invalidates(balance(account), guard_for = "5s")]
    async fn panics(account: u64) {
        yield_now().await;
        assert!(account > 100, "as it was told");
    }
    let cache: Cache = writer.clone();
    writer
        .scope(transaction(async {
            let inside = tokio::spawn(inherit(panics(1))).await;
            assert!(inside.unwrap_err().is_panic());
            cache.invalidate(&balance::key(2)).await.unwrap();
        }))
        .await;
    assert_eq!(kind(&server, "panics:balance:1"), GUARD, "its statement may still be at work");
    assert_eq!(kind(&server, "panics:balance:2"), None);
    eventually("it ends by itself", || kind(&server, "panics:balance:1").is_none());
}

/// What it gives is older than what the writes inside of it leave.
#[updates(balance(account))]
async fn set_and_commit(db: &Db, account: u64, to: i64) -> i64 {
    let mut tx = db.begin().await;
    set(&mut tx, account, to).await;
    change(&mut tx, account, 1).await;
    tx.commit().await;
    to
}

#[tokio::test]
async fn an_update_around_other_writes_of_its_key_leaves_nothing() {
    on_both_stores("updates-around", async |cache| {
        let db = Db::default();
        assert_eq!(set_and_commit(&db, 1, 7).await, 7);
        assert_eq!((balance(&db, 1).await, cache.stats().updated), (8, 0));
    })
    .await;
}

/// As a list that happens to be empty.
#[tokio::test]
async fn around_no_keys_a_future_runs_and_what_it_writes_is_over_with_it() {
    let server = RedisServer::start();
    let (writer, _) = two(&server, "no-keys").await;
    let gives = writer.scope(invalidating(Vec::<AnyKey>::new(), async {
        balance::key(1).invalidate().await.unwrap();
        kind(&server, "no-keys:balance:1") == GUARD
    }));
    assert!(gives.await, "it is a write");
    assert_eq!(kind(&server, "no-keys:balance:1"), None);
}
