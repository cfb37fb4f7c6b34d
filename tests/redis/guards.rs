//! Guards by hand: of many keys, and with Redis away.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cached_aside::{AnyKey, Cache, Error, NodeState, cached_aside};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use redis::cmd;

use crate::support::{LONG, eventually, filled, patient};

const TIMEOUT: Duration = Duration::from_millis(250);
/// More than fit into a packet.
const SOME: u64 = 3_500;
const MANY: u64 = 100_000;
/// How long a guard lasts that is not renewed.
const GUARD_FOR: Duration = Duration::from_secs(10);

/// The database: what every row holds.
struct Table(AtomicU64);

impl Table {
    fn write(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[cached_aside(ttl = "1m", key = "row:{id}", skip(table))]
async fn row(table: &Table, id: u64) -> u64 {
    let _ = id;
    table.0.load(SeqCst)
}

async fn cache(url: &str, namespace: &str) -> Cache {
    Cache::builder().url(url).namespace(namespace).timeout(TIMEOUT).build().await.unwrap()
}

/// Reads the first row, one in the middle and the last.
async fn read(cache: &Cache, table: &Table, rows: u64) -> [u64; 3] {
    cache.scope(async { [row(table, 0).await, row(table, rows / 2).await, row(table, rows - 1).await] }).await
}

fn stored(server: &RedisServer) -> u64 {
    server.run(&cmd("DBSIZE"))
}

/// Redis can't be reached.
fn take_away(proxy: &Proxy, cache: &Cache) {
    proxy.set(Mode::Refuse);
    proxy.drop_all();
    eventually("the loss is noticed", || cache.stats().nodes[0].state != NodeState::Up);
}

/// On a machine that is so busy that guards end before they are renewed, as many as it can renew.
#[tokio::test]
async fn a_hundred_thousand_keys_are_guarded_and_released() {
    let server = RedisServer::start();
    for (number, many) in [MANY, MANY / 2, MANY / 4, MANY / 8].into_iter().enumerate() {
        let builder = Cache::builder().url(server.url()).namespace(format!("many-{number}")).timeout(LONG);
        if are_guarded_and_released(&builder.build().await.unwrap(), &server, many).await {
            return;
        }
    }
    panic!("a few thousand guards are not placed within {:?}", GUARD_FOR / 2);
}

/// `false` if it took too long to place them.
async fn are_guarded_and_released(cache: &Cache, server: &RedisServer, many: u64) -> bool {
    let table = Table(AtomicU64::new(0));
    assert_eq!(read(cache, &table, many).await, [0; 3]);
    filled(cache, 3).await;
    let keys: Vec<_> = (0..many).map(row::key).collect();
    let begun = Instant::now();
    let guard = cache.guard(&keys).await.unwrap();
    if begun.elapsed() > GUARD_FOR / 2 {
        guard.release().await.unwrap();
        return false;
    }
    assert_eq!(stored(server), many);
    assert_eq!(keys[0].clone().in_cache(cache).peek().await.unwrap(), None, "an old value under a guard");
    table.write();
    assert_eq!(read(cache, &table, many).await, [1; 3]);
    assert_eq!(cache.stats().total.hits, 0);
    guard.release().await.unwrap();
    assert_eq!(stored(server), 0);
    assert_eq!(cache.stats().invalidated, many);
    assert_eq!(read(cache, &table, many).await, [1; 3]);
    true
}

/// The third packet of several does not get through.
#[tokio::test]
async fn guards_that_were_placed_before_one_failed_are_released() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let cache = patient(proxy.url()).namespace("interrupted").build().await.unwrap();
    // An answer has four bytes.
    proxy.set(Mode::Cut(10_000));
    let error = cache.guard((0..SOME).map(row::key)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    proxy.set(Mode::Pass);
    assert!(server.commands()["evalsha"] > 2_000, "{:?}", server.commands());
    eventually("they are released", || {
        let stats = cache.stats();
        (stats.invalidated + stats.delivered, stats.recovering) == (SOME, 0)
    });
    assert_eq!(stored(&server), 0);
}

#[tokio::test]
async fn a_write_by_hand_goes_on_without_redis_and_its_keys_are_invalidated_later() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let (here, elsewhere) = (cache(&proxy.url(), "away").await, cache(&server.url(), "away").await);
    let table = Table(AtomicU64::new(0));
    assert_eq!(read(&here, &table, SOME).await, [0; 3]);
    filled(&here, 3).await;
    take_away(&proxy, &here);
    let error = here.guard((0..SOME).map(row::key)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let guard = here.guard_best_effort((0..SOME).map(row::key)).await;
    table.write();
    assert_eq!(read(&here, &table, SOME).await, [1; 3], "this process does not use the entries");
    assert!(matches!(guard.release().await.unwrap_err(), Error::Unreachable { .. }));
    assert_eq!(here.stats().recovering, SOME);
    assert_eq!(read(&elsewhere, &table, SOME).await, [0; 3], "nothing has been delivered");
    proxy.set(Mode::Pass);
    eventually("the invalidations are delivered", || here.stats().recovering == 0);
    assert_eq!(here.stats().delivered, SOME);
    assert_eq!(read(&elsewhere, &table, SOME).await, [1; 3]);
}

/// Redis goes away before the write and is back before its end: the guards are placed then.
#[tokio::test]
async fn a_best_effort_guard_is_placed_as_soon_as_redis_is_back() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let cache = patient(proxy.url()).namespace("back").build().await.unwrap();
    take_away(&proxy, &cache);
    let guard = cache.guard_best_effort((0..SOME).map(row::key)).await;
    proxy.set(Mode::Pass);
    eventually("all are guarded", || stored(&server) == SOME);
    guard.release().await.unwrap();
    eventually("none is left", || (stored(&server), cache.stats().recovering) == (0, 0));
}

/// A server that does not answer is not waited for with each packet.
#[tokio::test]
async fn a_crowd_of_keys_does_not_wait_for_a_silent_server_again_and_again() {
    let server = RedisServer::start();
    let timeout = Duration::from_secs(1);
    let cache = patient(server.url()).namespace("silent").timeout(timeout).build().await.unwrap();
    server.pause();
    let begun = Instant::now();
    let guard = cache.guard_best_effort((0..MANY).map(row::key)).await;
    let placed = begun.elapsed();
    assert!(guard.release().await.is_err());
    let released = begun.elapsed().saturating_sub(placed);
    server.resume();
    assert!(placed < 50 * timeout && released < 50 * timeout, "{placed:?} {released:?}, and 100 packets");
    assert_eq!(cache.stats().recovering, MANY);
}

#[tokio::test]
async fn keys_are_given_in_whatever_holds_them() {
    let cache = Cache::in_process();
    let (key, keys) = (row::key(1), vec![row::key(2), row::key(3)]);
    let any = [AnyKey::from(&key), AnyKey::from(&keys[0])];
    for guard in [
        cache.guard(&keys).await,
        cache.guard(&keys[..]).await,
        cache.guard(keys.iter()).await,
        cache.guard(keys.clone()).await,
        cache.guard([&key]).await,
        cache.guard([key.clone()]).await,
        cache.guard(std::slice::from_ref(&key)).await,
        cache.guard(Some(&key)).await,
        cache.guard(&any).await,
        cache.guard(any.iter().filter(|key| key.as_str() == "row:1")).await,
        cache.guard(any.to_vec()).await,
        cache.guard([1, 2].map(row::key)).await,
        cache.guard((4..6).map(|id| AnyKey::from(row::key(id)))).await,
        Ok(cache.guard_best_effort(&keys).await),
        Ok(cache.guard_best_effort([&key]).await),
    ] {
        guard.unwrap().release().await.unwrap();
    }
    assert_eq!((cache.stats().writes, cache.stats().invalidated), (15, 24));
}
