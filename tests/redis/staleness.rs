//! How old a value may be: each option on both stores. In the process the time is paused; over Redis it passes.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cached_aside::{Cache, Error, cached_aside, invalidates};
use cached_aside_tests::RedisServer;
use tokio::{
    runtime::Builder,
    time::{Instant, sleep, timeout},
};

use crate::support::filled;

mod background;
mod over_redis;
mod reloads;
mod writes;

/// Past the TTL of every function here.
const STALE: Duration = Duration::from_millis(2_200);
/// Longer than any call here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq)]
struct DbError(String);

impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        DbError(error.to_string())
    }
}

/// The database: its version, what its answers take, and whether there are any.
#[derive(Debug, Clone, Default)]
struct Db(Arc<Row>);

#[derive(Debug, Default)]
struct Row {
    version: AtomicU64,
    asked: AtomicU64,
    answered: AtomicU64,
    takes_millis: AtomicU64,
    fails: AtomicBool,
}

impl Db {
    fn set(&self, version: u64) {
        self.0.version.store(version, SeqCst);
    }

    fn takes(&self, time: Duration) {
        self.0.takes_millis.store(u64::try_from(time.as_millis()).unwrap(), SeqCst);
    }

    fn fails(&self, fails: bool) {
        self.0.fails.store(fails, SeqCst);
    }

    fn asked(&self) -> u64 {
        self.0.asked.load(SeqCst)
    }

    fn answered(&self) -> u64 {
        self.0.answered.load(SeqCst)
    }

    async fn read(&self) -> Result<u64, DbError> {
        let row = &self.0;
        row.asked.fetch_add(1, SeqCst);
        let version = row.version.load(SeqCst);
        let takes = Duration::from_millis(row.takes_millis.load(SeqCst));
        if !takes.is_zero() {
            sleep(takes).await;
        }
        row.answered.fetch_add(1, SeqCst);
        if row.fails.load(SeqCst) { Err(DbError("down".to_owned())) } else { Ok(version) }
    }
}

/// Runs a scenario on each store, in a cache and with a database of its own: in the process with paused time, then over Redis.
fn on_both_stores(scenario: impl AsyncFn(Cache, Db)) {
    static NAMESPACES: AtomicU64 = AtomicU64::new(0);
    println!("in this process");
    let paused = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let cache = Cache::in_process();
    paused.block_on(cache.scope(scenario(cache.clone(), Db::default())));
    println!("over Redis");
    let server = RedisServer::shared();
    let namespace = format!("staleness-{}-", NAMESPACES.fetch_add(1, SeqCst));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder =
            Cache::builder().url(server.url()).namespace(&namespace).timeout(Duration::from_secs(5));
        let cache = builder.build().await.unwrap();
        cache.scope(scenario(cache.clone(), Db::default())).await;
    });
    assert_eq!(server.keys_without_ttl(&namespace), [""; 0]);
}

async fn at_once<T>(call: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let result = call.await;
    // A load that it would wait for takes three seconds.
    assert!(begun.elapsed() < Duration::from_millis(2_500), "it took {:?}", begun.elapsed());
    result
}

#[cached_aside(ttl = "2s", stale_while_revalidate = "1m", jitter = "0%", key = "revalidated", skip(db))]
async fn revalidated(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", stale_while_revalidate = "2s", jitter = "0%", key = "short", skip(db))]
async fn short(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", stale_if_error = "1m", jitter = "0%", key = "kept", skip(db))]
async fn kept_on_error(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(
    ttl = "2s",
    stale_while_revalidate = "1m",
    refresh = "background",
    jitter = "0%",
    key = "background",
    skip(db)
)]
async fn in_background(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(
    ttl = "2s",
    stale_if_error = "1m",
    load_timeout(soft = "200ms"),
    jitter = "0%",
    key = "soft",
    skip(db)
)]
async fn soft(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", load_timeout(hard = "200ms"), jitter = "0%", key = "hard", skip(db))]
async fn hard(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(
    ttl = "2s",
    stale_if_error = "1m",
    load_timeout(hard = "200ms"),
    jitter = "0%",
    key = "hard-and-stale",
    skip(db)
)]
async fn hard_and_stale(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "1m", early_refresh = 100.0, lease = "10s", jitter = "0%", key = "early", skip(db))]
async fn early(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", stale_while_revalidate = "1m", jitter = "0%", key = "maybe", skip(db))]
async fn maybe(db: &Db) -> Option<u64> {
    db.read().await.ok()
}

#[cached_aside(
    ttl = "2s",
    none_ttl = "2s",
    stale_while_revalidate = "1m",
    jitter = "0%",
    key = "none",
    skip(db)
)]
async fn none(db: &Db) -> Option<u64> {
    db.read().await.ok()
}

#[invalidates(revalidated(), kept_on_error(), in_background(), soft(), early(), none())]
async fn write(db: &Db, version: u64) {
    db.set(version);
}
