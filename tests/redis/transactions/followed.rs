//! A transaction in the log and in the counts.

use std::time::{Duration, Instant};

use cached_aside::{Cache, cached_aside, invalidates, invalidating, keys, transaction};
use cached_aside_tests::{
    RedisServer,
    log::{Log, said},
};
use tokio::{sync::Notify, time::sleep};

use crate::support::{LONG, patient};

#[cached_aside(ttl = "1m", key = "followed:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[invalidates(load(id))]
async fn save(id: u64) {
    tracing::info!("saved {id}");
}

async fn save_both<T>(gives: T) -> T {
    transaction(async {
        save(1).await;
        // One inside of another is part of it.
        transaction(save(2)).await;
        load(1).await;
        tracing::info!("committing");
        gives
    })
    .await
}

#[tokio::test]
async fn a_transaction_can_be_followed() {
    let server = RedisServer::shared();
    let log = Log::listen().and_of_the_library("\"followed:1\"");
    let redis = patient(server.url()).namespace("followed").build().await.unwrap();
    for cache in [Cache::in_process(), redis] {
        for gives in [Ok(()), Err(())] {
            log.take();
            assert_eq!(cache.scope(save_both(gives)).await, gives);
            let log = log.take();
            for inside in [
                "transaction:invalidates{function=\"save\" module=\"redis::transactions::followed\"}: ",
                "transaction:transaction:invalidates{function=\"save\" module=\"redis::transactions::followed\"}: ",
            ] {
                let lines: Vec<&str> =
                    log.lines().filter(|line| line.contains(&format!(" {inside}"))).collect();
                let has = |words: &str| lines.iter().any(|line| line.contains(words));
                assert!(has("guarded keys=[\"followed:") && has("saved"), "{log}");
            }
            assert!(log.contains(" transaction: redis::transactions::followed: committing"), "{log}");
            // Beside those of the one that was dropped before, in the background.
            let (released, over) = (
                said(&log, " transaction: cached_aside::write::guarded: released "),
                said(&log, " transaction over "),
            );
            assert!(released.len() == 1 && over.len() == 1, "{log}");
            assert!(released[0].contains("followed:1") && released[0].contains("followed:2"), "{log}");
            let failed = format!("keys=2 failed={} took=", gives.is_err());
            assert!(over[0].contains(" transaction: ") && over[0].contains(&failed), "{log}");
        }
        log.take();
        let saved = Notify::new();
        let dropped = transaction(async {
            save(1).await;
            saved.notify_one();
            std::future::pending::<()>().await;
        });
        tokio::select! {
            () = cache.scope(dropped) => unreachable!("it never ends"),
            () = saved.notified() => {}
        }
        // The guards are left in the background.
        let mut text = log.take();
        let begun = Instant::now();
        while said(&text, " released ").is_empty() && begun.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(2)).await;
            text += &log.take();
        }
        for words in [": transaction dropped", ": released keys=[\"followed:1\"]"] {
            let lines = said(&text, words);
            assert!(
                lines.len() == 1 && lines[0].contains(" transaction: cached_aside::write::"),
                "{words}: {text}"
            );
        }
        let stats = cache.stats();
        assert_eq!((stats.transactions, stats.transactions_failed), (3, 2));
        assert_eq!((stats.writes, stats.joined, stats.total.bypassed), (5, 5, 2));
        let shown = stats.to_string();
        for count in ["transactions", "transactions_failed", "joined"] {
            assert!(shown.contains(count), "{shown}");
        }
    }
}

/// Drops a write when it says so, and gives the log until these words are in it.
async fn dropped(log: &Log, write: impl Future<Output = ()>, now: &Notify, words: &str) -> String {
    log.take();
    tokio::select! {
        biased;
        () = write => unreachable!("it never ends"),
        () = now.notified() => {}
    }
    let (mut text, since) = (String::new(), Instant::now());
    while said(&text, words).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(20), "{text}");
        sleep(Duration::from_millis(2)).await;
        text += &log.take();
    }
    text
}

#[tokio::test]
async fn what_is_done_for_a_write_that_was_dropped_is_said_in_its_span() {
    static NOW: Notify = Notify::const_new();

    #[invalidates(load(id))]
    async fn never_saved(id: u64) {
        let _ = id;
        NOW.notify_one();
        std::future::pending::<()>().await;
    }

    /// Says that it is dropped.
    struct Dropped;

    impl Drop for Dropped {
        fn drop(&mut self) {
            tracing::info!("on the way out");
        }
    }

    #[invalidates(load(*result))]
    async fn of_result() -> u64 {
        NOW.notify_one();
        5
    }

    /// Lets a server go on when it is dropped.
    struct Resumes<'a>(&'a RedisServer);

    impl Drop for Resumes<'_> {
        fn drop(&mut self) {
            self.0.resume();
        }
    }

    let server = RedisServer::start();
    let log = Log::listen().and_of_the_library("\"followed:5\"");
    let redis = Cache::builder().url(server.url()).namespace("dropped").timeout(LONG).build().await.unwrap();
    for cache in [&Cache::in_process(), &redis] {
        let text = dropped(&log, cache.scope(never_saved(5)), &NOW, " released ").await;
        assert!(
            said(&text, " released ")[0].contains("invalidates{function=\"never_saved\" module="),
            "{text}"
        );
        let around = invalidating(keys![load(5)], async {
            let _dropped = Dropped;
            NOW.notify_one();
            std::future::pending::<()>().await;
        });
        let text = dropped(&log, cache.scope(around), &NOW, " released ").await;
        for words in [" released ", "on the way out"] {
            let line = text.lines().find(|line| line.contains(words)).unwrap_or_default();
            assert!(
                line.contains("invalidates{function=\"invalidating\" module=\"cached_aside\"}: "),
                "{words}: {text}"
            );
        }
    }
    // Redis answers only after it is dropped.
    server.pause();
    let write = async {
        let _resumes = Resumes(&server);
        let _ = of_result().await;
    };
    let text = dropped(&log, redis.scope(write), &NOW, " deleted ").await;
    assert!(said(&text, " deleted ")[0].contains("invalidates{function=\"of_result\" module="), "{text}");
}
