//! Keys of tags that are lost, foreign, or can't be reached.

use cached_aside::{CacheBuilder, NodeState};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use redis::cmd;

use super::*;
use crate::support::eventually;

async fn connect(url: &str, namespace: &str) -> Cache {
    builder(url, namespace).build().await.unwrap()
}

fn builder(url: &str, namespace: &str) -> CacheBuilder {
    Cache::builder().url(url).namespace(namespace).timeout(Duration::from_secs(5))
}

/// It is stored again, with another version.
async fn is_loaded_again(cache: &Cache, db: &Db) {
    db.reads();
    price(db, 7, 1).await;
    carried_out(cache).await;
    price(db, 7, 1).await;
    assert_eq!(db.reads(), 1);
}

#[tokio::test]
async fn a_tag_that_is_lost_revives_nothing() {
    let server = RedisServer::start();
    let cache = connect(&server.url(), "lost").await;
    let db = Db::default();
    cache
        .scope(async {
            is_loaded_again(&cache, &db).await;
            for lose in [cmd("DEL"), cmd("UNLINK")] {
                let mut lose = lose;
                let old: Vec<u8> = server.run(cmd("GET").arg("lost:#prices"));
                server.run::<()>(lose.arg("lost:#prices"));
                assert_eq!(price::key(7, 1).peek().await.unwrap(), None);
                is_loaded_again(&cache, &db).await;
                let new: Vec<u8> = server.run(cmd("GET").arg("lost:#prices"));
                assert!(
                    old.len() == 12 && new.len() == 12 && old != new,
                    "the version is never created again"
                );
            }
            server.run::<()>(cmd("PEXPIRE").arg("lost:#catalog:7").arg(1));
            sleep(Duration::from_millis(5)).await;
            is_loaded_again(&cache, &db).await;
            server.run::<()>(&cmd("FLUSHALL"));
            is_loaded_again(&cache, &db).await;
        })
        .await;
}

#[tokio::test]
async fn a_tag_lives_for_as_long_as_the_entries_that_carry_it() {
    let server = RedisServer::start();
    let cache = connect(&server.url(), "ttl").await;
    let db = Db::default();
    cache
        .scope(async {
            let left = |key: &str| server.run::<i64>(cmd("PTTL").arg(key));
            stale(&db, 1).await;
            price(&db, 7, 1).await;
            carried_out(&cache).await;
            // The window is 5 minutes.
            assert!(left("ttl:#stale") > left("ttl:stale:1") && left("ttl:stale:1") > 290_000);
            assert!(left("ttl:#prices") > left("ttl:price:7:1"));
            server.run::<()>(cmd("PEXPIRE").arg("ttl:#prices").arg(100_000));
            price(&db, 7, 2).await;
            carried_out(&cache).await;
            assert!(left("ttl:#prices") > left("ttl:price:7:2"), "extended");
        })
        .await;
    assert_eq!(server.keys_without_ttl("ttl"), [""; 0]);
}

#[tokio::test]
async fn a_foreign_key_of_a_tag_is_left_alone_and_the_function_runs_uncached() {
    let server = RedisServer::start();
    let cache = connect(&server.url(), "foreign").await;
    let db = Db::default();
    cache
        .scope(async {
            price(&db, 7, 1).await;
            carried_out(&cache).await;
            let list = || cmd("LPUSH").arg("foreign:#prices").arg("hello").to_owned();
            let text = || cmd("SET").arg("foreign:#prices").arg("hello").to_owned();
            for (strange, kind) in [(text(), "string"), (list(), "list")] {
                server.run::<()>(cmd("DEL").arg("foreign:#prices"));
                server.run::<redis::Value>(&strange);
                db.reads();
                for _ in 0..3 {
                    assert_eq!(price(&db, 7, 1).await, db.version.load(SeqCst));
                    assert_eq!(price(&db, 7, 9).await, db.version.load(SeqCst), "a cold entry");
                }
                assert_eq!(db.reads(), 6, "nothing is stored or given: {kind}");
                change_prices(&db, 7).await;
                assert!(cache.invalidate_tag("prices").await.is_err());
                assert_eq!(server.run::<String>(cmd("TYPE").arg("foreign:#prices")), kind);
            }
            assert!(cache.stats().total.foreign > 0);
            server.run::<()>(cmd("DEL").arg("foreign:#prices"));
            is_loaded_again(&cache, &db).await;
        })
        .await;
}

#[tokio::test]
async fn while_the_invalidation_of_a_tag_is_owed_this_process_leaves_its_entries_alone() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let cache = connect(&proxy.url(), "owed").await;
    let db = Db::default();
    cache
        .scope(async {
            price(&db, 7, 1).await;
            carried_out(&cache).await;
            proxy.set(Mode::Refuse);
            proxy.drop_all();
            eventually("the loss is noticed", || cache.stats().nodes[0].state != NodeState::Up);
            change_catalog(&db, 7).await;
            assert_eq!(cache.stats().recovering, 1);
            assert_eq!(price(&db, 7, 1).await, 1);
            proxy.set(Mode::Pass);
            let mut given = 0;
            eventually("it is connected again", || cache.stats().nodes[0].state == NodeState::Up);
            for _ in 0..100 {
                assert_eq!(price(&db, 7, 1).await, 1, "what was stored before the write");
                given += 1;
            }
            cache.flush_recovery().await.unwrap();
            assert_eq!((price(&db, 7, 1).await, given), (1, 100));
            eventually("it is delivered", || cache.stats().recovering == 0);
        })
        .await;
    let raw: Option<Vec<u8>> = server.run(cmd("GET").arg("owed:price:7:1"));
    let elsewhere = connect(&server.url(), "owed").await;
    let seen = elsewhere.scope(price::key(7, 1).in_cache(&elsewhere).peek()).await.unwrap();
    assert!(seen.is_none_or(|version| version == 1), "{raw:?}");
}

/// Two processes: one loads while the other writes the tag.
#[tokio::test]
async fn what_was_read_before_a_write_of_the_tag_is_not_given_after_it() {
    let server = RedisServer::start();
    let (here, there) = (connect(&server.url(), "race").await, connect(&server.url(), "race").await);
    let db = Db::default();
    let started = tokio::sync::Notify::new();
    let written = tokio::sync::Notify::new();
    let load = here.scope(raced(&db, &started, &written, 1));
    let write = async {
        started.notified().await;
        there.scope(change_catalog(&db, 7)).await;
        written.notify_one();
    };
    let (given, ()) = tokio::join!(load, write);
    assert_eq!(given, 0, "it was read before the write");
    carried_out(&here).await;
    assert_eq!(here.stats().total.stored, 1, "the entry itself was not written");
    started.notify_one();
    written.notify_one();
    assert_eq!(there.scope(raced(&db, &started, &written, 1)).await, 1);
}

#[cached_aside(ttl = "5m", key = "raced:{id}", skip(db, started, written), tags("catalog:7"))]
async fn raced(db: &Db, started: &tokio::sync::Notify, written: &tokio::sync::Notify, id: u64) -> u64 {
    let version = db.read();
    started.notify_one();
    written.notified().await;
    version
}

#[tokio::test]
async fn where_room_is_short_tags_are_evicted_and_entries_with_them() {
    let cache = Cache::builder().in_process().capacity(64 << 10).build().await.unwrap();
    let db = Db::default();
    cache
        .scope(async {
            for round in 0..20 {
                for id in 0..200 {
                    let before = db.version.load(SeqCst);
                    assert_eq!(each(&db, round * 10 + id).await, before);
                }
                db.change();
                cache.invalidate_tag("each").await.unwrap();
            }
            each(&db, 1).await;
            db.reads();
            each(&db, 1).await;
            assert_eq!(db.reads(), 0, "what was used last is kept, with its tags");
        })
        .await;
}

#[cached_aside(ttl = "5m", key = "each:{id}", skip(db), tags("each", "each:{id}"))]
async fn each(db: &Db, id: u64) -> u64 {
    db.read()
}
