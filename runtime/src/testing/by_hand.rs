//! A cache by hand, to compare with: `GET`, and where that gives nothing the query and `SET`; and `DEL` after a write. It loses the race
//! that the attributes win.
//!
//! It works inside of [`sees_writes`](super::sees_writes()) alone, over the same store, one step at a time.

use std::{any::Any, sync::Arc};

use crate::{
    engine::scope,
    function::name::FunctionName,
    options::ReadMode,
    store::{Store, stepped::ByHand},
};

const BY_HAND: FunctionName = FunctionName::of_library("testing::by_hand");

/// What is stored under the key; or what `load` gives, which is stored then.
///
/// # Panics
///
/// Outside of [`sees_writes`](super::sees_writes()), and where a value of another type stands under the key.
pub async fn get_or_load<T: Clone + Send + Sync + 'static>(key: &str, load: impl Future<Output = T>) -> T {
    let (cache, options) = scope::for_call(BY_HAND, None);
    if options.mode == ReadMode::Bypass {
        return load.await;
    }
    let store = store(cache.as_deref().map(|cache| &cache.store));
    if let Some(value) = store.get(key).await {
        return value.downcast_ref::<T>().expect("one type of value under a key").clone();
    }
    let value = load.await;
    let stored: Arc<dyn Any + Send + Sync> = Arc::new(value.clone());
    store.set(key, Some(stored)).await;
    value
}

/// Deletes what is stored under the key.
///
/// # Panics
///
/// Outside of [`sees_writes`](super::sees_writes()).
pub async fn delete(key: &str) {
    let (cache, _) = scope::for_call(BY_HAND, None);
    store(cache.as_deref().map(|cache| &cache.store)).set(key, None).await;
}

fn store(store: Option<&Store>) -> ByHand<'_> {
    match store {
        Some(Store::Stepped(store)) => store.by_hand(),
        _ => panic!("`testing::by_hand` is used outside of `testing::sees_writes`, whose store it needs"),
    }
}
