//! Exactly what expansions call. No part of the public promise.

use std::{future::Future, marker::PhantomData};

pub use core::time::Duration;

pub use crate::{
    AnyKey, Cache, Key,
    codec::{Cacheable, Coding, DefaultCodec, coding},
    key::{Arg, KeyWriter, ViaDebug, ViaDisplay, any_key, key, number, type_name},
    outcome::{NoShape, Outcome, Refusable, Shape, Success, assert_none, refuse},
    settings::{Guard, ReadFunction, WriteFunction},
};
use crate::{outcome::Sharing, read, write};

/// What is stored of a return type of this shape.
pub type Value<R, const SHAPE: u8> = <R as Outcome<SHAPE>>::Value;

/// A return type and its shape, and how its errors reach those who waited for the load that failed.
#[derive(Debug)]
pub struct Returns<R: Outcome<SHAPE>, const SHAPE: u8> {
    sharing: Sharing<R::Error>,
    returns: PhantomData<fn() -> R>,
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Clone for Returns<R, SHAPE> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Copy for Returns<R, SHAPE> {}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Returns<R, SHAPE> {
    /// Errors are not shared.
    #[must_use]
    pub const fn unshared() -> Self {
        Returns { sharing: Sharing::none(), returns: PhantomData }
    }
}

impl<T, E: Clone + Send + Sync + 'static> Returns<Result<T, E>, 2> {
    /// Errors are shared as clones.
    pub const SHARED: Self = Returns { sharing: Sharing::SHARED, returns: PhantomData };
}

impl<T, E: Clone + Send + Sync + 'static> Returns<Result<Option<T>, E>, 3> {
    /// Errors are shared as clones.
    pub const SHARED: Self = Returns { sharing: Sharing::SHARED, returns: PhantomData };
}

/// The constant of return types whose errors can't be cloned or sent, or that have none.
pub trait NotShared: Sized {
    /// Errors are not shared.
    const SHARED: Self;
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> NotShared for Returns<R, SHAPE> {
    const SHARED: Self = Returns::unshared();
}

/// One call of a cached function, in the cache that is in scope or installed.
pub fn load<R: Outcome<SHAPE>, const SHAPE: u8, B: Future<Output = R>>(
    function: &'static ReadFunction,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: Returns<R, SHAPE>,
    body: B,
) -> impl Future<Output = R> {
    read::load(function, None, key, coding, returns.sharing, body)
}

/// One call of a cached function, in this cache.
pub fn load_in<R: Outcome<SHAPE>, const SHAPE: u8, B: Future<Output = R>>(
    cache: &Cache,
    function: &'static ReadFunction,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: Returns<R, SHAPE>,
    body: B,
) -> impl Future<Output = R> {
    read::load(function, Some(cache), key, coding, returns.sharing, body)
}

/// One call of a function that invalidates, with nothing out of the ordinary.
pub fn write<R, B: Future<Output = R>>(
    function: &'static WriteFunction,
    keys: impl IntoIterator<Item = AnyKey>,
    body: B,
) -> impl Future<Output = R> {
    write::write(function, None, keys.into_iter().collect(), None, body, |_| Vec::new())
}

/// One call of a function that invalidates: in this cache, refused if it must be, with keys that the return value names.
pub fn write_with<R, B: Future<Output = R>, A: IntoIterator<Item = AnyKey>>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    refuse: Option<fn(crate::Error) -> R>,
    keys: impl IntoIterator<Item = AnyKey>,
    body: B,
    after: impl FnOnce(&R) -> A,
) -> impl Future<Output = R> {
    let after = |returned: &R| after(returned).into_iter().collect();
    write::write(function, cache, keys.into_iter().collect(), refuse, body, after)
}

/// The keys that the success value names; none of a write that failed.
pub fn of_success<R: Success<SHAPE>, const SHAPE: u8, K: IntoIterator<Item = AnyKey>>(
    returned: &R,
    keys: impl FnOnce(&R::Value) -> K,
) -> Vec<AnyKey> {
    returned.success().map(keys).into_iter().flatten().collect()
}
