//! What tests share: waiting for conditions, and each way to reach Redis.

use std::{
    future::Future,
    thread,
    time::{Duration, Instant},
};

use cached_aside::{Cache, CacheBuilder, Source, observe};
use redis::{Client, Connection, RedisResult, cmd};

mod deployments;

/// How long silence is listened to.
pub(crate) const SHORT: Duration = Duration::from_millis(200);
/// How long an answer may take on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A cache whose commands may take as long as a busy machine lets them. By default an outage would begin where one takes a quarter
/// of a second, and calls would go on without the cache.
pub(crate) fn patient(url: impl Into<String>) -> CacheBuilder {
    Cache::builder().url(url).timeout(LONG)
}

pub(crate) fn connect(url: &str) -> RedisResult<Connection> {
    let connection = Client::open(url)?.get_connection_with_timeout(LONG)?;
    connection.set_read_timeout(Some(LONG))?;
    Ok(connection)
}

pub(crate) fn ping(url: &str) -> RedisResult<String> {
    ping_on(&mut connect(url)?)
}

pub(crate) fn ping_on(connection: &mut Connection) -> RedisResult<String> {
    cmd("PING").query(connection)
}

/// Waits for what another process or thread does in its own time.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until so many fills have been answered: a load does not wait for its own.
pub(crate) async fn filled(cache: &Cache, fills: u64) {
    let begun = Instant::now();
    loop {
        let total = cache.stats().total;
        if total.stored + total.fills_refused >= fills {
            return;
        }
        assert!(begun.elapsed() < LONG, "{total:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until the server has carried out whatever calls have sent before this.
pub(crate) async fn carried_out(cache: &Cache) {
    cache.ping().await.unwrap();
    // A fill may go over another connection, while the runtime's own is being made. What is not to be stored is not waited for long.
    let (begun, on_its_way) = (Instant::now(), || {
        let total = cache.stats().total;
        let ended =
            total.stored + total.fills_refused + total.unencodable + total.unstored + total.not_stored;
        ended < total.loads
    });
    while on_its_way() && begun.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Calls until it is given a local copy.
pub(crate) async fn copied<T, F: Future<Output = T>>(call: impl Fn() -> F) -> T {
    let begun = Instant::now();
    loop {
        let (value, observed) = observe(call()).await;
        if observed.source() == Some(Source::Local) {
            return value;
        }
        assert!(begun.elapsed() < LONG, "there is no copy: {observed:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Does it once more until that many writes have waited for copies: those can be over before the write begins, on a busy machine.
pub(crate) async fn until_writes_waited(cache: &Cache, writes: u64, mut round: impl AsyncFnMut()) {
    let (begun, before) = (Instant::now(), cache.stats().writes_waited);
    let waited = || cache.stats().writes_waited - before;
    while waited() < writes {
        assert!(begun.elapsed() < LONG, "{} writes have waited for copies, of {writes}", waited());
        round().await;
    }
}

/// Runs a test on both stores, in a cache of its own each: in this process, and in Redis wherever it runs.
pub(crate) async fn on_both_stores<F: Future<Output = ()>>(name: &str, test: impl Fn(Cache) -> F) {
    let namespace = format!("functions-{name}");
    let cache = Cache::in_process();
    cache.scope(test(cache.clone())).await;
    for deployment in deployments::all() {
        println!("{name}: {}", deployment.name);
        let cache = deployment.cache(&namespace).await;
        cache.scope(test(cache.clone())).await;
        assert_eq!(deployment.keys_without_ttl(&namespace), [""; 0], "{}", deployment.name);
    }
}
