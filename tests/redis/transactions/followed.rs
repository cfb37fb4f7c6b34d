//! A transaction in the log and in the counts.

use cached_aside::{Cache, cached_aside, invalidates, transaction};
use cached_aside_tests::{
    RedisServer,
    log::{Log, said},
};
use tokio::sync::Notify;

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
    let redis = Cache::builder().url(server.url()).namespace("followed").build().await.unwrap();
    for cache in [Cache::in_process(), redis] {
        for gives in [Ok(()), Err(())] {
            log.take();
            assert_eq!(cache.scope(save_both(gives)).await, gives);
            let log = log.take();
            for inside in [
                "transaction:invalidates{function=\"save\"}: ",
                "transaction:transaction:invalidates{function=\"save\"}: ",
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
        let log = log.take();
        assert_eq!(said(&log, " transaction dropped").len(), 1, "{log}");
        let stats = cache.stats();
        assert_eq!((stats.transactions, stats.transactions_failed), (3, 2));
        assert_eq!((stats.writes, stats.joined, stats.total.bypassed), (5, 5, 2));
        let shown = stats.to_string();
        for count in ["transactions", "transactions_failed", "joined"] {
            assert!(shown.contains(count), "{shown}");
        }
    }
}
