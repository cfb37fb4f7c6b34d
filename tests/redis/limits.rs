//! Where the promises end, as the documentation says it: what happens there, and that the TTL ends it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cached_aside::{Cache, cached_aside, invalidates};
use cached_aside_tests::{RedisServer, Worker};
use redis::cmd;
use tokio::time::sleep;

use crate::support::patient;

async fn ask(app: &mut Worker, line: &str) -> String {
    app.send(format_args!("t {line}"));
    app.line().await
}

async fn cache(server: &RedisServer, namespace: &str) -> Cache {
    patient(server.url()).namespace(namespace).build().await.unwrap()
}

/// Redis loses the guard while the writer is between its two steps: a reader may store the value from before the write. The
/// second step deletes it. If the writer dies before that, only the TTL does.
#[tokio::test]
async fn a_guard_that_redis_loses() {
    let server = RedisServer::start();
    let namespace = "lost-guard";
    let app = async || {
        let mut app = crate::worker("app", &[&server.url(), &server.url(), namespace]);
        app.expect("ready").await;
        app
    };
    let (mut reader, mut writer) = (app().await, app().await);
    let lose = |row: u64| server.run::<i64>(cmd("DEL").arg(format!("{namespace}:row:{row}")));

    // The writer lives: what was stored meanwhile goes with its second step.
    assert_eq!(ask(&mut writer, "write 1 before").await, "t writing");
    assert_eq!(lose(1), 1);
    assert_eq!(ask(&mut reader, "read 1").await, "t read 0");
    assert_eq!(ask(&mut writer, "go").await, "t wrote 1");
    assert_eq!(ask(&mut reader, "read 1").await, "t read 1");

    // The writer dies: the old value stays, with a TTL.
    assert_eq!(ask(&mut writer, "write 2 before").await, "t writing");
    assert_eq!(lose(2), 1);
    assert_eq!(ask(&mut reader, "read 2").await, "t read 0");
    server.run::<i64>(cmd("INCR").arg("version:2"));
    writer.kill9();
    assert_eq!(ask(&mut reader, "read 2").await, "t read 0", "the documentation says so");
    let left = server.run::<i64>(cmd("PTTL").arg(format!("{namespace}:row:2")));
    assert!((1..=60_000).contains(&left), "the insurance: it ends in {left} ms");
    server.run::<i64>(cmd("PEXPIRE").arg(format!("{namespace}:row:2")).arg(1));
    sleep(Duration::from_millis(5)).await;
    assert_eq!(ask(&mut reader, "read 2").await, "t read 1", "and then it is right again");
}

/// A replica of the database that lags behind.
#[derive(Debug, Default)]
struct Lagging {
    primary: AtomicU64,
    replica: AtomicU64,
}

static DATABASE: Lagging = Lagging { primary: AtomicU64::new(0), replica: AtomicU64::new(0) };
static IN_USE: AtomicBool = AtomicBool::new(false);
const LAG: Duration = Duration::from_millis(300);

#[cached_aside(ttl = "3s", key = "lagging", jitter = "0%")]
async fn read_replica() -> u64 {
    DATABASE.replica.load(SeqCst)
}

#[invalidates(read_replica())]
async fn write_primary() -> u64 {
    replicate()
}

#[invalidates(read_replica(), settle = "600ms")]
async fn write_primary_and_settle() -> u64 {
    replicate()
}

/// Writes to the primary; the replica hears of it later.
fn replicate() -> u64 {
    let version = DATABASE.primary.fetch_add(1, SeqCst) + 1;
    tokio::spawn(async move {
        sleep(LAG).await;
        DATABASE.replica.store(version, SeqCst);
    });
    version
}

/// The origin itself answers with old data. `settle` keeps that out of the cache; without it the TTL ends it.
#[tokio::test]
async fn a_database_that_lags_behind() {
    assert!(!IN_USE.swap(true, SeqCst), "one test at a time uses this database");
    for redis in [false, true] {
        let cache = if redis { cache(RedisServer::shared(), "lagging").await } else { Cache::in_process() };
        cache
            .scope(async {
                let version = write_primary().await;
                assert_eq!(read_replica().await, version - 1, "the replica's word");
                sleep(LAG * 2).await;
                assert_eq!(read_replica().await, version - 1, "without `settle` the old value was stored");
                let begun = Instant::now();
                while read_replica().await != version {
                    assert!(begun.elapsed() < Duration::from_secs(20), "the TTL does not end it");
                    sleep(Duration::from_millis(20)).await;
                }

                let version = write_primary_and_settle().await;
                assert_eq!(read_replica().await, version - 1, "the replica's word");
                sleep(LAG + Duration::from_millis(100)).await;
                assert_eq!(read_replica().await, version, "with `settle` it was not stored");
                let before = cache.stats().total.stored;
                let begun = Instant::now();
                while cache.stats().total.stored == before {
                    assert_eq!(read_replica().await, version);
                    assert!(begun.elapsed() < Duration::from_secs(20), "the guard never settles");
                    sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
    }
}

/// Every call carries its future about, and the compiler asks whether it is `Send` wherever a task is spawned: neither may
/// reach into the connection.
#[test]
fn a_call_is_small_and_its_task_is_soon_checked() {
    #[cached_aside(ttl = "5m", key = "square:{n}")]
    async fn square(n: u64) -> u64 {
        n * n
    }

    #[cached_aside(ttl = "5m", key = "outer:{n}")]
    async fn outer(n: u64) -> u64 {
        Box::pin(square(n)).await
    }

    #[invalidates(square(n))]
    async fn save(n: u64) -> u64 {
        n
    }

    fn is_send(_: &impl Send) {}

    let sizes = [size_of_val(&square(3)), size_of_val(&outer(3)), size_of_val(&save(3))];
    is_send(&async { (square(3).await, outer(3).await, save(3).await) });
    assert!(sizes.iter().all(|size| *size < 4_096), "{sizes:?}");
}
