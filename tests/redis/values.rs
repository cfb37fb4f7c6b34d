//! What is stored of what a function gives, and for how long, on both stores.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cached_aside::{Cache, cached_aside, invalidates, only_cached, refresh};
use cached_aside_tests::RedisServer;
use redis::cmd;
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;

use crate::support::{carried_out, filled, on_both_stores, patient};

/// A table, and how often it was asked.
#[derive(Debug, Default)]
struct Db {
    rows: Mutex<HashMap<u64, String>>,
    asked: AtomicU64,
}

impl Db {
    fn ask(&self, id: u64) -> Option<String> {
        self.asked.fetch_add(1, SeqCst);
        self.rows.lock().unwrap().get(&id).cloned()
    }

    fn asked(&self) -> u64 {
        self.asked.swap(0, SeqCst)
    }
}

// --- None -------------------------------------------------------------------------------------------------

#[cached_aside(ttl = "5m", none_ttl = "1m", key = "name:{id}", skip(db))]
async fn name(db: &Db, id: u64) -> Option<String> {
    db.ask(id)
}

#[cached_aside(ttl = "5m", none_ttl = "1m", key = "length:{id}", skip(db))]
async fn length(db: &Db, id: u64) -> Result<Option<usize>, String> {
    Ok(db.ask(id).map(|name| name.len()))
}

#[invalidates(name(id), length(id))]
async fn create(db: &Db, id: u64, name: &str) {
    db.rows.lock().unwrap().insert(id, name.to_owned());
}

/// That there is no row is remembered, and forgotten when it is created, like anything else.
#[tokio::test]
async fn a_row_that_is_created_is_seen() {
    on_both_stores("values-none", async |cache| {
        let db = Db::default();
        for _ in 0..3 {
            assert_eq!((name(&db, 1).await, length(&db, 1).await), (None, Ok(None)));
        }
        assert_eq!((db.asked(), cache.stats().total.hits), (2, 4));
        create(&db, 1, "Ada").await;
        for _ in 0..3 {
            assert_eq!((name(&db, 1).await.as_deref(), length(&db, 1).await), (Some("Ada"), Ok(Some(3))));
        }
        assert_eq!(db.asked(), 2);
    })
    .await;
}

// --- Conditions -------------------------------------------------------------------------------------------

#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is asked about the value")]
fn as_long_as_it_says(seconds: &u64) -> Duration {
    Duration::from_secs(*seconds)
}

#[cached_aside(ttl = "10m", jitter = "0%", key = "seconds:{seconds}", ttl_for = as_long_as_it_says)]
async fn for_seconds(seconds: u64) -> u64 {
    seconds
}

#[cached_aside(ttl = "10m", none_ttl = "5m", key = "even:{number}", store_if = |number: &u64| number.is_multiple_of(2))]
async fn even(number: u64) -> Result<Option<u64>, String> {
    Ok((number > 0).then_some(number))
}

#[tokio::test]
async fn values_decide_whether_and_how_long_they_are_stored() {
    on_both_stores("values-conditions", async |cache| {
        for _ in 0..2 {
            for number in 0..4 {
                assert_eq!(even(number).await, Ok((number > 0).then_some(number)));
            }
            for seconds in [0, 1, 600, 601, u64::MAX] {
                assert_eq!(for_seconds(seconds).await, seconds);
            }
        }
        filled(&cache, 6).await;
        let even = cache.stats().function("even");
        assert_eq!((even.stored, even.not_stored, even.hits), (2, 4, 2), "`None` is not asked about");
        let seconds = cache.stats().function("for_seconds");
        assert_eq!((seconds.stored, seconds.hits), (4, 4), "zero is not stored");
        assert_eq!(seconds.ttls_clamped, 4, "zero twice, and each too long one");
    })
    .await;
}

// --- Errors -----------------------------------------------------------------------------------------------

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum DbError {
    NotFound { id: u64 },
    Down,
}

#[cached_aside(ttl = "5m", error_ttl = "5s", key = "found:{id}", skip(db), jitter = "0%",
    error_if = |error: &DbError| matches!(error, DbError::NotFound { .. }))]
async fn found(db: &Db, id: u64) -> Result<String, DbError> {
    match db.ask(id) {
        _ if id == 13 => Err(DbError::Down),
        Some(name) => Ok(name),
        None => Err(DbError::NotFound { id }),
    }
}

#[invalidates(found(id))]
async fn found_now(db: &Db, id: u64) {
    db.rows.lock().unwrap().insert(id, "Ada".to_owned());
}

/// Errors that are answers are stored, and end with a write like everything else. Other errors are not.
#[tokio::test]
async fn errors_that_are_answers_are_stored() {
    on_both_stores("values-errors", async |cache| {
        let db = Db::default();
        for _ in 0..3 {
            assert_eq!(found(&db, 1).await, Err(DbError::NotFound { id: 1 }));
            assert_eq!(found(&db, 13).await, Err(DbError::Down));
        }
        assert_eq!(db.asked(), 4);
        filled(&cache, 1).await;
        assert_eq!((cache.stats().total.hits, cache.stats().total.stored), (2, 1));
        assert_eq!(found::key(1).peek().await.unwrap(), None, "there is no value");
        found_now(&db, 1).await;
        assert_eq!(found(&db, 1).await.as_deref(), Ok("Ada"));
        // Those who wait for the load have its error without a clone of it.
        let (one, other) = tokio::join!(found(&db, 2), found(&db, 2));
        assert_eq!((one, other), (Err(DbError::NotFound { id: 2 }), Err(DbError::NotFound { id: 2 })));
        assert_eq!(db.asked(), 2);
    })
    .await;
}

/// A batch has no place for the error of one id. It leaves that id out, and the error where it is.
#[tokio::test]
async fn a_batch_leaves_stored_errors_where_they_are() {
    #[cached_aside(found(id) for id in ids, skip(db))]
    async fn found_many(db: &Db, ids: &[u64]) -> Result<HashMap<u64, String>, DbError> {
        Ok(ids.iter().filter_map(|id| Some((*id, db.ask(*id)?))).collect())
    }

    on_both_stores("values-errors-batch", async |cache| {
        let db = Db::default();
        found_now(&db, 2).await;
        for _ in 0..3 {
            assert_eq!(found(&db, 1).await, Err(DbError::NotFound { id: 1 }));
            assert_eq!(found_many(&db, &[1]).await, Ok(HashMap::new()));
            assert_eq!(found_many(&db, &[2, 1]).await, Ok(HashMap::from([(2, "Ada".to_owned())])));
            assert_eq!(only_cached(found_many(&db, &[1])).await, Ok(HashMap::new()));
        }
        assert_eq!(db.asked(), 2, "each id once");
        filled(&cache, 2).await;
        let counts = cache.stats().total;
        assert_eq!((counts.stored, counts.unusable, counts.loads), (2, 0, 2));
        found_now(&db, 1).await;
        assert_eq!(found_many(&db, &[1]).await, Ok(HashMap::from([(1, "Ada".to_owned())])));
        // Who waits for a load that fails with an answer is told the same.
        let (one, many) = tokio::join!(found(&db, 3), found_many(&db, &[3]));
        assert_eq!((one, many), (Err(DbError::NotFound { id: 3 }), Ok(HashMap::new())));
    })
    .await;
}

/// A load that fails does not store its error over a write that came in between. In the place of a value that is loaded anew it
/// stores none at all.
#[tokio::test]
async fn errors_are_stored_under_the_fence() {
    #[cached_aside(ttl = "5m", error_ttl = "5s", key = "slow", skip(fails, begun, go_on), error_if = |_| true)]
    async fn slow(fails: bool, begun: &Barrier, go_on: &Barrier) -> Result<u64, String> {
        if !fails {
            return Ok(1);
        }
        begun.wait().await;
        go_on.wait().await;
        Err("it is not there".to_owned())
    }

    #[invalidates(slow())]
    async fn create() {}

    on_both_stores("values-errors-fence", async |cache| {
        let (begun, go_on) = (Barrier::new(2), Barrier::new(2));
        for cached in [false, true] {
            if cached {
                assert_eq!(slow(false, &begun, &go_on).await, Ok(1));
            }
            filled(&cache, if cached { 3 } else { 0 }).await;
            let before = cache.stats().total;
            let (failed, ()) = tokio::join!(refresh(slow(true, &begun, &go_on)), async {
                begun.wait().await;
                create().await;
                go_on.wait().await;
            });
            assert_eq!(failed, Err("it is not there".to_owned()));
            let now = cache.stats().total;
            let refused = u64::from(!cached);
            assert_eq!(
                (now.fills_refused - before.fills_refused, now.stored - before.stored),
                (refused, 0),
                "{cached}"
            );
            assert_eq!(slow(false, &begun, &go_on).await, Ok(1), "{cached}: the error is not there");
            create().await;
        }
        let (failed, ()) = tokio::join!(slow(true, &begun, &go_on), async {
            begun.wait().await;
            create().await;
            go_on.wait().await;
        });
        assert_eq!(failed, Err("it is not there".to_owned()));
        assert_eq!(slow(false, &begun, &go_on).await, Ok(1), "the error is not there");
    })
    .await;
}

/// An error is given for as long as it says, and no longer; and never longer than that in Redis.
#[tokio::test(start_paused = true)]
async fn stored_errors_end_when_they_say() {
    let (cache, db) = (Cache::in_process(), Db::default());
    cache
        .scope(async {
            found(&db, 1).await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(4_999)).await;
            found(&db, 1).await.unwrap_err();
            assert_eq!(db.asked(), 1);
            tokio::time::sleep(Duration::from_millis(2)).await;
            found(&db, 1).await.unwrap_err();
            assert_eq!(db.asked(), 1);
        })
        .await;
}

/// Two releases that store other errors, or none, share a cache: what one can't read is a miss.
#[tokio::test]
async fn errors_of_another_release_are_misses() {
    #[cached_aside(ttl = "5m", key = "found:{id}", skip(db))]
    async fn before(db: &Db, id: u64) -> Result<String, DbError> {
        found::uncached(db, id).await
    }

    #[cached_aside(ttl = "5m", error_ttl = "5s", key = "found:{id}", skip(db), error_if = |_| true)]
    async fn after(db: &Db, id: u64) -> Result<String, u64> {
        found::uncached(db, id).await.map_err(|_| id)
    }

    on_both_stores("values-errors-releases", async |cache| {
        let db = Db::default();
        for _ in 0..2 {
            found(&db, 1).await.unwrap_err();
            assert_eq!(before(&db, 1).await, Err(DbError::NotFound { id: 1 }));
            assert_eq!(after(&db, 1).await, Err(1));
        }
        assert_eq!((db.asked(), cache.stats().total.hits), (6, 0));
    })
    .await;
}

/// No entry lives longer than `ttl`, and each lives as long as it says.
#[tokio::test]
async fn the_ttl_is_the_bound() {
    let server = RedisServer::shared();
    let cache = patient(server.url()).namespace("values-bound").build().await.unwrap();
    cache
        .scope(async {
            for (seconds, expected) in [(30, 30), (600, 600), (601, 600), (u64::MAX, 600)] {
                for_seconds(seconds).await;
                carried_out(&cache).await;
                let left: u64 = server.run(cmd("PTTL").arg(format!("values-bound:seconds:{seconds}")));
                assert!((expected - 20..=expected).contains(&left.div_ceil(1000)), "{seconds}: {left}");
            }
        })
        .await;
    assert_eq!(server.keys_without_ttl("values-bound"), [""; 0]);
}

/// In paused time: as long as it says, and no longer.
#[tokio::test(start_paused = true)]
async fn in_process_entries_end_when_they_say() {
    let cache = Cache::in_process();
    cache
        .scope(async {
            for (seconds, ends) in [(30, 30), (700, 600)] {
                let before = cache.stats().total.loads;
                for_seconds(seconds).await;
                tokio::time::sleep(Duration::from_secs(ends).checked_sub(Duration::from_millis(1)).unwrap())
                    .await;
                for_seconds(seconds).await;
                assert_eq!(cache.stats().total.loads, before + 1, "{seconds}");
                tokio::time::sleep(Duration::from_millis(2)).await;
                for_seconds(seconds).await;
                assert_eq!(cache.stats().total.loads, before + 2, "{seconds}");
            }
        })
        .await;
}
