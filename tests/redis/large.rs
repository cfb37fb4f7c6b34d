//! Large values beside small ones, on a link that is slow.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use cached_aside::{Cache, cached_aside, invalidates, updates};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::sleep;

use crate::support::{filled, patient};

#[cached_aside(ttl = "5m", key = "large:{size}:{id}")]
async fn large(id: u64, size: usize) -> String {
    let _ = id;
    "x".repeat(size)
}

#[cached_aside(ttl = "5m", key = "slow:{size}")]
async fn slow(size: usize) -> String {
    "x".repeat(size)
}

#[cached_aside(ttl = "5m", key = "small:{id}")]
async fn small(id: u64) -> u64 {
    id
}

#[invalidates(small(id))]
async fn write(id: u64) {
    let _ = id;
}

/// How often the large function is called.
const CALLS: u64 = 15;

/// One caller of the large function, and one that reads and writes small entries beside it.
async fn side_by_side(cache: &Cache, size: usize) {
    let calls = {
        let cache = cache.clone();
        tokio::spawn(async move {
            for turn in 0..CALLS {
                cache.scope(large(turn % 2, size)).await;
                // Not a condition, but the load: large values now and then, and time for the others between them.
                sleep(Duration::from_millis(200)).await;
            }
        })
    };
    let mut turn = 0;
    while !calls.is_finished() {
        cache.scope(small(turn % 50)).await;
        if turn % 10 == 0 {
            cache.scope(write(turn % 50)).await;
        }
        turn += 1;
        sleep(Duration::from_millis(5)).await;
    }
    calls.await.unwrap();
    let stats = cache.stats();
    let (large, small) = (stats.function("large"), stats.function("small"));
    println!("{size} bytes: large {large:?}, small {small:?}");
    assert_eq!((stats.guards_failed, stats.undelivered, stats.nodes[0].outages), (0, 0, 0), "{size} bytes");
    // On a busy machine one is late now and then; where large values hold others up it is one for each.
    assert!(small.errors * 3 <= CALLS && small.hits > 50, "{size} bytes: {small:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_hold_up_nobody_else() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let timeout = Duration::from_millis(500);
    // 512 KiB take an eighth of a second, 3 MiB longer than a call has.
    for (size, hits) in [(512 << 10, true), (3 << 20, false)] {
        let builder = Cache::builder().url(proxy.url()).namespace("large").timeout(timeout);
        let cache = builder.build().await.unwrap();
        proxy.set(Mode::Rate(4 << 20));
        side_by_side(&cache, size).await;
        let stats = cache.stats();
        assert_eq!(stats.function("large").hits > 0, hits, "{size} bytes: {:?}", stats.function("large"));
        proxy.set(Mode::Pass);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_of_another_process_hold_up_others_at_most_once() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let stores = Cache::builder().url(server.url()).namespace("others").timeout(Duration::from_secs(20));
    let stores = stores.build().await.unwrap();
    for (number, (size, hits)) in [(512 << 10, true), (3 << 20, false)].into_iter().enumerate() {
        let until = Instant::now() + Duration::from_secs(60);
        // On a busy machine a lease may be lost while the value is encoded.
        while stores.stats().function("large").stored < 2 * (number as u64 + 1) {
            assert!(Instant::now() < until, "{:?}", stores.stats().function("large"));
            for id in 0..2 {
                stores.scope(large(id, size)).await;
            }
            // Between two looks at the condition of this loop.
            sleep(Duration::from_millis(100)).await;
        }
        let builder =
            Cache::builder().url(proxy.url()).namespace("others").timeout(Duration::from_millis(500));
        let cache = builder.build().await.unwrap();
        proxy.set(Mode::Rate(4 << 20));
        side_by_side(&cache, size).await;
        let stats = cache.stats();
        assert_eq!(stats.function("large").hits > 0, hits, "{size} bytes: {:?}", stats.function("large"));
        proxy.set(Mode::Pass);
    }
}

#[tokio::test]
async fn a_value_that_takes_longer_than_a_lease_is_stored_and_read_where_the_timeout_allows_it() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let builder = Cache::builder().url(proxy.url()).namespace("slow").timeout(Duration::from_secs(20));
    let cache = builder.build().await.unwrap();
    // 300 KiB take two and a half seconds.
    proxy.set(Mode::Rate(120 << 10));
    cache.scope(slow(300 << 10)).await;
    filled(&cache, 1).await;
    cache.scope(slow(300 << 10)).await;
    let counts = cache.stats().function("slow");
    assert_eq!((counts.stored, counts.hits, counts.loads), (1, 1, 1), "{counts:?}");
}

#[tokio::test]
async fn a_value_over_the_limit_is_not_stored() {
    let server = RedisServer::start();
    let builder = patient(server.url()).namespace("limit").max_value_size(1 << 20);
    let cache = builder.build().await.unwrap();
    for _ in 0..3 {
        cache.scope(large(9, 2 << 20)).await;
    }
    let counts = cache.stats().function("large");
    assert_eq!((counts.loads, counts.stored, counts.unencodable), (3, 0, 3), "{counts:?}");
    assert_eq!(server.keys_without_ttl(""), [""; 0]);
}

/// A value that takes longer to encode than a lease or a guard lasts.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Laborious(u64);

/// Those that have taken their time: once is enough, and a value is serialized several times.
static ENCODED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

impl Serialize for Laborious {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if ENCODED.lock().unwrap().insert(self.0) {
            thread::sleep(Duration::from_secs(4));
        }
        serializer.serialize_newtype_struct("Laborious", &self.0)
    }
}

#[cached_aside(ttl = "5m", key = "laborious", lease = "3s")]
async fn laborious() -> Laborious {
    Laborious(1)
}

#[cached_aside(
    ttl = "1s",
    key = "revalidated",
    lease = "3s",
    stale_while_revalidate = "5m",
    refresh = "background"
)]
async fn revalidated() -> Laborious {
    static LOADS: AtomicU64 = AtomicU64::new(3);
    Laborious(LOADS.fetch_add(1, SeqCst))
}

#[updates(laborious(), guard_for = "3s")]
async fn update() -> Laborious {
    Laborious(2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_takes_longer_to_encode_than_a_lease_or_a_guard_lasts_is_stored() {
    let server = RedisServer::start();
    let cache = patient(server.url()).namespace("encoded").build().await.unwrap();
    cache.scope(laborious()).await;
    filled(&cache, 1).await;
    cache.scope(update()).await;
    assert_eq!(cache.scope(laborious()).await, Laborious(2));
    cache.scope(revalidated()).await;
    filled(&cache, 2).await;
    // Its TTL is over.
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(cache.scope(revalidated()).await, Laborious(3), "what is refreshed");
    filled(&cache, 3).await;
    let stats = cache.stats();
    assert_eq!((stats.total.loads, stats.total.fills_refused, stats.updated), (3, 0, 1), "{stats:?}");
}
