//! Writes whose callers go away: what it costs, and writes that go on without them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside::{Cache, Cached, cached_aside, invalidates, transaction, updates};
use cached_aside_tests::{RedisServer, log::Log};
use redis::cmd;
use tokio::{
    sync::Notify,
    task::yield_now,
    time::{sleep, timeout},
};
use tracing::Instrument;

use crate::support::{carried_out, filled};

/// Rows that are written when the test says so.
#[derive(Debug, Clone, Default)]
struct Db(Arc<Row>);

#[derive(Debug, Default)]
struct Row {
    version: AtomicU64,
    begun: Notify,
    may_commit: Notify,
    asked: AtomicU64,
}

impl Db {
    async fn write(&self) -> u64 {
        self.0.begun.notify_one();
        self.0.may_commit.notified().await;
        self.0.version.fetch_add(1, SeqCst) + 1
    }
}

#[cached_aside(ttl = "5m", key = "row:{id}", skip(db))]
async fn row(db: &Db, id: u64) -> u64 {
    let _ = id;
    db.0.asked.fetch_add(1, SeqCst);
    yield_now().await;
    db.0.version.load(SeqCst)
}

#[cached_aside(ttl = "5m", key = "name:{name}", skip(db))]
async fn named(db: &Db, name: &str) -> u64 {
    let _ = name;
    db.0.version.load(SeqCst)
}

#[cached_aside(ttl = "5m", key = "pair:{name}:{version}")]
async fn pair(name: &str, version: u64) -> usize {
    let _ = version;
    name.len()
}

#[invalidates(row(id), guard_for = "2s")]
async fn save(db: &Db, id: u64) -> u64 {
    let _ = id;
    db.write().await
}

#[invalidates(row(id), named(name), "of:{result}", pair(name, *result), guard_for = "2s", detach)]
async fn save_detached(db: &Db, id: u64, name: &str) -> u64 {
    let _ = (id, name);
    db.write().await
}

#[updates(row(id), detach, when = *stored)]
async fn update_detached(db: &Db, id: u64, stored: &bool) -> u64 {
    let _ = (id, stored);
    db.write().await
}

async fn cache(server: &RedisServer, namespace: &str) -> Cache {
    Cache::builder()
        .url(server.url())
        .namespace(namespace)
        .timeout(Duration::from_secs(5))
        .build()
        .await
        .unwrap()
}

/// Calls a write and goes away while its body runs.
async fn go_away(db: &Db, write: impl Future<Output = u64>) {
    tokio::select! {
        biased;
        () = db.0.begun.notified() => {}
        _ = write => panic!("the body waits"),
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn without_detach_a_caller_that_goes_away_cancels_the_write_and_leaves_its_guards() {
    let server = RedisServer::start();
    let cache = cache(&server, "cancelled").await;
    let db = Db::default();
    cache
        .scope(async {
            row(&db, 1).await;
            filled(&cache, 1).await;
            go_away(&db, save(&db, 1)).await;
            assert_eq!(cache.stats().abandoned, 1);
            // Until a read is the first that does not run the body: what it is given was stored when the guards had ended.
            let (begun, mut reads) = (Instant::now(), 0);
            loop {
                let before = db.0.asked.load(SeqCst);
                row(&db, 1).await;
                if db.0.asked.load(SeqCst) == before {
                    break;
                }
                reads += 1;
                sleep(Duration::from_millis(10)).await;
                assert!(begun.elapsed() < Duration::from_secs(20));
            }
            println!("a write of 2 s was abandoned: {reads} reads ran the body, in {:?}", begun.elapsed());
            assert!(begun.elapsed() > Duration::from_secs(1), "it was stored after {:?}", begun.elapsed());
            assert_eq!(db.0.version.load(SeqCst), 0, "it was never written");
        })
        .await;
}

#[tokio::test]
async fn a_detached_write_goes_on_when_its_caller_has_gone() {
    let server = RedisServer::start();
    let cache = cache(&server, "goes-on").await;
    let db = Db::default();
    cache
        .scope(async {
            row(&db, 1).await;
            named(&db, "a").await;
            pair("a", 1).await;
            filled(&cache, 3).await;
            go_away(&db, save_detached(&db, 1, "a")).await;
            assert_eq!(row::key(1).peek().await.unwrap(), None, "it is guarded");
            db.0.may_commit.notify_one();
            until("the guards are released", async || server.run::<u64>(&cmd("DBSIZE")) == 0).await;
            assert_eq!(row(&db, 1).await, 1);
            assert_eq!((cache.stats().abandoned, cache.stats().writes), (0, 1));
        })
        .await;
}

#[tokio::test]
async fn a_detached_update_stores_although_its_caller_has_gone() {
    let server = RedisServer::start();
    let cache = cache(&server, "updates").await;
    let db = Db::default();
    cache
        .scope(async {
            go_away(&db, update_detached(&db, 1, &true)).await;
            db.0.may_commit.notify_one();
            until("it is stored", async || row::key(1).peek().await.unwrap() == Some(1)).await;
            // Without the keys the body goes on as well.
            go_away(&db, update_detached(&db, 1, &false)).await;
            db.0.may_commit.notify_one();
            until("it is written", async || db.0.version.load(SeqCst) == 2).await;
            assert_eq!(row::key(1).peek().await.unwrap(), Some(1));
        })
        .await;
}

#[tokio::test]
async fn a_detached_write_gives_its_result_and_passes_a_panic_on() {
    #[invalidates("x", detach)]
    async fn panics(of: String) -> u64 {
        panic!("{of}")
    }

    let server = RedisServer::start();
    let cache = cache(&server, "result").await;
    let db = Db::default();
    cache
        .scope(async {
            db.0.may_commit.notify_one();
            assert_eq!(save_detached(&db, 1, "a").await, 1);
            let panics = cache.scope(panics("of the body".to_owned()));
            let panic = tokio::spawn(panics).await.unwrap_err().into_panic();
            assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("of the body"));
            assert_eq!(cache.stats().abandoned, 1);
        })
        .await;
}

/// Shuts a cache down while a write waits for its commit, and lets that write go on some time after.
async fn waits_in_shutdown(cache: &Cache, db: &Db, server: &RedisServer) {
    let is_down = AtomicBool::new(false);
    let before = db.0.version.load(SeqCst);
    let shutdown = async {
        cache.shutdown(Duration::from_secs(20)).await.unwrap();
        is_down.store(true, SeqCst);
        assert_eq!(db.0.version.load(SeqCst), before + 1);
        assert_eq!(server.run::<u64>(&cmd("DBSIZE")), 0);
    };
    let commit = async {
        for _ in 0..20 {
            sleep(Duration::from_millis(5)).await;
            assert!(!is_down.load(SeqCst));
        }
        db.0.may_commit.notify_one();
    };
    tokio::join!(shutdown, commit);
}

#[tokio::test]
async fn shutdown_waits_for_detached_writes() {
    let server = RedisServer::start();
    let cache = cache(&server, "drained").await;
    let db = Db::default();
    cache.scope(go_away(&db, save_detached(&db, 1, "a"))).await;
    waits_in_shutdown(&cache, &db, &server).await;
}

#[tokio::test]
async fn shutdown_of_each_cache_in_which_its_keys_lie_waits_for_a_detached_write() {
    /// Its entries are in a cache of its own.
    #[derive(Clone)]
    struct Repo(Cache);

    impl Repo {
        #[cached_aside(ttl = "5m", key = "kept:{id}", cache = self.0, skip(self))]
        async fn kept(&self, id: u64) -> u64 {
            id
        }

        #[invalidates(row(id), self.kept(id), guard_for = "2s", detach)]
        async fn save(&self, db: &Db, id: u64) -> u64 {
            let _ = id;
            db.write().await
        }
    }

    let server = RedisServer::start();
    let (one, other) = (cache(&server, "one").await, cache(&server, "other").await);
    let (db, repo) = (Db::default(), Repo(other.clone()));
    assert_eq!(repo.kept(1).await, 1);
    filled(&other, 1).await;
    for drained in [&one, &other] {
        one.scope(go_away(&db, repo.save(&db, 1))).await;
        waits_in_shutdown(drained, &db, &server).await;
    }
}

#[tokio::test]
async fn a_detached_write_is_in_the_span_of_its_caller() {
    #[invalidates(row(id), detach)]
    async fn says(id: u64) {
        tracing::info!("saving {id}");
    }

    let log = Log::listen();
    let cache = Cache::in_process();
    let request = tracing::info_span!("request", id = 7);
    tokio::spawn(cache.scope(says(3)).instrument(request)).await.unwrap();
    let log = log.take();
    let line = log.lines().find(|line| line.contains("saving 3")).unwrap_or_default();
    assert!(
        line.contains(" request{id=7}:invalidates{function=\"says\" module=\"redis::detached\"}: "),
        "{log}"
    );
}

#[tokio::test]
async fn inside_of_a_transaction_a_detached_write_runs_in_place() {
    tokio::task_local! { static TASK: u64; }

    #[invalidates("x", detach)]
    async fn is_in_place() -> bool {
        TASK.try_with(|_| ()).is_ok()
    }

    let server = RedisServer::start();
    let cache = cache(&server, "in-place").await;
    let db = Db::default();
    let all = TASK.scope(1, async {
        assert!(!is_in_place().await);
        transaction(async {
            assert!(is_in_place().await);
            db.0.may_commit.notify_one();
            save_detached(&db, 1, "a").await;
            assert_eq!(
                server.run::<u64>(cmd("EXISTS").arg("in-place:row:1")),
                1,
                "it is guarded until the end"
            );
            Ok::<_, ()>(())
        })
        .await
        .unwrap();
        assert_eq!(server.run::<u64>(cmd("EXISTS").arg("in-place:row:1")), 0);
    });
    cache.scope(all).await;
    assert_eq!(cache.stats().joined, 2);
}

#[tokio::test]
async fn inside_of_an_annotated_write_a_detached_one_is_part_of_that() {
    #[invalidates(named(name))]
    async fn around(db: &Db, name: &str, server: &RedisServer) -> u64 {
        db.0.may_commit.notify_one();
        save_detached(db, 1, name).await;
        server.run(cmd("EXISTS").arg("part-of:row:1"))
    }

    let server = RedisServer::start();
    let cache = cache(&server, "part-of").await;
    let db = Db::default();
    assert_eq!(cache.scope(around(&db, "a", &server)).await, 1, "it is guarded until the outer one is over");
    assert_eq!(server.run::<u64>(&cmd("DBSIZE")), 0);
    assert_eq!((cache.stats().writes, cache.stats().joined), (2, 1));
}

#[tokio::test]
async fn a_detached_write_has_the_scope_of_its_caller() {
    static FAMILY: Cached<u64> = Cached::new("family", Duration::from_secs(60));

    #[derive(Clone)]
    struct Repo(Cache);

    impl Repo {
        #[invalidates(FAMILY.key(id), cache = self.0, detach)]
        async fn save(&self, id: u64) -> u64 {
            // What it writes itself is part of it, and in the cache in scope.
            FAMILY.key(id + 1).invalidate().await.unwrap();
            id
        }
    }

    let server = RedisServer::start();
    let (cache, other) = (cache(&server, "scope").await, cache(&server, "other").await);
    cache
        .scope(async {
            for id in [1, 2] {
                FAMILY.get_or_load(id, || async { 5 }).await;
            }
            carried_out(&cache).await;
            assert_eq!(timeout(Duration::from_secs(20), Repo(other.clone()).save(1)).await.unwrap(), 1);
            assert_eq!(FAMILY.key(2).peek().await.unwrap(), None);
            assert_eq!(FAMILY.key(1).peek().await.unwrap(), Some(5), "that is another cache's");
        })
        .await;
    assert_eq!((other.stats().writes, cache.stats().writes), (1, 0));
}
