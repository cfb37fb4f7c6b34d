//! What the log says: a person can follow a call by it, a hit is quiet, and no secret is ever in it.

use std::time::{Duration, Instant};

use cached_aside::{Cache, cached_aside, invalidates};
use cached_aside_tests::{
    Mode, Proxy, RedisServer,
    log::{Log, said},
    server,
};
use redis::cmd;

use crate::support::{carried_out, eventually, filled, patient};

#[cached_aside(ttl = "1m", key = "told:{id}")]
async fn load(id: u64) -> u64 {
    tracing::info!("in the body");
    id
}

#[invalidates(load(id))]
async fn save(id: u64) {
    let _ = id;
}

#[tokio::test]
async fn a_call_can_be_followed() {
    let server = RedisServer::shared();
    let log = Log::listen().and_of_the_library("\"told:7\"");
    let redis = patient(server.url()).namespace("logging").build().await.unwrap();
    for cache in [Cache::in_process(), redis] {
        log.take();
        cache.scope(load(7)).await;
        filled(&cache, 1).await;
        // It is counted before it is told.
        let mut miss = log.take();
        eventually("the fill is told", || {
            miss.push_str(&log.take());
            miss.contains(" stored ")
        });
        for word in ["miss", "loaded", "stored"] {
            let lines = said(&miss, &format!(" {word} "));
            assert_eq!(lines.len(), 1, "one `{word}`:\n{miss}");
            assert!(lines[0].contains("key=\"told:7\"") && lines[0].contains("took="), "{}", lines[0]);
            assert!(
                lines[0].trim_start().starts_with("DEBUG cached_aside{function=\"load\""),
                "{}",
                lines[0]
            );
        }
        assert!(
            miss.contains("cached_aside{function=\"load\" key=\"told:7\" module=\"redis::logging\"}"),
            "the body is inside the span:\n{miss}"
        );

        cache.scope(load(7)).await;
        let hit = log.take();
        let lines = said(&hit, " hit ");
        assert_eq!(lines.len(), 1, "{hit}");
        assert!(
            lines[0].trim_start().starts_with("TRACE") && lines[0].contains("key=\"told:7\""),
            "{}",
            lines[0]
        );
        assert_eq!(hit.lines().count(), 1, "a hit says one thing, at `trace`:\n{hit}");

        cache.scope(save(7)).await;
        let write = log.take();
        for word in ["guarded", "released"] {
            let lines = said(&write, &format!(" {word} "));
            assert_eq!(lines.len(), 1, "one `{word}`:\n{write}");
            for part in ["told:7", "took=", "function=\"save\""] {
                assert!(lines[0].contains(part), "`{part}` in {}", lines[0]);
            }
        }

        let guard = cache.guard([load::key(8)]).await.unwrap();
        log.take();
        cache.scope(load(8)).await;
        let under_guard = log.take();
        assert_eq!(said(&under_guard, "loaded, not stored").len(), 1, "{under_guard}");
        guard.release().await.unwrap();

        log.take();
        cached_aside::refresh(cache.scope(load(7))).await;
        let forced = log.take();
        for word in ["forced refresh", "loaded", "stored"] {
            let lines = said(&forced, &format!(" {word} "));
            assert_eq!(lines.len(), 1, "one `{word}`:\n{forced}");
            assert!(
                lines[0].trim_start().starts_with("DEBUG cached_aside{function=\"load\""),
                "{}",
                lines[0]
            );
        }
    }
}

#[cached_aside(ttl = "500ms", stale_while_revalidate = "1m", refresh = "background", key = "old:{id}")]
async fn load_old(id: u64) -> u64 {
    tracing::info!("in the body");
    id
}

#[tokio::test]
async fn a_refresh_in_the_background_can_be_followed() {
    let server = RedisServer::shared();
    let log = Log::listen().and_of_the_library("\"old:7\"");
    let redis = patient(server.url()).namespace("logging-old").build().await.unwrap();
    for cache in [Cache::in_process(), redis] {
        cache.scope(load_old(7)).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        log.take();
        cache.scope(load_old(7)).await;
        // In the background; it finishes here.
        cache.shutdown(Duration::from_secs(10)).await.unwrap();
        let refresh = log.take();
        for word in ["refreshing", "stale", "refreshed", "stored"] {
            let lines = said(&refresh, &format!(" {word} "));
            assert_eq!(lines.len(), 1, "one `{word}`:\n{refresh}");
            assert!(
                lines[0].trim_start().starts_with("DEBUG cached_aside{function=\"load_old\""),
                "{refresh}"
            );
            assert!(lines[0].contains("key=\"old:7\""), "{refresh}");
        }
        let body = refresh.lines().find(|line| line.contains("in the body")).unwrap();
        assert!(
            body.contains("cached_aside{function=\"load_old\""),
            "the body is inside the span:\n{refresh}"
        );
    }
}

#[tokio::test]
async fn somebody_elses_data_is_told_of_once_a_key() {
    let server = RedisServer::shared();
    let log = Log::listen();
    let cache = patient(server.url()).namespace("logging-foreign").build().await.unwrap();
    for id in [1, 2, 1, 2, 1] {
        server.run::<()>(cmd("SET").arg(format!("logging-foreign:told:{id}")).arg("mine").arg("EX").arg(60));
        cache.scope(load(id)).await;
    }
    let told = log.take();
    let lines = said(&told, "somebody else's data");
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].contains("WARN") && lines[0].contains("told:1") && lines[1].contains("told:2"));
}

/// Nobody waits for the fill of his own load, and yet what he asks next finds it.
#[tokio::test]
async fn what_was_loaded_is_a_hit_at_once() {
    let server = RedisServer::shared();
    let cache = patient(server.url()).namespace("logging-at-once").build().await.unwrap();
    cache
        .scope(async {
            for id in 0..200 {
                assert_eq!((load(id).await, load(id).await), (id, id));
            }
        })
        .await;
    let total = cache.stats().total;
    assert_eq!((total.hits, total.loads, total.shared, total.waited), (200, 200, 0, 0));
}

/// What each kind of call sends to the server.
#[tokio::test]
async fn commands_are_few() {
    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    let counted = async |call: &dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        server.reset_stats();
        cache.scope(call()).await;
        carried_out(&cache).await;
        let mut commands = server.commands();
        // What a script calls is not a round trip.
        commands.retain(|name, _| {
            ["get", "set", "evalsha", "eval", "client|caching", "pttl"].contains(&name.as_str())
        });
        format!("{commands:?}")
    };
    cache.scope(async { (load(1).await, save(1).await) }).await;
    // The first of a kind sends its script, too.
    carried_out(&cache).await;
    let miss = counted(&|| {
        Box::pin(async {
            load(1).await;
        })
    })
    .await;
    let (scripts, by) = if server::version() >= (7, 0) { (1, "the fill") } else { (2, "either") };
    assert_eq!(
        miss,
        format!(r#"{{"evalsha": {scripts}, "get": 1, "set": 2}}"#),
        "a look, the acquisition, the fill; {by} by a script, which sets, too"
    );
    let hits = counted(&|| {
        Box::pin(async {
            for _ in 0..10 {
                load(1).await;
            }
        })
    });
    assert_eq!(hits.await, r#"{"get": 10}"#, "a hit is one `GET`");
    let write = counted(&|| Box::pin(save(1))).await;
    assert_eq!(
        write, r#"{"evalsha": 2, "get": 1, "set": 1}"#,
        "guard and release, whose scripts set and get"
    );
}

#[tokio::test]
async fn a_refused_fill_and_a_failing_cache_are_told() {
    #[cached_aside(ttl = "1m", key = "raced", skip(cache))]
    async fn raced(cache: &Cache) -> u64 {
        cache.invalidate(&raced::key()).await.unwrap();
        1
    }

    let log = Log::listen();
    let cache = Cache::in_process();
    cache.scope(raced(&cache)).await;
    let refused = log.take();
    assert_eq!(said(&refused, "fill refused").len(), 1, "{refused}");
    assert!(said(&refused, "fill refused")[0].contains("key=\"raced\""), "{refused}");
    assert_eq!(cache.stats().total.fills_refused, 1);

    let server = RedisServer::start();
    let log = log.and_of_the_library(server.addr().to_string());
    let cache = Cache::builder().url(server.url()).timeout(Duration::from_millis(50)).build().await.unwrap();
    server.pause();
    log.take();
    for _ in 0..5 {
        cache.scope(load(9)).await;
    }
    let mut paused = log.take();
    let begun = Instant::now();
    while said(&paused, "WARN").is_empty() && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(2)).await;
        paused += &log.take();
    }
    let failed = said(&paused, "the cache failed");
    assert_eq!(failed.len(), 5, "{paused}");
    assert!(failed[0].contains("key=\"told:9\"") && failed[0].contains("doing=\"read\""), "{}", failed[0]);
    assert_eq!(said(&paused, "WARN").len(), 1, "an outage is one line, not one for each call:\n{paused}");
    assert!(said(&paused, "cache unreachable")[0].contains(&server.addr().to_string()));
    server.resume();
}

/// Every way to come near a password, with everything logged.
#[tokio::test]
async fn secrets_are_nowhere() {
    const SECRET: &str = "s3cr3t-p4ss";
    let server = RedisServer::builder().password(SECRET).user("app", SECRET, "~* +@all").start();
    let proxy = Proxy::start(server.addr());
    let mut log = Log::listen().and_of_the_library("redis.sock").and_of_the_library("host.invalid");
    for addr in [server.addr().to_string(), proxy.addr().to_string(), "127.0.0.1:1".to_owned()] {
        log = log.and_of_the_library(addr);
    }
    let through_proxy = format!("redis://:{SECRET}@{}", proxy.addr());
    let mut shown = Vec::new();
    for url in [
        server.url(),
        server.unix_url(),
        server.url_as("app", SECRET),
        server.url_as("nobody", SECRET),
        through_proxy,
        format!("redis://:{SECRET}@127.0.0.1:1"),
        format!("redis://:{SECRET}@host.invalid"),
    ] {
        let of_client = Cache::builder().client(redis::Client::open(url.as_str()).unwrap());
        shown.push(format!("{of_client:?} {:?}", of_client.clone().url(&url).build().await));
        let cache = of_client.timeout(Duration::from_millis(100)).build().await.unwrap();
        shown.push(format!("{cache:?} {:?}", cache.ping().await));
        cache.scope(async { (load(1).await, save(1).await) }).await;
        let builder = Cache::builder().url(&url).timeout(Duration::from_millis(100));
        shown.push(format!("{builder:?}"));
        let cache = builder.build().await.unwrap();
        shown.push(format!("{cache:?} {:?} {}", cache.stats(), cache.stats()));
        let ping = cache.ping().await;
        shown.push(format!("{ping:?}"));
        cache.scope(async { (load(1).await, save(1).await, load(1).await) }).await;
        proxy.set(Mode::Refuse);
        proxy.drop_all();
        cache.scope(async { (load(1).await, save(1).await, load(1).await) }).await;
        if let Err(error) = cache.invalidate(&load::key(1)).await {
            shown.push(format!("{error} {error:?}"));
        }
        proxy.set(Mode::Pass);
    }
    server.run::<()>(cmd("CONFIG").arg("SET").arg("requirepass").arg("another"));
    let refused = Cache::connect(&server.url()).await.unwrap();
    shown.push(format!("{refused:?} {:?}", refused.ping().await));
    for url in [
        format!("redis://:{SECRET}@host:port"),
        SECRET.to_owned(),
        format!("{SECRET}://x"),
        format!("redis://{SECRET}@"),
    ] {
        let error = Cache::connect(&url).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    let everything = shown.concat() + &log.take();
    assert!(everything.len() > 5_000 && everything.contains("WARN"), "there was something to look at");
    for line in everything.lines() {
        assert!(!line.contains(SECRET), "{line}");
    }
}

/// Once, at the second one's first use, with both places; and not where both say that it is meant.
#[tokio::test]
async fn two_functions_with_one_key_are_reported() {
    #[cached_aside(ttl = "1m", key = "reported:{id}")]
    async fn name(id: u64) -> String {
        format!("name {id}")
    }
    #[cached_aside(ttl = "1m", key = "reported:{user_id}", shares_key)]
    async fn email(user_id: u64) -> String {
        format!("email {user_id}")
    }
    #[cached_aside(ttl = "1m", key = "meant:{id}", shares_key)]
    async fn one(id: u64) -> u64 {
        id
    }
    #[cached_aside(ttl = "1m", key = "meant:{number:04}", shares_key)]
    async fn other(number: u64) -> u64 {
        number
    }
    #[cached_aside(ttl = "1m")]
    async fn derived(id: u64) -> u64 {
        id
    }
    let log = Log::listen();
    let cache = Cache::in_process();
    cache.scope(async { (name(1).await, one(1).await, other(1).await, derived(1).await) }).await;
    assert_eq!(said(&log.take(), "ERROR"), [""; 0]);
    cache.scope(email(1)).await;
    let told = log.take();
    let lines = said(&told, "two functions have the same key");
    let [line] = lines[..] else { panic!("{told}") };
    for part in
        ["ERROR", "logging::name", "logging::email", "reported:{id}", "reported:{user_id}", "shares_key"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(line.matches("logging.rs:").count(), 2, "{line}");
    Cache::in_process().scope(async { (name(1).await, email(1).await) }).await;
    assert_eq!(said(&log.take(), "ERROR"), [""; 0]);
}

#[tokio::test]
async fn a_write_of_many_keys_that_is_not_announced_is_one_line() {
    #[invalidates(load(0), load(1), load(2), load(3), load(4), load(5), load(6), load(7), load(8), load(9))]
    async fn save_many() {}
    let server = RedisServer::start();
    let cache = Cache::builder().url(server.url()).namespace("logging-many").build().await.unwrap();
    server.kill();
    let log = Log::listen();
    cache.scope(save_many()).await;
    assert_eq!(cache.stats().undelivered, 10);
    let told = log.take();
    for words in ["keys could not be guarded", "invalidations could not be delivered"] {
        let lines = said(&told, words);
        let [line] = lines[..] else { panic!("{told}") };
        assert!(line.contains("told:0") && line.contains("and 2 more"), "{line}");
        assert!(line.contains("function=\"save_many\""), "{line}");
    }
}
