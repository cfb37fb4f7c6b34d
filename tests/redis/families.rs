//! Families of entries without an annotated function: what is promised of functions holds for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cached_aside::{
    Cache, Cached, Json, cached_aside, invalidates, invalidating, keys, transaction, updates,
};
use cached_aside_tests::RedisServer;
use redis::cmd;
use tokio::{
    sync::{Notify, Semaphore},
    task::{JoinSet, yield_now},
    time::sleep,
};

use crate::support::{carried_out, filled};

const MINUTE: Duration = Duration::from_secs(60);

static ROW: Cached<u64> = Cached::new("row", MINUTE).none_ttl(MINUTE).lease(MINUTE);
static PLAIN: Cached<u64> = Cached::new("plain", MINUTE);
static TEXT: Cached<Option<String>, Json> = Cached::new("text", MINUTE).codec();
static STALE: Cached<u64> =
    Cached::new("stale", Duration::from_millis(300)).jitter(0).stale_while_revalidate(MINUTE);
static KEPT: Cached<u64> = Cached::new("kept", Duration::from_millis(300)).jitter(0).stale_if_error(MINUTE);
static SOME: Cached<u64> = Cached::new("some", MINUTE)
    .jitter(0)
    .version(2)
    .store_if(|value| *value > 5)
    .ttl_for(|value| Duration::from_secs(*value));
static ELSEWHERE: Cached<u64> = Cached::new("elsewhere", MINUTE).cached_in_transaction();

async fn cache(server: &RedisServer, namespace: &str) -> Cache {
    Cache::builder()
        .url(server.url())
        .namespace(namespace)
        .timeout(Duration::from_secs(5))
        .build()
        .await
        .unwrap()
}

/// A row of a database, which counts how often it is asked.
#[derive(Default)]
struct Db {
    row: AtomicU64,
    asked: AtomicU64,
    fails: AtomicBool,
}

impl Db {
    async fn read(&self) -> Result<Option<u64>, &'static str> {
        self.asked.fetch_add(1, SeqCst);
        let row = self.row.load(SeqCst);
        if self.fails.load(SeqCst) {
            return Err("down");
        }
        Ok(Some(row).filter(|row| *row > 0))
    }

    async fn value(&self) -> Result<u64, &'static str> {
        self.read().await.map(Option::unwrap_or_default)
    }

    fn asked(&self) -> u64 {
        self.asked.swap(0, SeqCst)
    }
}

#[tokio::test]
async fn one_load_runs_for_a_key_across_tasks_and_processes() {
    let server = RedisServer::start();
    let (one, other) = (cache(&server, "one").await, cache(&server, "one").await);
    let db = Arc::new(Db { row: 7.into(), ..Db::default() });
    let tasks = [&one, &other].into_iter().cycle().take(40).map(|cache| {
        let (cache, db) = (cache.clone(), db.clone());
        tokio::spawn(async move {
            let load = async || {
                sleep(Duration::from_millis(300)).await;
                db.read().await
            };
            cache.scope(ROW.get_or_load((1, "a"), load)).await
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), Ok(Some(7)));
    }
    assert_eq!(db.asked(), 1);
    assert_eq!(one.stats().total.loads + other.stats().total.loads, 1);
    assert!(one.stats().functions.contains_key("Cached::row"), "{:?}", one.stats());
}

#[tokio::test]
async fn callers_of_one_process_share_a_load_of_which_nothing_is_stored() {
    const CALLERS: u64 = 20;
    let cache = Cache::in_process();
    let (db, may_read) = (Arc::new(Db::default()), Arc::new(Semaphore::new(0)));
    let mut readers = JoinSet::new();
    for _ in 0..CALLERS {
        let (db, may_read) = (db.clone(), may_read.clone());
        let load = async move || {
            let _permit = may_read.acquire().await;
            db.read().await
        };
        readers.spawn(cache.scope(PLAIN.get_or_load("shared", load)));
    }
    while cache.stats().total.misses < CALLERS {
        yield_now().await;
    }
    may_read.add_permits(1);
    assert!(readers.join_all().await.iter().all(|read| *read == Ok(None)));
    // Those who came when it had begun share the next one.
    assert_eq!((db.asked(), cache.stats().total.shared), (2, CALLERS - 2));
}

#[tokio::test]
async fn an_entry_that_is_an_option_is_peeked_at_before_its_family_is_used() {
    static WRITES: Cached<Option<u64>> = Cached::new("read-and-written", MINUTE);
    static READS: Cached<Option<u64>> = Cached::new("read-and-written", MINUTE).shares_key();
    let cache = Cache::in_process();
    cache
        .scope(async {
            assert_eq!(READS.key(()).peek().await.unwrap(), None);
            assert_eq!(WRITES.get_or_load((), || async { Some(Some(5)) }).await, Some(Some(5)));
            carried_out(&cache).await;
            assert_eq!(READS.key(()).peek().await.unwrap(), Some(Some(5)));
        })
        .await;
}

#[tokio::test]
async fn a_load_stores_nothing_that_a_write_has_overtaken() {
    let server = RedisServer::start();
    let (reader, writer) = (cache(&server, "fence").await, cache(&server, "fence").await);
    let db = Db { row: 1.into(), ..Db::default() };
    let (has_read, may_go_on) = (Notify::new(), Notify::new());
    let load = async || {
        let row = db.read().await;
        has_read.notify_one();
        may_go_on.notified().await;
        row
    };
    let read = reader.scope(ROW.get_or_load(5, load));
    let write = async {
        has_read.notified().await;
        writer.scope(invalidating(keys![ROW.key(5)], async { db.row.store(2, SeqCst) })).await;
        may_go_on.notify_one();
    };
    let (read, ()) = tokio::join!(read, write);
    assert_eq!(read, Ok(Some(1)));
    filled(&reader, 1).await;
    assert_eq!(reader.stats().total.fills_refused, 1);
    assert_eq!(reader.scope(ROW.get_or_load(5, || db.read())).await, Ok(Some(2)));
}

#[tokio::test]
async fn attributes_take_its_keys() {
    #[invalidates(ROW.key((tenant, id)) for id in ids)]
    async fn delete(db: &Db, tenant: &str, ids: &[u64]) {
        let _ = (tenant, ids);
        db.row.fetch_add(1, SeqCst);
    }

    #[updates(ROW.key((tenant, id)))]
    async fn update(db: &Db, tenant: &str, id: u64) -> u64 {
        let _ = (tenant, id);
        db.row.fetch_add(1, SeqCst) + 1
    }

    let server = RedisServer::start();
    let cache = cache(&server, "attributes").await;
    cache
        .scope(async {
            let db = Db { row: 1.into(), ..Db::default() };
            for id in 1..=3 {
                assert_eq!(ROW.get_or_load(("t", id), || db.read()).await, Ok(Some(1)));
            }
            delete(&db, "t", &[1, 2]).await;
            let peek = async || {
                let keys = [1, 2, 3].map(|id| ROW.key(("t", id)));
                let mut values = Vec::new();
                for key in &keys {
                    values.push(key.peek().await.unwrap());
                }
                values
            };
            assert_eq!(peek().await, [None, None, Some(1)]);
            assert_eq!(update(&db, "t", 2).await, 3);
            assert_eq!(peek().await, [None, Some(3), Some(1)]);
            ROW.key(("t", 3)).invalidate().await.unwrap();
            assert_eq!(peek().await, [None, Some(3), None]);
        })
        .await;
}

#[tokio::test]
async fn what_is_stored_depends_on_what_the_loader_gives() {
    let server = RedisServer::start();
    let cache = cache(&server, "shapes").await;
    cache
        .scope(async {
            let db = Db::default();
            for _ in 0..2 {
                assert_eq!(ROW.get_or_load("none", || db.read()).await, Ok(None));
                carried_out(&cache).await;
            }
            assert_eq!(db.asked(), 1, "a `None` is stored where there is a `none_ttl`");
            for _ in 0..2 {
                assert_eq!(PLAIN.get_or_load("none", || db.read()).await, Ok(None));
            }
            assert_eq!(db.asked(), 2, "and not without one");
            db.fails.store(true, SeqCst);
            for _ in 0..2 {
                assert_eq!(PLAIN.get_or_load("error", || db.read()).await, Err("down"));
            }
            assert_eq!(db.asked(), 2, "an error never is");
            // A stored `None` is nothing to a loader that gives none.
            assert_eq!(ROW.get_or_load("none", || async { 5 }).await, 5);
            filled(&cache, 2).await;
            assert_eq!(ROW.get_or_load("none", || async { Some(6) }).await, Some(5));
            assert_eq!(ROW.get_or_load("none", || async { Ok::<u64, ()>(6) }).await, Ok(5));
            // The type itself may be an `Option`.
            assert_eq!(TEXT.get_or_load((), || async { None::<String> }).await, None);
            filled(&cache, 3).await;
            assert_eq!(TEXT.get_or_load((), || async { Some("x".to_owned()) }).await, None);
            assert_eq!(TEXT.get_or_load((), || async { None::<Option<String>> }).await, Some(None));
            assert_eq!(server.run::<u64>(cmd("EXISTS").arg("shapes:text")), 1);
        })
        .await;
}

#[tokio::test]
async fn stale_values_are_given_as_its_windows_say() {
    let server = RedisServer::start();
    let cache = cache(&server, "windows").await;
    cache
        .scope(async {
            let db = Db { row: 1.into(), ..Db::default() };
            assert_eq!(STALE.get_or_load((), || db.value()).await, Ok(1));
            assert_eq!(KEPT.get_or_load((), || db.value()).await, Ok(1));
            carried_out(&cache).await;
            db.row.store(2, SeqCst);
            sleep(Duration::from_millis(400)).await;
            let (has_begun, was_given) = (Notify::new(), Notify::new());
            let reloads = async || {
                has_begun.notify_one();
                was_given.notified().await;
                db.value().await
            };
            let stale = async {
                has_begun.notified().await;
                let given = STALE.get_or_load((), || db.value()).await;
                was_given.notify_one();
                given
            };
            assert_eq!(tokio::join!(STALE.get_or_load((), reloads), stale), (Ok(2), Ok(1)));
            db.fails.store(true, SeqCst);
            assert_eq!(KEPT.get_or_load((), || db.value()).await, Ok(1));
            assert_eq!(cache.stats().total.stale, 2);
        })
        .await;
}

#[tokio::test]
async fn inside_of_a_transaction_the_loader_runs_and_nothing_is_stored() {
    let server = RedisServer::start();
    let cache = cache(&server, "transaction").await;
    cache
        .scope(async {
            let db = Db { row: 1.into(), ..Db::default() };
            for family in [&PLAIN, &ELSEWHERE] {
                assert_eq!(family.get_or_load(1, || db.value()).await, Ok(1));
            }
            carried_out(&cache).await;
            db.row.store(2, SeqCst);
            transaction(async {
                assert_eq!(PLAIN.get_or_load(1, || db.value()).await, Ok(2));
                assert_eq!(PLAIN.key(1).peek().await.unwrap(), None);
                assert_eq!(PLAIN.get_or_load(2, || db.value()).await, Ok(2));
                assert_eq!(ELSEWHERE.get_or_load(1, || db.value()).await, Ok(1), "its origin is another one");
                Ok::<_, ()>(())
            })
            .await
            .unwrap();
            assert_eq!(PLAIN.key(1).peek().await.unwrap(), Some(1), "nobody has written it");
            assert_eq!(PLAIN.key(2).peek().await.unwrap(), None);
        })
        .await;
}

#[tokio::test]
async fn options_are_those_of_the_attribute() {
    let server = RedisServer::start();
    let cache = cache(&server, "options").await;
    cache
        .scope(async {
            assert_eq!(SOME.get_or_load(1, || async { 5 }).await, 5);
            assert_eq!(SOME.get_or_load(1, || async { 20 }).await, 20, "it was not to be stored");
            carried_out(&cache).await;
            assert_eq!(SOME.get_or_load(1, || async { 30 }).await, 20);
            let left: u64 = server.run(cmd("TTL").arg("options:some:1"));
            assert!((10..=20).contains(&left), "{left} s: its own TTL");
        })
        .await;
}

#[tokio::test]
async fn keys_are_unambiguous_as_those_of_templates_are() {
    #[cached_aside(ttl = "1m", key = "template:{tenant}:{id}")]
    async fn template(tenant: &str, id: u64) -> u64 {
        let _ = tenant;
        id
    }

    static TEMPLATE: Cached<u64> = Cached::new("template", MINUTE);
    assert_eq!(template("a b", 7).await, 7);
    assert_eq!(ROW.key((7, "a:b")).as_str(), "row:7:a%3Ab");
    assert_ne!(ROW.key(("a", "b:c")).as_str(), ROW.key(("a:b", "c")).as_str());
    assert_ne!(ROW.key("").as_str(), ROW.key(()).as_str());
    assert_eq!(ROW.key(()).as_str(), "row");
    assert_eq!(ROW.key("x".repeat(500)).as_str().len(), 160 + 1 + 64);
    assert_eq!(TEMPLATE.key(("a b", 7)).as_str(), template::key("a b", 7).as_str());
    assert_eq!(ROW.key((1, 2, 3, 4, 5, 6, 7, 8)).as_str(), "row:1:2:3:4:5:6:7:8");
}
