//! Writes that leave their value behind, on both stores.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cached_aside::{Cache, cached_aside, invalidates, updates};
use cached_aside_tests::RedisServer;
use redis::cmd;
use serde::{Deserialize, Serialize};
use tokio::sync::{Barrier, Notify};

use crate::support::{filled, on_both_stores, patient};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

fn user(id: u64, name: &str) -> User {
    User { id, name: name.to_owned() }
}

#[derive(Debug, Clone, PartialEq)]
struct DbError;

#[derive(Debug)]
struct OtherError;

/// How often the database was read.
#[derive(Debug, Default)]
struct Db {
    read: AtomicU64,
}

impl Db {
    fn read(&self, id: u64) -> User {
        self.read.fetch_add(1, SeqCst);
        user(id, "read")
    }

    fn reads(&self) -> u64 {
        self.read.swap(0, SeqCst)
    }
}

// --- What is stored ---------------------------------------------------------------------------------------

#[cached_aside(ttl = "5m", key = "plain:{id}", skip(db))]
async fn plain(db: &Db, id: u64) -> User {
    db.read(id)
}

#[cached_aside(ttl = "5m", key = "option:{id}", skip(db))]
async fn option(db: &Db, id: u64) -> Option<User> {
    Some(db.read(id))
}

#[cached_aside(ttl = "5m", none_ttl = "1m", key = "both:{id}", skip(db), codec = Json, version = 3)]
async fn both(db: &Db, id: u64) -> Result<Option<User>, OtherError> {
    if id == 0 {
        return Err(OtherError);
    }
    Ok(Some(db.read(id)))
}

#[updates(plain(user.id), option(user.id), both(user.id))]
async fn save(user: User) -> Result<User, DbError> {
    Ok(user)
}

#[updates(both(id), plain(id))]
async fn save_or_not(id: u64, user: Option<User>) -> Result<Option<User>, DbError> {
    if id == 13 { Err(DbError) } else { Ok(user) }
}

#[tokio::test]
async fn the_value_that_was_written_is_read() {
    on_both_stores("updates-stored", async |cache| {
        let db = Db::default();
        for id in [1, 2] {
            // Once over nothing, once over what was there.
            save(user(id, "first")).await.unwrap();
            let saved = save(user(id, "written")).await.unwrap();
            assert_eq!(plain(&db, id).await, saved);
            assert_eq!(option(&db, id).await.as_ref(), Some(&saved));
            assert_eq!(both(&db, id).await.unwrap().as_ref(), Some(&saved));
            assert_eq!(both::key(id).peek().await.unwrap().as_ref(), Some(&saved));
        }
        assert_eq!(db.reads(), 0, "all was there");
        let stats = cache.stats();
        assert_eq!((stats.total.hits, stats.updated, stats.writes), (6, 12, 4));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_stored_is_deleted() {
    on_both_stores("updates-deleted", async |cache| {
        let db = Db::default();
        save(user(13, "before")).await.unwrap();
        assert_eq!(cache.stats().updated, 3);
        save_or_not(13, None).await.unwrap_err();
        assert_eq!(plain(&db, 13).await.name, "read");
        assert_eq!(both(&db, 13).await.unwrap().unwrap().name, "read");
        assert_eq!(db.reads(), 2, "a write that failed may have been one all the same");
        // `None` is stored for the function that has one and stores it, and for no other.
        save(user(7, "before")).await.unwrap();
        save_or_not(7, None).await.unwrap();
        assert_eq!(both(&db, 7).await.unwrap(), None);
        assert_eq!(db.reads(), 0);
        assert_eq!(plain(&db, 7).await.name, "read");
        assert_eq!(db.reads(), 1);
    })
    .await;
}

#[cached_aside(ttl = "10m", key = "picky:{id}", skip(db), jitter = "50%",
    store_if = |user: &User| user.name != "secret",
    ttl_for = |user| if user.name == "short" { Duration::from_secs(60) } else { Duration::MAX })]
async fn picky(db: &Db, id: u64) -> User {
    db.read(id)
}

#[updates(picky(user.id))]
async fn save_picky(user: User) -> User {
    user
}

/// The entry is as if the cached function had stored it: its TTL, jitter, codec, version and conditions.
#[tokio::test]
async fn the_entry_is_the_cached_functions() {
    let server = RedisServer::shared();
    let cache = patient(server.url()).namespace("updates-entry").build().await.unwrap();
    cache
        .clone()
        .scope(async {
            let left = |key: &str| -> u64 {
                let left: i64 = server.run(cmd("PTTL").arg(format!("updates-entry:{key}")));
                u64::try_from(left).expect("it has a TTL") / 1000
            };
            let db = Db::default();
            save_picky(user(1, "short")).await;
            assert!((25..=60).contains(&left("picky:1")), "{}", left("picky:1"));
            save_picky(user(2, "long")).await;
            assert!((295..=600).contains(&left("picky:2")), "{}", left("picky:2"));
            let lefts: Vec<u64> = (10..20).map(|id| (id, "long")).fold(vec![], |mut all, (id, _)| {
                all.push(id);
                all
            });
            let mut all = std::collections::BTreeSet::new();
            for id in lefts {
                save_picky(user(id, "long")).await;
                all.insert(left(&format!("picky:{id}")));
            }
            assert!(all.len() > 1, "jitter: {all:?}");
            save_picky(user(1, "secret")).await;
            assert_eq!(picky(&db, 1).await.name, "read", "what may not be stored is deleted");
            let counts = cache.stats().function("picky");
            assert_eq!((counts.not_stored, counts.ttls_clamped), (1, 12));
            save_or_not(4, None).await.unwrap();
            assert!((50..=60).contains(&left("both:4")), "{}", left("both:4"));
            let stored: Vec<u8> = {
                save(user(5, "json")).await.unwrap();
                server.run(cmd("GET").arg("updates-entry:both:5"))
            };
            let json = br#"{"id":5,"name":"json"}"#;
            assert!(stored.ends_with(json), "{}", String::from_utf8_lossy(&stored));
        })
        .await;
    assert_eq!(server.keys_without_ttl("updates-entry"), [""; 0]);
}

// --- Company ----------------------------------------------------------------------------------------------

#[updates(plain(id))]
async fn save_together(id: u64, name: &str, others: &Barrier) -> User {
    others.wait().await;
    user(id, name)
}

#[invalidates(plain(id))]
async fn touch_together(id: u64, others: &Barrier) {
    others.wait().await;
    others.wait().await;
}

#[tokio::test]
async fn overlapping_writes_store_nothing() {
    on_both_stores("updates-overlap", async |cache| {
        let (db, barrier) = (Db::default(), Barrier::new(2));
        tokio::join!(save_together(1, "one", &barrier), save_together(1, "two", &barrier));
        assert_eq!(plain(&db, 1).await.name, "read", "which of the two came last only the database knows");
        let (_, ()) = tokio::join!(
            async {
                let saved = save_together(2, "one", &barrier).await;
                barrier.wait().await;
                saved
            },
            touch_together(2, &barrier)
        );
        assert_eq!(plain(&db, 2).await.name, "read", "a deletion is a write too");
        assert_eq!(cache.stats().updated, 0);
    })
    .await;
}

#[updates(plain(id))]
async fn save_and_invalidate(id: u64) -> User {
    plain::key(id).invalidate().await.unwrap();
    user(id, "written")
}

#[updates(plain(id))]
#[invalidates(option(id), "users:recent")]
async fn save_and_delete_others(id: u64) -> User {
    user(id, "written")
}

#[invalidates(plain(id))]
#[updates(plain(id), option(id))]
async fn save_and_delete_the_same(id: u64) -> User {
    user(id, "written")
}

#[tokio::test]
async fn with_invalidations() {
    on_both_stores("updates-invalidates", async |cache| {
        let db = Db::default();
        save_and_invalidate(1).await;
        assert_eq!(plain(&db, 1).await.name, "read", "somebody else's deletion is company");
        option(&db, 2).await;
        save_and_delete_others(2).await;
        assert_eq!(plain(&db, 2).await.name, "written");
        assert_eq!(option(&db, 2).await.unwrap().name, "read");
        save_and_delete_the_same(3).await;
        assert_eq!(plain(&db, 3).await.name, "read", "who deletes it too does not store it");
        assert_eq!(option(&db, 3).await.unwrap().name, "written");
        assert_eq!(cache.stats().updated, 2);
    })
    .await;
}

// --- Readers meanwhile ------------------------------------------------------------------------------------

#[cached_aside(ttl = "5m", key = "version")]
async fn version() -> u64 {
    unreachable!()
}

/// A load that began before the write does not store over what was written.
#[tokio::test]
async fn a_load_of_before_does_not_store() {
    #[cached_aside(ttl = "5m", key = "slow:{id}", skip(begun, go_on))]
    async fn slow(id: u64, begun: &Barrier, go_on: &Barrier) -> User {
        begun.wait().await;
        go_on.wait().await;
        user(id, "before")
    }

    #[updates(slow(id))]
    async fn save(id: u64) -> User {
        user(id, "written")
    }

    on_both_stores("updates-fence", async |cache| {
        let (begun, go_on) = (Barrier::new(2), Barrier::new(2));
        let (before, ()) = tokio::join!(slow(1, &begun, &go_on), async {
            begun.wait().await;
            save(1).await;
            go_on.wait().await;
        });
        assert_eq!(before.name, "before");
        assert_eq!(slow(1, &begun, &go_on).await.name, "written");
        filled(&cache, 1).await;
        assert_eq!(cache.stats().total.fills_refused, 1);
    })
    .await;
}

/// Cancelled anywhere in its body it stores nothing, and nothing else is stored for as long as a guard holds.
#[tokio::test]
async fn a_cancelled_write_stores_nothing() {
    #[updates(plain(id))]
    async fn never(id: u64, begun: &Notify) -> User {
        begun.notify_one();
        std::future::pending::<()>().await;
        user(id, "never")
    }

    on_both_stores("updates-cancelled", async |cache| {
        let db = Db::default();
        let begun = Notify::new();
        // Its guard stands when its body begins.
        tokio::select! {
            _ = never(1, &begun) => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
        for _ in 0..2 {
            assert_eq!(plain(&db, 1).await.name, "read");
        }
        assert_eq!((db.reads(), cache.stats().updated), (2, 0));
    })
    .await;
}

#[updates(version(), when = *store, cache = cache)]
async fn bump(cache: &Cache, store: &bool, to: u64) -> u64 {
    to
}

#[tokio::test]
async fn conditions_and_caches() {
    let (db, other) = (Arc::new(Db::default()), Cache::in_process());
    on_both_stores("updates-when", async |cache| {
        bump(&cache, &true, 1).await;
        assert_eq!(version().await, 1);
        bump(&cache, &false, 2).await;
        assert_eq!(version().await, 1, "nothing was done");
        bump(&other, &true, 3).await;
        assert_eq!(version().await, 1, "in another cache");
        assert_eq!(version::key().in_cache(&other).peek().await.unwrap(), Some(3));
        assert_eq!(db.reads(), 0);
    })
    .await;
}

// --- Every kind of function -------------------------------------------------------------------------------

struct Repo {
    name: String,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "{self.name}:typed:{T}:{id}")]
    async fn load<T: Serialize + for<'a> Deserialize<'a> + Default>(&self, id: u64) -> Option<T> {
        let _ = id;
        None
    }

    #[updates(self.load::<T>(id))]
    async fn store<T>(&mut self, id: u64, value: T) -> Result<T, DbError>
    where
        T: Serialize + for<'a> Deserialize<'a> + Default,
    {
        let _ = id;
        Ok(value)
    }
}

#[async_trait::async_trait]
trait Store {
    async fn put(&self, id: u64, name: &str) -> std::io::Result<User>;
}

#[async_trait::async_trait]
impl Store for Repo {
    #[updates(plain(id))]
    async fn put(&self, id: u64, name: &str) -> std::io::Result<User> {
        Ok(user(id, name))
    }
}

#[tokio::test]
async fn methods_generics_and_traits() {
    on_both_stores("updates-kinds", async |_| {
        let mut repo = Repo { name: "repo".to_owned() };
        repo.store(1, "text".to_owned()).await.unwrap();
        repo.store(1, 7_u32).await.unwrap();
        assert_eq!(repo.load::<String>(1).await.as_deref(), Some("text"));
        assert_eq!(repo.load::<u32>(1).await, Some(7));
        repo.put(1, "trait").await.unwrap();
        assert_eq!(plain(&Db::default(), 1).await.name, "trait");
    })
    .await;
}
