//! What can happen to a batch of entries with tags: it is dropped, its body panics, its tags are lost or written meanwhile.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use cached_aside::only_cached;
use tokio::task::yield_now;

use super::*;
use crate::support::{SHORT, carried_out};

cached_aside::tags! {
    fn of_shop(shop: u64) = "attacked:{shop}";
}

/// What the body does after it has read.
type Meanwhile = Box<dyn Fn() + Send + Sync>;

/// Articles whose value is the version of the database when it was asked.
#[derive(Default)]
struct Articles {
    version: AtomicU64,
    queries: AtomicU64,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl Articles {
    async fn select(&self, names: &[String]) -> HashMap<String, u64> {
        let version = self.version.load(SeqCst);
        yield_now().await;
        self.queries.fetch_add(1, SeqCst);
        if let Some(meanwhile) = &*self.meanwhile.lock().unwrap() {
            meanwhile();
        }
        names.iter().map(|name| (name.clone(), version)).collect()
    }

    fn queries(&self) -> u64 {
        self.queries.swap(0, SeqCst)
    }
}

/// Whoever finds a lease that was left waits for it longer than the tests allow.
#[cached_aside(
    ttl = "5m",
    none_ttl = "5m",
    key = "article:{shop}:{name}",
    skip(db),
    tags(of_shop(shop)),
    lease = "2m"
)]
async fn article(db: &Articles, shop: u64, name: &str) -> Option<u64> {
    db.select(&[name.to_owned()]).await.remove(name)
}

#[cached_aside(article(shop, name) for name in names, skip(db), wait = "1m")]
async fn articles(db: &Articles, shop: u64, names: &[String]) -> HashMap<String, u64> {
    let mut articles = db.select(names).await;
    if names.iter().any(|name| name == "nobody") {
        articles.remove("nobody");
        articles.insert("unasked".to_owned(), 1_000);
    }
    articles
}

#[cached_aside(ttl = "5m", key = "stock:{shop}:{name}", skip(db), tags(of_shop(shop)))]
async fn stock(db: &Articles, shop: u64, name: &str) -> u64 {
    db.select(&[name.to_owned()]).await[name]
}

#[cached_aside(stock(shop, name) for name in names, skip(db))]
async fn stocks(db: &Articles, shop: u64, names: &[String]) -> HashMap<String, u64> {
    db.select(names).await
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The one version of all values.
fn version_of(values: &HashMap<String, u64>, names: &[String]) -> u64 {
    let versions: HashSet<u64> = names.iter().map(|name| values[name]).collect();
    assert_eq!(versions.len(), 1, "{values:?}");
    versions.into_iter().next().unwrap()
}

/// Polls a future so often and no more, then drops it.
async fn cut(future: impl Future, polls: usize) {
    let (mut future, mut left) = (pin!(future), polls);
    let polled = poll_fn(|context| {
        let Some(fewer) = left.checked_sub(1) else { return Poll::Ready(()) };
        left = fewer;
        future.as_mut().poll(context).map(drop)
    });
    let _ = timeout(SHORT, polled).await;
}

/// Whether a future panics.
async fn panics(future: impl Future) -> bool {
    let mut future = Box::pin(future);
    let poll = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or(Poll::Ready(true), |polled| polled.map(|_| false))
    });
    poll.await
}

#[tokio::test]
async fn a_batch_that_is_dropped_anywhere_leaves_nothing_older_and_nobody_waiting() {
    on_both_stores("batches-dropped", |cache| async move {
        let db = Articles::default();
        let names = named(&["a", "b", "c", "d"]);
        // A lease whose tag has been written since is in nobody's way, so that one that was left shows only without a write.
        for (polls, is_written) in (0..24).flat_map(|polls| [(polls, false), (polls, true)]) {
            cache.invalidate_tag(of_shop(7)).await.unwrap();
            articles(&db, 7, &names[..2]).await;
            carried_out(&cache).await;
            cut(articles(&db, 7, &names), polls).await;
            if is_written {
                db.version.fetch_add(1, SeqCst);
                cache.invalidate_tag(of_shop(7)).await.unwrap();
            }
            let (version, begun) = (db.version.load(SeqCst), Instant::now());
            for _ in 0..2 {
                let given = version_of(&articles(&db, 7, &names).await, &names);
                assert_eq!(given, version, "after {polls} polls");
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "nobody holds a lease after {polls} polls");
        }
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_body_panics_stores_nothing_and_holds_nobody_up() {
    on_both_stores("batches-panic", |cache| async move {
        let db = Articles::default();
        let names = named(&["a", "b"]);
        *db.meanwhile.lock().unwrap() = Some(Box::new(|| panic!("halfway")));
        assert!(panics(articles(&db, 7, &names)).await);
        db.meanwhile.clear_poison();
        *db.meanwhile.lock().unwrap() = None;
        assert_eq!(only_cached(articles(&db, 7, &names)).await, HashMap::new());
        let begun = Instant::now();
        assert_eq!(articles(&db, 7, &names).await.len(), 2);
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody holds a lease");
        carried_out(&cache).await;
        db.queries();
        assert_eq!((articles(&db, 7, &names).await.len(), db.queries()), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn ids_that_look_like_others_twice_and_without_a_row() {
    on_both_stores("batches-ids", |cache| async move {
        let db = Articles::default();
        let names = named(&[
            "a:b", "a%3Ab", "a", "", " ", "%", "{a}", "}", "#a", "a\0", "ä", "nobody", "a:b", "", "nobody",
        ]);
        let mut found = names.clone();
        found.retain(|name| name != "nobody");
        for queries in [1, 0] {
            let given = articles(&db, 7, &names).await;
            assert_eq!(given.len(), 11, "{given:?}");
            assert_eq!(version_of(&given, &found), 0);
            assert_eq!(db.queries(), queries, "each is an entry by itself, also the one without a row");
            carried_out(&cache).await;
        }
        assert_eq!(article(&db, 7, "unasked").await, Some(0), "what nobody asked for is not stored");
        assert_eq!(article(&db, 7, "nobody").await, None);
        assert_eq!(db.queries(), 1);
    })
    .await;
}

#[tokio::test]
async fn batches_of_two_functions_share_a_tag() {
    on_both_stores("batches-shared-tag", |cache| async move {
        let db = Articles::default();
        let names = named(&["a", "b"]);
        for version in 0..3 {
            db.version.store(version, SeqCst);
            assert_eq!(version_of(&articles(&db, 7, &names).await, &names), version);
            assert_eq!(version_of(&stocks(&db, 7, &names).await, &names), version);
            carried_out(&cache).await;
            db.queries();
            articles(&db, 7, &names).await;
            stocks(&db, 7, &names).await;
            assert_eq!((stock(&db, 7, "a").await, db.queries()), (version, 0));
            cache.invalidate_tag(of_shop(7)).await.unwrap();
        }
    })
    .await;
}

/// A write, after which its tag is lost, while the body of a batch runs that has read before the write.
#[tokio::test]
async fn a_tag_that_is_written_and_then_lost_while_a_batch_loads_revives_nothing() {
    let server: &'static RedisServer = RedisServer::shared();
    let cache = Cache::builder().url(server.url()).namespace("attacked").timeout(LONG).build().await.unwrap();
    let names = named(&["a", "b", "c"]);
    // Each has keys of its own: a load that goes on after its call would take some of them out of the next batch's one body.
    for (shop, name) in (1..).zip(["evicted", "evicted with an entry", "another version", "foreign"]) {
        let tag = &format!("attacked:#attacked:{shop}");
        let commands: Vec<redis::Cmd> = match name {
            "evicted" => vec![cmd("DEL").arg(tag).to_owned()],
            "evicted with an entry" => {
                vec![cmd("DEL").arg(tag).arg(format!("attacked:article:{shop}:a")).to_owned()]
            }
            "another version" => vec![cmd("SET").arg(tag).arg(b"\xCA\x5D\xE1\x03otherver").to_owned()],
            _ => vec![cmd("DEL").arg(tag).to_owned(), cmd("SET").arg(tag).arg("hello").to_owned()],
        };
        let db: &'static Articles = Box::leak(Box::default());
        let lose = move || {
            db.version.store(1, SeqCst);
            for command in &commands {
                server.run::<()>(command);
            }
        };
        *db.meanwhile.lock().unwrap() = Some(Box::new(lose));
        cache
            .scope(async {
                assert_eq!(version_of(&articles(db, shop, &names).await, &names), 0, "{name}");
                *db.meanwhile.lock().unwrap() = None;
                carried_out(&cache).await;
                for _ in 0..2 {
                    assert_eq!(version_of(&articles(db, shop, &names).await, &names), 1, "{name}");
                }
            })
            .await;
        if name == "foreign" {
            assert_eq!(server.run::<String>(cmd("GET").arg(tag)), "hello");
        }
    }
}
