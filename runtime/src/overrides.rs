//! What a program asks of the calls inside of one future, and what it is told of them.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::task_local;

use crate::function::read::ReadFunction;

task_local! {
    static ASKED: Asked;
}

/// What is asked of a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) how: How,
    observer: Option<Arc<Observer>>,
}

/// Where a call takes its value from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum How {
    /// From the cache, or else from the body.
    #[default]
    Usual,
    /// From the body alone.
    Bypass,
    /// From the body, and the cache is told.
    Refresh,
    /// From the cache alone.
    OnlyCached,
}

impl Asked {
    /// What is asked of a call that is made here.
    pub(crate) fn here() -> Asked {
        ASKED.try_with(Clone::clone).unwrap_or_default()
    }

    /// Whether anybody is to be told where the value came from.
    pub(crate) fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    /// Tells where a value came from.
    pub(crate) fn tell(
        &self,
        function: &'static ReadFunction,
        key: &str,
        source: Source,
        age: Option<Duration>,
    ) {
        let mut observer = self.observer.as_ref();
        while let Some(Observer { calls, outer }) = observer.map(|observer| &**observer) {
            let call = ObservedCall { function: function.settings.name, key: key.to_owned(), source, age };
            calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            observer = outer.as_ref();
        }
    }
}

/// Who is told.
#[derive(Debug)]
struct Observer {
    calls: Mutex<Vec<ObservedCall>>,
    /// Who observes the future that this one is part of.
    outer: Option<Arc<Observer>>,
}

pin_project! {
    /// A future in which something is asked of the calls. It is carried once, which an `async fn` would not do.
    struct Asking<F> {
        // What is asked, from when it begins.
        ask: fn() -> Asked,
        asked: Option<Asked>,
        #[pin]
        future: F,
    }
}

fn asking<F>(ask: fn() -> Asked, future: F) -> Asking<F> {
    Asking { ask, asked: None, future }
}

impl<F: Future> Future for Asking<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let asked = this.asked.get_or_insert_with(this.ask);
        ASKED.sync_scope(asked.clone(), || this.future.poll(context))
    }
}

pin_project! {
    /// The same for a future that is observed.
    struct Observing<F> {
        #[pin]
        asking: Asking<F>,
    }
}

impl<F: Future> Future for Observing<F> {
    type Output = (F::Output, Observed);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut asking = self.project().asking;
        let output = ready!(asking.as_mut().poll(context));
        let observer = asking.project().asked.as_ref().and_then(|asked| asked.observer.as_ref());
        let calls = observer.map(|observer| {
            std::mem::take(&mut *observer.calls.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Poll::Ready((output, Observed { calls: calls.unwrap_or_default() }))
    }
}

/// Runs a future in which cached functions run their bodies: nothing is read from the cache and nothing stored. Writes
/// invalidate all the same.
///
/// Like [`refresh`] and [`only_cached`] it is asked of every call that the future makes, also by the bodies of cached functions,
/// but not of those in tasks that it spawns, nor of loads in the background. Of several, one inside of another, the innermost
/// counts.
pub fn bypass<F: Future>(future: F) -> impl Future<Output = F::Output> {
    asking(|| Asked { how: How::Bypass, ..Asked::here() }, future)
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
/// Only where the cache does not answer may other processes be given that, until it does.
///
/// A load of another process that is running does not count, since it may have begun before whatever made the refresh
/// necessary. It goes on for its own callers, and what it gives is not stored. So every process that refreshes a key runs a
/// body; of one process one body at a time. A call waits for another one's body as long as any other call does (`wait`), and
/// then runs its own without storing.
///
/// For all calls inside of the future, see [`bypass`].
pub fn refresh<F: Future>(future: F) -> impl Future<Output = F::Output> {
    asking(|| Asked { how: How::Refresh, ..Asked::here() }, future)
}

/// Runs a future in which cached functions run no body: what is not in the cache is absent.
///
/// | the function returns | a call whose value is not in the cache gives |
/// | --- | --- |
/// | `Option<T>` | `None` |
/// | `Result<Option<T>, E>` | `Ok(None)` |
/// | `Result<T, E>`, `E: From<cached_aside::Error>` | [`Error::NotCached`](crate::Error::NotCached) |
/// | any other type | panics, whether the value is in the cache or not |
///
/// Not in the cache is: no entry, one that is being loaded or written, one that is stale (unless inside of the function's
/// `stale_while_revalidate`), and every entry when the cache does not answer. Nobody is waited for. A stored `None` or error
/// is in the cache. Where `None` says that there is no such row, [`observe`] tells the two apart ([`Source::Absent`]).
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
    asking(|| Asked { how: How::OnlyCached, ..Asked::here() }, future)
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
    let ask = || {
        let Asked { how, observer: outer } = Asked::here();
        Asked { how, observer: Some(Arc::new(Observer { calls: Mutex::default(), outer })) }
    };
    Observing { asking: asking(ask, future) }
}

/// Where the values of a future came from, by [`observe`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    calls: Vec<ObservedCall>,
}

impl Observed {
    /// Every call, in the order in which they were over.
    #[must_use]
    pub fn calls(&self) -> &[ObservedCall] {
        &self.calls
    }

    /// The age of the oldest value. `None` when there was none, or one's age is not known.
    ///
    /// A value that was made of other cached values does not know how old they were when it was stored.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let ages: Option<Vec<Duration>> = self.calls.iter().map(|call| call.age).collect();
        ages?.into_iter().max()
    }

    /// The source that is furthest from a hit, in the order of [`Source`]: `Hit` says that all calls were hits. `None` when no
    /// cached function was called.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        self.calls.iter().map(|call| call.source).max()
    }
}

/// Where one call had its value from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedCall {
    /// The cached function: `load_user`, `Repo::load_user`.
    pub function: &'static str,
    /// The key, without the namespace.
    pub key: String,
    /// Where the value came from.
    pub source: Source,
    /// How long ago it was stored; zero for what was loaded now. `None` when there is no value, or the store could not say it.
    pub age: Option<Duration>,
}

/// Where a value came from, from the nearest to the furthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The cache: a value, a stored `None` or a stored error, all within their TTLs.
    Hit,
    /// The cache: a value past its TTL, which the function's stale window allows.
    Stale,
    /// Another call, of this process or of another, that was loading it.
    Shared,
    /// The body, which this call ran. An error is its result too.
    Loaded,
    /// The body, without the cache: [`bypass`], no cache, or a type that the codec can't read back.
    Bypassed,
    /// Nowhere: [`only_cached`] found nothing.
    Absent,
}

impl fmt::Display for Source {
    /// In lower case: `hit`, `stale`, …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Hit => "hit",
            Source::Stale => "stale",
            Source::Shared => "shared",
            Source::Loaded => "loaded",
            Source::Bypassed => "bypassed",
            Source::Absent => "absent",
        })
    }
}
