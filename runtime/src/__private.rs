//! Exactly what expansions call. No part of the public promise.

pub mod batch;
mod duration;
pub mod not_cached;
mod refusal;

use std::{
    future::Future,
    pin::{Pin, pin},
};

pub use core::time::Duration;

pub use self::{
    duration::{DurationConst, Unchanged, duration},
    not_cached::CachedMethod,
    refusal::{MayRefuse, NoRefusal},
};
pub use cached_aside_macros::keys_of;
pub use inventory;

pub use crate::{
    AnyKey, Cache, Key,
    cache::key::{
        IsKey, KnowsCache, Updates, all_keys, any_key, given_key, in_cache_of_write, key, key_in,
        key_without_cache,
    },
    codec::{
        Cacheable, CacheableError, CacheableParts, CacheablePointer, CacheableTime,
        coding::{Coding, DefaultCodec, Parts, coding, coding_of_pointer, coding_of_time, error_coding},
    },
    function::linked::{Linked, LinkedWrite},
    function::{
        read::{Companion, ReadFunction, TagName},
        write::{Guard, Target, WriteFunction},
    },
    key::{Displayed, DisplayedInWrite, KeyWriter, Tag, number, tag, text_of_write, type_name},
    list_arg::{
        Item, ItemBehind, ItemCopy, ItemItself, ItemRef, ItemTarget, Lent, LentTarget, List, NotLent,
        keys_of_list,
    },
    optional_arg::{NotOptional, OptionalArg, OptionalArgRef},
    outcome::{
        NoShape, Outcome, Refusable, Shape, StoredErrors, Success, assert_error, assert_fails, assert_none,
        assert_shape, given_up, refuse,
        returns::{NoAbsent, NotShared, ReturnAdapter},
        stored_errors,
    },
    owned_arg::{CopyArg, MoveArg, OwnedArg, copy_arg, move_arg},
    read::BoxedBody,
};
use crate::{
    engine::session::Update,
    read,
    write::{self, Inside},
};

/// What is stored of a return type of this shape.
pub type Value<R, const SHAPE: u8> = <R as Outcome<SHAPE>>::Value;

/// The type of a return type's errors.
pub type ErrorOf<R, const SHAPE: u8> = <R as Outcome<SHAPE>>::Error;

/// One call of a cached function, in the cache that is in scope or installed.
pub fn load<R: Outcome<SHAPE>, const SHAPE: u8, B: Future<Output = R>>(
    function: &'static ReadFunction,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: ReturnAdapter<R, SHAPE>,
    body: Pin<&mut B>,
) -> impl Future<Output = R> {
    read::load(function, None, key, coding, returns, body)
}

/// One call of a cached function, in this cache.
pub fn load_in<R: Outcome<SHAPE>, const SHAPE: u8, B: Future<Output = R>>(
    cache: &Cache,
    function: &'static ReadFunction,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: ReturnAdapter<R, SHAPE>,
    body: Pin<&mut B>,
) -> impl Future<Output = R> {
    read::load(function, Some(&cache.inner), key, coding, returns, body)
}

/// One call of a cached function that can go on without its caller, in this cache or the one in scope or installed.
pub fn load_owned<R, const SHAPE: u8, M>(
    cache: Option<&Cache>,
    function: &'static ReadFunction,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: ReturnAdapter<R, SHAPE>,
    body: M,
) -> impl Future<Output = R>
where
    R: Outcome<SHAPE, Value: Send + 'static, Error: Send + 'static> + Send + 'static,
    M: FnOnce() -> BoxedBody<R> + Send,
{
    read::load_owned(function, cache.map(|cache| &cache.inner), key, coding, returns, body)
}

/// One call of a function that invalidates, with nothing out of the ordinary.
pub fn write<R, B: Future<Output = R>>(
    function: &'static WriteFunction,
    keys: impl IntoIterator<Item = AnyKey>,
    body: Pin<&mut B>,
) -> impl Future<Output = R> {
    write::write(function, None, keys.into_iter().collect(), None, body, |_| Vec::new())
}

/// One call of a function that invalidates: in this cache, refused if it must be, with keys that the return value names.
pub fn write_with<R, B: Future<Output = R>, A: IntoIterator<Item = AnyKey>>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    refuse: Option<fn(crate::Error) -> R>,
    keys: impl IntoIterator<Item = AnyKey>,
    body: Pin<&mut B>,
    after: impl FnOnce(&R) -> A,
) -> impl Future<Output = R> {
    let after = |returned: &R| after(returned).into_iter().collect();
    write::write(function, cache.map(|cache| &cache.inner), keys.into_iter().collect(), refuse, body, after)
}

/// One call of a function that updates: refused if it must be. What it gives is stored under these keys, as the cached
/// functions would have stored it.
pub fn update<R: Outcome<SHAPE>, const SHAPE: u8, B: Future<Output = R>>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    refuse: Option<fn(crate::Error) -> R>,
    keys: impl IntoIterator<Item = Key<R::Value>>,
    body: Pin<&mut B>,
) -> impl Future<Output = R> {
    let keys: Vec<_> = keys.into_iter().filter(Key::is_whole).collect();
    let names = keys.iter().map(AnyKey::from).collect();
    let updates = move |returned: &R, inside: &Inside<'_>| {
        let written = |key: Key<R::Value>| {
            let name = AnyKey::from(&key);
            let (cache, token) = inside.of(&name)?;
            let entry = key.entry(cache, returned.as_loaded(), token)?;
            Some(Update { cache: cache.clone(), key: name.without_cache(), entry, by_inner: false })
        };
        keys.into_iter().filter_map(written).collect()
    };
    write::update(function, cache.map(|cache| &cache.inner), names, refuse, body, updates)
}

/// One call of a function that invalidates, in a task of its own.
pub fn write_detached<R, A>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    refuse: Option<fn(crate::Error) -> R>,
    keys: impl IntoIterator<Item = AnyKey>,
    body: BoxedBody<R>,
    after: impl FnOnce(&R) -> A + Send + 'static,
) -> impl Future<Output = R>
where
    R: Send + 'static,
    A: IntoIterator<Item = AnyKey>,
{
    let (cache, keys) = (cache.map(|cache| cache.inner.clone()), keys.into_iter().collect::<Vec<_>>());
    let after = |returned: &R| after(returned).into_iter().collect();
    write::detached::detached(cache.clone(), &keys.clone(), async move {
        write::write(function, cache.as_ref(), keys, refuse, pin!(body), after).await
    })
}

/// One call of a function that updates, in a task of its own.
pub fn update_detached<R, const SHAPE: u8, K>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    refuse: Option<fn(crate::Error) -> R>,
    keys: K,
    body: BoxedBody<R>,
) -> impl Future<Output = R>
where
    R: Outcome<SHAPE> + Send + 'static,
    R::Value: 'static,
    K: IntoIterator<Item = Key<R::Value>>,
{
    let (cache, keys) = (cache.cloned(), keys.into_iter().collect::<Vec<_>>());
    let names: Vec<_> = keys.iter().map(AnyKey::from).collect();
    write::detached::detached(cache.as_ref().map(|cache| cache.inner.clone()), &names, async move {
        update::<R, SHAPE, _>(function, cache.as_ref(), refuse, keys, pin!(body)).await
    })
}

/// The body of a write alone, in a task of its own.
pub fn detached<R: Send + 'static>(cache: Option<&Cache>, body: BoxedBody<R>) -> impl Future<Output = R> {
    write::detached::detached(cache.map(|cache| cache.inner.clone()), &[], body)
}

/// A key that a function updates.
#[derive(Debug)]
pub struct Updated<V, C>(pub Key<V, C>);

impl<V, C> Updated<V, C> {
    /// The function returns `R`: the values are of one type.
    pub fn by<R: Outcome<SHAPE>, const SHAPE: u8>(self) -> Key<R::Value>
    where
        R::Value: Updates<V>,
        C: KnowsCache,
    {
        R::Value::key_of_updated(in_cache_of_write(self.0))
    }
}

/// The keys that the success value names; none of a write that failed.
pub fn of_success<R: Success<SHAPE>, const SHAPE: u8, K: IntoIterator<Item = AnyKey>>(
    returned: &R,
    keys: impl FnOnce(&R::Value) -> K,
) -> Vec<AnyKey> {
    returned.success().map(keys).into_iter().flatten().collect()
}
