//! Invalidations that could not be delivered when they were due: by the end of the program, and what the statistics say.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cached_aside::{Cache, Error, NodeState, cached_aside, invalidates};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::support::carried_out;

const TIMEOUT: Duration = Duration::from_millis(250);
/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

static VERSION: AtomicU64 = AtomicU64::new(0);

#[cached_aside(ttl = "1m", key = "row:{id}")]
async fn load(id: u32) -> u64 {
    let _ = id;
    VERSION.load(SeqCst)
}

#[invalidates(load(id))]
async fn save(id: u32) {
    VERSION.fetch_add(1, SeqCst);
}

async fn cache(url: &str, namespace: &str) -> Cache {
    Cache::builder().url(url).namespace(namespace).timeout(TIMEOUT).build().await.unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Three keys whose old values are in Redis, and whose invalidations are not.
async fn three_undelivered(here: &Cache, proxy: &Proxy) {
    here.scope(async {
        for id in 0..3 {
            load(id).await;
        }
        carried_out(here).await;
        proxy.set(Mode::Refuse);
        proxy.drop_all();
        until("the loss is noticed", || here.stats().nodes[0].state != NodeState::Up).await;
        for id in 0..3 {
            save(id).await;
        }
    })
    .await;
    assert_eq!(here.stats().recovering, 3);
}

#[tokio::test]
async fn the_list_is_flushed() {
    let server = RedisServer::shared();
    let proxy = Proxy::start(server.addr());
    let (here, elsewhere) = (cache(&proxy.url(), "flushed").await, cache(&server.url(), "flushed").await);
    three_undelivered(&here, &proxy).await;
    let error = here.flush_recovery().await.unwrap_err();
    assert!(matches!(error, Error::Undelivered { keys: 3 }), "{error}");
    let before = here.stats();
    assert_eq!((before.undelivered, before.delivered, before.given_up), (3, 0, 0));
    proxy.set(Mode::Pass);
    until("it is connected again", || here.stats().nodes[0].state == NodeState::Up).await;
    here.flush_recovery().await.unwrap();
    let after = here.stats();
    assert_eq!((after.recovering, after.delivered), (0, 3), "{after}");
    for id in 0..3 {
        assert_eq!(elsewhere.scope(load(id)).await, VERSION.load(SeqCst), "delivered means everywhere");
    }
}

/// A single call that brings more keys than the list holds.
#[tokio::test]
async fn the_list_is_bounded_whatever_one_call_brings() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "bounded").await;
    server.kill();
    until("the loss is noticed", || cache.stats().nodes[0].state != NodeState::Up).await;
    let error = cache.guard((0..120_000).map(load::key)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    until("the guards are released", || cache.stats().given_up == 20_000).await;
    assert_eq!((cache.stats().recovering, cache.stats().undelivered), (100_000, 120_000));
}

#[tokio::test]
async fn the_end_of_a_program_waits_for_its_deliveries_but_not_for_ever() {
    let server = RedisServer::shared();
    let proxy = Proxy::start(server.addr());
    let here = cache(&proxy.url(), "shutdown").await;
    three_undelivered(&here, &proxy).await;
    let begun = Instant::now();
    let error = here.shutdown(TIMEOUT).await.unwrap_err();
    assert!(matches!(error, Error::Undelivered { keys: 3 }), "{error}");
    assert!(begun.elapsed() < TIMEOUT + SLACK, "{:?}", begun.elapsed());
    let (end, ()) = tokio::join!(here.shutdown(LONG), async { proxy.set(Mode::Pass) });
    end.unwrap();
    assert_eq!(here.stats().recovering, 0);
    assert!(begun.elapsed() < LONG, "it does not wait for the time to be up");
}

/// A write whose caller went away is released in the background, and that is part of the end.
#[tokio::test]
async fn the_end_of_a_program_waits_for_what_goes_on_without_its_caller() {
    let server = RedisServer::shared();
    let proxy = Proxy::start(server.addr());
    let here = cache(&proxy.url(), "background").await;
    let (begun, never) = (Notify::new(), Notify::new());

    #[invalidates("slow", guard_for = "50ms")]
    async fn slow(begun: &Notify, never: &Notify) {
        begun.notify_one();
        never.notified().await;
    }
    let cancelled = async {
        tokio::select! {
            () = slow(&begun, &never) => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
    };
    here.scope(cancelled).await;
    proxy.set(Mode::Delay(Duration::from_millis(100)));
    here.shutdown(LONG).await.unwrap();
    let stats = here.stats();
    assert_eq!(stats.invalidated + stats.delivered, 1, "released before the end: {stats}");
}

/// What an operator sees of an outage, without asking Redis.
#[tokio::test]
async fn the_state_of_the_server_is_told() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "state").await;
    let address = server.addr().to_string();
    let node = || cache.stats().nodes.remove(0);
    assert_eq!((node().address, node().state, node().outages), (address.clone(), NodeState::Up, 0));
    for outage in 1..=2 {
        server.kill();
        until("it is down", || node().state != NodeState::Up).await;
        let NodeState::Down { reason, since } = node().state else { unreachable!("it is down") };
        assert!(!reason.is_empty() && since.elapsed() < LONG);
        assert_eq!((node().address, node().outages), (address.clone(), outage));
        assert!(cache.stats().to_string().contains(&format!("{address}: down")));
        // Calls don't wait for a server that is known to be down.
        let begun = Instant::now();
        for id in 0..100 {
            cache.scope(load(id)).await;
        }
        assert!(begun.elapsed() < 4 * TIMEOUT, "{:?} for 100 calls", begun.elapsed());
        server.restart();
        until("it is up", || node().state == NodeState::Up).await;
    }
    timeout(LONG, cache.ping()).await.unwrap().unwrap();
    assert!(Cache::in_process().stats().nodes.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_whose_caller_goes_away_is_carried_out() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let builder = Cache::builder().url(proxy.url()).namespace("gone").timeout(Duration::from_secs(2));
    let cache = builder.build().await.unwrap();
    cache.scope(load(30)).await;
    until("the value is stored", || cache.stats().total.stored == 1).await;
    let now = VERSION.fetch_add(1, SeqCst) + 1;
    proxy.set(Mode::Hole);
    let key = load::key(30).in_cache(&cache);
    // As a handler whose client hangs up between its write and its answer.
    assert!(timeout(Duration::from_millis(100), key.invalidate()).await.is_err());
    proxy.drop_all();
    proxy.set(Mode::Pass);
    until("it is carried out", || cache.stats().invalidated + cache.stats().delivered == 1).await;
    assert!(cache.scope(load(30)).await >= now);
}

#[invalidates(load(id))]
async fn save_for_ever(id: u32) {
    std::future::pending::<()>().await;
    let _ = id;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_write_that_is_repeated_in_an_outage_keeps_its_guard() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "again").await;
    cache.scope(load(31)).await;
    until("the value is stored", || cache.stats().total.stored == 1).await;
    server.stop();
    // Its statement may still be at work.
    assert!(timeout(Duration::from_millis(600), cache.scope(save_for_ever(31))).await.is_err());
    until("it is owed", || cache.stats().recovering == 1).await;
    cache.scope(save(31)).await;
    server.restart();
    until("it is delivered", || cache.stats().recovering == 0).await;
    let left: i64 = server.run(redis::cmd("PTTL").arg("again:row:31"));
    assert!(left > 5_000, "the guard of the cancelled write has {left} ms left");
}
