//! Functions that are turned off, one by one or all by the environment, on both stores.

use std::{
    collections::HashMap,
    env,
    process::Command,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cached_aside::{
    Cache, Cached, cached_aside, invalidate, invalidates, invalidating, keys, only_cached, transaction,
    updates,
};
use cached_aside_tests::log::{Log, said};

use crate::support::on_both_stores;

/// The database.
#[derive(Debug, Default)]
struct Db {
    version: AtomicU64,
    reads: AtomicU64,
}

impl Db {
    fn read(&self) -> u64 {
        self.reads.fetch_add(1, SeqCst);
        self.version.load(SeqCst)
    }

    fn reads(&self) -> u64 {
        self.reads.swap(0, SeqCst)
    }
}

#[cached_aside(ttl = "5m", key = "switched:{id}", skip(db))]
async fn switched(db: &Db, id: u64) -> Option<u64> {
    let _ = id;
    Some(db.read())
}

#[cached_aside(ttl = "5m", key = "other:{id}", skip(db))]
async fn other(db: &Db, id: u64) -> u64 {
    let _ = id;
    db.read()
}

struct Switched;

impl Switched {
    #[cached_aside(ttl = "5m", key = "switched-by-method:{id}", skip(self))]
    async fn of_method(&self, id: u64) -> u64 {
        id
    }
}

#[invalidates(switched(id))]
async fn write(db: &Db, id: u64) {
    db.version.fetch_add(1, SeqCst);
}

#[updates(switched(id))]
async fn update(db: &Db, id: u64) -> Option<u64> {
    Some(db.version.fetch_add(1, SeqCst) + 1)
}

#[tokio::test]
async fn a_function_that_is_turned_off_runs_its_body_and_is_invalidated_all_the_same() {
    on_both_stores("switch", |cache: Cache| async move {
        let db = Db::default();
        switched(&db, 1).await;
        other(&db, 1).await;
        crate::support::filled(&cache, 2).await;
        db.reads();

        cache.disable("switched");
        for _ in 0..3 {
            assert_eq!(switched(&db, 1).await, Some(0));
            assert_eq!(other(&db, 1).await, 0);
        }
        assert_eq!(db.reads(), 3, "the one runs its body each time, the other is cached");
        assert_eq!(switched::key(1).peek().await.unwrap(), None);
        assert_eq!(only_cached(switched(&db, 1)).await, None);
        assert_eq!(db.reads(), 0);
        write(&db, 1).await;
        assert_eq!(switched(&db, 1).await, Some(1));

        cache.enable("switched");
        assert_eq!(switched(&db, 1).await, Some(1), "what was stored before the write is gone");
        assert_eq!(switched(&db, 1).await, Some(1));
        assert_eq!(db.reads(), 2, "once while it was off, once for the new entry");

        cache.disable("redis::switch::switched");
        assert_eq!(update(&db, 1).await, Some(2));
        cache.enable("redis::switch::switched");
        assert_eq!(switched(&db, 1).await, Some(2));
        assert_eq!(db.reads(), 1, "a write stores nothing for a function that is off");
        assert_eq!(cache.stats().updated, 0);
    })
    .await;
}

/// What a write of any kind changes, and three functions give.
#[cached_aside(ttl = "5m", key = "switched-copied:{id}", skip(db), local = "20ms")]
async fn copied(db: &Db, id: u64) -> u64 {
    let _ = id;
    db.read()
}

#[cached_aside(copied(id) for id in ids, skip(db))]
async fn copied_many(db: &Db, ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, db.read())).collect()
}

static HANDLE: Cached<u64> = Cached::new("switched-handle", Duration::from_secs(60));

/// Each of them once: what they give, which is the same.
async fn all_ways(db: &Db) -> u64 {
    let handle = HANDLE.get_or_load(1, async || db.read()).await;
    let given: [u64; 3] = [copied(db, 1).await, copied_many(db, &[1]).await[&1], handle];
    assert_eq!(given, [given[0]; 3]);
    given[0]
}

#[invalidates(copied(1), HANDLE.key(1))]
async fn write_all(db: &Db) {
    db.version.fetch_add(1, SeqCst);
}

/// One of the ways in which data are changed.
async fn change(way: usize, cache: &Cache, db: &Db) -> bool {
    let keys = || keys![copied(1), HANDLE.key(1)];
    match way {
        0 => write_all(db).await,
        1 => transaction(write_all(db)).await,
        2 => {
            let save = async {
                db.version.fetch_add(1, SeqCst);
            };
            invalidating(keys(), save).await;
        }
        3 => {
            let guard = cache.guard(keys()).await.unwrap();
            db.version.fetch_add(1, SeqCst);
            guard.release().await.unwrap();
        }
        4 => {
            db.version.fetch_add(1, SeqCst);
            cache.invalidate_keys(keys()).await.unwrap();
        }
        5 => {
            db.version.fetch_add(1, SeqCst);
            transaction(invalidate(keys())).await;
        }
        _ => return false,
    }
    true
}

/// Batches, handles and local copies read none of its entries and store none, and whatever writes goes on invalidating them.
#[tokio::test]
async fn a_function_that_is_off_is_off_however_it_is_called_and_invalidated_however_that_is_done() {
    on_both_stores("switch-all", |cache: Cache| async move {
        let (db, names) = (Db::default(), ["copied", "switched-handle"]);
        for way in 0.. {
            // Until all of it is stored: then nothing is read.
            while (all_ways(&db).await, db.reads()).1 > 0 {
                tokio::task::yield_now().await;
            }
            let _ = HANDLE.key(1);
            for name in names {
                cache.disable(name);
            }
            let version = db.version.load(SeqCst);
            assert_eq!((all_ways(&db).await, all_ways(&db).await), (version, version));
            assert_eq!(db.reads(), 6, "each runs its body each time");
            if !change(way, &cache, &db).await {
                break;
            }
            assert_eq!(all_ways(&db).await, version + 1);
            for name in names {
                cache.enable(name);
            }
            assert_eq!(all_ways(&db).await, version + 1, "way {way}: what was stored before is gone");
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_that_no_function_has_is_not_said_to_be_turned_off() {
    static FAMILY: Cached<u64> = Cached::new("switched-family", Duration::from_secs(60));
    let (log, cache) = (Log::listen(), Cache::in_process());
    for (name, known) in [
        ("switched", true),
        ("redis::switch::switched", true),
        ("switch::switched", false),
        ("swiched", false),
        ("switched-family", false),
    ] {
        cache.disable(name);
        cache.enable(name);
        let told = log.take();
        let [off] = said(&told, "turned off")[..] else { panic!("{told}") };
        assert_eq!(
            (off.contains("INFO"), off.contains("no cached function has this name")),
            (known, !known),
            "{off}"
        );
        assert_eq!(said(&told, "turned on again").len(), usize::from(known), "{told}");
        cache.enable(name);
        let told = log.take();
        let [line] = said(&told, "nothing is turned on")[..] else { panic!("{told}") };
        assert!(line.contains("WARN") && line.contains(name), "{line}");
    }
    assert_eq!(Switched.of_method(1).await, 1);
    cache.disable("of_method");
    let told = log.take();
    let [off] = said(&told, "turned off")[..] else { panic!("{told}") };
    assert!(off.contains("WARN") && off.contains("Switched::of_method"), "{off}");
    let _ = FAMILY.key(1);
    cache.disable("switched-family");
    let told = log.take();
    assert!(said(&told, "turned off")[0].contains("INFO"), "{told}");
}

/// A line of `Stats` has the place of a function whose path another one has, and that is a name too.
#[tokio::test]
async fn one_of_two_functions_with_one_path_is_turned_off_by_its_place() {
    #[invalidates("switched-inner:1", "switched-inner:2")]
    async fn write_both() {}

    mod first {
        pub(super) async fn call() -> u64 {
            #[cached_aside::cached_aside(ttl = "5m", key = "switched-inner:1", shares_key)]
            async fn inner() -> u64 {
                1
            }
            inner().await
        }

        pub(super) async fn call_another() -> u64 {
            #[cached_aside::cached_aside(ttl = "5m", key = "switched-inner:2", shares_key)]
            async fn inner() -> u64 {
                2
            }
            inner().await
        }
    }

    let cache = Cache::in_process();
    let call_both = || cache.scope(async { (first::call().await, first::call_another().await) });
    assert_eq!(call_both().await, (1, 2));
    let names: Vec<String> = cache.stats().functions.into_keys().collect();
    let [one, another] = &names[..] else { panic!("{names:?}") };
    for name in [one, another] {
        assert!(name.starts_with("redis::switch::first::inner (") && name.contains("switch.rs:"), "{name}");
    }
    cache.disable(another);
    assert_eq!(call_both().await, (1, 2));
    let stats = cache.stats();
    let bypassed = |name: &str| (stats.functions[name].hits, stats.functions[name].bypassed);
    assert_eq!((bypassed(one), bypassed(another)), ((1, 0), (0, 1)), "{stats}");
    assert_eq!(stats.function(one).hits, 1, "{stats}");
    cache.scope(write_both()).await;
    cache.enable(another);
    assert_eq!(call_both().await, (1, 2));
    assert_eq!(cache.stats().function("inner").loads, 4, "{}", cache.stats());
}

/// The process whose environment says so is this test, run once more.
#[test]
fn the_environment_turns_all_functions_off() {
    const INSIDE: &str = "SWITCH_TEST_INSIDE";
    if env::var_os(INSIDE).is_none() {
        let name = "switch::the_environment_turns_all_functions_off";
        let mut again = Command::new(env::current_exe().unwrap());
        let output =
            again.args([name, "--exact"]).env(INSIDE, "1").env("CACHED_ASIDE", "off").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "it ran: {said}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (cache, db) = (Cache::in_process(), Db::default());
        cache.scope(async { (switched(&db, 1).await, switched(&db, 1).await, write(&db, 1).await) }).await;
        let stats = cache.stats();
        assert_eq!((db.reads(), stats.total.bypassed, stats.invalidated), (2, 2, 1), "{stats}");
    });
}
