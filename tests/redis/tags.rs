//! Tags: groups of entries that are invalidated in one step.

mod servers;
mod trouble;

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cached_aside::{Cache, Tag, cached_aside, invalidate, invalidates, keys, refresh, transaction, updates};
use tokio::time::sleep;

use crate::support::{carried_out, filled, on_both_stores};

cached_aside::tags! {
    /// All that a tenant sees.
    pub(crate) fn catalog(tenant: u64) = "catalog:{tenant}";
    /// What somebody is called.
    fn called(name: &str) = "called:{name}";
}

/// The version of the rows, and how often they were read.
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

    fn change(&self) -> u64 {
        self.version.fetch_add(1, SeqCst) + 1
    }
}

#[cached_aside(ttl = "5m", key = "price:{tenant}:{id}", skip(db), tags(catalog(tenant), "prices"))]
async fn price(db: &Db, tenant: u64, id: u64) -> u64 {
    db.read()
}

#[cached_aside(ttl = "5m", key = "stock:{tenant}:{id}", skip(db), tags("catalog:{tenant}"))]
async fn stock(db: &Db, tenant: u64, id: u64) -> u64 {
    db.read()
}

#[cached_aside(ttl = "5m", key = "by:{name}", skip(db), tags(called(&name)))]
async fn by_name(db: &Db, name: String) -> u64 {
    db.read()
}

#[invalidates(tags(catalog(tenant)))]
async fn change_catalog(db: &Db, tenant: u64) -> u64 {
    db.change()
}

#[invalidates("unrelated", tags("prices"), stock(tenant, 1))]
async fn change_prices(db: &Db, tenant: u64) -> u64 {
    db.change()
}

struct Changed {
    tenant: u64,
}

#[invalidates(tags(catalog(result.tenant)))]
async fn change_somewhere(db: &Db) -> Result<Changed, ()> {
    db.change();
    Ok(Changed { tenant: 7 })
}

#[invalidates(tags(catalog(tenant?)))]
async fn change_maybe(db: &Db, tenant: Option<u64>) {
    db.change();
}

#[invalidates(tags(catalog(tenant), "unrelated:{tenant}") for tenant in tenants)]
async fn change_catalogs(db: &Db, tenants: &[u64]) -> u64 {
    db.change()
}

/// The stored values are given, and the body does not run.
async fn are_hits<const N: usize>(db: &Db, calls: [impl Future<Output = u64>; N]) -> [u64; N] {
    db.reads();
    let given = futures_of(calls).await;
    assert_eq!(db.reads(), 0, "a stored value was not given");
    given
}

async fn futures_of<const N: usize>(calls: [impl Future<Output = u64>; N]) -> [u64; N] {
    let mut given = [0; N];
    for (given, call) in given.iter_mut().zip(calls) {
        *given = call.await;
    }
    given
}

/// Loads some entries of two tenants.
async fn load(cache: &Cache, db: &Db) {
    for tenant in [7, 8] {
        for id in 0..3 {
            price(db, tenant, id).await;
            stock(db, tenant, id).await;
        }
    }
    carried_out(cache).await;
}

#[tokio::test]
async fn a_tag_ends_every_entry_that_carries_it_and_no_other() {
    on_both_stores("tags-groups", async |cache| {
        let db = Db::default();
        load(&cache, &db).await;
        are_hits(&db, [price(&db, 7, 0), price(&db, 8, 0)]).await;
        are_hits(&db, [stock(&db, 7, 1), stock(&db, 8, 1)]).await;
        assert_eq!(change_catalog(&db, 7).await, 1);
        assert_eq!(price::key(7, 1).peek().await.unwrap(), None);
        assert_eq!((price(&db, 7, 0).await, stock(&db, 7, 2).await), (1, 1));
        assert_eq!(are_hits(&db, [price(&db, 8, 0), price(&db, 8, 2)]).await, [0, 0]);
        assert_eq!(are_hits(&db, [stock(&db, 8, 0), stock(&db, 8, 1)]).await, [0, 0]);
        // The other tag of the same entries, of whichever tenant; a key beside it.
        load(&cache, &db).await;
        change_prices(&db, 8).await;
        assert_eq!((price(&db, 7, 0).await, price(&db, 8, 0).await), (2, 2));
        assert_eq!(stock::key(8, 1).peek().await.unwrap(), None);
        assert_eq!(are_hits(&db, [stock(&db, 7, 1), stock(&db, 8, 0)]).await, [1, 0]);
    })
    .await;
}

#[tokio::test]
async fn what_only_the_result_names_and_what_there_may_not_be() {
    on_both_stores("tags-result", async |cache| {
        let db = Db::default();
        load(&cache, &db).await;
        change_somewhere(&db).await.unwrap();
        assert_eq!(price(&db, 7, 0).await, 1);
        assert_eq!(are_hits(&db, [price(&db, 8, 0)]).await, [0]);
        change_maybe(&db, None).await;
        assert_eq!(are_hits(&db, [price(&db, 8, 0)]).await, [0]);
        change_maybe(&db, Some(8)).await;
        assert_eq!(price(&db, 8, 0).await, 3);
        load(&cache, &db).await;
        change_catalogs(&db, &[7, 8]).await;
        assert_eq!((price(&db, 7, 0).await, price(&db, 8, 1).await), (4, 4));
    })
    .await;
}

#[tokio::test]
async fn by_hand_a_tag_is_named_by_its_declaration_or_its_text() {
    on_both_stores("tags-by-hand", async |cache| {
        let db = Db::default();
        load(&cache, &db).await;
        cache.invalidate_tag(catalog(7)).await.unwrap();
        assert_eq!(price::key(7, 0).peek().await.unwrap(), None);
        assert_eq!(price::key(8, 0).peek().await.unwrap(), Some(0));
        cache.invalidate_tag("prices").await.unwrap();
        assert_eq!(price::key(8, 0).peek().await.unwrap(), None);
        load(&cache, &db).await;
        invalidate(keys![tags(catalog(tenant)) for tenant in [8, 9], tags("unrelated")]).await;
        assert_eq!(stock::key(8, 0).peek().await.unwrap(), None);
        let guard = cache.guard([catalog(7)]).await.unwrap();
        db.change();
        assert_eq!(price(&db, 7, 0).await, 1, "while it is guarded the body runs");
        assert_eq!(price::key(7, 0).peek().await.unwrap(), None, "and nothing is stored");
        guard.release().await.unwrap();
        assert_eq!(price(&db, 7, 0).await, 1);
        by_name(&db, "a:b".to_owned()).await;
        carried_out(&cache).await;
        assert_eq!(called("a:b").as_str(), "called:a%3Ab");
        cache.invalidate_tag(called("a:b")).await.unwrap();
        assert_eq!(by_name::key("a:b".to_owned()).peek().await.unwrap(), None);
        assert_eq!(Tag::from("x"), Tag::new("x"));
    })
    .await;
}

#[tokio::test]
async fn a_transaction_guards_its_tags_until_it_is_over() {
    on_both_stores("tags-transaction", async |cache| {
        let db = Db::default();
        load(&cache, &db).await;
        let inside = transaction(async {
            assert_eq!(change_catalog(&db, 7).await, 1);
            cache.invalidate_tag(catalog(8)).await.unwrap();
            // Another task, before the commit.
            let other = Db::default();
            let (cache, other) = (cache.clone(), &other);
            assert_eq!(price::key(8, 0).in_cache(&cache).peek().await.unwrap(), None);
            cache.scope(price(other, 7, 0)).await;
            Ok::<_, ()>(other.reads())
        });
        assert_eq!(inside.await, Ok(1));
        assert_eq!((price(&db, 7, 0).await, price(&db, 8, 0).await), (1, 1));
    })
    .await;
}

#[cached_aside(ttl = "5m", key = "maybe:{id}", skip(db), none_ttl = "1m", tags("maybe"))]
async fn maybe(db: &Db, id: u64) -> Option<u64> {
    let version = db.read();
    (version > 0).then_some(version)
}

#[cached_aside(ttl = "5m", key = "failing:{id}", skip(db), error_ttl = "1m", error_if = |_: &String| true, tags("failing"))]
async fn failing(db: &Db, id: u64) -> Result<u64, String> {
    Err(db.read().to_string())
}

#[tokio::test]
async fn a_none_and_an_error_that_are_stored_carry_tags_too() {
    on_both_stores("tags-none", async |cache| {
        let db = Db::default();
        for _ in 0..2 {
            assert_eq!(maybe(&db, 1).await, None);
            assert_eq!(failing(&db, 1).await, Err("0".to_owned()));
            carried_out(&cache).await;
        }
        assert_eq!(db.reads(), 2, "both were stored");
        db.change();
        cache.invalidate_tag("maybe").await.unwrap();
        cache.invalidate_tag("failing").await.unwrap();
        assert_eq!(maybe(&db, 1).await, Some(1));
        assert_eq!(failing(&db, 1).await, Err("1".to_owned()));
    })
    .await;
}

macro_rules! tagged {
    ($($function:ident $(($($tag:literal),*))?)*) => {$(
        #[cached_aside(ttl = "5m", key = "shared", skip(db), shares_key $(, tags($($tag),*))?)]
        async fn $function(db: &Db) -> u64 {
            db.read()
        }
    )*};
}

tagged! { a_b("a", "b") b_a("b", "a") only_a("a") a_c("a", "c") untagged a_a("a", "a") }

/// Two releases of a program.
#[tokio::test]
async fn an_entry_with_other_tags_is_never_given_and_is_replaced() {
    on_both_stores("tags-changed", async |cache| {
        let db = Db::default();
        macro_rules! each {
            ($first:ident: $($other:ident)*) => {$(
                cache.invalidate_keys([a_b::key()]).await.unwrap();
                $first(&db).await;
                carried_out(&cache).await;
                db.reads();
                assert_eq!($first::key().peek().await.unwrap(), Some(0), stringify!($first));
                assert_eq!($other::key().peek().await.unwrap(), None, "{} and {}", stringify!($first), stringify!($other));
                $other(&db).await;
                assert_eq!(db.reads(), 1, "{} was given what {} stored", stringify!($other), stringify!($first));
                carried_out(&cache).await;
                assert_eq!($other::key().peek().await.unwrap(), Some(0), stringify!($other));
            )*};
        }
        // Every tag has its version, so that a missing one does not decide.
        a_b(&db).await;
        a_c(&db).await;
        each!(a_b: b_a only_a a_c untagged);
        each!(b_a: a_b only_a untagged);
        each!(only_a: a_b b_a a_c untagged);
        each!(a_c: a_b only_a untagged);
        each!(untagged: a_b b_a only_a a_c);
        // Two tags with one text are one.
        a_a(&db).await;
        carried_out(&cache).await;
        assert_eq!(only_a::key().peek().await.unwrap(), Some(0));
    })
    .await;
}

#[cached_aside(ttl = "1ms", key = "stale:{id}", skip(db), stale_while_revalidate = "5m", tags("stale"))]
async fn stale(db: &Db, id: u64) -> u64 {
    db.read()
}

#[cached_aside(ttl = "1ms", key = "kept:{id}", skip(db), stale_if_error = "5m", tags("kept"))]
async fn kept(db: &Db, id: u64) -> Result<u64, String> {
    if db.version.load(SeqCst) > 0 { Err("down".to_owned()) } else { Ok(db.read()) }
}

#[cached_aside(
    ttl = "1ms",
    key = "behind:{id}",
    skip(db),
    stale_while_revalidate = "5m",
    refresh = "background",
    tags("behind")
)]
async fn behind(db: &'static Db, id: u64) -> u64 {
    db.read()
}

#[tokio::test]
async fn inside_of_a_window_an_entry_whose_tag_was_invalidated_is_not_given() {
    on_both_stores("tags-stale", async |cache| {
        let db = Db::default();
        assert_eq!((stale(&db, 1).await, kept(&db, 1).await), (0, Ok(0)));
        carried_out(&cache).await;
        sleep(Duration::from_millis(5)).await;
        db.change();
        assert_eq!(kept(&db, 1).await, Ok(0), "the stale value, since the reload fails");
        cache.invalidate_tag("kept").await.unwrap();
        assert_eq!(kept(&db, 1).await, Err("down".to_owned()));
        cache.invalidate_tag("stale").await.unwrap();
        assert_eq!(stale(&db, 1).await, 1);
        // A reload carries the versions of before it.
        filled(&cache, 3).await;
        sleep(Duration::from_millis(5)).await;
        assert_eq!((stale(&db, 1).await, cache.stats().total.refreshes > 0), (1, true));
        filled(&cache, 4).await;
        db.change();
        cache.invalidate_tag("stale").await.unwrap();
        assert_eq!(stale(&db, 1).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_reload_in_the_background_carries_its_tags() {
    on_both_stores("tags-background", async |cache| {
        let db: &'static Db = Box::leak(Box::default());
        behind(db, 1).await;
        carried_out(&cache).await;
        sleep(Duration::from_millis(5)).await;
        db.change();
        db.reads();
        assert_eq!(behind(db, 1).await, 0, "nobody waits");
        filled(&cache, 2).await;
        assert_eq!(db.reads(), 1);
        assert_eq!(behind(db, 1).await, 1);
        db.change();
        cache.invalidate_tag("behind").await.unwrap();
        assert_eq!(behind(db, 1).await, 2);
    })
    .await;
}

#[updates(price(tenant, id))]
async fn set_price(db: &Db, tenant: u64, id: u64) -> u64 {
    db.change()
}

#[tokio::test]
async fn an_update_deletes_an_entry_that_carries_tags() {
    on_both_stores("tags-updates", async |cache| {
        let db = Db::default();
        price(&db, 7, 1).await;
        carried_out(&cache).await;
        assert_eq!(set_price(&db, 7, 1).await, 1);
        assert_eq!(price::key(7, 1).peek().await.unwrap(), None);
        db.reads();
        assert_eq!((price(&db, 7, 1).await, db.reads()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_forced_load_carries_the_versions_of_before_it() {
    on_both_stores("tags-refresh", async |cache| {
        let db = Db::default();
        price(&db, 7, 1).await;
        carried_out(&cache).await;
        db.change();
        assert_eq!(refresh(price(&db, 7, 1)).await, 1);
        carried_out(&cache).await;
        assert_eq!(are_hits(&db, [price(&db, 7, 1)]).await, [1]);
        db.change();
        cache.invalidate_tag("prices").await.unwrap();
        assert_eq!(cached_aside::only_cached(maybe(&db, 9)).await, None);
        assert_eq!(price(&db, 7, 1).await, 2);
    })
    .await;
}

#[cached_aside(
    ttl = "5m",
    key = "many:{id}",
    skip(db),
    tags(
        "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12", "t13", "t14",
        "t15:{id}"
    )
)]
async fn many(db: &Db, id: u64) -> Vec<u8> {
    db.read();
    vec![7; usize::try_from(id).unwrap()]
}

/// Also with a value that has a connection of its own.
#[tokio::test]
async fn sixteen_tags_of_a_small_and_of_a_large_value() {
    on_both_stores("tags-many", async |cache| {
        let db = Db::default();
        for length in [10, 1 << 20] {
            db.reads();
            for _ in 0..3 {
                assert_eq!(many(&db, length).await.len() as u64, length);
                filled(&cache, 1).await;
                carried_out(&cache).await;
            }
            assert_eq!(db.reads(), 1, "{length}");
            for tag in ["t0".to_owned(), "t14".to_owned(), format!("t15:{length}")] {
                cache.invalidate_tag(&*tag).await.unwrap();
                assert_eq!(many::key(length).peek().await.unwrap(), None, "{tag}");
                many(&db, length).await;
                carried_out(&cache).await;
                assert_eq!(db.reads(), 1, "{tag}");
            }
        }
    })
    .await;
}

/// All of them use the one `Db` at once.
#[tokio::test]
async fn callers_at_once_share_a_load() {
    on_both_stores("tags-flight", async |cache| {
        static DB: Db = Db { version: AtomicU64::new(0), reads: AtomicU64::new(0) };
        DB.reads();
        let call = |cache: Cache| tokio::spawn(async move { cache.scope(slow(&DB, 1)).await });
        let calls: Vec<_> = (0..30).map(|_| call(cache.clone())).collect();
        for call in calls {
            call.await.unwrap();
        }
        // Those who came after the body had begun look again, and may find that its fill is still on its way.
        assert!((1..4).contains(&DB.reads()));
        cache.invalidate_tag("slow").await.unwrap();
    })
    .await;
}

#[cached_aside(ttl = "5m", key = "slow:{id}", skip(db), tags("slow"))]
async fn slow(db: &Db, id: u64) -> u64 {
    sleep(Duration::from_millis(50)).await;
    db.read()
}
