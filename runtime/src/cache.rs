//! The handle that programs hold: made by a builder, installed for the process or put in scope for a future.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures_util::future::join;
use tokio::time::Instant;

use crate::{
    Error, IntoKeys, Key, Tag, WriteGuard,
    engine::{recovery::Recovery, scope, shared::Shared},
    function::{linked, name::FunctionName},
    store::Store,
    telemetry::Stats,
    write::by_hand,
};

pub(crate) mod builder;
pub(crate) mod cached;
pub(crate) mod guard;
pub(crate) mod key;
mod switch;

/// A cache: a cheap handle that can be cloned and shared between threads, and used on any tokio runtime or outside of tokio.
///
/// Hits are fastest on the runtime on which it was made. What must outlast a call runs on a thread of the library's own,
/// `cached-aside`: see [what runs where](crate::docs::production#what-runs-where).
///
/// ```no_run
/// use cached_aside::Cache;
///
/// # async fn example() -> Result<(), cached_aside::Error> {
/// Cache::connect("redis://127.0.0.1:6379").await?.install()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache {
    pub(crate) inner: Arc<Shared>,
}

impl Cache {
    pub(crate) fn with_store(store: Store, timeout: Duration, namespace: String) -> Cache {
        Cache { inner: Arc::new(Shared::new(store, timeout, namespace)) }
    }

    /// Makes this the cache of the whole process: of every annotated function and key that names no other.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyInstalled`] the second time.
    pub fn install(self) -> Result<(), Error> {
        match scope::install(self.inner) {
            Ok(()) => {
                linked::check_at_start();
                Ok(())
            }
            Err(installed) => Err(Error::AlreadyInstalled { installed: installed.store.describe() }),
        }
    }

    /// Runs a future with this as the cache of everything that it runs itself: tests side by side in one process, tenants.
    /// Tasks that it spawns are not inside; give them the cache anew.
    ///
    /// ```
    /// # use cached_aside::{Cache, cached_aside};
    /// # #[cached_aside(ttl = "5m", key = "square:{n}")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::in_process();
    /// cache.scope(async {
    ///     square(12).await;
    ///     square(12).await;
    /// }).await;
    /// assert_eq!(cache.stats().total.hits, 1);
    /// # }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        // No `async fn`, which would carry the future twice.
        scope::in_cache(self.inner.clone(), future)
    }

    /// The cache in scope, or the installed one.
    #[must_use]
    pub fn current() -> Option<Cache> {
        scope::current().map(|inner| Cache { inner })
    }

    /// Asks whether the cache answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.inner.store.ping(self.inner.timeout).await.map_err(|error| error.into_error("ping", ""))
    }

    /// Deletes an entry, and refuses whatever is being loaded for it now. A key that names a cache of its own
    /// ([`Key::in_cache`], or its function's `cache = …`) is deleted there.
    ///
    /// # Errors
    ///
    /// When the cache does not answer. This process then does not use the entry until the deletion has been delivered, which is
    /// tried again in the background.
    pub async fn invalidate<T, C>(&self, key: &Key<T, C>) -> Result<(), Error> {
        by_hand::invalidate_in(
            FunctionName::of_library("Cache::invalidate"),
            Some(&self.inner),
            vec![key.any()],
        )
        .await
    }

    /// Deletes entries, as [`invalidate`](Cache::invalidate) does of one: all in one round trip, and at the same time on all nodes of
    /// a cluster.
    ///
    /// # Errors
    ///
    /// When the cache does not answer for one of them. All of those are tried again in the background.
    pub async fn invalidate_keys(&self, keys: impl IntoKeys) -> Result<(), Error> {
        by_hand::invalidate_in(
            FunctionName::of_library("Cache::invalidate_keys"),
            Some(&self.inner),
            keys.into_keys(),
        )
        .await
    }

    /// Invalidates every entry that carries a tag, in one step however many they are: the tag's version is deleted, and an entry
    /// is only given with the version that it was stored with. Inside of an annotated write or a
    /// [`transaction`](crate::transaction()) the tag is guarded instead, until that is over.
    ///
    /// It takes what a function of [`tags!`](crate::tags!) returns, or the tag's name as it is stored: a text that is made by `format!` names
    /// another tag where a value contains what templates escape, such as the `:` of `"a:b"`, and then nothing is invalidated. So values of
    /// unknown content are given to a declared function.
    ///
    /// ```
    /// # use cached_aside::{Cache, cached_aside};
    /// cached_aside::tags! {
    ///     /// All that a tenant sees.
    ///     fn catalog(tenant: u64) = "catalog:{tenant}";
    /// }
    ///
    /// #[cached_aside(ttl = "5m", key = "price:{tenant}:{id}", tags(catalog(tenant)))]
    /// async fn price(tenant: u64, id: u64) -> u64 {
    ///     100
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cached_aside::Error> {
    /// let cache = Cache::in_process();
    /// cache.clone().install()?;
    /// price(7, 1).await;
    /// cache.invalidate_tag(catalog(7)).await?;
    /// assert_eq!(price::key(7, 1).peek().await?, None);
    /// cache.invalidate_tag("catalog:7").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the cache does not answer. This process then does not use entries that carry the tag until the invalidation has been
    /// delivered, which is tried again in the background.
    pub async fn invalidate_tag(&self, tag: impl Into<Tag>) -> Result<(), Error> {
        by_hand::invalidate_in(
            FunctionName::of_library("Cache::invalidate_tag"),
            Some(&self.inner),
            vec![tag.into().into()],
        )
        .await
    }

    /// Guards keys around a write that an attribute can't wrap, such as one that is part of a transaction: place it before the
    /// write begins, [`release`](WriteGuard::release) it after the commit.
    ///
    /// All keys are guarded, or none, as `guard = "required"` has it: with an error the write should not begin. A write that goes
    /// on whatever happens to the cache takes [`guard_best_effort`](Cache::guard_best_effort).
    ///
    /// Keys that name a cache of their own ([`Key::in_cache`], or their function's `cache = …`) are guarded there. Keys of one type
    /// are given as they are, or by reference; those of different types as [`AnyKey`](crate::AnyKey)s:
    ///
    /// ```
    /// # use cached_aside::{AnyKey, Cache, cached_aside};
    /// # #[cached_aside(ttl = "5m", key = "price:{id}")]
    /// # async fn price(id: u64) -> u64 { id }
    /// # #[cached_aside(ttl = "5m", key = "name:{id}")]
    /// # async fn name(id: u64) -> String { id.to_string() }
    /// # async fn example(cache: &Cache) -> Result<(), cached_aside::Error> {
    /// let guard = cache.guard([AnyKey::from(price::key(1)), AnyKey::from(name::key(1))]).await?;
    /// # guard.release().await?;
    /// let keys: Vec<_> = (1..=100_000).map(price::key).collect();
    /// let guard = cache.guard(&keys).await?;
    /// # guard.release().await
    /// # }
    /// ```
    ///
    /// # What it takes
    ///
    /// One command for each key to guard it, one every 3.3 seconds while the guard lives, and one to release it. They travel 1,000
    /// to a packet, one packet after the other, so that neither Redis nor other calls wait for all of them at once; each packet has
    /// the cache's timeout for itself. 100,000 keys were guarded in 3.6 seconds and released in 2.3 on two busy cores (a debug build,
    /// Redis beside it), and took 200 bytes a key in the process and 150 in Redis. A guard whose renewal would take longer than ten
    /// seconds is lost in part, and the log says so.
    ///
    /// # Errors
    ///
    /// When a key could not be guarded. Nothing is guarded then: guards that were placed already are released in the background.
    pub async fn guard(&self, keys: impl IntoKeys) -> Result<WriteGuard, Error> {
        WriteGuard::place(&self.inner, keys.into_keys()).await
    }

    /// Guards keys as [`guard`](Cache::guard) does, and the write goes on where the cache does not answer: the protection that
    /// `#[invalidates]` has by default.
    ///
    /// Keys that could not be guarded are on the recovery list of this process until the write is over and they are invalidated:
    /// this process neither reads nor stores them, guards them as soon as the cache is back, and delivers the invalidation. Other
    /// processes that still reach the cache may store an old value during such a write. The list holds 100,000 keys.
    ///
    /// ```
    /// # use cached_aside::{Cache, cached_aside};
    /// # #[cached_aside(ttl = "5m", key = "balance:{account}")]
    /// # async fn balance(account: u64) -> u64 { account }
    /// # async fn transfer_in_one_transaction() {}
    /// # async fn example(cache: &Cache, accounts: &[u64]) {
    /// let guard = cache.guard_best_effort(accounts.iter().map(|account| balance::key(*account))).await;
    /// transfer_in_one_transaction().await;
    /// if let Err(error) = guard.release().await {
    ///     eprintln!("{error}; the cache makes up for it by itself");
    /// }
    /// # }
    /// ```
    pub async fn guard_best_effort(&self, keys: impl IntoKeys) -> WriteGuard {
        WriteGuard::place_best_effort(&self.inner, keys.into_keys()).await
    }

    /// What this cache has done so far in this process, and how its servers are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// Delivers the invalidations that could not be delivered when they were due, as the background does, but now. Gives up
    /// when the next ones fail again; what is left stays on the list.
    ///
    /// # Errors
    ///
    /// [`Error::Undelivered`] if any are left.
    pub async fn flush_recovery(&self) -> Result<(), Error> {
        Recovery::flush(&self.inner).await;
        match self.inner.recovery.len() {
            0 => Ok(()),
            keys => Err(Error::Undelivered { keys }),
        }
    }

    /// Finishes what goes on without its caller (fills, releases of writes that were cancelled, loads in the background) and
    /// delivers what is on the recovery list, for as long as `within`: the last thing that a program does, after it has stopped
    /// serving. Loads in the background that take longer than half of it are ended, and no more begin. What
    /// [`publish_stats`](crate::CacheBuilder::publish_stats) has published is deleted. The cache can still be used.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cached_aside::Cache;
    /// # async fn example(cache: Cache) {
    /// // The server has stopped, and every request is answered.
    /// if let Err(error) = cache.shutdown(Duration::from_secs(5)).await {
    ///     eprintln!("{error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Undelivered`] if invalidations are left when the time is up. Other processes may be given the old values until
    /// their TTLs end.
    pub async fn shutdown(&self, within: Duration) -> Result<(), Error> {
        let inner = &self.inner;
        inner.background.close();
        inner.shut_down.cancel();
        inner.tasks.close();
        let begun = Instant::now();
        // Side by side: what is given up where no server answers lasts, and other servers do.
        let finish = async || {
            join(inner.tasks.wait(), Recovery::delivered(inner)).await;
            // What ended meanwhile may have been listed.
            Recovery::delivered(inner).await;
        };
        let _ = inner.clock.timeout(within / 2, finish()).await;
        let ended = inner.background.stop();
        if ended > 0 {
            tracing::warn!(ended, "loads in the background took too long and were ended");
        }
        // What is left is asked for below.
        let _ = inner.clock.timeout(within.saturating_sub(begun.elapsed()), finish()).await;
        match inner.recovery.len() {
            0 => Ok(()),
            keys => Err(Error::Undelivered { keys }),
        }
    }

    fn describe(&self) -> String {
        self.inner.store.describe()
    }
}

/// Without secrets: the URL is not kept.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("at", &self.describe())
            .field("namespace", &self.inner.namespace)
            .finish()
    }
}
