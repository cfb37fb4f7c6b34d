//! What only Redis shows: expiries, commands, and other processes.

use redis::cmd;

use super::*;
use crate::support::patient;

#[tokio::test]
async fn entries_stand_for_their_ttl_and_the_larger_window_and_no_longer() {
    #[cached_aside(
        ttl = "10s",
        stale_while_revalidate = "20s",
        stale_if_error = "1h",
        jitter = "0%",
        key = "windows",
        skip(db)
    )]
    async fn windows(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    let db = Db::default();
    cache.scope(windows(&db)).await.unwrap();
    filled(&cache, 1).await;
    let left: u64 = server.run(cmd("PTTL").arg("cached-aside:windows"));
    assert!((3_580_000..=3_610_000).contains(&left), "{left} ms");
}

#[tokio::test]
async fn a_hit_is_one_round_trip_and_asks_for_the_time_only_where_ages_count() {
    #[cached_aside(ttl = "10m", key = "plain", skip(db))]
    async fn plain(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    #[cached_aside(ttl = "10m", stale_if_error = "1h", key = "aged", skip(db))]
    async fn aged(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    let db = Db::default();
    cache
        .scope(async {
            plain(&db).await.unwrap();
            aged(&db).await.unwrap();
            filled(&cache, 2).await;
            server.reset_stats();
            for _ in 0..10 {
                plain(&db).await.unwrap();
            }
            let commands = server.commands();
            assert_eq!((commands.get("get"), commands.get("time")), (Some(&10), None), "{commands:?}");
            server.reset_stats();
            for _ in 0..10 {
                aged(&db).await.unwrap();
            }
            let commands = server.commands();
            assert_eq!((commands.get("get"), commands.get("time")), (Some(&10), Some(&10)), "{commands:?}");
        })
        .await;
    assert_eq!(db.asked(), 2);
}

/// Two versions of a program: the newer one lets values grow old, the older one does not.
#[tokio::test]
async fn a_function_without_windows_takes_no_stale_value_of_one_with_them() {
    mod newer {
        use super::*;

        #[cached_aside(ttl = "2s", stale_while_revalidate = "1m", jitter = "0%", key = "mixed", skip(db))]
        pub(super) async fn mixed(db: &Db) -> Result<u64, DbError> {
            db.read().await
        }
    }
    #[cached_aside(ttl = "2s", jitter = "0%", key = "mixed", skip(db))]
    async fn mixed(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    let db = Db::default();
    cache
        .scope(async {
            db.set(1);
            newer::mixed(&db).await.unwrap();
            assert_eq!((mixed(&db).await, db.asked()), (Ok(1), 1), "fresh, it is shared");
            assert_eq!(mixed::key().peek().await.unwrap(), Some(1));
            db.set(2);
            sleep(STALE).await;
            assert_eq!(mixed::key().peek().await.unwrap(), None);
            assert_eq!((mixed(&db).await, db.asked()), (Ok(2), 2));
        })
        .await;
}

/// One refresher for all processes that share a Redis.
#[tokio::test]
async fn of_two_processes_one_refreshes() {
    let server = RedisServer::start();
    let caches = [patient(server.url()).build().await.unwrap(), patient(server.url()).build().await.unwrap()];
    let db = Db::default();
    db.set(1);
    caches[0].scope(revalidated(&db)).await.unwrap();
    sleep(STALE).await;
    db.set(2);
    db.takes(Duration::from_secs(1));
    let reads = (0..20).map(|number| {
        let (db, cache) = (db.clone(), caches[number % 2].clone());
        tokio::spawn(async move { cache.scope(revalidated(&db)).await.unwrap() })
    });
    let mut given = [0, 0, 0];
    for read in reads.collect::<Vec<_>>() {
        given[usize::try_from(read.await.unwrap()).unwrap()] += 1;
    }
    assert_eq!((given, db.asked()), ([0, 19, 1], 2));
}
