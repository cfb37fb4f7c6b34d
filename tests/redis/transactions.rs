//! Writes inside of writes, and transactions, with a real server: what one process writes while another one reads.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside::{
    AnyKey, Cache, Error, cached_aside, inherit, invalidate, invalidates, transaction, updates,
};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use redis::cmd;
use tokio::{sync::Notify, task::yield_now, time::sleep};

use crate::support::eventually;

mod by_type;
mod followed;
mod misused;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Rows that change all at once, when a transaction is committed.
#[derive(Debug, Default)]
struct Db {
    rows: Mutex<HashMap<u64, i64>>,
    /// Writers wait for each other, as for the locks of their rows.
    turn: tokio::sync::Mutex<()>,
}

/// A database transaction.
struct Tx<'a> {
    db: &'a Db,
    written: HashMap<u64, i64>,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Db {
    fn rows(&self) -> MutexGuard<'_, HashMap<u64, i64>> {
        self.rows.lock().unwrap()
    }

    fn row(&self, account: u64) -> i64 {
        self.rows().get(&account).copied().unwrap_or_default()
    }

    async fn begin(&self) -> Tx<'_> {
        Tx { db: self, written: HashMap::new(), _turn: self.turn.lock().await }
    }
}

impl Tx<'_> {
    fn row(&self, account: u64) -> i64 {
        self.written.get(&account).copied().unwrap_or_else(|| self.db.row(account))
    }

    async fn commit(self) {
        yield_now().await;
        self.db.rows().extend(self.written);
        yield_now().await;
    }
}

#[cached_aside(ttl = "1m", key = "balance:{account}", skip(db))]
async fn balance(db: &Db, account: u64) -> i64 {
    yield_now().await;
    let read = db.row(account);
    yield_now().await;
    read
}

#[invalidates(balance(account), guard_for = "300ms")]
async fn change(tx: &mut Tx<'_>, account: u64, by: i64) {
    let row = tx.row(account) + by;
    tx.written.insert(account, row);
    yield_now().await;
}

/// A busy machine may be late by less than that.
#[invalidates(balance(account), guard_for = "5s")]
async fn change_for_long(tx: &mut Tx<'_>, account: u64, by: i64) {
    change(tx, account, by).await;
}

/// Its key is known from what it gives only.
#[invalidates(balance(*result))]
async fn open_account(tx: &mut Tx<'_>, first: i64) -> Result<u64, Error> {
    let account = 1_000 + u64::try_from(tx.db.rows().len()).unwrap();
    tx.written.insert(account, first);
    Ok(account)
}

#[updates(balance(account))]
async fn set(tx: &mut Tx<'_>, account: u64, to: i64) -> i64 {
    tx.written.insert(account, to);
    to
}

async fn cache(url: &str, namespace: &str) -> Cache {
    Cache::builder().url(url).namespace(namespace).timeout(TIMEOUT).build().await.unwrap()
}

/// What stands under a key, by the entry's fourth byte.
fn kind(server: &RedisServer, key: &str) -> Option<u8> {
    server.run::<Option<Vec<u8>>>(cmd("GET").arg(key)).map(|entry| entry[3])
}

/// A guard, in an entry's fourth byte.
const GUARD: Option<u8> = Some(2);

/// Two processes with one Redis: one that writes and one that reads.
async fn two(server: &RedisServer, namespace: &str) -> (Cache, Cache) {
    (cache(&server.url(), namespace).await, cache(&server.url(), namespace).await)
}

/// Money goes to and fro between two accounts. Who has seen the new balance of one never sees the old balance of the other, and
/// once the transfer has returned nobody sees an old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_half_of_a_transaction() {
    const TRANSFERS: i64 = 150;
    let server = RedisServer::start();
    let (writer, reader) = two(&server, "transfers").await;
    let (db, over) = (Db::default(), AtomicBool::new(false));
    let returned = Mutex::new(0);
    let write = writer.scope(async {
        for n in 1..=TRANSFERS {
            transaction(async {
                let mut tx = db.begin().await;
                // Each row tells how many transfers it has seen.
                change_for_long(&mut tx, 1, 1).await;
                change_for_long(&mut tx, 2, 1).await;
                tx.commit().await;
            })
            .await;
            *returned.lock().unwrap() = n;
            sleep(Duration::from_millis(1)).await;
        }
        over.store(true, SeqCst);
    });
    let read = async |reader: &Cache, first: u64| {
        let (mut newest, mut reads) = (0, 0_u64);
        while !over.load(SeqCst) {
            let least = *returned.lock().unwrap();
            for account in [first, 3 - first] {
                let seen = reader.scope(balance(&db, account)).await;
                assert!(seen >= least, "account {account}: {seen} after transfer {least} had returned");
                let lost = writer.stats().guards_lost;
                assert!(
                    seen >= newest,
                    "account {account}: {seen} after {newest} of one of the two, {lost} lost"
                );
                newest = seen;
                reads += 1;
            }
        }
        reads
    };
    let ((), one, other, same) = tokio::join!(write, read(&reader, 1), read(&reader, 2), read(&writer, 1));
    let hits = reader.stats().total.hits;
    println!(
        "{TRANSFERS} transfers, {} reads, {hits} of the {} in another process hits",
        one + other + same,
        one + other
    );
    assert!(hits > 0, "the cache was of use");
    assert_eq!((db.row(1), db.row(2)), (TRANSFERS, TRANSFERS));
    assert_eq!(writer.stats().transactions, TRANSFERS.unsigned_abs());
}

#[tokio::test]
async fn guards_placed_inside_stand_in_redis_until_the_transaction_is_over() {
    let server = RedisServer::start();
    let (writer, reader) = two(&server, "tx").await;
    let db = Db::default();
    let account = writer
        .scope(transaction(async {
            let mut tx = db.begin().await;
            change(&mut tx, 1, 10).await;
            set(&mut tx, 2, 20).await;
            let account = open_account(&mut tx, 30).await?;
            invalidate([AnyKey::new("by hand")]).await;
            balance::key(4).invalidate().await?;
            // Renewed for longer than they hold.
            sleep(Duration::from_millis(700)).await;
            for key in ["balance:1", "balance:2", &format!("balance:{account}"), "by hand", "balance:4"] {
                assert_eq!(kind(&server, &format!("tx:{key}")), GUARD, "{key}");
            }
            assert_eq!(reader.scope(balance(&db, 1)).await, 0, "not committed");
            assert_eq!(balance(&db, 1).await, 0, "nor through a cache");
            tx.commit().await;
            assert_eq!(reader.scope(balance(&db, 1)).await, 10);
            assert_eq!(reader.stats().total.stored, 0, "nothing is stored before the end");
            Ok::<_, Error>(account)
        }))
        .await
        .unwrap();
    for key in ["balance:1", "balance:2", &format!("balance:{account}"), "by hand", "balance:4"] {
        assert_eq!(kind(&server, &format!("tx:{key}")), None, "{key}");
    }
    let stats = writer.stats();
    assert_eq!((stats.transactions, stats.joined, stats.guards_lost, stats.updated), (1, 3, 0, 0));
    assert_eq!(reader.scope(balance(&db, account)).await, 30);
}

#[invalidates(balance(account))]
async fn change_and_commit(db: &Db, account: u64, by: i64) {
    let mut tx = db.begin().await;
    change(&mut tx, account + 1, by).await;
    tx.commit().await;
    sleep(Duration::from_millis(20)).await;
}

/// Without a transaction as well: what a write calls is over when it is.
#[tokio::test]
async fn a_write_inside_of_a_write_is_over_with_the_outer_one() {
    let server = RedisServer::start();
    let (writer, reader) = two(&server, "nested").await;
    let (db, over) = (Db::default(), AtomicBool::new(false));
    let write = writer.scope(async {
        for _ in 0..20 {
            change_and_commit(&db, 1, 1).await;
            let written = db.row(2);
            assert_eq!(reader.scope(balance(&db, 2)).await, written, "an old value after the outer write");
        }
        over.store(true, SeqCst);
    });
    let reads = async {
        while !over.load(SeqCst) {
            reader.scope(balance(&db, 2)).await;
        }
    };
    tokio::join!(write, reads);
    assert_eq!((writer.stats().writes, writer.stats().joined), (40, 20));
}

#[tokio::test]
async fn ten_thousand_keys_are_guarded_inside_of_a_transaction_in_few_packets() {
    const MANY: u64 = 10_000;
    let server = RedisServer::start();
    let (writer, _) = two(&server, "many").await;
    let commands = || -> u64 {
        let stats: String = server.run(cmd("INFO").arg("commandstats"));
        let calls = |line: &str| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok();
        stats.lines().filter(|line| line.contains("evalsha")).filter_map(calls).sum()
    };
    // How often the server has read from a connection, 16 KiB at the most.
    let packets = || -> u64 {
        let stats: String = server.run(cmd("INFO").arg("stats"));
        let reads = stats.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        reads.and_then(|reads| reads.trim().parse().ok()).expect("the server counts them")
    };
    let (mut placed, begun, packets_before) = (Duration::ZERO, Instant::now(), packets());
    writer
        .scope(transaction(async {
            let keys: Vec<_> = (0..MANY).map(balance::key).collect();
            writer.invalidate_keys(&keys).await.unwrap();
            placed = begun.elapsed();
            let reads = packets() - packets_before;
            assert!(reads < MANY / 20, "{reads} packets");
            // Named again they are not guarded again.
            let before = commands();
            writer.invalidate_keys(&keys).await.unwrap();
            assert!(commands() <= before + MANY / 10, "not all of them once more");
            assert_eq!(server.run::<u64>(&cmd("DBSIZE")), MANY);
        }))
        .await;
    println!("{MANY} guards of a transaction: placed in {placed:?}, all in {:?}", begun.elapsed());
    assert_eq!(server.run::<u64>(&cmd("DBSIZE")), 0);
    assert_eq!(writer.stats().invalidated, MANY);
}

#[tokio::test]
async fn a_transaction_that_fails_or_is_dropped_leaves_its_guards_for_a_while() {
    let server = RedisServer::start();
    let (writer, _) = two(&server, "doubt").await;
    let db = Db::default();
    let failed = writer.scope(transaction(async {
        let mut tx = db.begin().await;
        change(&mut tx, 1, 1).await;
        Err::<(), _>("the answer of the commit was lost")
    }));
    failed.await.unwrap_err();
    let left: i64 = server.run(cmd("PTTL").arg("doubt:balance:1"));
    assert!((300..=1_000).contains(&left), "{left} ms: longer than `guard_for`, which is 300 ms");
    let changed = Notify::new();
    let dropped = writer.scope(transaction(async {
        let mut tx = db.begin().await;
        change_for_long(&mut tx, 2, 1).await;
        changed.notify_one();
        std::future::pending::<()>().await;
    }));
    tokio::select! {
        () = dropped => unreachable!("it never ends"),
        () = changed.notified() => {}
    }
    assert_eq!(kind(&server, "doubt:balance:2"), GUARD);
    eventually("it ends by itself", || kind(&server, "doubt:balance:2").is_none());
}

/// The guards are gone while the transaction runs: they are placed again before long.
#[tokio::test]
async fn guards_that_redis_loses_inside_of_a_transaction_are_placed_again() {
    let server = RedisServer::start();
    let (writer, _) = two(&server, "lost").await;
    let db = Db::default();
    writer
        .scope(transaction(async {
            let mut tx = db.begin().await;
            change(&mut tx, 1, 1).await;
            server.run::<()>(&cmd("FLUSHALL"));
            eventually("it is there again", || kind(&server, "lost:balance:1") == GUARD);
            tx.commit().await;
        }))
        .await;
    assert_eq!((writer.stats().guards_lost, kind(&server, "lost:balance:1")), (1, None));
}

#[derive(Debug)]
struct Refused;

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Refused
    }
}

#[invalidates(balance(account), guard = "required")]
async fn change_strictly(tx: &mut Tx<'_>, account: u64, by: i64) -> Result<(), Refused> {
    tx.written.insert(account, by);
    Ok(())
}

#[tokio::test]
async fn without_redis_a_transaction_goes_on_or_is_refused_as_its_functions_say() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let (writer, reader) = (cache(&proxy.url(), "away").await, cache(&server.url(), "away").await);
    let db = Db::default();
    reader.scope(balance(&db, 1)).await;
    crate::support::filled(&reader, 1).await;
    proxy.set(Mode::Refuse);
    proxy.drop_all();
    writer
        .scope(transaction(async {
            let mut tx = db.begin().await;
            assert!(change_strictly(&mut tx, 2, 1).await.is_err(), "refused before it has written");
            assert!(!tx.written.contains_key(&2));
            change(&mut tx, 1, 7).await;
            tx.commit().await;
        }))
        .await;
    assert_eq!(writer.scope(balance(&db, 1)).await, 7, "this process leaves the entry alone");
    proxy.set(Mode::Pass);
    eventually("what was owed is delivered", || writer.stats().recovering == 0);
    assert_eq!(reader.scope(balance(&db, 1)).await, 7);
}

#[tokio::test]
async fn a_spawned_task_is_part_of_a_transaction_if_it_inherits_it() {
    let server = RedisServer::start();
    let (writer, _) = two(&server, "spawned").await;
    writer
        .scope(transaction(async {
            tokio::spawn(inherit(invalidate([balance::key(1)]))).await.unwrap();
            assert_eq!(kind(&server, "spawned:balance:1"), GUARD);
        }))
        .await;
    assert_eq!(kind(&server, "spawned:balance:1"), None);
}

#[test]
fn a_transaction_carries_its_body_once() {
    let body = async |db: &Db| {
        let room = [1_u8; 10_000];
        let mut tx = db.begin().await;
        change(&mut tx, 1, i64::from(room[7])).await;
        tx.commit().await;
        room.len()
    };
    let db = Db::default();
    let bare = size_of_val(&body(&db));
    let inside = size_of_val(&transaction(body(&db)));
    assert!(inside <= bare + 1024, "{inside} for {bare}");
}
