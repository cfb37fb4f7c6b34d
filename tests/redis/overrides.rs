//! Calls that are asked otherwise, and where their values came from, on both stores.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cached_aside::{Cache, Error, Source, bypass, cached_aside, invalidates, observe, only_cached, refresh};
use cached_aside_tests::RedisServer;
use tokio::{sync::Barrier, time::sleep};

use crate::support::{carried_out, filled, on_both_stores};

/// A row that other programs change too.
#[derive(Debug, Default)]
struct Row {
    version: AtomicU64,
    read: AtomicU64,
}

impl Row {
    fn read(&self) -> u64 {
        self.read.fetch_add(1, SeqCst);
        self.version.load(SeqCst)
    }

    fn reads(&self) -> u64 {
        self.read.swap(0, SeqCst)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Failed {
    Row,
    Cache(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Cache(error.to_string())
    }
}

#[cached_aside(ttl = "5m", key = "plain", skip(row))]
async fn plain(row: &Row) -> u64 {
    row.read()
}

#[cached_aside(ttl = "5m", none_ttl = "1m", key = "option", skip(row))]
async fn option(row: &Row) -> Option<u64> {
    Some(row.read()).filter(|version| *version > 0)
}

/// Fails where the row is at zero.
#[cached_aside(ttl = "5m", key = "fallible", skip(row))]
async fn fallible(row: &Row) -> Result<u64, Failed> {
    match row.read() {
        0 => Err(Failed::Row),
        version => Ok(version),
    }
}

#[cached_aside(ttl = "5m", key = "both", skip(row))]
async fn both(row: &Row) -> Result<Option<u64>, Failed> {
    Ok(Some(row.read()))
}

#[invalidates(plain(), option(), fallible(), both())]
async fn write(row: &Row) {
    row.version.fetch_add(1, SeqCst);
}

// --- Refresh ----------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_refresh_loads_whatever_is_there() {
    on_both_stores("asked-refresh", async |cache| {
        let row = Row { version: 1.into(), ..Row::default() };
        for _ in 0..2 {
            // Over nothing, and over what was there.
            row.version.fetch_add(1, SeqCst);
            let version = row.version.load(SeqCst);
            assert_eq!(refresh(plain(&row)).await, version);
            assert_eq!(refresh(fallible(&row)).await, Ok(version));
            assert_eq!(row.reads(), 2);
            assert_eq!((plain(&row).await, fallible(&row).await), (version, Ok(version)), "it was stored");
            assert_eq!(row.reads(), 0);
        }
        // A failure is the caller's, and what is there stays.
        row.version.store(0, SeqCst);
        assert_eq!(refresh(fallible(&row)).await, Err(Failed::Row));
        assert_eq!(fallible(&row).await, Ok(3));
        // What is not to be stored ends it, and what is stored instead is given.
        option(&row).await;
        // A write that comes before the fill refuses it.
        filled(&cache, 5).await;
        write(&row).await;
        assert_eq!(option(&row).await, Some(1));
        row.version.store(0, SeqCst);
        assert_eq!(refresh(option(&row)).await, None);
        row.version.store(7, SeqCst);
        assert_eq!(option(&row).await, None, "a stored `None`");
        let total = cache.stats().total;
        assert_eq!((total.fills_refused, total.unstored, total.errors), (0, 0, 0));
    })
    .await;
}

#[cached_aside(ttl = "5m", key = "slow", skip(row, begun, go_on))]
async fn slow(row: &Row, begun: &Barrier, go_on: &Barrier) -> u64 {
    let version = row.read();
    begun.wait().await;
    go_on.wait().await;
    version
}

#[invalidates(slow())]
async fn write_slow(row: &Row) {
    row.version.fetch_add(1, SeqCst);
}

/// The fence: a write that comes in between refuses what a refresh has read.
#[tokio::test]
async fn a_refresh_does_not_store_over_a_write() {
    on_both_stores("asked-fence", async |cache| {
        let (row, begun, go_on) = (Row::default(), Barrier::new(2), Barrier::new(2));
        for cached in [false, true] {
            if cached {
                tokio::join!(slow(&row, &begun, &go_on), async {
                    begun.wait().await;
                    go_on.wait().await;
                });
            }
            filled(&cache, if cached { 2 } else { 0 }).await;
            let refused = cache.stats().total.fills_refused;
            let (before, ()) = tokio::join!(refresh(slow(&row, &begun, &go_on)), async {
                begun.wait().await;
                write_slow(&row).await;
                go_on.wait().await;
            });
            assert_eq!(before + 1, row.version.load(SeqCst));
            filled(&cache, if cached { 3 } else { 1 }).await;
            assert_eq!(cache.stats().total.fills_refused, refused + 1);
            assert_eq!(slow::key().peek().await.unwrap(), None);
        }
    })
    .await;
}

/// A load of this process that is running may have read what was there before: it does not count.
#[tokio::test]
async fn a_refresh_is_given_nothing_that_was_read_before_it() {
    on_both_stores("asked-anew", async |_| {
        let (row, begun, go_on) = (Row::default(), Barrier::new(2), Barrier::new(2));
        let both = async {
            begun.wait().await;
            row.version.fetch_add(1, SeqCst);
            let load = async {
                go_on.wait().await;
                begun.wait().await;
                go_on.wait().await;
            };
            tokio::join!(refresh(slow(&row, &begun, &go_on)), load).0
        };
        assert_eq!(tokio::join!(slow(&row, &begun, &go_on), both), (0, 1));
        assert_eq!(slow::key().peek().await.unwrap(), Some(1));
    })
    .await;
}

/// A load of another process goes on for its own callers, and does not store over the refresh.
#[tokio::test]
async fn a_refresh_takes_the_place_of_a_load_elsewhere() {
    let server = RedisServer::shared();
    let here =
        || Cache::builder().url(server.url()).namespace("asked-elsewhere").timeout(Duration::from_secs(5));
    let (one, other) = (here().build().await.unwrap(), here().build().await.unwrap());
    let (row, begun, go_on) = (Row::default(), Barrier::new(2), Barrier::new(2));
    let both = async {
        begun.wait().await;
        row.version.fetch_add(1, SeqCst);
        let anew = other.scope(refresh(plain(&row))).await;
        go_on.wait().await;
        anew
    };
    #[cached_aside(ttl = "5m", key = "plain", skip(row, begun, go_on))]
    async fn held(row: &Row, begun: &Barrier, go_on: &Barrier) -> u64 {
        slow::uncached(row, begun, go_on).await
    }
    assert_eq!(tokio::join!(one.scope(held(&row, &begun, &go_on)), both), (0, 1));
    carried_out(&other).await;
    filled(&one, 1).await;
    assert_eq!(plain::key().in_cache(&one).peek().await.unwrap(), Some(1));
    assert_eq!(one.stats().total.fills_refused, 1);
}

/// Of two processes that refresh at once one is refused, and it may have the newer value.
#[tokio::test]
async fn of_two_refreshes_the_older_value_does_not_stay() {
    #[cached_aside(ttl = "5m", key = "late", skip(row, begun, go_on))]
    async fn late(row: &Row, begun: &Barrier, go_on: &Barrier) -> u64 {
        begun.wait().await;
        go_on.wait().await;
        row.read()
    }
    #[cached_aside(ttl = "5m", key = "late", skip(row, begun, go_on))]
    async fn early(row: &Row, begun: &Barrier, go_on: &Barrier) -> u64 {
        slow::uncached(row, begun, go_on).await
    }
    let server = RedisServer::shared();
    let here = || Cache::builder().url(server.url()).namespace("asked-two").timeout(Duration::from_secs(5));
    let (one, other) = (here().build().await.unwrap(), here().build().await.unwrap());
    let (row, [begun, go_on, begun_too, go_on_too]) = (Row::default(), [(); 4].map(|()| Barrier::new(2)));
    let loses = one.scope(refresh(late(&row, &begun, &go_on)));
    let wins = async {
        begun.wait().await;
        other.scope(refresh(early(&row, &begun_too, &go_on_too))).await
    };
    let both = async {
        begun_too.wait().await;
        row.version.fetch_add(1, SeqCst);
        go_on.wait().await;
    };
    let first = async {
        let given = tokio::join!(loses, both).0;
        assert_eq!(late::key().in_cache(&other).peek().await.unwrap(), None);
        go_on_too.wait().await;
        given
    };
    assert_eq!(tokio::join!(first, wins), (1, 0));
    assert_eq!(late::key().in_cache(&one).peek().await.unwrap(), None, "older than what the first has given");
    assert_eq!((one.stats().total.fills_refused, other.stats().total.fills_refused), (1, 1));
}

// --- Only cached ------------------------------------------------------------------------------------------

#[tokio::test]
async fn only_cached_runs_no_body() {
    on_both_stores("asked-only-cached", async |cache| {
        let row = Row { version: 5.into(), ..Row::default() };
        assert_eq!(only_cached(option(&row)).await, None);
        assert_eq!(only_cached(both(&row)).await, Ok(None));
        let missing = only_cached(fallible(&row)).await.unwrap_err();
        let why = "`fallible` is not in the cache, and only the cache was to be asked";
        assert_eq!(missing, Failed::Cache(why.to_owned()));
        assert_eq!(row.reads(), 0);
        for _ in 0..2 {
            option(&row).await;
            fallible(&row).await.unwrap();
            both(&row).await.unwrap();
        }
        assert_eq!(row.reads(), 3);
        assert_eq!(only_cached(option(&row)).await, Some(5));
        assert_eq!(only_cached(both(&row)).await, Ok(Some(5)));
        assert_eq!(only_cached(fallible(&row)).await, Ok(5));
        // While a write is in progress there is nothing.
        let guard = cache.guard([option::key()]).await.unwrap();
        assert_eq!(only_cached(option(&row)).await, None);
        guard.release().await.unwrap();
        assert_eq!((only_cached(option(&row)).await, row.reads()), (None, 0));
    })
    .await;
}

/// A type that can't say that there is nothing is a mistake that shows at once, hit or miss.
#[tokio::test]
async fn only_cached_of_a_type_without_absence() {
    for cached in [false, true] {
        let cache = Cache::in_process();
        let call = tokio::spawn(async move {
            let row = Row::default();
            if cached {
                cache.scope(plain(&row)).await;
            }
            cache.scope(only_cached(plain(&row))).await
        });
        let panic = call.await.unwrap_err().into_panic();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.starts_with("`plain` was called inside of `only_cached`"), "{text}");
    }
}

// --- Observe ----------------------------------------------------------------------------------------------

#[cached_aside(ttl = "100ms", stale_while_revalidate = "1m", key = "aging", jitter = "0%", skip(row))]
async fn aging(row: &Row) -> u64 {
    row.read()
}

#[cached_aside(ttl = "5m", key = "outer", skip(row))]
async fn outer(row: &Row) -> u64 {
    plain(row).await + 1
}

#[tokio::test]
async fn sources_and_ages() {
    on_both_stores("asked-observe", async |cache| {
        let row = Row::default();
        let (_, nothing) = observe(async { 5 }).await;
        assert_eq!((nothing.source(), nothing.age(), nothing.calls().len()), (None, None, 0));
        let (_, loaded) = observe(plain(&row)).await;
        let call = &loaded.calls()[0];
        assert_eq!((call.function, call.key.as_str()), ("plain", "plain"));
        assert_eq!((call.source, call.age), (Source::Loaded, Some(Duration::ZERO)));
        // The age counts from the fill, for which nobody waits.
        filled(&cache, 1).await;
        sleep(Duration::from_millis(60)).await;
        let (_, hit) = observe(plain(&row)).await;
        assert_eq!(hit.source(), Some(Source::Hit));
        let age = hit.age().unwrap();
        assert!((Duration::from_millis(50)..Duration::from_secs(20)).contains(&age), "{age:?}");
        // All that is called inside, also by bodies; a hit hides what is behind it.
        let (_, nested) = observe(outer(&row)).await;
        let sources: Vec<_> = nested.calls().iter().map(|call| (call.function, call.source)).collect();
        assert_eq!(sources, [("plain", Source::Hit), ("outer", Source::Loaded)]);
        assert!(nested.age() >= Some(age));
        filled(&cache, 2).await;
        let (_, nested) = observe(outer(&row)).await;
        assert_eq!((nested.calls().len(), nested.source()), (1, Some(Source::Hit)));
        let (_, bypassed) = observe(bypass(plain(&row))).await;
        assert_eq!((bypassed.source(), bypassed.age()), (Some(Source::Bypassed), Some(Duration::ZERO)));
        let (_, refreshed) = observe(refresh(plain(&row))).await;
        assert_eq!((refreshed.source(), refreshed.age()), (Some(Source::Loaded), Some(Duration::ZERO)));
        let (_, absent) = observe(only_cached(option(&row))).await;
        assert_eq!((absent.source(), absent.age()), (Some(Source::Absent), None));
        // A stored `None` is a hit.
        option(&row).await;
        let (none, known) = observe(only_cached(option(&row))).await;
        assert_eq!((none, known.source()), (None, Some(Source::Hit)));
        let counted = cache.stats().total;
        assert_eq!((counted.errors, counted.bypassed), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn stale_and_shared_values_are_told() {
    on_both_stores("asked-stale", async |cache| {
        let row = Row::default();
        aging(&row).await;
        filled(&cache, 1).await;
        sleep(Duration::from_millis(150)).await;
        // One is elected and loads, the others have the old value.
        let ((_, first), (_, second)) = tokio::join!(observe(aging(&row)), observe(aging(&row)));
        let mut told = [first, second];
        told.sort_by_key(cached_aside::Observed::source);
        assert_eq!(told[0].source(), Some(Source::Stale), "{told:?}");
        assert!(told[0].age() >= Some(Duration::from_millis(100)), "{told:?}");
        assert_eq!((told[1].source(), told[1].age()), (Some(Source::Loaded), Some(Duration::ZERO)));
        let (begun, go_on) = (Barrier::new(2), Barrier::new(2));
        let ((_, first), (_, second), ()) =
            tokio::join!(observe(slow(&row, &begun, &go_on)), observe(slow(&row, &begun, &go_on)), async {
                begun.wait().await;
                go_on.wait().await;
            });
        let mut told = [first, second];
        told.sort_by_key(cached_aside::Observed::source);
        assert_eq!(told[0].source(), Some(Source::Shared), "{told:?}");
        assert_eq!(told[1].source(), Some(Source::Loaded), "{told:?}");
        assert_eq!(told.map(|observed| observed.age()), [Some(Duration::ZERO); 2]);
    })
    .await;
}

/// Of several, one inside of another, the innermost counts; whoever observes is told of all.
#[tokio::test]
async fn one_inside_of_another() {
    let row = Row { version: 4.into(), ..Row::default() };
    let cache = Cache::in_process();
    cache
        .scope(async {
            option(&row).await;
            row.reads();
            assert_eq!(bypass(only_cached(option(&row))).await, Some(4));
            assert_eq!(row.reads(), 0);
            assert_eq!(only_cached(bypass(option(&row))).await, Some(4));
            assert_eq!(row.reads(), 1);
            assert_eq!(refresh(bypass(option(&row))).await, Some(4));
            let ((_, inner), outer) = observe(async {
                option(&row).await;
                refresh(observe(option(&row))).await
            })
            .await;
            assert_eq!(inner.source(), Some(Source::Loaded));
            let sources: Vec<_> = outer.calls().iter().map(|call| call.source).collect();
            assert_eq!(sources, [Source::Hit, Source::Loaded]);
            // Bodies are asked the same.
            outer_of(&row).await;
            row.reads();
            refresh(outer_of(&row)).await;
            assert_eq!(row.reads(), 1, "the inner function loaded anew as well");
        })
        .await;
}

async fn outer_of(row: &Row) -> u64 {
    outer(row).await
}

/// Without a cache there is nothing to be asked.
#[tokio::test]
async fn without_a_cache() {
    let row = Row { version: 3.into(), ..Row::default() };
    let (value, observed) = observe(refresh(plain(&row))).await;
    assert_eq!((value, observed.source()), (3, Some(Source::Bypassed)));
    let (value, observed) = observe(only_cached(fallible(&row))).await;
    assert!(matches!(value, Err(Failed::Cache(why)) if why.contains("no cache is installed")));
    assert_eq!(observed.source(), Some(Source::Absent));
}
