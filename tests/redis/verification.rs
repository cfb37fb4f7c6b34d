//! Verification over a real Redis: what nobody annotated is found, and what is annotated raises no alarm.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cached_aside::{Cache, Cached, Error, cached_aside};
use cached_aside_tests::{RedisServer, Worker, log::Log};

use crate::support::filled;

static ROW: AtomicU64 = AtomicU64::new(0);

#[cached_aside(ttl = "1m", key = "verified:{id}", verify = "100%")]
async fn verified(id: u64) -> u64 {
    let _ = id;
    ROW.load(SeqCst)
}

/// Reads until this holds.
async fn until(what: &str, cache: &Cache, holds: impl Fn(&Cache) -> bool) {
    let begun = Instant::now();
    while !holds(cache) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {}", cache.stats());
        verified(7).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_write_that_nobody_annotated_is_found() {
    let log = Log::listen().and_of_the_library("\"verified:7\"");
    let url = RedisServer::shared().url();
    // Between its looks it lets twice this pass.
    let timeout = Duration::from_secs(1);
    let redis = Cache::builder().url(url).timeout(timeout).namespace("verification").build().await.unwrap();
    for cache in [Cache::in_process(), redis] {
        cache.scope(is_found(&cache, &log)).await;
    }
}

async fn is_found(cache: &Cache, log: &Log) {
    log.take();
    ROW.store(90_817_263, SeqCst);
    assert_eq!(verified(7).await, 90_817_263);
    filled(cache, 1).await;
    assert_eq!(verified(7).await, 90_817_263);
    assert_eq!(cache.stats().total.verified, 1);
    ROW.store(90_817_264, SeqCst);
    assert_eq!(verified(7).await, 90_817_263, "the caller is given the entry");
    until("it is found", cache, |cache| cache.stats().total.mismatched == 1).await;
    until("it is removed", cache, |cache| cache.stats().total.loads == 2).await;
    assert_eq!(verified(7).await, 90_817_264);
    let said = log.take();
    let lines: Vec<&str> =
        said.lines().filter(|line| line.contains("is not what the function gives")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    for word in ["ERROR", "function=\"verified\"", "key=\"verified:7\"", "age="] {
        assert!(lines[0].contains(word), "{word}: {}", lines[0]);
    }
    assert!(!said.contains("9081726"), "a value is in the log: {said}");
}

static FAMILY: Cached<u64> = Cached::new("verified-family", Duration::from_secs(60)).verify(1.0);
static SILENT: Cached<u64> = Cached::new("verified-silent", Duration::from_secs(60));
static OFF: Cached<u64> = Cached::new("verified-off", Duration::from_secs(60)).verify(0.0);

#[tokio::test]
async fn a_family_and_a_builder_say_how_much_is_verified() {
    for (share, of_silent) in [(0.0, 0), (1.0, 3)] {
        let cache = Cache::builder().in_process().verify(share).build().await.unwrap();
        let count = |name: &str| cache.stats().function(name).verified;
        cache
            .scope(async {
                for _ in 0..4 {
                    for family in [&FAMILY, &SILENT, &OFF] {
                        assert_eq!(family.get_or_load(1, async || 5).await, 5);
                    }
                }
            })
            .await;
        assert_eq!(
            [count("verified-family"), count("verified-silent"), count("verified-off")],
            [3, of_silent, 0]
        );
    }
}

#[tokio::test]
async fn a_share_that_is_none_is_refused() {
    for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = Cache::builder().in_process().verify(share).build().await.unwrap_err();
        assert!(matches!(error, Error::Option { option: "verify", .. }), "{error:?}");
        assert!(error.to_string().contains("such as 0.001"), "{error}");
    }
}

async fn ask(app: &mut Worker, line: &str) -> [u64; 3] {
    app.send(line);
    let answer: Vec<u64> = app.line().await.split(' ').map(|number| number.parse().unwrap()).collect();
    answer.try_into().unwrap()
}

/// How many hits each of the three processes verifies.
fn hits() -> u64 {
    std::env::var("CACHED_ASIDE_TEST_VERIFIED").ok().and_then(|hits| hits.parse().ok()).unwrap_or(2_000)
}

/// Guarded, unguarded, tagged, named by the result, updated, and settling before a replica that lags: in three processes, with every hit
/// verified.
#[tokio::test]
async fn a_storm_of_annotated_writes_raises_no_alarm_and_a_stray_one_does() {
    let (cache, database) = (RedisServer::shared().url(), RedisServer::shared().url());
    let mut apps = Vec::new();
    for _ in 0..3 {
        let mut app = crate::worker("verified", &[&cache, &database, "verification-storm"]);
        app.expect("ready").await;
        apps.push(app);
    }
    let hits = hits();
    for app in &mut apps {
        app.send(format_args!("storm {hits} 30"));
    }
    let mut verified = 0;
    for app in &mut apps {
        let answer: Vec<u64> = app.line().await.split(' ').map(|number| number.parse().unwrap()).collect();
        assert_eq!(answer[1..], [0, 0], "mismatched and unverifiable, of {}", answer[0]);
        verified += answer[0];
    }
    assert!(verified >= 3 * hits, "{verified}");
    println!("{verified} hits were verified");
    // The same processes find what is not annotated.
    let app = &mut apps[0];
    ask(app, &format!("storm {} 0", hits + 500)).await;
    ask(app, "stray").await;
    let begun = Instant::now();
    let mut more = hits + 500;
    loop {
        let [seen, found, _] = ask(app, &format!("storm {more} 0")).await;
        if found > 0 {
            break;
        }
        more = seen + 100;
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not found");
    }
}
