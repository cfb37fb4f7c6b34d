//! Functions that are turned off, one by one or all by the environment, on both stores.

use std::{
    env,
    process::Command,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cached_aside::{Cache, Cached, cached_aside, invalidates, only_cached, updates};
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
