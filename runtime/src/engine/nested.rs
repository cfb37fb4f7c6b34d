//! Loads inside of loads: a call that its own load waits for must not wait for that load.
//!
//! Each body runs with the list of the loads that it is part of. A call that misses a key of that list, or would follow a load
//! that waits for one of them, runs its body instead. What is spawned inside of a body is not part of it; nor are loads of other
//! processes seen here: those waits end after `wait`.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, LazyLock, MutexGuard},
};

use tokio::task_local;

use crate::{engine::shared::Shared, lock::Mutex};

task_local! {
    static LOADING: Arc<Loading>;
}

/// For each load, those of this process that it waits for.
static WAITING: LazyLock<Mutex<HashMap<Load, Vec<Load>>>> = LazyLock::new(Mutex::default);

fn waiting() -> MutexGuard<'static, HashMap<Load, Vec<Load>>> {
    WAITING.lock()
}

/// The load of one key of one cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Load {
    /// The address of the cache, which lives longer.
    cache: usize,
    key: Arc<str>,
}

impl Load {
    fn is(&self, cache: &Arc<Shared>, key: &str) -> bool {
        self.cache == address(cache) && *self.key == *key
    }
}

fn address(cache: &Arc<Shared>) -> usize {
    Arc::as_ptr(cache).addr()
}

/// A body that runs: what it loads, and the body that called for it.
#[derive(Debug)]
pub(crate) struct Loading {
    loads: Box<[Load]>,
    outer: Option<Arc<Loading>>,
}

impl Loading {
    fn here() -> Option<Arc<Loading>> {
        LOADING.try_with(Clone::clone).ok()
    }

    /// What this body and all those around it load.
    fn loads(&self) -> impl Iterator<Item = &Load> {
        std::iter::successors(Some(self), |loading| loading.outer.as_deref())
            .flat_map(|loading| &loading.loads)
    }
}

/// The body that loads these keys, as part of those that this is part of.
pub(crate) fn loading(
    cache: &Arc<Shared>,
    keys: impl IntoIterator<Item = impl Into<Arc<str>>>,
) -> Arc<Loading> {
    let loads = keys.into_iter().map(|key| Load { cache: address(cache), key: key.into() }).collect();
    Arc::new(Loading { loads, outer: Loading::here() })
}

/// Runs the body of a load.
pub(crate) async fn within<T>(cache: &Arc<Shared>, key: &str, body: impl Future<Output = T>) -> T {
    LOADING.scope(loading(cache, [key]), body).await
}

/// Takes a step of the body of a load.
pub(crate) fn step<T>(loading: &Arc<Loading>, step: impl FnOnce() -> T) -> T {
    LOADING.sync_scope(loading.clone(), step)
}

/// Whether this is part of the load of that key.
pub(crate) fn is_inside(cache: &Arc<Shared>, key: &str) -> bool {
    LOADING.try_with(|loading| loading.loads().any(|load| load.is(cache, key))).unwrap_or(false)
}

/// The loads that this is part of wait for that key's, until this is dropped. `None` if that one waits for one of them.
pub(crate) fn wait_for(cache: &Arc<Shared>, key: &str) -> Option<Waiting> {
    let Some(inside) = Loading::here() else { return Some(Waiting(None)) };
    let awaited = Load { cache: address(cache), key: key.into() };
    let mut waiting = waiting();
    let (mut seen, mut next) = (HashSet::new(), vec![&awaited]);
    while let Some(load) = next.pop() {
        if inside.loads().any(|one| one == load) {
            return None;
        }
        if seen.insert(load) {
            next.extend(waiting.get(load).into_iter().flatten());
        }
    }
    for load in inside.loads() {
        waiting.entry(load.clone()).or_default().push(awaited.clone());
    }
    Some(Waiting(Some((inside, awaited))))
}

/// That one load waits for another.
pub(crate) struct Waiting(Option<(Arc<Loading>, Load)>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some((inside, awaited)) = self.0.take() else { return };
        let mut waiting = waiting();
        for load in inside.loads() {
            let Some(all) = waiting.get_mut(load) else { continue };
            if let Some(place) = all.iter().position(|one| *one == awaited) {
                all.swap_remove(place);
            }
            if all.is_empty() {
                waiting.remove(load);
            }
        }
    }
}
