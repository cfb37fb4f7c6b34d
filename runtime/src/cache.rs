//! The handle that programs hold: made by a builder, installed for the process or put in scope for a future.

use std::{
    borrow::Cow,
    collections::HashSet,
    env, fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use once_cell::sync::OnceCell;
use tokio::{runtime::Handle, task::JoinHandle, task_local, time::Instant};
use tokio_util::task::TaskTracker;

pub use self::builder::CacheBuilder;
use self::switch::Switch;
use crate::{
    AnyKey, Error, Key, WriteGuard,
    background::Background,
    engine::{self, Clock},
    flight::Flights,
    health::Recovery,
    linked,
    settings::ReadFunction,
    store::{Store, StoreError, memory::MemoryStore},
    telemetry::{Stats, Table},
    write,
};

mod builder;
mod switch;

/// Keys of a shared Redis begin with this unless the builder says otherwise.
const NAMESPACE: &str = "cached-aside";
/// A call spends no more time than this on the cache.
const TIMEOUT: Duration = Duration::from_millis(250);

static INSTALLED: OnceCell<Cache> = OnceCell::new();
static SAID_NO_CACHE: AtomicBool = AtomicBool::new(false);

task_local! {
    static SCOPE: Cache;
}

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
    pub(crate) inner: Arc<Inner>,
}

/// What all handles of one cache share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) timeout: Duration,
    pub(crate) clock: Clock,
    pub(crate) flights: Arc<Flights>,
    pub(crate) recovery: Recovery,
    pub(crate) background: Background,
    pub(crate) table: Table,
    pub(crate) switch: Switch,
    pub(crate) events: write::Events,
    /// What goes on without its caller: fills, releases.
    tasks: TaskTracker,
    namespace: String,
    /// The keys that were found to be somebody else's, as far as they have been told of.
    foreign: Mutex<HashSet<String>>,
}

/// No more keys are told of than this.
const FOREIGN_KEYS: usize = 1_000;

impl Inner {
    /// Goes on with something of our own without its caller, and without the caller's runtime. [`Cache::shutdown`] waits for it.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(future, &self.runtime())
    }

    /// The same with what [`Cache::shutdown`] does not wait for.
    pub(crate) fn spawn_for_ever(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime().spawn(future));
    }

    fn runtime(&self) -> Handle {
        // A store in this process takes a step at once, so that the caller's runtime has no time to end.
        let here = if self.store.is_remote() { None } else { Handle::try_current().ok() };
        here.unwrap_or_else(engine::handle)
    }

    /// The same with a body, which may block, and may need its caller's runtime.
    pub(crate) fn spawn_body<F>(&self, runtime: &Handle, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(future, runtime)
    }

    /// A step of a read that the store did not take: counted and told.
    pub(crate) fn trouble(
        &self,
        function: &'static ReadFunction,
        key: &str,
        doing: &'static str,
        error: &StoreError,
    ) {
        let counters = self.table.of(function);
        if *error == StoreError::Foreign {
            counters.foreign.one();
            self.say_foreign(function.settings.name, key);
        } else {
            counters.errors.one();
            tracing::debug!(key, doing, ?error, "the cache failed, the function runs uncached");
        }
    }

    /// Tells of a key that holds somebody else's data, once.
    pub(crate) fn say_foreign(&self, function: &'static str, key: &str) {
        let mut foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        if foreign.len() < FOREIGN_KEYS && foreign.insert(key.to_owned()) {
            tracing::warn!(
                function,
                key,
                "the key holds somebody else's data, which is left alone; the function runs uncached"
            );
        }
    }
}

impl Cache {
    /// A cache in Redis, with everything else at its default: `Cache::builder().url(url).build()`.
    ///
    /// Tries to connect once before it returns. A Redis that does not answer is logged, and connected to when it comes back;
    /// until then annotated functions run their bodies.
    ///
    /// # Errors
    ///
    /// [`Error::Url`] for a URL that can never work.
    pub async fn connect(url: &str) -> Result<Cache, Error> {
        Cache::builder().url(url).build().await
    }

    /// The same behaviour inside this process, with nothing to install: for development and tests. Entries live in memory, 128 MiB
    /// of them at the most (see [`CacheBuilder::capacity`]). Other processes neither see them nor invalidate them.
    #[must_use]
    pub fn in_process() -> Cache {
        Cache::with_store(Store::Memory(MemoryStore::new()), TIMEOUT, NAMESPACE.to_owned()).announced(None)
    }

    /// The cache that the environment names: `CACHED_ASIDE_URL`, else `REDIS_URL`. The log says which.
    ///
    /// Where neither is set, the cache is inside this process, and a warning says what that means: replicas of a program do not
    /// invalidate each other's entries. `CACHED_ASIDE_URL=in-process` asks for that by name, and is not warned of.
    ///
    /// # Errors
    ///
    /// [`Error::Url`] for a URL that can never work.
    pub async fn from_env() -> Result<Cache, Error> {
        for variable in ["CACHED_ASIDE_URL", "REDIS_URL"] {
            let Ok(url) = env::var(variable) else { continue };
            if url.trim().is_empty() {
                continue;
            }
            return Cache::builder().url(url.trim()).named_by(variable).build().await;
        }
        tracing::warn!(
            "caching in this process alone, because neither CACHED_ASIDE_URL nor REDIS_URL is set: other processes do not see what \
             this one stores or invalidates, and read old values until their TTLs end; set `CACHED_ASIDE_URL=redis://…`, or \
             `CACHED_ASIDE_URL=in-process` if there is only one process"
        );
        Ok(Cache::in_process())
    }

    /// A cache with other settings than the default ones.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::default()
    }

    pub(crate) fn with_store(store: Store, timeout: Duration, namespace: String) -> Cache {
        Cache {
            inner: Arc::new(Inner {
                clock: store.clock(),
                recovery: Recovery::new(store.owed()),
                store,
                timeout,
                flights: Arc::default(),
                background: Background::default(),
                table: Table::new(),
                switch: Switch::from_env(),
                events: write::Events::default(),
                tasks: TaskTracker::new(),
                namespace,
                foreign: Mutex::default(),
            }),
        }
    }

    /// The same cache, after a line in the log that says which one it is, and which variable named it.
    fn announced(self, variable: Option<&'static str>) -> Cache {
        let Inner { store, switch, namespace, .. } = &*self.inner;
        tracing::info!(
            cache = store.place(),
            namespace,
            in_process = !store.is_remote(),
            version = env!("CARGO_PKG_VERSION"),
            caching = if switch.is_all_off() { "off" } else { "on" },
            variable,
            "the cache is made"
        );
        self
    }

    /// Makes this the cache of the whole process: of every annotated function and key that names no other.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyInstalled`] the second time.
    pub fn install(self) -> Result<(), Error> {
        match INSTALLED.try_insert(self) {
            Ok(_) => {
                linked::check_at_start();
                Ok(())
            }
            Err((installed, _)) => Err(Error::AlreadyInstalled { installed: installed.place() }),
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
        SCOPE.scope(self.clone(), future)
    }

    /// The cache in scope, or the installed one.
    #[must_use]
    pub fn current() -> Option<Cache> {
        SCOPE.try_with(Clone::clone).ok().or_else(|| INSTALLED.get().cloned())
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
        write::invalidate(self, &key.into()).await
    }

    /// Guards keys around a write that an attribute can't wrap, such as one that is part of a transaction: place it before the
    /// write begins, [`release`](WriteGuard::release) it after the commit.
    ///
    /// All keys are guarded, or none, as `guard = "required"` has it: with an error the write should not begin. A write that goes
    /// on whatever happens to the cache takes [`guard_best_effort`](Cache::guard_best_effort).
    ///
    /// Keys that name a cache of their own ([`Key::in_cache`], or their function's `cache = …`) are guarded there. Keys of one type
    /// are given as they are, or by reference; those of different types as [`AnyKey`]s:
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
    pub async fn guard(
        &self,
        keys: impl IntoIterator<Item = impl Into<AnyKey>>,
    ) -> Result<WriteGuard, Error> {
        let keys = keys.into_iter().map(Into::into).collect();
        WriteGuard::place(self, keys).await
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
    pub async fn guard_best_effort(&self, keys: impl IntoIterator<Item = impl Into<AnyKey>>) -> WriteGuard {
        let keys = keys.into_iter().map(Into::into).collect();
        WriteGuard::place_best_effort(self, keys).await
    }

    /// What this cache has done so far in this process, and how its servers are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let recovering = u64::try_from(self.inner.recovery.len()).unwrap_or(u64::MAX);
        Stats { recovering, nodes: self.inner.store.nodes(), ..self.inner.table.read() }
    }

    /// Delivers the invalidations that could not be delivered when they were due, as the background does, but now. Gives up at
    /// the first that fails again; what is left stays on the list.
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
    /// serving. Loads in the background that take longer than half of it are ended, and no more begin. The cache can still be
    /// used.
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
        inner.tasks.close();
        let begun = Instant::now();
        let _ = inner.clock.timeout(within / 2, inner.tasks.wait()).await;
        let ended = inner.background.stop();
        if ended > 0 {
            tracing::warn!(ended, "loads in the background took too long and were ended");
        }
        let finish = async {
            inner.tasks.wait().await;
            Recovery::delivered(inner).await;
        };
        // What is left is asked for below.
        let _ = inner.clock.timeout(within.saturating_sub(begun.elapsed()), finish).await;
        match inner.recovery.len() {
            0 => Ok(()),
            keys => Err(Error::Undelivered { keys }),
        }
    }

    fn place(&self) -> String {
        self.inner.store.place()
    }

    /// The cache of a call without one in its attribute; says once if there is none.
    pub(crate) fn of_call(function: &'static str) -> Option<Cow<'static, Cache>> {
        // The installed one is there for ever: a call counts no handle of it.
        let in_scope = SCOPE.try_with(Clone::clone).ok().map(Cow::Owned);
        let cache = in_scope.or_else(|| INSTALLED.get().map(Cow::Borrowed));
        if cache.is_none() && !SAID_NO_CACHE.swap(true, Relaxed) {
            tracing::warn!(
                function,
                "no cache is installed, functions run uncached; call `Cache::connect(url).await?.install()?` at the start"
            );
        }
        cache
    }
}

/// Without secrets: the URL is not kept.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("at", &self.place()).field("namespace", &self.inner.namespace).finish()
    }
}

/// The future, to run in another task with the cache that is in scope here.
pub(crate) fn in_this_scope<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let scope = SCOPE.try_with(Clone::clone).ok();
    async move {
        match scope {
            Some(cache) => SCOPE.scope(cache, future).await,
            None => future.await,
        }
    }
}
