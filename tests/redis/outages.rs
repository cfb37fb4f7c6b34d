//! Redis absent, lost, hung, or closed to us: functions run, in time, and the cache comes back by itself.

use std::{
    future::Future,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside::{Cache, Error, NodeState, cached_aside, invalidates};
use cached_aside_tests::{Mode, Proxy, RedisServer, ServerFault};
use redis::cmd;
use tokio::time::sleep;

const TIMEOUT: Duration = Duration::from_millis(250);
/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);
/// How soon the cache must be in use again.
const BACK: Duration = Duration::from_secs(5);

/// A row with a version.
#[derive(Debug, Default)]
struct Row {
    version: AtomicU64,
    loads: AtomicU64,
}

#[derive(Debug, Clone, PartialEq)]
struct Refused(String);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused(error.to_string())
    }
}

#[cached_aside(ttl = "1m", key = "row", skip(row))]
async fn load(row: &Row) -> u64 {
    row.loads.fetch_add(1, SeqCst);
    row.version.load(SeqCst)
}

#[invalidates(load())]
async fn save(row: &Row) -> u64 {
    row.version.fetch_add(1, SeqCst) + 1
}

#[invalidates(load(), guard = "required")]
async fn save_for_sure(row: &Row) -> Result<u64, Refused> {
    Ok(row.version.fetch_add(1, SeqCst) + 1)
}

async fn cache(url: &str, namespace: &str) -> Cache {
    Cache::builder().url(url).namespace(namespace).timeout(TIMEOUT).build().await.unwrap()
}

/// Runs a call and says how long it took.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (call.await, begun.elapsed())
}

/// A call while the cache is in trouble: the body's result, once, in time.
async fn loads_in_time(row: &Row, what: &str) {
    let before = row.loads.load(SeqCst);
    let (version, took) = timed(load(row)).await;
    assert_eq!(version, row.version.load(SeqCst), "{what}");
    assert_eq!(row.loads.load(SeqCst), before + 1, "{what}: the body runs once");
    assert!(took <= TIMEOUT + SLACK, "{what}: {took:?}");
}

/// Waits until reads are hits again.
async fn is_in_use_again(row: &Row, what: &str) -> Duration {
    let begun = Instant::now();
    loop {
        load(row).await;
        let before = row.loads.load(SeqCst);
        assert_eq!(load(row).await, row.version.load(SeqCst), "{what}");
        if row.loads.load(SeqCst) == before {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < BACK, "{what}: the cache is not in use again");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn absent_from_the_start() {
    let server = RedisServer::start();
    server.stop();
    let (cache, took) = timed(cache(&server.url(), "absent")).await;
    assert!(took < Duration::from_secs(1) + SLACK, "{took:?}");
    assert!(matches!(cache.ping().await, Err(Error::Unreachable { .. })));
    let row = Row::default();
    cache
        .scope(async {
            for _ in 0..20 {
                loads_in_time(&row, "refused").await;
            }
            assert_eq!(timed(save(&row)).await.0, 1);
            loads_in_time(&row, "after a write").await;
            server.restart();
            let took = is_in_use_again(&row, "started").await;
            println!("absent from the start: in use {took:?} after it came");
        })
        .await;
    cache.ping().await.unwrap();
}

#[tokio::test]
async fn killed_and_restarted() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "killed").await;
    let row = Row::default();
    cache
        .scope(async {
            is_in_use_again(&row, "at first").await;
            for _ in 0..3 {
                server.kill();
                for _ in 0..20 {
                    loads_in_time(&row, "killed").await;
                }
                save(&row).await;
                loads_in_time(&row, "killed, written").await;
                server.restart();
                let took = is_in_use_again(&row, "restarted").await;
                println!("killed and restarted: in use after {took:?}");
            }
        })
        .await;
    assert_eq!(server.keys_without_ttl(""), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_and_continued() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "stopped").await;
    let row = Arc::new(Row::default());
    cache
        .scope(async {
            is_in_use_again(&row, "at first").await;
            server.pause();
            let calls: Vec<_> = (0..100)
                .map(|_| {
                    let (cache, row) = (cache.clone(), row.clone());
                    tokio::spawn(async move { cache.scope(timed(load(&row))).await })
                })
                .collect();
            for call in calls {
                let (version, took) = call.await.unwrap();
                assert_eq!(version, 0);
                assert!(took <= TIMEOUT + SLACK, "{took:?}");
            }
            let (version, took) = timed(save(&row)).await;
            assert_eq!(version, 1);
            assert!(took <= 2 * TIMEOUT + SLACK, "a write guards and releases: {took:?}");
            loads_in_time(&row, "stopped, written").await;
            server.resume();
            is_in_use_again(&row, "continued").await;
        })
        .await;
}

/// The entry survives the outage, the invalidation does not arrive: nobody here is given the old value, and it is deleted
/// as soon as the server can be told.
#[tokio::test]
async fn a_write_during_an_outage_is_delivered_after_it() {
    let server = RedisServer::shared();
    let proxy = Proxy::start(server.addr());
    let here = cache(&proxy.url(), "undelivered").await;
    let elsewhere = cache(&server.url(), "undelivered").await;
    let row = Row::default();
    for fault in [Mode::Refuse, Mode::Hole] {
        here.scope(is_in_use_again(&row, "at first")).await;
        proxy.set(fault);
        if fault == Mode::Refuse {
            proxy.drop_all();
            while here.ping().await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        let (written, took) = timed(here.scope(save(&row))).await;
        assert!(took <= 2 * TIMEOUT + SLACK, "{took:?}");
        assert_eq!(here.stats().recovering, 1);
        here.scope(loads_in_time(&row, "in this process")).await;
        // The limit that the documentation names: others still reach the old entry.
        assert_eq!(elsewhere.scope(load(&row)).await, written - 1);
        proxy.set(Mode::Pass);
        proxy.drop_all();
        let begun = Instant::now();
        while here.stats().recovering > 0 {
            here.scope(async { assert_eq!(load(&row).await, written, "bypassed until it is delivered") })
                .await;
            assert!(begun.elapsed() < BACK, "the invalidation is not delivered");
            sleep(Duration::from_millis(2)).await;
        }
        println!("{fault:?}: delivered {:?} after the connection could be made", begun.elapsed());
        assert_eq!(elsewhere.scope(load(&row)).await, written, "delivered means everywhere");
        here.scope(is_in_use_again(&row, "delivered")).await;
    }
}

#[tokio::test]
async fn a_write_that_requires_its_guard_is_refused_before_it_begins() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "required").await;
    let row = Row::default();
    cache
        .scope(async {
            assert_eq!(save_for_sure(&row).await, Ok(1));
            is_in_use_again(&row, "at first").await;
            server.pause();
            let (refusal, took) = timed(save_for_sure(&row)).await;
            assert!(took <= TIMEOUT + SLACK, "{took:?}");
            let refusal = refusal.unwrap_err().0;
            assert!(refusal.contains("`row` could not be guarded") && refusal.contains("250ms"), "{refusal}");
            assert_eq!(row.version.load(SeqCst), 1, "nothing was written");
            server.resume();
            is_in_use_again(&row, "continued").await;
            assert_eq!(save_for_sure(&row).await, Ok(2));
            assert_eq!(load(&row).await, 2);
        })
        .await;
    assert_eq!(cache.stats().writes_refused, 1);
}

#[tokio::test]
async fn a_wrong_password_is_no_reason_to_fail() {
    let server = RedisServer::builder().password("right").start();
    let cache = cache(&server.url().replace("right", "wrong"), "password").await;
    let row = Row::default();
    cache.scope(loads_in_time(&row, "wrong password")).await;
    // It becomes right.
    server.run::<()>(cmd("CONFIG").arg("SET").arg("requirepass").arg("wrong"));
    cache.scope(is_in_use_again(&row, "the password is right now")).await;
}

/// Somebody else's data is served to nobody, and stays.
#[tokio::test]
async fn a_key_that_is_taken() {
    let server = RedisServer::shared();
    let cache = cache(&server.url(), "taken").await;
    let row = Row::default();
    for command in
        [cmd("SET").arg("taken:row").arg("mine").clone(), cmd("SADD").arg("taken:row").arg("mine").clone()]
    {
        server.run::<()>(&command);
        cache
            .scope(async {
                loads_in_time(&row, "taken").await;
                save(&row).await;
                save_for_sure(&row).await.unwrap();
                loads_in_time(&row, "taken, written").await;
                assert!(matches!(load::key().peek().await, Err(Error::Foreign { key }) if key == "row"));
                assert!(matches!(load::key().invalidate().await, Err(Error::Foreign { .. })));
            })
            .await;
        assert_eq!(server.run::<i64>(cmd("DEL").arg("taken:row")), 1, "it is still there");
    }
    let stats = cache.stats();
    assert_eq!((stats.total.foreign, stats.total.errors, stats.recovering), (4, 0, 0), "{stats}");
}

#[tokio::test]
async fn urls_that_can_never_work() {
    for (url, says) in [
        ("localhost:6379", "no scheme"),
        ("http://localhost", "unknown scheme"),
        ("rediss://:s3cret@localhost/#insecure", "tls_ca"),
        ("redis-cluster://:s3cret@a,,b", "a host is missing"),
        ("redis-cluster://:s3cret@a,b/3", "only the database 0"),
        ("redis-sentinel://:s3cret@a,b", "names no service"),
        ("redis://:s3cret@", "redis://"),
        ("redis://:s3cret@localhost:99999", "redis://"),
        ("redis://:s3cret@localhost/s3cret", "redis://"),
        ("s3cret@x://localhost", "unknown scheme"),
    ] {
        let error = Cache::connect(url).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, Error::Url { .. }), "{url}: {text}");
        assert!(text.contains(says), "{url}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    for (builder, option) in [
        (Cache::builder().namespace(""), "namespace"),
        (Cache::builder().namespace("a b"), "namespace"),
        (Cache::builder().timeout(Duration::ZERO), "timeout"),
        (Cache::builder().connect_timeout(Duration::ZERO), "connect_timeout"),
        (Cache::builder().max_in_flight(0), "max_in_flight"),
        (Cache::builder(), "url"),
        (Cache::builder().namespace("shop"), "url"),
        (Cache::builder().capacity(1 << 20), "url"),
        (Cache::builder().in_process().capacity(0), "capacity"),
        (Cache::builder().url("redis://localhost").capacity(1 << 20), "capacity"),
        (Cache::builder().url("redis://localhost").in_process(), "in_process"),
        (Cache::builder().max_value_size(0), "max_value_size"),
        (Cache::builder().max_value_size((64 << 20) + 1), "max_value_size"),
        (Cache::builder().url("redis://localhost").tls_ca("-----BEGIN CERTIFICATE-----"), "tls_ca"),
        (Cache::builder().url("rediss://localhost").tls_ca("none"), "tls_ca"),
        (Cache::builder().url("rediss://localhost").tls_client("none", "none"), "tls_client"),
    ] {
        let error = builder.build().await.unwrap_err();
        assert!(matches!(&error, Error::Option { option: named, .. } if *named == option), "{error}");
    }
}

/// What concerns a whole process, in a process each.
#[test]
fn installing_and_the_environment() {
    let server = RedisServer::shared();
    let run = |role: &str, variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg(role).env_remove("REDIS_URL").env_remove("CACHED_ASIDE_URL");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (url, unix) = (server.url(), server.unix_url());
    let nothing = run("environment", &[]);
    assert!(
        nothing.contains("this process") && nothing.contains("neither CACHED_ASIDE_URL nor REDIS_URL"),
        "{nothing}"
    );
    let redis = run("environment", &[("REDIS_URL", &url)]);
    assert!(
        redis.contains(&server.addr().to_string()) && redis.contains("variable=\"REDIS_URL\""),
        "{redis}"
    );
    for start in [
        "the cache is made",
        "namespace=\"cached-aside\"",
        "in_process=false",
        "version=\"",
        "caching=\"on\"",
    ] {
        assert_eq!(redis.matches(start).count(), 1, "{start}: {redis}");
    }
    let off = run("environment", &[("REDIS_URL", &url), ("CACHED_ASIDE", "off")]);
    assert!(off.contains("caching=\"off\""), "{off}");
    let both = run("environment", &[("REDIS_URL", &url), ("CACHED_ASIDE_URL", &unix)]);
    assert!(both.contains("redis.sock"), "CACHED_ASIDE_URL comes first: {both}");
    assert!(nothing.contains("WARN") && nothing.contains("other processes do not see"), "{nothing}");
    let empty = run("environment", &[("REDIS_URL", " ")]);
    assert!(empty.contains("this process") && empty.contains("WARN"), "{empty}");
    let by_name = run("environment", &[("CACHED_ASIDE_URL", "in-process"), ("REDIS_URL", &url)]);
    assert!(by_name.contains("this process") && !by_name.contains("WARN"), "{by_name}");
    assert!(by_name.contains("in_process=true") && nothing.contains("in_process=true"), "{by_name}");
    let wrong = run("environment", &[("REDIS_URL", "ftp://user:s3cret@host")]);
    assert!(wrong.contains("unknown scheme") && !wrong.contains("s3cret"), "{wrong}");

    let installed = run("install", &[]);
    let lines: Vec<&str> = installed.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.contains("no cache is installed")).count(), 1, "{installed}");
    assert!(lines.contains(&"without a cache: 1, 2"), "{installed}");
    assert!(lines.contains(&"installed: 3, 3"), "{installed}");
    assert!(
        lines.iter().any(|line| line.contains("a cache is installed already (this process)")),
        "{installed}"
    );
    assert!(lines.contains(&"in scope: 4, 4; then 3"), "{installed}");
    assert!(lines.contains(&"another runtime: 3"), "{installed}");
}

/// Whoever asks for it is given it, by either name.
#[tokio::test]
async fn a_cache_in_this_process_is_asked_for_by_name_and_bounded() {
    #[cached_aside(ttl = "5m", key = "bounded:{id}")]
    async fn page(id: u64) -> Vec<u8> {
        vec![id.to_le_bytes()[0]; 10_000]
    }
    for builder in [Cache::builder().in_process(), Cache::builder().url("in-process")] {
        let cache = builder.capacity(105_000).build().await.unwrap();
        assert!(format!("{cache:?}").contains("this process"), "{cache:?}");
        cache
            .scope(async {
                for id in 0..100 {
                    page(id).await;
                }
                for id in 90..100 {
                    page(id).await;
                }
                assert_eq!(cache.stats().total.hits, 10, "the last ones are there");
                page(0).await;
                assert_eq!(cache.stats().total.loads, 101, "the first ones had to go");
            })
            .await;
    }
    assert!(format!("{:?}", Cache::connect("in-process").await.unwrap()).contains("this process"));
}

/// The commands of a write travel together, and each is refused by itself: as a whole they are answered.
#[tokio::test]
async fn a_server_that_refuses_the_commands_of_writes_is_given_up() {
    let (server, row) = (RedisServer::start(), Row::default());
    let cache = cache(&server.url(), "refused-writes").await;
    cache.scope(save(&row)).await;
    let is_up = || cache.stats().nodes[0].state == NodeState::Up;
    assert!(is_up());
    let faulty = ServerFault::BusyScript.begin(&server);
    for _ in 0..60 {
        cache.scope(save(&row)).await;
        if !is_up() {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!(!is_up(), "the server is taken for one that is in order: {}", cache.stats());
    faulty.end();
    let begun = Instant::now();
    while !is_up() || cache.stats().recovering > 0 {
        assert!(begun.elapsed() < BACK, "{}", cache.stats());
        sleep(Duration::from_millis(5)).await;
    }
}
