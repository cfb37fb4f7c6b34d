//! Functions that load the entries of others, several at once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside::{Cache, cached_aside, invalidates};
use cached_aside_tests::{Mode, Proxy, RedisCluster, RedisServer, Worker};
use redis::cmd;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::support::{filled, on_both_stores};

mod answers;
mod attacks;
mod extremes;
mod forms;
mod parts;
mod tagged;
mod trouble;

/// Nothing of this takes so long, on however busy a machine.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    version: u64,
}

/// Users with an id below a thousand; their version is the number of writes so far.
#[derive(Clone, Default)]
struct Db {
    version: Arc<AtomicU64>,
    queries: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Db {
    /// The ids of each query since it was asked last.
    fn queries(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.queries.lock().unwrap())
    }

    fn select(&self, ids: &[u64]) -> Vec<Option<User>> {
        self.queries.lock().unwrap().push(ids.to_vec());
        let version = self.version.load(SeqCst);
        ids.iter().map(|id| (*id < 1_000).then_some(User { id: *id, version })).collect()
    }
}

type DbError = String;

#[cached_aside(ttl = "5m", none_ttl = "5m", key = "batch-user:{id}", lease = "1m", skip(db))]
async fn load_user(db: &Db, id: u64) -> Result<Option<User>, DbError> {
    Ok(db.select(&[id]).remove(0))
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn load_users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
    Ok(db.select(ids).into_iter().flatten().map(|user| (user.id, user)).collect())
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn users_in_order(db: &Db, ids: Vec<u64>) -> Vec<Option<User>> {
    db.select(&ids)
}

#[invalidates(load_user(id))]
async fn save_user(db: &Db, id: u64) -> Result<(), DbError> {
    let _ = id;
    db.version.fetch_add(1, SeqCst);
    Ok(())
}

fn ids_of(users: &HashMap<u64, User>) -> Vec<u64> {
    let mut ids: Vec<u64> = users.keys().copied().collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_batch_shares_the_entries_of_the_single_function() {
    on_both_stores("batches", |cache| async move {
        let db = Db::default();
        load_user(&db, 2).await.unwrap();
        filled(&cache, 1).await;
        db.queries();
        let users = load_users(&db, &[3, 2, 1_000, 1, 3]).await.unwrap();
        assert_eq!((ids_of(&users), db.queries()), (vec![1, 2, 3], vec![vec![3, 1_000, 1]]));
        filled(&cache, 4).await;
        let users = users_in_order(&db, vec![3, 1_000, 2, 3]).await;
        let given: Vec<_> = users.into_iter().map(|user| user.map(|user| user.id)).collect();
        assert_eq!(given, [Some(3), None, Some(2), Some(3)]);
        assert_eq!(load_user(&db, 1_000).await, Ok(None), "it was stored that there is none");
        assert_eq!(db.queries(), [[0_u64; 0]; 0], "all of it was there");

        save_user(&db, 1).await.unwrap();
        let users = load_users(&db, &[1, 2, 3]).await.unwrap();
        assert_eq!((users[&1].version, users[&2].version), (1, 0));
        assert_eq!(db.queries(), [[1]]);
        assert_eq!(load_users(&db, &[]).await.unwrap(), HashMap::new());
        let counts = cache.stats();
        let names: Vec<&String> = counts.functions.keys().collect();
        assert!(matches!(&names[..], [name] if name.ends_with("load_user")), "under its name: {names:?}");
        assert_eq!((counts.total.hits, counts.total.misses, counts.total.loads), (7, 5, 5), "and key by key");
    })
    .await;
}

#[tokio::test]
async fn many_keys_cost_few_round_trips() {
    const KEYS: u64 = 999;
    /// There and back.
    const ROUND_TRIP: Duration = Duration::from_millis(200);
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let cache = Cache::builder().url(proxy.url()).namespace("trips").timeout(LONG).build().await.unwrap();
    let db = Db::default();
    let ids: Vec<u64> = (0..KEYS).collect();
    cache
        .scope(async {
            load_user(&db, 999).await.unwrap();
            filled(&cache, 1).await;
            proxy.set(Mode::Delay(ROUND_TRIP / 2));
            db.queries();
            server.reset_stats();
            let begun = Instant::now();
            assert_eq!(load_users(&db, &ids).await.unwrap().len() as u64, KEYS);
            filled(&cache, KEYS + 1).await;
            let took = begun.elapsed();
            let commands = server.commands();
            assert_eq!(db.queries().len(), 1, "one query");
            // Nothing is known of lengths, and then that the first keys are missing.
            assert_eq!(commands["mget"], 2, "{commands:?}");
            assert_eq!(commands["set"], 2 * KEYS, "a lease and a value each");
            // A look, the leases, and the fills; the rest is room for a busy machine. One by one it is ten minutes.
            assert!(took < 40 * ROUND_TRIP, "{took:?} for round trips of {ROUND_TRIP:?}");
            server.reset_stats();
            assert_eq!(load_users(&db, &ids).await.unwrap().len() as u64, KEYS);
            let commands = server.commands();
            let data: u64 =
                commands.iter().filter(|(name, _)| *name != "config").map(|(_, count)| count).sum();
            assert!(commands["mget"] <= 6 && data <= 9, "a hit is a look: {commands:?}");
            assert!(db.queries().is_empty());
        })
        .await;
}

#[tokio::test]
async fn large_values_do_not_come_all_at_once() {
    const LENGTH: usize = 64 << 10;

    #[cached_aside(ttl = "5m", key = "batch-page:{id}", lease = "2m")]
    async fn page(id: u64) -> Vec<u8> {
        vec![u8::try_from(id).unwrap(); LENGTH]
    }

    #[cached_aside(page(id) for id in ids)]
    async fn pages(ids: &[u64]) -> HashMap<u64, Vec<u8>> {
        ids.iter().map(|id| (*id, vec![u8::try_from(*id).unwrap(); LENGTH])).collect()
    }

    let server = RedisServer::start();
    let cache = Cache::builder().url(server.url()).namespace("pages").timeout(LONG).build().await.unwrap();
    let ids: Vec<u64> = (0..100).collect();
    cache
        .scope(async {
            for id in 0..20 {
                page(id).await;
            }
            filled(&cache, 20).await;
            assert_eq!(pages(&ids).await.len(), 100);
            filled(&cache, 100).await;
            server.reset_stats();
            let pages = pages(&ids).await;
            assert!(pages.iter().all(|(id, page)| page.len() == LENGTH && u64::from(page[0]) == *id));
            let commands = server.commands();
            assert!(commands["mget"] >= 20, "no answer is much longer than a large value: {commands:?}");
            assert_eq!(cache.stats().total.loads, 100);
        })
        .await;
}

/// A server without `MGET` for this user, and one that does not know `SET … NX GET`.
#[tokio::test]
async fn a_user_who_may_not_read_several_keys_at_once_reads_them_one_by_one() {
    let allowed = "~one:* +@all -mget";
    let server = RedisServer::builder().user("app", "pass", allowed).start();
    let cache = Cache::builder().url(server.url_as("app", "pass")).namespace("one").timeout(LONG);
    let cache = cache.build().await.unwrap();
    let db = Db::default();
    let ids: Vec<u64> = (0..100).collect();
    cache
        .scope(async {
            for queries in [1, 0] {
                assert_eq!(load_users(&db, &ids).await.unwrap().len(), 100);
                assert_eq!(db.queries().len(), queries);
                filled(&cache, 100).await;
            }
        })
        .await;
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_asked_side_by_side() {
    let cluster = RedisCluster::start();
    let cache = Cache::builder().url(cluster.url()).namespace("nodes").timeout(LONG).build().await.unwrap();
    let db = Db::default();
    let ids: Vec<u64> = (0..300).collect();
    cache
        .scope(async {
            assert_eq!(load_users(&db, &ids).await.unwrap().len(), 300);
            assert_eq!(db.queries().concat(), ids, "one body for all nodes");
            filled(&cache, 300).await;
            assert_eq!(load_users(&db, &ids).await.unwrap().len(), 300);
            assert!(db.queries().is_empty());
            save_user(&db, 299).await.unwrap();
            assert_eq!(load_users(&db, &ids).await.unwrap()[&299].version, 1);
            assert_eq!(db.queries(), [[299]]);
        })
        .await;
}

/// A slot that has moved: its keys are asked for where they are now, and the others go on.
#[tokio::test]
async fn keys_that_move_to_another_node_are_found_there() {
    let cluster = RedisCluster::start();
    let cache = Cache::builder().url(cluster.url()).namespace("moves").timeout(LONG).build().await.unwrap();
    let db = Db::default();
    let ids: Vec<u64> = (0..50).collect();
    cache
        .scope(async {
            load_users(&db, &ids).await.unwrap();
            filled(&cache, 50).await;
            let migration = cluster.begin_migration("moves:batch-user:7");
            migration.move_keys();
            db.queries();
            let users = load_users(&db, &ids).await.unwrap();
            assert_eq!((users.len(), db.queries()), (50, vec![]), "while it moves");
            migration.finish();
            let users = load_users(&db, &ids).await.unwrap();
            assert_eq!((users.len(), db.queries()), (50, vec![]), "when it has moved");
        })
        .await;
}

#[tokio::test]
async fn without_redis_the_body_is_given_all() {
    let server = RedisServer::start();
    let cache = Cache::builder().url(server.url()).namespace("away").timeout(Duration::from_millis(250));
    let cache = cache.build().await.unwrap();
    let db = Db::default();
    cache
        .scope(async {
            assert_eq!(load_users(&db, &[1, 2]).await.unwrap().len(), 2);
            filled(&cache, 2).await;
            db.queries();
            server.pause();
            let silent = timeout(LONG, load_users(&db, &[1, 2, 3])).await.unwrap().unwrap();
            assert_eq!((ids_of(&silent), db.queries()), (vec![1, 2, 3], vec![vec![1, 2, 3]]));
            server.resume();
            server.kill();
            let dead = timeout(LONG, load_users(&db, &[1, 2, 3])).await.unwrap().unwrap();
            assert_eq!((ids_of(&dead), db.queries()), (vec![1, 2, 3], vec![vec![1, 2, 3]]));
        })
        .await;
}

/// What a server forgets of scripts between two batches is sent again.
#[tokio::test]
async fn scripts_that_the_server_has_forgotten_are_sent_again() {
    let server = RedisServer::start();
    let cache = Cache::builder().url(server.url()).namespace("forgets").timeout(LONG).build().await.unwrap();
    let db = Db::default();
    for round in 0..4_u64 {
        server.run::<()>(cmd("SCRIPT").arg("FLUSH").arg("SYNC"));
        // Fewer steps than those that send the source, and more.
        let ids: Vec<u64> = (round * 100..round * 100 + if round % 2 == 0 { 3 } else { 40 }).collect();
        cache
            .scope(async {
                for queries in [1, 0] {
                    assert_eq!(load_users(&db, &ids).await.unwrap().len(), ids.len());
                    assert_eq!(db.queries().len(), queries, "round {round}");
                    let stored = cache.stats().total.loads;
                    filled(&cache, stored).await;
                }
            })
            .await;
    }
}

async fn worker(cache: &RedisServer, database: &RedisServer, namespace: &str) -> Worker {
    let mut worker = crate::worker("batches", &[&cache.url(), &database.url(), namespace]);
    worker.expect("ready").await;
    worker
}

#[tokio::test]
async fn batches_of_two_processes_load_each_id_once() {
    const IDS: u64 = 60;
    let (server, database) = (RedisServer::start(), RedisServer::start());
    let mut workers =
        [worker(&server, &database, "crossing").await, worker(&server, &database, "crossing").await];
    for (seed, worker) in workers.iter_mut().enumerate() {
        worker.send(format_args!("tasks 100 {IDS} {seed}"));
    }
    for worker in &mut workers {
        worker.expect("done").await;
    }
    let loads: BTreeMap<u64, u64> = (0..IDS)
        .map(|id| (id, database.run::<Option<u64>>(cmd("GET").arg(format!("loads:{id}"))).unwrap_or(0)))
        .collect();
    assert!(loads.values().all(|loads| *loads == 1), "{loads:?}");
    let kinds: HashSet<u8> = (0..IDS)
        .filter_map(|id| server.run::<Option<Vec<u8>>>(cmd("GET").arg(format!("crossing:row:{id}"))))
        .map(|bytes| bytes[3])
        .collect();
    assert_eq!(kinds, HashSet::from([0x10]), "values, and no lease is left");
    assert_eq!(server.keys_without_ttl("crossing"), [""; 0]);
}

#[tokio::test]
async fn a_process_that_dies_holds_nobody_up_for_longer_than_a_lease() {
    let (server, database) = (RedisServer::start(), RedisServer::start());
    let mut dies = worker(&server, &database, "dies").await;
    let mut lives = worker(&server, &database, "dies").await;
    let ids = (0..60).map(|id| id.to_string()).collect::<Vec<_>>().join(" ");
    dies.send(format_args!("hold {ids}"));
    dies.expect("loading").await;
    lives.send("tasks 20 60 1");
    dies.kill9();
    let begun = Instant::now();
    lives.expect("done").await;
    // A lease goes unrenewed for a second; `wait` would be a minute.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let loads = |id: u64| database.run::<Option<u64>>(cmd("GET").arg(format!("loads:{id}"))).unwrap_or(0);
    assert!((0..60).all(|id| loads(id) <= 1), "and by one of the others");
}

/// What a resolver of a GraphQL field does: a page of ids, from which each product is resolved.
#[tokio::test]
async fn a_page_of_a_resolver_is_one_query_and_none_when_it_is_warm() {
    let cache = Cache::in_process();
    let db = Db::default();
    let page: Vec<u64> = (0..100).map(|n| (n * 37) % 500).collect();
    cache
        .scope(async {
            for queries in [1, 0] {
                let products = users_in_order(&db, page.clone()).await;
                let names: Vec<String> =
                    products.into_iter().flatten().map(|product| format!("product {}", product.id)).collect();
                assert_eq!(names.len(), 100);
                assert_eq!(db.queries().len(), queries);
            }
            // Another field of the same request needs one of them, and one more.
            assert!(load_user(&db, page[3]).await.unwrap().is_some());
            assert!(load_user(&db, 999).await.unwrap().is_some());
            assert_eq!(db.queries(), [[999]]);
        })
        .await;
}
