//! The scope of a task: which cache its calls go through where their attribute names none, and what is asked of them.
//!
//! A future changes single fields for what it polls itself, and has the others from the scope around it. Tasks that are spawned
//! have none of it.

use std::{
    borrow::Cow,
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use once_cell::sync::OnceCell;
use pin_project_lite::pin_project;

use crate::{
    engine::{session::Member, shared::Shared},
    function::name::FunctionName,
    options::CallOptions,
};

static INSTALLED: OnceCell<Arc<Shared>> = OnceCell::new();
static SAID_NO_CACHE: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The scope of the task that this thread polls.
    static SCOPE: RefCell<Scope> = const { RefCell::new(Scope::NONE) };
}

/// What holds for the calls inside of one future.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The cache of calls and keys that name none, instead of the installed one.
    pub(crate) cache: Option<Arc<Shared>>,
    pub(crate) options: CallOptions,
    /// The write that these calls are part of, unless that is over.
    pub(crate) write: Option<Arc<Member>>,
}

impl Scope {
    /// That of a task in which nothing was changed.
    const NONE: Scope = Scope { cache: None, options: CallOptions::DEFAULT, write: None };

    fn here() -> Scope {
        SCOPE.try_with(|scope| scope.borrow().clone()).unwrap_or(Scope::NONE)
    }

    /// Takes one step in this scope.
    fn enter<T>(self, step: impl FnOnce() -> T) -> T {
        /// Puts the scope around it back, also after a panic.
        struct Entered(Option<Scope>);

        impl Drop for Entered {
            fn drop(&mut self) {
                if let Some(outer) = self.0.take() {
                    let _ = SCOPE.try_with(|scope| scope.replace(outer));
                }
            }
        }

        // A thread that ends has no scope any more; futures may still be dropped there.
        let _entered = Entered(SCOPE.try_with(|scope| scope.replace(self)).ok());
        step()
    }
}

/// Every future. A bound of this name has the compiler say what to write in the place of what is none.
///
/// A function with such a bound returns a type of its own that is not bound by it: an `impl Future` is, and what is no future is
/// reported three times then.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a future",
    label = "this is not a future",
    note = "write a block, such as `async {{ … }}`, or the call of an `async fn`"
)]
pub trait AnyFuture: Future {}

#[diagnostic::do_not_recommend]
impl<F: Future> AnyFuture for F {}

/// What a future changes in the scope of what it polls.
pub(crate) trait Change {
    /// Makes the future's scope of the one around it: before each poll, and before the future is dropped.
    fn apply(&mut self, scope: &mut Scope);

    /// Takes one step in the changed scope.
    fn within<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let mut scope = Scope::here();
        self.apply(&mut scope);
        scope.enter(step)
    }
}

pin_project! {
    /// A future with a changed scope. It is carried once, which an `async fn` would not do.
    pub(crate) struct Scoped<F, C: Change> {
        change: C,
        // `None` when it is over. What it holds is dropped in its scope too.
        #[pin]
        future: Option<F>,
    }

    impl<F, C: Change> PinnedDrop for Scoped<F, C> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if std::mem::needs_drop::<F>() && this.future.is_some() {
                this.change.within(|| this.future.set(None));
            }
        }
    }
}

/// Runs a future with a changed scope.
pub(crate) fn scoped<F: Future, C: Change>(change: C, future: F) -> Scoped<F, C> {
    Scoped { change, future: Some(future) }
}

impl<F, C: Change> Scoped<F, C> {
    pub(crate) fn change(self: Pin<&mut Self>) -> &mut C {
        self.project().change
    }
}

impl<F: Future, C: Change> Future for Scoped<F, C> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        this.change.within(|| {
            let Some(future) = this.future.as_mut().as_pin_mut() else {
                panic!("a future is polled that is over");
            };
            let polled = future.poll(context);
            if polled.is_ready() {
                this.future.set(None);
            }
            polled
        })
    }
}

/// Another cache.
struct InCache(Arc<Shared>);

impl Change for InCache {
    fn apply(&mut self, scope: &mut Scope) {
        scope.cache = Some(self.0.clone());
    }
}

/// The body of a write.
impl Change for Arc<Member> {
    fn apply(&mut self, scope: &mut Scope) {
        scope.write = Some(self.clone());
    }
}

impl Scope {
    fn write_in_progress(&self) -> Option<&Arc<Member>> {
        self.write.as_ref()?.in_progress()
    }

    /// Whether this is inside of a transaction that is not over.
    fn is_in_transaction(&self) -> bool {
        self.write_in_progress().is_some_and(|write| write.in_transaction)
    }
}

/// Whether this is inside of a write that is not over.
pub(crate) fn is_in_write() -> bool {
    SCOPE.try_with(|scope| scope.borrow().write_in_progress().is_some()).unwrap_or(false)
}

/// A write begins, inside of the one in progress, with a transaction of its own or without; `None` if there is none.
pub(crate) fn join_write(transaction: bool) -> Option<Arc<Member>> {
    SCOPE.try_with(|scope| scope.borrow().write.as_ref()?.join(transaction)).ok().flatten()
}

/// Whether this is inside of a transaction that is not over: of `transaction(…)`, or of a write with its own.
pub(crate) fn is_in_transaction() -> bool {
    SCOPE.try_with(|scope| scope.borrow().is_in_transaction()).unwrap_or(false)
}

/// All of a scope, for another task.
struct Inherited(Scope);

impl Change for Inherited {
    fn apply(&mut self, scope: &mut Scope) {
        *scope = self.0.clone();
    }
}

/// The future, to run in another task with all of the scope that is here.
pub(crate) fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scoped(Inherited(Scope::here()), future)
}

/// Installs a cache for the process, or gives the one that is installed already.
pub(crate) fn install(cache: Arc<Shared>) -> Result<(), &'static Arc<Shared>> {
    INSTALLED.try_insert(cache).map(drop).map_err(|(installed, _)| installed)
}

/// Runs a future with this cache in scope.
pub(crate) fn in_cache<F: Future>(cache: Arc<Shared>, future: F) -> impl Future<Output = F::Output> + use<F> {
    scoped(InCache(cache), future)
}

/// The installed cache.
pub(crate) fn installed() -> Option<Arc<Shared>> {
    INSTALLED.get().cloned()
}

/// The cache in scope, or the installed one.
pub(crate) fn current() -> Option<Arc<Shared>> {
    Scope::here().cache.or_else(installed)
}

/// The cache of a call whose attribute names this one or none, and what is asked of the call. Warns once if there is no cache.
pub(crate) fn for_call(
    function: FunctionName,
    named: Option<&Arc<Shared>>,
) -> (Option<Cow<'_, Arc<Shared>>>, CallOptions) {
    let here = SCOPE.try_with(|scope| {
        let scope = scope.borrow();
        let mut options = scope.options.clone();
        options.in_transaction = scope.is_in_transaction();
        (if named.is_none() { scope.cache.clone() } else { None }, options)
    });
    let (in_scope, options) = here.unwrap_or((None, CallOptions::DEFAULT));
    let cache = match named {
        Some(named) => Some(Cow::Borrowed(named)),
        // The installed one is there for ever: a call counts no handle of it.
        None => in_scope.map(Cow::Owned).or_else(|| INSTALLED.get().map(Cow::Borrowed)),
    };
    if cache.is_none() && !SAID_NO_CACHE.swap(true, Relaxed) {
        tracing::warn!(
            module = function.module,
            function = function.name,
            "no cache is installed, functions run uncached; call `Cache::connect(url).await?.install()?` at the start"
        );
    }
    (cache, options)
}

/// The same cache, of a call of which nothing is asked.
pub(crate) fn of_plain_call(named: Option<&Arc<Shared>>) -> Option<Cow<'_, Arc<Shared>>> {
    let in_scope = SCOPE.try_with(|scope| {
        let scope = scope.borrow();
        let is_plain = scope.options.is_plain() && !scope.is_in_transaction();
        is_plain.then(|| if named.is_none() { scope.cache.clone() } else { None })
    });
    match (named, in_scope.ok()??) {
        (Some(named), _) => Some(Cow::Borrowed(named)),
        (None, Some(in_scope)) => Some(Cow::Owned(in_scope)),
        (None, None) => INSTALLED.get().map(Cow::Borrowed),
    }
}

/// The future, to run in another task with the cache that is in scope here, and with nothing else: what is asked of a call is
/// asked for its caller, who does not wait for a load in the background. Such a load takes its values from the cache, reports to
/// nobody (the observer's future may be over before it), and belongs to no write around the call.
pub(crate) fn inherit_cache<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let cache = Scope::here().cache;
    async move {
        match cache {
            Some(cache) => scoped(InCache(cache), future).await,
            None => future.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Poll, Waker},
        time::Duration,
    };

    use super::*;
    use crate::{
        Cache,
        options::ReadMode::{self, Bypass, OnlyCached, ReadThrough, Refresh},
        overrides::{bypass, observe, only_cached, refresh},
    };

    fn here() -> (Option<Arc<Shared>>, ReadMode, bool) {
        let Scope { cache, options, .. } = Scope::here();
        (cache, options.mode, options.is_observed())
    }

    fn is_in(cache: &Cache) -> bool {
        here().0.is_some_and(|here| Arc::ptr_eq(&here, &cache.inner))
    }

    #[tokio::test]
    async fn each_field_has_its_own_innermost_value() {
        let (one, other) = (Cache::in_process(), Cache::in_process());
        one.scope(bypass(async {
            assert!(is_in(&one) && here().1 == Bypass);
            other.scope(async { assert!(is_in(&other) && here().1 == Bypass) }).await;
            assert!(is_in(&one));
            let (mode, _) = observe(only_cached(async { (here().1, here().2, is_in(&one)) })).await;
            assert_eq!(mode, (OnlyCached, true, true));
            assert_eq!((here().1, here().2), (Bypass, false));
        }))
        .await;
        bypass(one.scope(async { assert!(is_in(&one) && here().1 == Bypass) })).await;
        assert!(here().0.is_none() && here().1 == ReadThrough);
    }

    #[tokio::test]
    async fn a_load_in_the_background_has_the_cache_and_nothing_else() {
        let cache = Cache::in_process();
        let spawns = std::future::poll_fn(|_| Poll::Ready(inherit_cache(async { here() })));
        let (inherited, _) = cache.scope(refresh(observe(spawns))).await;
        let (inside, mode, observed) = tokio::spawn(inherited).await.unwrap();
        assert!(inside.is_some_and(|inside| Arc::ptr_eq(&inside, &cache.inner)));
        assert_eq!((mode, observed), (ReadThrough, false));
        assert!(inherit_cache(async { here() }).await.0.is_none());
    }

    #[tokio::test]
    async fn what_a_future_does_not_change_is_that_of_whoever_polls_it() {
        let cache = Cache::in_process();
        let mut future = Box::pin(bypass(std::future::poll_fn(|_| {
            assert_eq!(here().1, Bypass);
            if is_in(&cache) { Poll::Ready(()) } else { Poll::Pending }
        })));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        cache.scope(future).await;
    }

    #[tokio::test]
    async fn a_future_is_dropped_in_its_scope() {
        struct Dropped(Cache, Arc<AtomicBool>);

        impl Drop for Dropped {
            fn drop(&mut self) {
                self.1.store(is_in(&self.0) && here().1 == Refresh, Relaxed);
            }
        }

        let cache = Cache::in_process();
        for ends in [false, true] {
            let inside = Arc::new(AtomicBool::new(false));
            let dropped = Dropped(cache.clone(), inside.clone());
            let mut future = Box::pin(cache.scope(refresh(std::future::poll_fn(move |_| {
                let _ = &dropped;
                if ends { Poll::Ready(()) } else { Poll::Pending }
            }))));
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(polled.is_ready(), ends);
            assert_eq!(inside.load(Relaxed), ends);
            drop(future);
            assert!(inside.load(Relaxed));
        }
    }

    #[tokio::test]
    async fn a_panic_leaves_the_scope_around_it() {
        let cache = Cache::in_process();
        let task = tokio::spawn(async move {
            let future = pin!(cache.scope(bypass(async { panic!("inside") })));
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
            }));
            (panicked.is_err(), here().0.is_none(), here().1)
        });
        let outcome = tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
        assert_eq!(outcome, (true, true, ReadThrough));
    }
}
