//! Batches of very many ids, and servers that change while the body runs.

use std::pin::Pin;

use super::*;
use crate::support::carried_out;

/// What happens while a body runs that has read.
type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Rows {
    version: AtomicU64,
    /// How many ids each query was given.
    queries: Mutex<Vec<usize>>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl Rows {
    async fn select(&self, ids: &[u64]) -> HashMap<u64, u64> {
        let version = self.version.load(SeqCst);
        self.queries.lock().unwrap().push(ids.len());
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        ids.iter().map(|id| (*id, version)).collect()
    }

    fn queries(&self) -> Vec<usize> {
        std::mem::take(&mut self.queries.lock().unwrap())
    }

    fn during_the_next_query(&self, meanwhile: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(meanwhile));
    }
}

#[cached_aside(ttl = "5m", key = "extreme-row:{id}", skip(db), lease = "2m")]
async fn row(db: &Rows, id: u64) -> u64 {
    db.select(&[id]).await[&id]
}

#[cached_aside(row(id) for id in ids, skip(db))]
async fn rows(db: &Rows, ids: &[u64]) -> HashMap<u64, u64> {
    db.select(ids).await
}

#[cached_aside(row(id / 10) for id in ids, skip(db))]
async fn of_tens(db: &Rows, ids: &[u64]) -> HashMap<u64, u64> {
    db.select(ids).await
}

#[cached_aside(row(id / 10) for id in ids, skip(db))]
async fn of_tens_in_order(db: &Rows, ids: &[u64]) -> Vec<Option<u64>> {
    let found = db.select(ids).await;
    ids.iter().map(|id| found.get(id).copied()).collect()
}

#[invalidates(row(id) for id in ids)]
async fn write_rows(db: &Rows, ids: &[u64]) {
    let _ = ids;
    db.version.fetch_add(1, SeqCst);
}

/// Those whose value is of this version.
fn of_version(rows: &HashMap<u64, u64>, version: u64) -> Vec<u64> {
    let mut ids: Vec<u64> = rows.iter().filter(|(_, found)| **found == version).map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids
}

/// With the time that calls have by default, in which not all of them may be answered, and with enough of it.
#[tokio::test]
async fn a_hundred_thousand_ids_are_a_batch_too() {
    let server = RedisServer::start();
    for (within, many) in [(None, 20_000), (Some(LONG), 100_000)] {
        let ids: Vec<u64> = (0..many).collect();
        let written = [0, 63, 6_400, many - 1];
        let builder = Cache::builder().url(server.url()).namespace("many");
        let builder = within.into_iter().fold(builder, cached_aside::CacheBuilder::timeout);
        let (cache, db) = (builder.build().await.unwrap(), Rows::default());
        cache
            .scope(async {
                assert!(of_version(&rows(&db, &ids).await, 0) == ids, "of each its value");
                assert_eq!(db.queries(), [ids.len()], "one body for all of them");
                if within.is_some() {
                    filled(&cache, many).await;
                }
                write_rows(&db, &written).await;
                let given = rows(&db, &ids).await;
                assert_eq!(written.map(|id| given[&id]), [1; 4], "in {within:?}");
                if within.is_some() {
                    assert_eq!(of_version(&given, 1).len(), written.len(), "the others are hits");
                    assert_eq!(db.queries(), [written.len()]);
                    filled(&cache, many + 4).await;
                    server.reset_stats();
                    assert!(rows(&db, &ids).await == given && db.queries().is_empty(), "all are hits");
                    let commands = server.commands();
                    assert!(
                        commands["mget"] >= many / 1_000,
                        "each of a bounded number of keys: {commands:?}"
                    );
                }
            })
            .await;
        server.run::<()>(&cmd("FLUSHALL"));
    }
}

#[cached_aside(ttl = "5m", key = "brief-row:{id}", skip(db), lease = "200ms")]
async fn brief_row(db: &Rows, id: u64) -> u64 {
    db.select(&[id]).await[&id]
}

#[cached_aside(brief_row(id) for id in ids, skip(db))]
async fn brief_rows(db: &Rows, ids: &[u64]) -> HashMap<u64, u64> {
    db.select(ids).await
}

/// The leases of a batch are not renewed while its entries are stored.
#[tokio::test]
async fn what_arrives_after_its_lease_is_loaded_again_unless_that_is_long_enough() {
    const LATE: Duration = Duration::from_secs(1);
    let server = RedisServer::start();
    let proxy: &'static Proxy = Box::leak(Box::new(Proxy::start(server.addr())));
    let cache = Cache::builder().url(proxy.url()).namespace("late").timeout(LONG).build().await.unwrap();
    let (db, ids) = (Rows::default(), (0..40).collect::<Vec<u64>>());
    let slow_down = || db.during_the_next_query(async { proxy.set(Mode::Delay(LATE)) });
    cache
        .scope(async {
            slow_down();
            brief_rows(&db, &ids).await;
            filled(&cache, 40).await;
            assert_eq!(cache.stats().total.stored, 0);
            proxy.set(Mode::Pass);
            brief_rows(&db, &ids).await;
            assert_eq!(db.queries(), [40, 40], "nothing was there");
            filled(&cache, 80).await;
            slow_down();
            rows(&db, &ids).await;
            filled(&cache, 120).await;
            proxy.set(Mode::Pass);
            rows(&db, &ids).await;
            assert_eq!(db.queries(), [40], "all of it was there");
        })
        .await;
}

/// The server loses everything, the leases of the batch among it, and what is written meanwhile is not overwritten.
#[tokio::test]
async fn what_a_server_loses_while_a_batch_loads_is_not_stored_over_a_write() {
    let server: &'static RedisServer = Box::leak(Box::new(RedisServer::start()));
    let ids: Vec<u64> = (0..40).collect();
    // What is still on its way to the one is nothing to the other.
    for (namespace, is_loaded_again) in [("lost", false), ("lost-and-loaded", true)] {
        let cache = async || {
            Cache::builder().url(server.url()).namespace(namespace).timeout(LONG).build().await.unwrap()
        };
        let (cache, elsewhere) = (cache().await, cache().await);
        let db: &'static Rows = Box::leak(Box::default());
        let other = cache.clone();
        // In a task of its own: what a body itself reads waits for nobody.
        db.during_the_next_query(async move {
            server.run::<()>(&cmd("FLUSHALL"));
            let writes = async move {
                write_rows(db, &[7, 8]).await;
                // Another process would load it now.
                if is_loaded_again {
                    assert_eq!(elsewhere.scope(row(db, 7)).await, 1);
                    carried_out(&elsewhere).await;
                }
            };
            tokio::spawn(async move { other.scope(writes).await }).await.unwrap();
        });
        cache
            .scope(async {
                assert_eq!(of_version(&rows(db, &ids).await, 0), ids, "it began before the write");
                carried_out(&cache).await;
                let given = rows(db, &ids).await;
                assert_eq!((given[&7], given[&8]), (1, 1), "{given:?}");
                assert_eq!(of_version(&given, 1), ids, "the fills came without their leases");
                assert_eq!((row(db, 7).await, row(db, 39).await), (1, 1));
            })
            .await;
    }
}

/// A slot moves with its lease, or without it, while the body of a batch runs.
#[tokio::test]
async fn a_slot_that_moves_while_a_batch_loads_takes_its_fill_with_it() {
    let cluster: &'static RedisCluster = Box::leak(Box::new(RedisCluster::start()));
    let cache = Cache::builder().url(cluster.url()).namespace("moved").timeout(LONG).build().await.unwrap();
    let ids: Vec<u64> = (0..50).collect();
    for (round, is_written) in [false, true].into_iter().enumerate() {
        let db: &'static Rows = Box::leak(Box::default());
        let other = cache.clone();
        db.during_the_next_query(async move {
            let migration = cluster.begin_migration("moved:extreme-row:7");
            migration.move_keys();
            if is_written {
                tokio::spawn(async move { other.scope(write_rows(db, &[7, 8])).await }).await.unwrap();
            }
            migration.finish();
        });
        cache
            .scope(async {
                assert_eq!(of_version(&rows(db, &ids).await, 0), ids);
                assert_eq!(db.queries(), [50]);
                filled(&cache, 50 * (round as u64 + 1)).await;
                let given = rows(db, &ids).await;
                let (again, written) = if is_written { (vec![2], vec![7, 8]) } else { (vec![], vec![]) };
                assert_eq!((of_version(&given, 1), db.queries()), (written, again));
                carried_out(&cache).await;
                assert_eq!((rows(db, &ids).await, db.queries()), (given, vec![]), "all of them are stored");
                write_rows(db, &ids).await;
            })
            .await;
    }
}

/// Ids that differ, and whose keys don't: the body is given one of them, and each has the value.
#[tokio::test]
async fn ids_of_one_key_have_one_value() {
    on_both_stores("batches-one-key", |cache| async move {
        let db = Rows::default();
        let ids = [70, 71, 72, 80, 79, 70, 5, 80];
        for queries in [vec![3], vec![]] {
            let given = of_tens(&db, &ids).await;
            assert_eq!(of_version(&given, 0), [5, 70, 71, 72, 79, 80]);
            assert_eq!(db.queries(), queries);
            carried_out(&cache).await;
        }
        write_rows(&db, &[7]).await;
        for queries in [vec![1], vec![]] {
            let given = of_tens_in_order(&db, &ids).await;
            let expected = [1, 1, 1, 0, 1, 1, 0, 0].map(Some);
            assert_eq!((&given[..], db.queries()), (&expected[..], queries));
            carried_out(&cache).await;
        }
        assert_eq!((row(&db, 7).await, row(&db, 8).await), (1, 0));
        assert_eq!((of_tens(&db, &[]).await, of_tens_in_order(&db, &[]).await), (HashMap::new(), vec![]));
    })
    .await;
}

/// A long look is several commands: what was answered before the server fell silent is given, and the rest is loaded.
#[tokio::test]
async fn what_was_answered_before_the_server_fell_silent_is_given() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let timeout = Duration::from_secs(2);
    let cache = Cache::builder().url(proxy.url()).namespace("silent").timeout(timeout).build().await.unwrap();
    let (db, ids) = (Rows::default(), (0..1_000).collect::<Vec<u64>>());
    cache
        .scope(async {
            let begun = Instant::now();
            loop {
                rows(&db, &ids).await;
                if db.queries().is_empty() {
                    break;
                }
                assert!(begun.elapsed() < LONG, "they are not stored: {}", cache.stats());
            }
            db.version.store(1, SeqCst);
            // Each is some sixty bytes long.
            proxy.set(Mode::Stall(30_000));
            let at_once = async {
                let mut most = 0;
                while db.queries.lock().unwrap().is_empty() {
                    most = most.max(cache.stats().nodes[0].in_flight);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                most
            };
            let (given, at_once) = tokio::join!(rows(&db, &ids), at_once);
            // The connection may be asked something besides.
            assert!(
                (2..=4).contains(&at_once),
                "while one part is decoded, the next is on its way: {at_once}"
            );
            let loaded = db.queries();
            let [count] = loaded[..] else { panic!("{} queries", loaded.len()) };
            assert_eq!(given.len(), ids.len());
            assert_eq!(given.values().filter(|version| **version == 1).count(), count);
            assert!((100..900).contains(&count), "{count} were loaded");
        })
        .await;
}
