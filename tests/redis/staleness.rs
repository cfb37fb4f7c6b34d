//! How old a value may be: each option on both stores. In the process the time is paused; over Redis it passes.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cached_aside::{Cache, Error, cached_aside, invalidates};
use cached_aside_tests::RedisServer;
use redis::cmd;
use tokio::time::{Instant, sleep, timeout};

use crate::support::filled;

/// Past the TTL of every function here.
const STALE: Duration = Duration::from_millis(2_200);
/// Longer than any call here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq)]
struct DbError(String);

impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        DbError(error.to_string())
    }
}

/// The database: its version, what its answers take, and whether there are any.
#[derive(Debug, Clone, Default)]
struct Db(Arc<Row>);

#[derive(Debug, Default)]
struct Row {
    version: AtomicU64,
    asked: AtomicU64,
    answered: AtomicU64,
    takes_millis: AtomicU64,
    fails: AtomicBool,
}

impl Db {
    fn set(&self, version: u64) {
        self.0.version.store(version, SeqCst);
    }

    fn takes(&self, time: Duration) {
        self.0.takes_millis.store(u64::try_from(time.as_millis()).unwrap(), SeqCst);
    }

    fn fails(&self, fails: bool) {
        self.0.fails.store(fails, SeqCst);
    }

    fn asked(&self) -> u64 {
        self.0.asked.load(SeqCst)
    }

    fn answered(&self) -> u64 {
        self.0.answered.load(SeqCst)
    }

    async fn read(&self) -> Result<u64, DbError> {
        let row = &self.0;
        row.asked.fetch_add(1, SeqCst);
        let version = row.version.load(SeqCst);
        let takes = Duration::from_millis(row.takes_millis.load(SeqCst));
        if !takes.is_zero() {
            sleep(takes).await;
        }
        row.answered.fetch_add(1, SeqCst);
        if row.fails.load(SeqCst) { Err(DbError("down".to_owned())) } else { Ok(version) }
    }
}

/// Runs a test on each store, in a cache and with a database of its own.
macro_rules! on_both_stores {
    ($($test:ident)*) => {$(
        mod $test {
            #[tokio::test(start_paused = true)]
            async fn in_process() {
                let cache = cached_aside::Cache::in_process();
                cache.scope(super::scenarios::$test(cache.clone(), super::Db::default())).await;
            }

            #[tokio::test]
            async fn over_redis() {
                super::over_redis(stringify!($test), super::scenarios::$test).await;
            }
        }
    )*};
}

on_both_stores! {
    one_caller_reloads_and_the_others_get_the_old_value
    a_value_past_the_window_is_loaded_anew
    a_reload_that_fails_gives_the_old_value_and_is_tried_again_after_a_pause
    past_its_ttl_a_value_is_given_only_if_its_reload_fails
    a_refresh_in_the_background_keeps_nobody_waiting
    past_the_soft_limit_the_old_value_is_given_and_the_load_goes_on
    past_the_hard_limit_the_load_is_dropped
    values_are_reloaded_early_by_one_caller
    a_write_ends_old_values
    a_write_refuses_what_a_refresh_loaded_before_it
    a_write_refuses_what_others_wait_for
    a_write_refuses_what_is_loaded_in_the_background
    a_write_refuses_what_goes_on_past_the_soft_limit
    a_write_refuses_what_is_loaded_early
    a_write_refuses_a_none_of_before_it
    a_refresh_that_is_dropped_is_begun_by_the_next_caller
    what_is_no_longer_stored_ends_the_old_value
    methods_and_arguments_of_all_kinds_are_kept
    a_load_in_the_background_is_finished_at_shutdown
    a_load_in_the_background_that_takes_too_long_is_ended_at_shutdown
}

async fn over_redis<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Cache, Db) -> F) {
    let server = RedisServer::shared();
    let namespace = format!("staleness-{name}");
    let builder = Cache::builder().url(server.url()).namespace(&namespace).timeout(Duration::from_secs(5));
    let cache = builder.build().await.unwrap();
    cache.scope(test(cache.clone(), Db::default())).await;
    assert_eq!(server.keys_without_ttl(&namespace), [""; 0]);
}

#[cached_aside(ttl = "2s", stale_while_revalidate = "1m", jitter = "0%", key = "revalidated", skip(db))]
async fn revalidated(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", stale_while_revalidate = "2s", jitter = "0%", key = "short", skip(db))]
async fn short(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", stale_if_error = "1m", jitter = "0%", key = "kept", skip(db))]
async fn kept_on_error(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(
    ttl = "2s",
    stale_while_revalidate = "1m",
    refresh = "background",
    jitter = "0%",
    key = "background",
    skip(db)
)]
async fn in_background(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(
    ttl = "2s",
    stale_if_error = "1m",
    load_timeout(soft = "200ms"),
    jitter = "0%",
    key = "soft",
    skip(db)
)]
async fn soft(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", load_timeout(hard = "200ms"), jitter = "0%", key = "hard", skip(db))]
async fn hard(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(
    ttl = "2s",
    stale_if_error = "1m",
    load_timeout(hard = "200ms"),
    jitter = "0%",
    key = "hard-and-stale",
    skip(db)
)]
async fn hard_and_stale(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "1m", early_refresh = 100.0, jitter = "0%", key = "early", skip(db))]
async fn early(db: &Db) -> Result<u64, DbError> {
    db.read().await
}

#[cached_aside(ttl = "2s", stale_while_revalidate = "1m", jitter = "0%", key = "maybe", skip(db))]
async fn maybe(db: &Db) -> Option<u64> {
    db.read().await.ok()
}

#[cached_aside(
    ttl = "2s",
    none_ttl = "2s",
    stale_while_revalidate = "1m",
    jitter = "0%",
    key = "none",
    skip(db)
)]
async fn none(db: &Db) -> Option<u64> {
    db.read().await.ok()
}

#[invalidates(revalidated(), kept_on_error(), in_background(), soft(), early(), none())]
async fn write(db: &Db, version: u64) {
    db.set(version);
}

/// A pool: a handle that is cheap to clone.
#[derive(Clone)]
struct Repo {
    tenant: u64,
    db: Db,
    cache: Cache,
}

impl Repo {
    #[cached_aside(
        ttl = "2s",
        stale_while_revalidate = "1m",
        refresh = "background",
        jitter = "0%",
        key = "kept:{self.tenant}:{name}:{ids:?}:{owned}",
        skip(factor, first, other, N),
        cache = self.cache
    )]
    async fn sum<const N: u64>(
        &self,
        name: &str,
        ids: &[u64],
        owned: String,
        factor: &Arc<u64>,
        (first, second): (u64, u64),
        other: impl Fn(u64) -> u64 + Send + 'static,
    ) -> Result<u64, DbError> {
        let sum: u64 = ids.iter().sum();
        let read = self.db.read().await?;
        assert_eq!((name, owned.as_str()), ("ada", "owned"));
        Ok(other(read + sum * **factor + first + second + N))
    }
}

mod scenarios {
    use super::*;

    async fn at_once<T>(call: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let result = call.await;
        assert!(begun.elapsed() < Duration::from_millis(900), "it took {:?}", begun.elapsed());
        result
    }

    pub(super) async fn one_caller_reloads_and_the_others_get_the_old_value(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(revalidated(&db).await, Ok(1));
        db.set(2);
        assert_eq!(revalidated(&db).await, Ok(1));
        sleep(STALE).await;
        db.takes(Duration::from_secs(1));
        let reloads = revalidated(&db);
        let others = async {
            while db.asked() < 2 {
                sleep(Duration::from_millis(5)).await;
            }
            for _ in 0..10 {
                assert_eq!(at_once(revalidated(&db)).await, Ok(1));
            }
            assert_eq!(db.answered(), 1, "they did not wait");
        };
        assert_eq!(tokio::join!(reloads, others).0, Ok(2));
        assert_eq!(revalidated(&db).await, Ok(2));
        let counts = cache.stats().function("revalidated");
        assert_eq!((counts.loads, counts.refreshes, counts.stale, counts.hits), (2, 1, 10, 2));
        assert_eq!((counts.stored, counts.misses, counts.refreshes_failed), (2, 1, 0));
    }

    pub(super) async fn a_value_past_the_window_is_loaded_anew(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(short(&db).await, Ok(1));
        db.set(2);
        sleep(STALE * 2).await;
        assert_eq!(short(&db).await, Ok(2));
        let counts = cache.stats().function("short");
        assert_eq!((counts.stale, counts.refreshes, counts.misses), (0, 0, 2));
    }

    pub(super) async fn a_reload_that_fails_gives_the_old_value_and_is_tried_again_after_a_pause(
        cache: Cache,
        db: Db,
    ) {
        db.set(1);
        assert_eq!(kept_on_error(&db).await, Ok(1));
        sleep(STALE).await;
        db.fails(true);
        let begun = Instant::now();
        let mut calls = 0;
        while begun.elapsed() < Duration::from_secs(5) {
            assert_eq!(kept_on_error(&db).await, Ok(1));
            calls += 1;
            sleep(Duration::from_millis(20)).await;
        }
        // Pauses of up to 1, 2 and 4 seconds, each shortened by up to a half.
        let asked = db.asked() - 1;
        assert!((2..=6).contains(&asked) && calls > 2 * asked, "{asked} reloads for {calls} calls");
        let counts = cache.stats().function("kept_on_error");
        assert_eq!((counts.stale, counts.refreshes_failed), (calls, asked));
        db.fails(false);
        db.set(2);
        let recovers = async {
            while kept_on_error(&db).await == Ok(1) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, recovers).await.unwrap();
        assert_eq!(kept_on_error(&db).await, Ok(2));
    }

    pub(super) async fn past_its_ttl_a_value_is_given_only_if_its_reload_fails(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(kept_on_error(&db).await, Ok(1));
        sleep(STALE).await;
        db.set(2);
        db.takes(Duration::from_millis(300));
        let (first, second) = tokio::join!(kept_on_error(&db), kept_on_error(&db));
        assert_eq!((first, second, db.asked()), (Ok(2), Ok(2), 2));
        assert_eq!(cache.stats().function("kept_on_error").stale, 0);
        sleep(STALE).await;
        db.fails(true);
        let (first, second) = tokio::join!(kept_on_error(&db), kept_on_error(&db));
        assert_eq!((first, second), (Ok(2), Ok(2)));
        assert_eq!(db.asked(), 3);
    }

    pub(super) async fn a_refresh_in_the_background_keeps_nobody_waiting(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(in_background(&db).await, Ok(1));
        sleep(STALE).await;
        db.set(2);
        db.takes(Duration::from_secs(1));
        for _ in 0..10 {
            assert_eq!(at_once(in_background(&db)).await, Ok(1));
        }
        assert_eq!(db.answered(), 1);
        let arrives = async {
            while in_background(&db).await == Ok(1) {
                sleep(Duration::from_millis(20)).await;
                let counts = cache.stats().function("in_background");
                assert!((counts.refreshes, counts.loads) == (1, 2) && db.asked() == 2, "{counts:?}");
            }
        };
        timeout(LONG, arrives).await.unwrap();
    }

    pub(super) async fn past_the_soft_limit_the_old_value_is_given_and_the_load_goes_on(
        cache: Cache,
        db: Db,
    ) {
        db.set(1);
        db.takes(Duration::from_millis(300));
        assert_eq!(soft(&db).await, Ok(1), "without an old value there is no soft limit");
        sleep(STALE).await;
        db.set(2);
        db.takes(Duration::from_secs(2));
        let begun = Instant::now();
        let (first, second) = tokio::join!(soft(&db), soft(&db));
        let took = begun.elapsed();
        assert_eq!((first, second, db.answered()), (Ok(1), Ok(1), 1));
        assert!((Duration::from_millis(190)..Duration::from_secs(2)).contains(&took), "{took:?}");
        let arrives = async {
            while soft(&db).await == Ok(1) {
                assert_eq!(db.asked(), 2);
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, arrives).await.unwrap();
        // A reload in time is waited for.
        sleep(STALE).await;
        db.set(3);
        db.takes(Duration::from_millis(1));
        assert_eq!(soft(&db).await, Ok(3));
        assert!(cache.stats().function("staleness::soft").refreshes >= 2);
    }

    pub(super) async fn past_the_hard_limit_the_load_is_dropped(cache: Cache, db: Db) {
        db.takes(Duration::from_secs(60));
        let begun = Instant::now();
        let error = hard(&db).await.unwrap_err();
        assert_eq!(error.0, "`hard` did not load within 200ms and was given up (`load_timeout`)");
        assert!(begun.elapsed() < LONG);
        db.takes(Duration::ZERO);
        db.set(1);
        assert_eq!((hard(&db).await, hard_and_stale(&db).await), (Ok(1), Ok(1)));
        sleep(STALE).await;
        db.takes(Duration::from_secs(60));
        assert_eq!(hard_and_stale(&db).await, Ok(1), "it is an error like others");
        assert_eq!(db.answered(), 2, "dropped loads do not go on");
        assert_eq!(cache.stats().total.timed_out, 2);
    }

    pub(super) async fn values_are_reloaded_early_by_one_caller(cache: Cache, db: Db) {
        // A hundred times a load time of about a second is more than a minute, for most random numbers.
        db.set(1);
        db.takes(Duration::from_secs(1));
        assert_eq!(early(&db).await, Ok(1));
        db.set(2);
        db.takes(Duration::from_millis(500));
        let mut readers = Vec::new();
        for _ in 0..50 {
            let (db, cache) = (db.clone(), cache.clone());
            readers.push(tokio::spawn(async move { cache.scope(early(&db)).await }));
        }
        let mut given = [0, 0, 0];
        for reader in readers {
            given[usize::try_from(reader.await.unwrap().unwrap()).unwrap()] += 1;
        }
        assert_eq!(given, [0, 49, 1], "one reloaded, the others had the fresh value");
        let counts = cache.stats().function("early");
        assert_eq!((counts.early_refreshes, counts.refreshes, counts.stale, counts.hits), (1, 1, 0, 49));
    }

    pub(super) async fn a_write_ends_old_values(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!((revalidated(&db).await, kept_on_error(&db).await), (Ok(1), Ok(1)));
        sleep(STALE).await;
        write(&db, 2).await;
        assert_eq!((revalidated(&db).await, kept_on_error(&db).await), (Ok(2), Ok(2)));
        assert_eq!(cache.stats().total.stale, 0);
        sleep(STALE).await;
        write(&db, 3).await;
        db.fails(true);
        assert!(revalidated(&db).await.is_err() && kept_on_error(&db).await.is_err());
    }

    pub(super) async fn a_write_refuses_what_a_refresh_loaded_before_it(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(revalidated(&db).await, Ok(1));
        sleep(STALE).await;
        db.takes(Duration::from_millis(500));
        let writes = async {
            while db.asked() < 2 {
                sleep(Duration::from_millis(5)).await;
            }
            write(&db, 2).await;
            db.takes(Duration::ZERO);
            // What the refresh has read is old by now.
            assert_eq!(revalidated(&db).await, Ok(2));
        };
        assert_eq!(tokio::join!(revalidated(&db), writes).0, Ok(1));
        assert_eq!(revalidated(&db).await, Ok(2));
        let counts = cache.stats().function("revalidated");
        assert_eq!((counts.fills_refused, counts.refreshes), (1, 1));
    }

    /// The value that is there is due for a reload: a write comes in while that runs, and what it has read is not stored.
    async fn refuses(cache: Cache, db: Db, read: impl AsyncFn(&Db) -> Option<u64>) {
        let before = cache.stats().total;
        let asked = db.asked();
        db.takes(Duration::from_millis(500));
        let reads = async {
            while db.asked() == asked {
                read(&db).await;
                sleep(Duration::from_millis(5)).await;
            }
        };
        let writes = async {
            while db.asked() == asked {
                sleep(Duration::from_millis(5)).await;
            }
            write(&db, 2).await;
        };
        tokio::join!(reads, writes);
        let ends = async {
            loop {
                let now = cache.stats().total;
                let ended = (now.stored - before.stored, now.fills_refused - before.fills_refused);
                if ended != (0, 0) {
                    break ended;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert_eq!(timeout(LONG, ends).await.unwrap(), (0, 1), "stored and refused");
        db.takes(Duration::ZERO);
        db.fails(false);
        assert_eq!(read(&db).await, Some(2));
    }

    pub(super) async fn a_write_refuses_what_others_wait_for(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(kept_on_error(&db).await, Ok(1));
        sleep(STALE).await;
        refuses(cache, db, async |db| kept_on_error(db).await.ok()).await;
    }

    pub(super) async fn a_write_refuses_what_is_loaded_in_the_background(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(in_background(&db).await, Ok(1));
        sleep(STALE).await;
        refuses(cache, db, async |db| in_background(db).await.ok()).await;
    }

    pub(super) async fn a_write_refuses_what_goes_on_past_the_soft_limit(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(soft(&db).await, Ok(1));
        sleep(STALE).await;
        refuses(cache, db, async |db| soft(db).await.ok()).await;
    }

    pub(super) async fn a_write_refuses_what_is_loaded_early(cache: Cache, db: Db) {
        db.set(1);
        // A hundred times that is more than the minute for every second random number.
        db.takes(Duration::from_secs(1));
        assert_eq!(early(&db).await, Ok(1));
        filled(&cache, 1).await;
        refuses(cache, db, async |db| early(db).await.ok()).await;
    }

    pub(super) async fn a_write_refuses_a_none_of_before_it(cache: Cache, db: Db) {
        db.fails(true);
        refuses(cache.clone(), db.clone(), async |db| none(db).await).await;
        // The same in the place of a value.
        sleep(STALE).await;
        db.fails(true);
        refuses(cache, db, async |db| none(db).await).await;
    }

    pub(super) async fn a_refresh_that_is_dropped_is_begun_by_the_next_caller(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(revalidated(&db).await, Ok(1));
        sleep(STALE).await;
        db.takes(Duration::from_secs(60));
        timeout(Duration::from_millis(500), revalidated(&db)).await.unwrap_err();
        assert_eq!(db.asked(), 2, "it had begun");
        db.takes(Duration::ZERO);
        db.set(2);
        let begun = Instant::now();
        while revalidated(&db).await != Ok(2) {
            // Unrenewed it would end after five seconds.
            assert!(begun.elapsed() < Duration::from_secs(3), "nobody begins it");
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(cache.stats().function("revalidated").refreshes, 2);
    }

    pub(super) async fn what_is_no_longer_stored_ends_the_old_value(cache: Cache, db: Db) {
        db.set(1);
        assert_eq!(maybe(&db).await, Some(1));
        sleep(STALE).await;
        db.fails(true);
        assert_eq!(maybe(&db).await, None, "`None` is an answer, and no error");
        db.fails(false);
        db.set(2);
        let arrives = async {
            while maybe(&db).await != Some(2) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, arrives).await.unwrap();
        assert!(cache.stats().function("maybe").misses >= 2, "the old value was deleted");
    }

    pub(super) async fn a_load_in_the_background_is_finished_at_shutdown(cache: Cache, db: Db) {
        assert_eq!(in_background(&db).await, Ok(0));
        sleep(STALE).await;
        db.set(1);
        db.takes(Duration::from_millis(500));
        assert_eq!(in_background(&db).await, Ok(0));
        cache.shutdown(LONG).await.unwrap();
        assert_eq!((db.answered(), in_background::key().peek().await.unwrap()), (2, Some(1)));
    }

    pub(super) async fn a_load_in_the_background_that_takes_too_long_is_ended_at_shutdown(
        cache: Cache,
        db: Db,
    ) {
        assert_eq!(in_background(&db).await, Ok(0));
        sleep(STALE).await;
        db.takes(LONG * 2);
        assert_eq!(in_background(&db).await, Ok(0));
        let begun = Instant::now();
        cache.shutdown(Duration::from_secs(2)).await.unwrap();
        assert!(begun.elapsed() < LONG && db.asked() == 2, "{:?}", begun.elapsed());
        assert_eq!(in_background(&db).await, Ok(0), "the old value is given, and nothing begins any more");
        assert_eq!((db.asked(), db.answered()), (2, 1));
    }

    pub(super) async fn methods_and_arguments_of_all_kinds_are_kept(cache: Cache, db: Db) {
        let repo = Repo { tenant: 7, db: db.clone(), cache: cache.clone() };
        let sum = || async {
            let (name, ids, factor) = (String::from("ada"), vec![1, 2], Arc::new(10));
            repo.sum::<100>(&name, &ids, "owned".to_owned(), &factor, (3, 4), |sum| sum + 1).await
        };
        db.set(1000);
        assert_eq!(sum().await, Ok(1138));
        sleep(STALE).await;
        db.set(2000);
        assert_eq!(sum().await, Ok(1138));
        let arrives = async {
            loop {
                match sum().await {
                    Ok(1138) => sleep(Duration::from_millis(5)).await,
                    result => break result,
                }
                assert_eq!(db.asked(), 2);
            }
        };
        assert_eq!(timeout(LONG, arrives).await.unwrap(), Ok(2138));
    }
}

#[tokio::test]
async fn entries_stand_for_their_ttl_and_the_larger_window_and_no_longer() {
    #[cached_aside(
        ttl = "10s",
        stale_while_revalidate = "20s",
        stale_if_error = "1h",
        jitter = "0%",
        key = "windows",
        skip(db)
    )]
    async fn windows(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    let server = RedisServer::start();
    let cache = Cache::connect(&server.url()).await.unwrap();
    let db = Db::default();
    cache.scope(windows(&db)).await.unwrap();
    filled(&cache, 1).await;
    let left: u64 = server.run(cmd("PTTL").arg("cached-aside:windows"));
    assert!((3_580_000..=3_610_000).contains(&left), "{left} ms");
}

#[tokio::test]
async fn a_hit_is_one_round_trip_and_asks_for_the_time_only_where_ages_count() {
    #[cached_aside(ttl = "10m", key = "plain", skip(db))]
    async fn plain(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    #[cached_aside(ttl = "10m", stale_if_error = "1h", key = "aged", skip(db))]
    async fn aged(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    let server = RedisServer::start();
    let cache = Cache::connect(&server.url()).await.unwrap();
    let db = Db::default();
    cache
        .scope(async {
            plain(&db).await.unwrap();
            aged(&db).await.unwrap();
            filled(&cache, 2).await;
            server.reset_stats();
            for _ in 0..10 {
                plain(&db).await.unwrap();
            }
            let commands = server.commands();
            assert_eq!((commands.get("get"), commands.get("time")), (Some(&10), None), "{commands:?}");
            server.reset_stats();
            for _ in 0..10 {
                aged(&db).await.unwrap();
            }
            let commands = server.commands();
            assert_eq!((commands.get("get"), commands.get("time")), (Some(&10), Some(&10)), "{commands:?}");
        })
        .await;
    assert_eq!(db.asked(), 2);
}

/// Two versions of a program: the newer one lets values grow old, the older one does not.
#[tokio::test]
async fn a_function_without_windows_takes_no_stale_value_of_one_with_them() {
    mod newer {
        use super::*;

        #[cached_aside(ttl = "2s", stale_while_revalidate = "1m", jitter = "0%", key = "mixed", skip(db))]
        pub(super) async fn mixed(db: &Db) -> Result<u64, DbError> {
            db.read().await
        }
    }
    #[cached_aside(ttl = "2s", jitter = "0%", key = "mixed", skip(db))]
    async fn mixed(db: &Db) -> Result<u64, DbError> {
        db.read().await
    }
    let server = RedisServer::start();
    let cache = Cache::connect(&server.url()).await.unwrap();
    let db = Db::default();
    cache
        .scope(async {
            db.set(1);
            newer::mixed(&db).await.unwrap();
            assert_eq!((mixed(&db).await, db.asked()), (Ok(1), 1), "fresh, it is shared");
            assert_eq!(mixed::key().peek().await.unwrap(), Some(1));
            db.set(2);
            sleep(STALE).await;
            assert_eq!(mixed::key().peek().await.unwrap(), None);
            assert_eq!((mixed(&db).await, db.asked()), (Ok(2), 2));
        })
        .await;
}

/// One refresher for all processes that share a Redis.
#[tokio::test]
async fn of_two_processes_one_refreshes() {
    let server = RedisServer::start();
    let caches = [Cache::connect(&server.url()).await.unwrap(), Cache::connect(&server.url()).await.unwrap()];
    let db = Db::default();
    db.set(1);
    caches[0].scope(revalidated(&db)).await.unwrap();
    sleep(STALE).await;
    db.set(2);
    db.takes(Duration::from_secs(1));
    let reads = (0..20).map(|number| {
        let (db, cache) = (db.clone(), caches[number % 2].clone());
        tokio::spawn(async move { cache.scope(revalidated(&db)).await.unwrap() })
    });
    let mut given = [0, 0, 0];
    for read in reads.collect::<Vec<_>>() {
        given[usize::try_from(read.await.unwrap()).unwrap()] += 1;
    }
    assert_eq!((given, db.asked()), ([0, 19, 1], 2));
}
