//! Which cache a call goes through where its attribute names none: the one in scope, else the installed one.

use std::{
    borrow::Cow,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use once_cell::sync::OnceCell;
use tokio::task_local;

use crate::engine::shared::Shared;

static INSTALLED: OnceCell<Arc<Shared>> = OnceCell::new();
static SAID_NO_CACHE: AtomicBool = AtomicBool::new(false);

task_local! {
    static SCOPE: Arc<Shared>;
}

/// Installs a cache for the process, or gives the one that is installed already.
pub(crate) fn install(cache: Arc<Shared>) -> Result<(), &'static Arc<Shared>> {
    INSTALLED.try_insert(cache).map(drop).map_err(|(installed, _)| installed)
}

/// Runs a future with this cache in scope.
pub(crate) fn within<F: Future>(cache: Arc<Shared>, future: F) -> impl Future<Output = F::Output> + use<F> {
    SCOPE.scope(cache, future)
}

/// The cache in scope, or the installed one.
pub(crate) fn current() -> Option<Arc<Shared>> {
    SCOPE.try_with(Clone::clone).ok().or_else(|| INSTALLED.get().cloned())
}

/// The cache of a call without one in its attribute; says once if there is none.
pub(crate) fn of_call(function: &'static str) -> Option<Cow<'static, Arc<Shared>>> {
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

/// The future, to run in another task with the cache that is in scope here.
pub(crate) fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let scope = SCOPE.try_with(Clone::clone).ok();
    async move {
        match scope {
            Some(cache) => SCOPE.scope(cache, future).await,
            None => future.await,
        }
    }
}
