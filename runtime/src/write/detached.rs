//! A write whose body runs in a task of its own: a caller that goes away changes nothing.

use std::{future::Future, panic, sync::Arc};

use tokio::{runtime::Handle, task::JoinError};
use tracing::Instrument;

use crate::{
    AnyKey,
    engine::{scope, shared::Shared},
};

/// Runs a write of these keys in a task of its own, with the scope and the span that are here. [`Cache::shutdown`](crate::Cache::shutdown)
/// of the caches that it is about waits for it. Inside of a transaction it runs in place, where the body sees what the transaction
/// has written; so it does outside of a runtime.
pub(crate) fn detached<R, W>(
    cache: Option<Arc<Shared>>,
    keys: &[AnyKey],
    write: W,
) -> impl Future<Output = R> + use<R, W>
where
    R: Send + 'static,
    W: Future<Output = R> + Send + 'static,
{
    let caches = caches(cache, keys);
    async move {
        let runtime = if scope::is_in_transaction() { None } else { Handle::try_current().ok() };
        let Some(runtime) = runtime else { return write.await };
        let write = scope::inherit(write).instrument(tracing::Span::current());
        let drained: Vec<_> = caches.into_iter().map(|cache| cache.tasks.token()).collect();
        let task = runtime.spawn(async move {
            let _drained = drained;
            write.await
        });
        task.await.unwrap_or_else(|error| pass_on(error))
    }
}

/// The caches that a write is about, each once.
fn caches(cache: Option<Arc<Shared>>, keys: &[AnyKey]) -> Vec<Arc<Shared>> {
    let mut caches: Vec<Arc<Shared>> = cache.or_else(scope::current).into_iter().collect();
    for cache in keys.iter().filter_map(AnyKey::cache) {
        if !caches.iter().any(|known| Arc::ptr_eq(known, cache)) {
            caches.push(cache.clone());
        }
    }
    caches
}

/// The body's panic is the caller's.
fn pass_on(error: JoinError) -> ! {
    if let Ok(panic) = error.try_into_panic() {
        panic::resume_unwind(panic)
    }
    panic!("the runtime on which a detached write ran was shut down before the write was over")
}
