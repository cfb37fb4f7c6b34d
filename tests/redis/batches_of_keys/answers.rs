//! What becomes of what a body gives: also where ids are equal, without the cache, and where others have stored a key meanwhile.

use std::{
    cmp::Ordering,
    fmt::{self, Display},
    hash::{Hash, Hasher},
};

use cached_aside::{bypass, refresh, transaction};
use indexmap::IndexMap;
use tokio::sync::Notify;

use super::*;

/// A name that is compared without its case.
#[derive(Debug, Clone)]
struct Name(String);

impl Name {
    fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cached_aside(ttl = "5m", key = "named:{name}", none_ttl = "5m")]
async fn named(name: &Name) -> Option<u64> {
    Some(name.0.len() as u64)
}

fn lengths(names: &[Name]) -> impl Iterator<Item = (Name, u64)> {
    names.iter().filter(|name| name.folded() != "none").map(|name| (name.clone(), name.0.len() as u64))
}

#[cached_aside(named(name) for name in names)]
async fn in_a_hash_map(names: &[Name]) -> HashMap<Name, u64> {
    lengths(names).collect()
}

#[cached_aside(named(name) for name in names)]
async fn in_a_tree(names: &[Name]) -> BTreeMap<Name, u64> {
    lengths(names).collect()
}

#[cached_aside(named(name) for name in names)]
async fn in_their_order(names: &[Name]) -> IndexMap<Name, u64> {
    lengths(names).collect()
}

/// A map has one value for two ids that are equal, and each of their keys gets it: not a `None`.
#[tokio::test]
async fn ids_that_are_equal_have_one_value_under_each_of_their_keys() {
    let names = |texts: &[&str]| texts.iter().map(|text| Name((*text).to_owned())).collect::<Vec<_>>();
    let asked = names(&["Ada", "ada", "none", "ADA", "None"]);
    for kind in ["hash map", "tree", "index map"] {
        let cache = Cache::in_process();
        cache
            .scope(async {
                let given = match kind {
                    "hash map" => in_a_hash_map(&asked).await.len(),
                    "tree" => in_a_tree(&asked).await.len(),
                    _ => in_their_order(&asked).await.len(),
                };
                assert_eq!(given, 1, "{kind}");
                filled(&cache, 5).await;
                for name in names(&["Ada", "ada", "ADA"]) {
                    let stored = named::key(&name).peek().await.unwrap();
                    assert_eq!(stored, Some(3), "{name}, {kind}");
                }
                for name in names(&["none", "None"]) {
                    assert_eq!(named(&name).await, None, "there is none of {name}, {kind}");
                }
            })
            .await;
    }
}

#[cached_aside(ttl = "5m", key = "square:{number}")]
async fn square(number: u64) -> Option<u64> {
    Some(number * number)
}

#[cached_aside(square(number) for number in numbers)]
async fn one_too_few(numbers: &[u64]) -> Vec<Option<u64>> {
    numbers.iter().skip(1).map(|number| Some(number * number)).collect()
}

#[cached_aside(square(number) for number in numbers)]
async fn one_too_many(numbers: &[u64]) -> HashMap<u64, u64> {
    numbers.iter().chain([&1_000]).map(|number| (*number, number * number)).collect()
}

/// An answer of another length, and values that nobody asked for: wherever the body runs.
#[tokio::test]
async fn the_answer_is_the_same_with_the_cache_and_without() {
    let numbers = [3, 4, 3];
    let squares = HashMap::from([(3, 9), (4, 16)]);
    let cache = Cache::in_process();
    cache
        .scope(async {
            assert_eq!(one_too_few(&numbers).await, [None; 3], "through the cache");
            assert_eq!(bypass(one_too_few(&numbers)).await, [None; 3], "past the cache");
            assert_eq!(transaction(one_too_few(&numbers)).await, [None; 3], "in a transaction");
            assert_eq!(bypass(one_too_many(&numbers)).await, squares, "past the cache");
            assert_eq!(transaction(one_too_many(&numbers)).await, squares, "in a transaction");
            assert_eq!(one_too_many(&numbers).await, squares, "through the cache");
        })
        .await;
    assert_eq!(one_too_few(&numbers).await, [None; 3], "no cache is installed");
    assert_eq!(one_too_many(&numbers).await, squares, "no cache is installed");
}

/// Where one load of the slow row stands, which another cache waits for.
#[derive(Default)]
struct Slow {
    begun: Notify,
    go_on: Notify,
    bodies: Mutex<Vec<Vec<u64>>>,
}

#[cached_aside(ttl = "5m", key = "slow:{id}", skip(slow), lease = "2m")]
async fn slow_row(slow: &Slow, id: u64) -> u64 {
    slow.begun.notify_one();
    slow.go_on.notified().await;
    id
}

#[cached_aside(slow_row(id) for id in ids, skip(slow, other), wait = "50ms")]
async fn slow_rows(slow: &Slow, other: &Cache, ids: &[u64]) -> HashMap<u64, u64> {
    slow.bodies.lock().unwrap().push(ids.to_vec());
    if ids == [2] {
        slow.go_on.notify_one();
        filled(other, 1).await;
        // Longer than the batch waits for others.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ids.iter().map(|id| (*id, *id)).collect()
}

#[tokio::test]
async fn what_others_have_stored_while_the_body_ran_is_not_loaded_again() {
    let server = RedisServer::start();
    let build = || Cache::builder().url(server.url()).namespace("slow").timeout(LONG).build();
    let (first, second) = (build().await.unwrap(), build().await.unwrap());
    let slow = Slow::default();
    let loads = first.scope(async { slow_row(&slow, 1).await });
    let batch = second.scope(async {
        slow.begun.notified().await;
        slow_rows(&slow, &first, &[1, 2]).await
    });
    let (row, rows) = tokio::join!(loads, batch);
    assert_eq!((row, rows), (1, HashMap::from([(1, 1), (2, 2)])));
    assert_eq!(*slow.bodies.lock().unwrap(), [[2]], "the first cache had stored the other");
}

/// A forced batch is as few round trips as any other, and ends nobody's load: it takes the rights to store.
#[tokio::test]
async fn a_forced_batch_costs_few_round_trips() {
    const KEYS: u64 = 999;
    /// There and back.
    const ROUND_TRIP: Duration = Duration::from_millis(200);
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let cache = Cache::builder().url(proxy.url()).namespace("forced").timeout(LONG).build().await.unwrap();
    let db = Db::default();
    // Half of them are stored.
    let ids: Vec<u64> = (0..KEYS).collect();
    cache
        .scope(async {
            load_users(&db, &ids[..500]).await.unwrap();
            filled(&cache, 500).await;
            db.version.fetch_add(1, SeqCst);
            db.queries();
            proxy.set(Mode::Delay(ROUND_TRIP / 2));
            server.reset_stats();
            let begun = Instant::now();
            let users = refresh(load_users(&db, &ids)).await.unwrap();
            let took = begun.elapsed();
            let commands = server.commands();
            assert!(users.len() as u64 == KEYS && users.values().all(|user| user.version == 1));
            assert_eq!(db.queries(), std::slice::from_ref(&ids), "one query, of all");
            assert!(commands["mget"] <= 6 && commands["evalsha"] <= 60, "{commands:?}");
            assert!(took < 40 * ROUND_TRIP, "{took:?} for round trips of {ROUND_TRIP:?}");
            filled(&cache, 500 + KEYS).await;
            proxy.set(Mode::Pass);
            assert_eq!(load_users(&db, &ids).await.unwrap(), users, "they are stored");
            assert!(db.queries().is_empty());
        })
        .await;
}
