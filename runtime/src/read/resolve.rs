//! Whether a call goes through a cache, and through which.

use std::{borrow::Cow, sync::Arc};

use crate::{
    AnyKey, Error,
    engine::shared::Shared,
    fingerprint::{Cacheability, TypeInfo},
    function::read::ReadFunction,
    options::{CallOptions, ReadMode},
};

/// The cache that calls with these keys go through, and what is known of their values; or why they go through none. A single key
/// must be whole.
pub(super) fn resolve_cache<'a>(
    function: &'static ReadFunction,
    cache: Option<Cow<'a, Arc<Shared>>>,
    options: &CallOptions,
    type_info: impl FnOnce() -> Cacheability,
    keys: &[AnyKey],
) -> Result<(Cow<'a, Arc<Shared>>, TypeInfo), Uncached> {
    let cache = cache.ok_or(Uncached::NoCache)?;
    // What is read inside of a transaction may never be committed, or be older than what has been.
    let own_view = options.in_transaction && !function.settings.cached_in_transaction;
    if options.mode != ReadMode::Bypass && !own_view && !cache.switch.is_off(function) {
        match (type_info(), keys) {
            (Ok(_), [key]) if !key.is_whole() => function.warn_once_unprintable(key.as_str()),
            (Ok(type_info), _) => return Ok((cache, type_info)),
            (Err(error), _) => function.warn_once_uncacheable(&error),
        }
    }
    if options.mode != ReadMode::OnlyCached {
        cache.table.of(function).bypassed.add(keys.len() as u64);
    }
    Err(Uncached::Bypassed)
}

/// Why a call goes through no cache.
pub(super) enum Uncached {
    NoCache,
    Bypassed,
}

impl Uncached {
    pub(super) fn into_error(self, key: &AnyKey) -> Error {
        match self {
            Uncached::NoCache => Error::NoCache,
            Uncached::Bypassed => Error::NotCached { key: key.to_string() },
        }
    }
}
