//! Reads that travel together on a runtime that stands still, or that nobody drives: each caller has its answer in its time.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use cached_aside::{Cache, cached_aside};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::sleep,
};

const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a call may take on a busy machine whose caller does not wait for anything else.
const BOUND: Duration = Duration::from_secs(4);
/// Number of callers of which some travel together.
const CALLERS: u64 = 20;

#[cached_aside(ttl = "5m", key = "batched:{id}")]
async fn row(id: u64) -> u64 {
    id
}

async fn cache(url: &str, namespace: &str) -> Cache {
    Cache::builder().url(url).namespace(namespace).timeout(TIMEOUT).build().await.unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The task that sends a batch is put behind the one that began it, and that one does not let go of its thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_does_not_wait_for_a_task_that_blocks_its_thread() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let cache = cache(&proxy.url(), "blocks").await;
    cache.scope(row(0)).await;
    proxy.set(Mode::Hole);
    // As many reads as go out by themselves: the next ones travel together.
    for id in 0..8 {
        let cache = cache.clone();
        tokio::spawn(async move { cache.scope(row(id)).await });
    }
    let asked = Instant::now();
    while cache.stats().nodes[0].in_flight < 8 {
        assert!(asked.elapsed() < BOUND, "{}", cache.stats());
        sleep(Duration::from_millis(1)).await;
    }
    let (blocking, (until, over)) = (cache.clone(), mpsc::channel::<()>());
    let (blocks, blocked) = oneshot::channel();
    tokio::spawn(async move {
        // The read has joined a batch by now.
        let block = async move {
            let _ = blocks.send(());
            over.recv_timeout(2 * BOUND).ok()
        };
        tokio::join!(biased; blocking.scope(row(100)), block)
    });
    blocked.await.unwrap();
    let begun = Instant::now();
    let innocent = cache.clone();
    tokio::spawn(async move { innocent.scope(row(101)).await }).await.unwrap();
    let took = begun.elapsed();
    drop(until);
    assert!(took < BOUND, "{took:?} with a timeout of {TIMEOUT:?}");
}

/// Callers drive themselves, and the tasks of their runtime have no turn.
#[test]
fn calls_on_a_runtime_that_nobody_drives_end() {
    let server = RedisServer::start();
    let home = current_thread();
    let cache = home.block_on(cache(&server.url(), "undriven"));
    let (told, ended) = mpsc::channel();
    for id in 0..CALLERS {
        let (cache, handle, told) = (cache.clone(), home.handle().clone(), told.clone());
        thread::spawn(move || {
            let begun = Instant::now();
            assert_eq!(handle.block_on(cache.scope(row(id))), id);
            let _ = told.send(begun.elapsed());
        });
    }
    for number in 0..CALLERS {
        let took = ended.recv_timeout(BOUND).unwrap_or_else(|_| panic!("only {number} calls ended"));
        assert!(took < BOUND, "{took:?}");
    }
}

/// What was stored is still read there: over the connection that the library's thread drives.
#[test]
fn what_travels_together_on_a_runtime_that_nobody_drives_is_read_over_the_lasting_connection() {
    let server = RedisServer::start();
    let home = current_thread();
    let cache = home.block_on(cache(&server.url(), "main"));
    home.block_on(async {
        for id in 0..CALLERS {
            cache.scope(row(id)).await;
        }
        crate::support::filled(&cache, CALLERS).await;
    });
    let before = cache.stats().total.hits;
    thread::scope(|scope| {
        for id in 0..CALLERS {
            let (cache, handle) = (&cache, home.handle());
            scope.spawn(move || assert_eq!(handle.block_on(cache.scope(row(id))), id));
        }
    });
    // Those that go out by themselves have no answer in time.
    assert!(cache.stats().total.hits > before, "{}", cache.stats());
}

#[test]
fn a_cache_can_be_made_on_a_runtime_that_nobody_drives() {
    let server = RedisServer::start();
    let home = current_thread();
    let (made, cache) = mpsc::channel();
    let (handle, url) = (home.handle().clone(), server.url());
    thread::spawn(move || {
        let builder = Cache::builder().url(url).namespace("made").connect_timeout(TIMEOUT);
        let _ = made.send(handle.block_on(builder.build()).unwrap());
    });
    let cache = cache.recv_timeout(2 * BOUND).expect("it is made");
    assert_eq!(current_thread().block_on(cache.scope(row(1))), 1);
}
