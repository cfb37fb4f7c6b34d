//! What a program can ask of the calls inside of one future.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{
    engine::scope::{self, Change, Scope, Scoped, scoped},
    options::{CallOptions, Observed, ReadMode},
};

/// Asks something of the calls of a future, beside what is asked of those around it.
struct Ask {
    /// Makes it of what is asked of the calls around the future, when that begins.
    ask: fn(CallOptions) -> CallOptions,
    options: Option<CallOptions>,
}

impl Change for Ask {
    fn apply(&mut self, scope: &mut Scope) {
        let around = std::mem::replace(&mut scope.options, CallOptions::DEFAULT);
        scope.options = self.options.get_or_insert_with(|| (self.ask)(around)).clone();
    }
}

fn asking<F: Future>(ask: fn(CallOptions) -> CallOptions, future: F) -> Scoped<F, Ask> {
    scoped(Ask { ask, options: None }, future)
}

pin_project! {
    /// A future that is observed. It is carried once, which an `async fn` would not do.
    struct Observing<F> {
        #[pin]
        future: Scoped<F, Ask>,
    }
}

impl<F: Future> Future for Observing<F> {
    type Output = (F::Output, Observed);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut future = self.project().future;
        let output = ready!(future.as_mut().poll(context));
        let options = future.change().options.as_ref();
        Poll::Ready((output, options.map(CallOptions::take_observed).unwrap_or_default()))
    }
}

/// The scope of this task for a future that is spawned: the cache in scope, what is asked of calls ([`bypass`] and so on), and the
/// write or [`transaction`](crate::transaction()) that this is part of.
///
/// What it takes along is what is here when `inherit` is called, so call it in the task that spawns.
///
/// ```
/// # use cached_aside::{Cache, cached_aside, inherit};
/// # #[cached_aside(ttl = "5m", key = "square:{n}")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cache = Cache::in_process();
/// cache.scope(async {
///     tokio::spawn(inherit(square(12))).await.unwrap();
/// }).await;
/// assert_eq!(cache.stats().total.loads, 1);
/// # }
/// ```
///
/// Wait for the tasks of a transaction before its commit. A transaction is over when its future is, whether such tasks are or not.
/// Where one of them is inside of a write or a transaction of its own by then, all guards of both stay, and are renewed, until that is
/// over as well: meanwhile readers run their bodies. What the task writes after that is a write of its own.
pub fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope::inherit(future)
}

/// Runs a future in which cached functions run their bodies: nothing is read from the cache and nothing stored. Writes
/// invalidate all the same.
///
/// Like [`refresh`] and [`only_cached`] it is asked of every call that the future makes, also by the bodies of cached functions,
/// but not of those in tasks that it spawns, nor of loads in the background. Of several, one inside of another, the innermost
/// counts.
pub fn bypass<F: Future>(future: F) -> impl Future<Output = F::Output> {
    asking(|options| options.in_mode(ReadMode::Bypass), future)
}

/// Runs a future in which cached functions load anew: each call runs its body, or is given what a body gave that began after
/// the call, and what it gives is stored in the place of what is there.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// # use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
/// # static ROW: AtomicU64 = AtomicU64::new(1);
/// #[cached_aside(ttl = "5m", key = "version")]
/// async fn version() -> u64 {
///     ROW.load(SeqCst)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
///
/// version().await;
/// ROW.store(2, SeqCst); // by another program, which invalidates nothing
/// assert_eq!(version().await, 1);
/// assert_eq!(cached_aside::refresh(version()).await, 2);
/// assert_eq!(version().await, 2);
/// # Ok(())
/// # }
/// ```
///
/// It stores under the same fence as every load: a write that comes in between refuses it, and while a write is in progress
/// nothing is stored. Meanwhile other callers are given what is there. A body that fails leaves it there, and the caller has
/// the error, also where the function has a `stale_if_error`; a body that gives what is not to be stored deletes it. Once a
/// refresh has given a value, nobody is given an older one: if that value was not stored, what stands there instead is deleted.
/// Only where the cache does not answer may other processes be given that, until it does. Copies of `local_mode = "bounded"` may be
/// older than a refresh as they may be older than a write, by `local` at most: see [local copies](crate::docs::local_copies).
///
/// A load of another process that is running does not count, since it may have begun before whatever made the refresh
/// necessary. It goes on for its own callers, and what it gives is not stored. So every process that refreshes a key runs a
/// body; of one process one body at a time. A call waits for another one's body as long as any other call does (`wait`), and
/// then runs its own without storing.
///
/// For all calls inside of the future, see [`bypass`].
pub fn refresh<F: Future>(future: F) -> impl Future<Output = F::Output> {
    asking(|options| options.in_mode(ReadMode::Refresh), future)
}

/// Runs a future in which cached functions run no body: what is not in the cache is absent.
///
/// | the function returns | a call whose value is not in the cache gives |
/// | --- | --- |
/// | `Option<T>` | `None` |
/// | `Result<Option<T>, E>` | `Ok(None)` |
/// | `Result<T, E>`, `E: From<cached_aside::Error>` | [`Error::NotCached`](crate::Error::NotCached), or [`Error::NoCache`](crate::Error::NoCache) without a cache |
/// | any other type | panics, whether the value is in the cache or not |
///
/// Not in the cache is: no entry, one that is being loaded or written, one that is stale (unless inside of the function's
/// `stale_while_revalidate`), and every entry when the cache does not answer. Nobody is waited for. A stored `None` or error
/// is in the cache. Where `None` says that there is no such row, [`observe`] tells the two apart ([`Source::Absent`](crate::Source::Absent)).
///
/// ```
/// # use cached_aside::{Cache, cached_aside, only_cached};
/// #[cached_aside(ttl = "5m", key = "name:{id}")]
/// async fn name(id: u64) -> Option<String> {
///     Some(format!("user {id}"))
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
///
/// assert_eq!(only_cached(name(1)).await, None);
/// name(1).await;
/// assert_eq!(only_cached(name(1)).await.as_deref(), Some("user 1"));
/// # Ok(())
/// # }
/// ```
///
/// For all calls inside of the future, see [`bypass`].
///
/// # Panics
///
/// When a cached function is called that has no way to say that there is nothing. It is a mistake of the program, and shows at
/// the first call, not at the first miss: running the body would be what was not to happen. Ask such a function's key instead
/// ([`Key::peek`](crate::Key::peek)).
pub fn only_cached<F: Future>(future: F) -> impl Future<Output = F::Output> {
    asking(|options| options.in_mode(ReadMode::OnlyCached), future)
}

/// Runs a future, and says where the cached functions that it called had their values from, and how old those are: what an HTTP
/// handler needs for an `Age` and an `X-Cache` header.
///
/// ```
/// # use cached_aside::{Cache, Source, cached_aside, observe};
/// # use std::time::Duration;
/// #[cached_aside(ttl = "5m", key = "name:{id}")]
/// async fn name(id: u64) -> String {
///     format!("user {id}")
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
///
/// let (_, observed) = observe(name(1)).await;
/// assert_eq!(observed.source(), Some(Source::Loaded));
/// let (_, observed) = observe(name(1)).await;
/// assert_eq!(observed.source(), Some(Source::Hit));
/// assert!(observed.age() < Some(Duration::from_secs(5)));
/// # Ok(())
/// # }
/// ```
///
/// It tells of every call that the future makes itself, those by the bodies of cached functions included, and not of tasks that it
/// spawns. An `observe` inside of another tells both. What is asked for inside ([`refresh`] and so on) goes together with it.
///
/// Ages are those of the store's clock: Redis stamps a value when it is stored, and says its time when it is asked for the value,
/// in the same round trip: one more command for a value that is read by itself, and one for all that are read together, as the
/// values of many callers at once are. No clock of the application takes part. After a failover to a server whose clock differs, ages are off
/// by as much; they are never negative.
///
/// What it tells is kept until the future is over, about a hundred bytes and the key for each call: it is for a request, not for a
/// loop that goes on for ever.
pub fn observe<F: Future>(future: F) -> impl Future<Output = (F::Output, Observed)> {
    Observing { future: asking(CallOptions::observed, future) }
}
