//! Tokio runtimes that come and go, stand still, or are not there: what a call needs to last lasts.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use cached_aside::{AnyKey, Cache, cached_aside, invalidates};
use cached_aside_tests::RedisServer;
use redis::cmd;
use tokio::runtime::{Builder, Runtime};

use crate::support::{carried_out, eventually, filled};

mod outside;

const LONG: Duration = Duration::from_secs(20);
const KEYS: usize = 50;

/// The database: every test has rows of its own.
static ROWS: Mutex<Vec<AtomicU64>> = Mutex::new(Vec::new());

fn rows(count: usize) -> usize {
    let mut rows = ROWS.lock().unwrap();
    let first = rows.len();
    rows.extend((0..count).map(|_| AtomicU64::new(0)));
    first
}

fn row<T>(id: usize, of: impl FnOnce(&AtomicU64) -> T) -> T {
    of(&ROWS.lock().unwrap()[id])
}

#[cached_aside(ttl = "5m", key = "row:{id}")]
async fn load(id: usize) -> u64 {
    row(id, |row| row.load(SeqCst))
}

#[invalidates(load(id))]
async fn save(id: usize) {
    row(id, |row| row.fetch_add(1, SeqCst));
}

#[invalidates(load(id), guard = "required")]
async fn save_guarded(id: usize) -> Result<(), cached_aside::Error> {
    row(id, |row| row.fetch_add(1, SeqCst));
    Ok(())
}

#[invalidates(load(id), guard_for = "500ms")]
async fn save_without_end(id: usize) {
    row(id, |row| row.fetch_add(1, SeqCst));
    std::future::pending().await
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// One that waits long enough on a busy machine: what fails here fails for another reason than time.
async fn cache(server: &RedisServer, namespace: &str) -> Cache {
    Cache::builder().url(server.url()).namespace(namespace).timeout(LONG).build().await.unwrap()
}

/// A cache that stands for another process: it has a runtime of its own, which is always driven.
struct Elsewhere {
    runtime: Runtime,
    cache: Cache,
}

impl Elsewhere {
    fn new(server: &RedisServer, namespace: &str) -> Elsewhere {
        let runtime = multi_thread();
        let cache = runtime.block_on(cache(server, namespace));
        Elsewhere { runtime, cache }
    }

    fn reads(&self, ids: impl Iterator<Item = usize>) -> Vec<u64> {
        self.runtime.block_on(self.cache.scope(async {
            let mut read = Vec::new();
            for id in ids {
                read.push(load(id).await);
            }
            read
        }))
    }

    /// Has all of these in the cache.
    fn stores(&self, ids: impl Iterator<Item = usize> + Clone) {
        let count = ids.clone().count() as u64;
        self.reads(ids);
        eventually("they are stored", || self.cache.stats().total.stored >= count);
    }
}

/// Nothing was unguarded, and nothing is owed.
fn every_write_was_guarded(cache: &Cache) {
    let stats = cache.stats();
    assert_eq!((stats.guards_failed, stats.undelivered, stats.recovering), (0, 0, 0), "{stats}");
}

#[test]
fn a_runtime_for_each_job_leaves_nothing_stale() {
    let server = RedisServer::start();
    for (namespace, runtime) in [("single", current_thread as fn() -> Runtime), ("multi", multi_thread)] {
        let elsewhere = Elsewhere::new(&server, namespace);
        let first = rows(KEYS);
        elsewhere.stores(first..first + KEYS);
        // Made in a runtime that has ended by the time it is used.
        let cache = runtime().block_on(cache(&server, namespace));
        for id in first..first + KEYS {
            runtime().block_on(cache.scope(save(id)));
        }
        assert_eq!(elsewhere.reads(first..first + KEYS), [1; KEYS], "{namespace}");
        every_write_was_guarded(&cache);
    }
}

#[test]
fn threads_with_a_runtime_each_and_a_call_each_time_hit_and_leave_nothing_stale() {
    let server = RedisServer::start();
    let elsewhere = Elsewhere::new(&server, "threads");
    const EACH: usize = 10;
    let first = rows(4 * EACH);
    elsewhere.stores(first..first + 4 * EACH);
    let home = current_thread();
    let cache = home.block_on(cache(&server, "threads"));
    thread::scope(|scope| {
        for mine in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                let runtime = current_thread();
                for call in 0..100 {
                    let id = first + mine * EACH + call % EACH;
                    runtime.block_on(cache.scope(async {
                        assert_eq!(load(id).await, row(id, |row| row.load(SeqCst)));
                        if call % EACH == 0 {
                            save(id).await;
                        }
                    }));
                }
            });
        }
    });
    let now: Vec<u64> = (first..first + 4 * EACH).map(|id| row(id, |row| row.load(SeqCst))).collect();
    assert_eq!(elsewhere.reads(first..first + 4 * EACH), now);
    every_write_was_guarded(&cache);
    assert!(cache.stats().total.hits >= 300, "{}", cache.stats());
    drop(home);
}

/// The runtime that made the cache exists, and nobody drives it: not even while the server goes and comes.
#[test]
fn a_server_that_was_away_is_used_again_whatever_the_first_runtime_does() {
    let server = RedisServer::start();
    let (home, other) = (current_thread(), current_thread());
    let id = rows(1);
    let cache = home.block_on(cache(&server, "away"));
    home.block_on(cache.scope(async { (load(id).await, load(id).await) }));
    server.stop();
    home.block_on(cache.scope(load(id)));
    server.restart();
    let begun = Instant::now();
    while cache.stats().total.hits < 3 {
        other.block_on(cache.scope(load(id)));
        assert!(begun.elapsed() < LONG, "{}", cache.stats());
        thread::sleep(Duration::from_millis(5));
    }
    // And the first one as well, when somebody drives it again.
    let before = cache.stats().total;
    home.block_on(cache.scope(async { (load(id).await, load(id).await) }));
    let after = cache.stats().total;
    assert_eq!((after.hits, after.errors), (before.hits + 2, before.errors), "{after:?}");
}

/// As the tests of a program are, over one installed cache.
#[test]
fn runtimes_one_after_the_other_use_the_cache_from_their_first_call_on() {
    let server = RedisServer::start();
    let id = rows(1);
    let cache = current_thread().block_on(cache(&server, "after"));
    // The server learns the scripts.
    current_thread().block_on(cache.scope(load(id)));
    eventually("it is stored", || cache.stats().total.stored == 1);
    for turn in 0..20 {
        let runtime = if turn % 2 == 0 { current_thread() } else { multi_thread() };
        runtime.block_on(cache.scope(async {
            save_guarded(id).await.unwrap();
            let hits = cache.stats().total.hits;
            assert_eq!([load(id).await, load(id).await], [turn + 1; 2]);
            assert_eq!(cache.stats().total.hits, hits + 1, "the second is a hit");
        }));
    }
    every_write_was_guarded(&cache);
    assert_eq!(cache.stats().total.errors, 0);
}

/// A runtime that ends in the middle of a write: nobody knows whether it was done.
#[test]
fn a_key_comes_back_after_its_write_was_cut_off_with_its_runtime() {
    let server = RedisServer::start();
    let elsewhere = Elsewhere::new(&server, "cut");
    let id = rows(1);
    elsewhere.stores(id..=id);
    let cache = current_thread().block_on(cache(&server, "cut"));
    let runtime = multi_thread();
    runtime.spawn(cache.scope(save_without_end(id)));
    eventually("the body runs", || row(id, |row| row.load(SeqCst)) == 1);
    // The pause is what is tested: it is longer than an unrenewed guard holds.
    thread::sleep(Duration::from_millis(800));
    assert_eq!(elsewhere.reads(id..=id), [1], "the guard stands");
    assert_eq!(elsewhere.cache.stats().total.hits, 0);
    drop(runtime);
    eventually("it is stored again", || {
        assert_eq!(elsewhere.reads(id..=id), [1]);
        elsewhere.cache.stats().total.hits > 0
    });
    every_write_was_guarded(&cache);
}

/// What is owed is delivered by a process all of whose runtimes have ended.
#[test]
fn what_is_owed_is_delivered_without_any_runtime() {
    let server = RedisServer::start();
    let (id, cut) = (rows(1), rows(1));
    let home = multi_thread();
    let cache = home.block_on(Cache::connect(&server.url())).unwrap();
    home.block_on(cache.scope(async { (load(id).await, load(cut).await) }));
    eventually("both are stored", || cache.stats().total.stored == 2);
    server.pause();
    home.spawn(cache.scope(save_without_end(cut)));
    eventually("the body runs unguarded", || row(cut, |row| row.load(SeqCst)) == 1);
    home.block_on(cache.scope(save(id)));
    drop(home);
    eventually("it is owed", || cache.stats().recovering == 2);
    server.resume();
    eventually("it is delivered", || cache.stats().recovering == 0);
    let other = current_thread();
    let begun = Instant::now();
    while cache.stats().total.hits < 2 {
        assert_eq!(other.block_on(cache.scope(async { [load(id).await, load(cut).await] })), [1, 1]);
        assert!(begun.elapsed() < LONG, "{}", cache.stats());
    }
}

/// A test's time stands still; the server's does not.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_leaves_no_write_unguarded() {
    let server = RedisServer::start();
    let id = rows(1);
    let cache = cache(&server, "paused").await;
    cache
        .scope(async {
            // The server learns the scripts.
            load(id).await;
            carried_out(&cache).await;
            for _ in 0..50 {
                save_guarded(id).await.unwrap();
                assert_eq!([load(id).await, load(id).await], [row(id, |row| row.load(SeqCst)); 2]);
            }
        })
        .await;
    every_write_was_guarded(&cache);
    // A fill that still went over another connection may be overtaken, and is waited for.
    let total = cache.stats().total;
    assert_eq!(total.hits + total.waited, 50, "{total:?}");
}

/// An orderly end: the fills of a runtime that nobody drives any more are sent, and waited for from another.
#[test]
fn a_shutdown_waits_for_the_fills_of_other_runtimes() {
    let server = RedisServer::start();
    let first = rows(KEYS);
    let (home, other) = (current_thread(), current_thread());
    let cache = home.block_on(Cache::connect(&server.url())).unwrap();
    for (half, runtime) in [&home, &other].into_iter().enumerate() {
        let ids = (first..first + KEYS).filter(|id| id % 2 == half);
        runtime.block_on(cache.scope(async {
            for id in ids {
                load(id).await;
            }
        }));
    }
    multi_thread().block_on(cache.shutdown(LONG)).unwrap();
    let total = cache.stats().total;
    // One whose answer nobody reads any more is sent again, and the server has it already.
    assert_eq!((total.stored + total.fills_refused, total.errors), (KEYS as u64, 0), "{total:?}");
    assert_eq!(server.run::<usize>(&cmd("DBSIZE")), KEYS);
}

#[cached_aside(ttl = "1m", key = "report:{id}", lease = "2s")]
async fn report(id: usize) -> usize {
    // The pause is what is tested: the body blocks, as a synchronous driver does, for longer than the lease.
    thread::sleep(Duration::from_secs(4));
    id
}

#[test]
fn a_body_that_blocks_its_thread_for_longer_than_its_lease_is_stored() {
    let server = RedisServer::start();
    let runtime = current_thread();
    for cache in [runtime.block_on(cache(&server, "blocks")), Cache::in_process()] {
        runtime.block_on(cache.scope(async { (report(1).await, report(1).await) }));
        runtime.block_on(filled(&cache, 1));
        let total = cache.stats().total;
        assert_eq!((total.loads, total.stored, total.fills_refused), (1, 1, 0), "{total:?}");
    }
}

static WRITES: AtomicBool = AtomicBool::new(false);

#[cached_aside(ttl = "1m", key = "blocked")]
async fn blocked() -> bool {
    WRITES.load(SeqCst)
}

#[invalidates(blocked(), guard_for = "2s")]
async fn write_blocking() {
    WRITES.store(true, SeqCst);
    // The pause is what is tested: the body blocks for longer than the guard holds.
    thread::sleep(Duration::from_secs(3));
    WRITES.store(false, SeqCst);
}

#[test]
fn a_write_that_blocks_its_thread_for_longer_than_its_guard_stays_guarded() {
    let server = RedisServer::start();
    let (runtime, elsewhere) = (current_thread(), Elsewhere::new(&server, "guarded"));
    let cache = runtime.block_on(cache(&server, "guarded"));
    thread::scope(|scope| {
        let writer = scope.spawn(|| runtime.block_on(cache.scope(write_blocking())));
        eventually("the body runs", || WRITES.load(SeqCst));
        let hits = elsewhere.cache.stats().total.hits;
        while WRITES.load(SeqCst) {
            elsewhere.runtime.block_on(elsewhere.cache.scope(blocked()));
            let now = elsewhere.cache.stats().total.hits;
            assert!(now == hits || !WRITES.load(SeqCst), "something was stored beside the write");
            thread::sleep(Duration::from_millis(5));
        }
        writer.join().unwrap();
    });
    assert_eq!(cache.stats().guards_lost, 0);
    every_write_was_guarded(&cache);
}

/// What the library's thread runs for long holds no cache.
#[test]
fn a_cache_that_is_dropped_closes_its_connections() {
    let server = RedisServer::start();
    let connections = || {
        let clients: String = server.run(cmd("CLIENT").arg("LIST"));
        clients.lines().count()
    };
    let before = connections();
    let runtime = multi_thread();
    let cache = runtime.block_on(cache(&server, "dropped"));
    let id = rows(1);
    runtime.block_on(cache.scope(async {
        load(id).await;
        save(id).await;
    }));
    assert!(connections() > before);
    drop(cache);
    eventually("its connections are closed", || connections() == before);
}

/// Callers that vanish with their runtimes leave no place taken.
#[test]
fn runtimes_dropped_in_the_middle_of_calls_leave_nothing_behind() {
    let server = RedisServer::start();
    let elsewhere = Elsewhere::new(&server, "vanish");
    let first = rows(KEYS);
    elsewhere.stores(first..first + KEYS);
    let cache = multi_thread().block_on(cache(&server, "vanish"));
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    for turn in 0..30 {
        let runtime = multi_thread();
        for id in first..first + KEYS {
            runtime.spawn(cache.scope(async move {
                load(id).await;
                save(id).await;
                ENDED.fetch_add(1, Relaxed);
            }));
        }
        thread::sleep(Duration::from_micros(300 * turn));
        runtime.shutdown_background();
    }
    assert!(ENDED.load(Relaxed) < 30 * KEYS, "some were cut off");
    eventually("nothing is on its way", || cache.stats().nodes[0].in_flight == 0);
    every_write_was_guarded(&cache);
    let now: Vec<u64> = (first..first + KEYS).map(|id| row(id, |row| row.load(SeqCst))).collect();
    assert_eq!(elsewhere.reads(first..first + KEYS), now);
}
