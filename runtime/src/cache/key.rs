//! The key of one call, as programs hold it: with the type of its value, and the cache that it lies in.

use std::{
    fmt::{self, Debug, Display},
    marker::PhantomData,
    sync::Arc,
    time::Duration,
};

use cached_aside_protocol::Token;

use super::Cache;
use crate::{
    AnyKey, Error, IntoKeys,
    codec::coding::Coding,
    engine::{
        encoder::{EncodedEntry, EntryEncoder},
        scope,
        shared::Shared,
    },
    fingerprint,
    function::{name::FunctionName, read::ReadFunction},
    outcome::Loaded,
    read,
    write::by_hand,
};

/// Marks a [`Key`] that can be used as it is: it lies in the cache that its function names, else in the one in scope, or in
/// the installed one.
#[derive(Debug)]
pub struct Placed;

/// Marks a [`Key`] of a function whose `cache = …` can't be evaluated from what the key was made of, such as
/// `cache = self.cache` for `Repo::load_user_key(42)`. [`Key::in_cache`] says where it lies.
#[derive(Debug)]
pub struct Unplaced;

/// Keys that know where they lie.
#[diagnostic::on_unimplemented(
    message = "the cache of this key is not known here",
    label = "the cached function has a `cache` of its own, which depends on more than its key",
    note = "in `#[invalidates(…)]` and `#[updates(…)]`: call a method on the value that holds the cache, such as `self.load_user(id)`, or write `cache = …` there too",
    note = "by hand: say which cache it is, `key.in_cache(&cache)`"
)]
pub trait KnowsCache {}

impl KnowsCache for Placed {}

/// The key of one call of a cached function, with the type of its value: made by the function's companion
/// (`load_user::key(42)`, `Repo::load_user_key(42)`).
///
/// It lies in the cache that the function names with `cache = …`, else in the one in scope, or in the installed one. Where the
/// key does not know what the function names (`cache = self.cache`, and no `self` in the key), it is a `Key<T, Unplaced>`: it
/// can't be invalidated before [`in_cache`](Key::in_cache) has said where it lies.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// #[cached_aside(ttl = "5m", key = "square:{n}")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// Cache::in_process().install()?;
/// let key = square::key(12);
/// assert_eq!(key.as_str(), "square:12");
/// assert_eq!(key.peek().await?, None);
/// assert_eq!(square(12).await, 144);
/// assert_eq!(key.peek().await?, Some(144));
/// key.invalidate().await?;
/// assert_eq!(key.peek().await?, None);
/// # Ok(())
/// # }
/// ```
#[must_use = "a key does nothing by itself"]
pub struct Key<T, C = Placed> {
    text: AnyKey,
    function: &'static ReadFunction,
    coding: Coding<T>,
    value: PhantomData<fn() -> (T, C)>,
}

impl<T, C> Key<T, C> {
    /// The key as the template says, without the namespace.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The same key in this cache, whatever its function says.
    pub fn in_cache(self, cache: &Cache) -> Key<T> {
        let text = self.text.in_cache(cache.inner.clone());
        Key { text, function: self.function, coding: self.coding, value: PhantomData }
    }

    /// Reads what is stored, without loading. `None` when there is no entry that can be read: absent, being loaded, being
    /// written, of another type, or a stored `None`; and inside of a [`transaction`](crate::transaction()), where nothing is read
    /// from the cache (but for functions with `in_transaction = "cached"`).
    ///
    /// # Errors
    ///
    /// [`Error::NoCache`] without a cache, otherwise when the cache does not answer.
    pub async fn peek(&self) -> Result<Option<T>, Error> {
        let cache = self.cache()?;
        let hidden = scope::is_in_transaction() && !self.function.settings.cached_in_transaction;
        if !self.is_whole() || hidden || cache.switch.is_off(self.function) {
            return Ok(None);
        }
        read::peek(&cache, &self.text, &self.coding).await
    }

    /// Deletes the entry, and refuses whatever is being loaded for it now. Where a write is in progress there is no entry, and
    /// its guard stays.
    ///
    /// # Errors
    ///
    /// [`Error::NoCache`] without a cache, otherwise when the cache does not answer; this process then does not use the
    /// entry until the deletion has been delivered.
    pub async fn invalidate(&self) -> Result<(), Error>
    where
        C: KnowsCache,
    {
        by_hand::invalidate_in(
            FunctionName::of_library("Key::invalidate"),
            Some(&self.cache()?),
            vec![self.into()],
        )
        .await
    }

    /// It, without its type, for whoever knows the cache.
    pub(crate) fn any(&self) -> AnyKey {
        self.text.clone().without_tags()
    }

    /// What it is made of.
    pub(crate) fn into_parts(self) -> (AnyKey, &'static ReadFunction, Coding<T>) {
        (self.text, self.function, self.coding)
    }

    /// Whether every value in it could be written.
    pub(crate) fn is_whole(&self) -> bool {
        self.text.is_whole()
    }

    /// The entry that the cached function would have stored of this; none while it is turned off.
    pub(crate) fn entry<E>(
        &self,
        cache: &Shared,
        loaded: Loaded<&T, &E>,
        token: Token,
    ) -> Option<EncodedEntry> {
        // An entry with tags carries their versions of before its load, and a write has asked for none.
        if cache.switch.is_off(self.function) || !self.text.tags().is_empty() {
            return None;
        }
        let type_info = fingerprint::of(&self.coding.kind).ok()?;
        let (function, key, coding) = (self.function, self.as_str(), &self.coding);
        let (counters, max_value) = (cache.table.of(function), cache.store.max_value());
        let encoder = EntryEncoder { function, counters, key, type_info, coding, versions: &[], max_value };
        encoder.entry(loaded, None, token, Duration::ZERO)
    }

    fn cache(&self) -> Result<Arc<Shared>, Error> {
        self.text.cache().cloned().or_else(scope::current).ok_or(Error::NoCache)
    }
}

impl<T, C> Clone for Key<T, C> {
    fn clone(&self) -> Self {
        Key { text: self.text.clone(), ..*self }
    }
}

impl<T, C> Debug for Key<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.as_str()).finish()
    }
}

impl<T, C> Display for Key<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A typed key of a written one, of a function that names no cache.
pub fn key<V>(function: &'static ReadFunction, text: AnyKey, coding: Coding<V>) -> Key<V> {
    Key { text, function, coding, value: PhantomData }
}

/// A typed key of a written one, in the cache that its function names.
pub fn key_in<V>(cache: &Cache, function: &'static ReadFunction, text: AnyKey, coding: Coding<V>) -> Key<V> {
    key(function, text, coding).in_cache(cache)
}

/// A typed key of a written one, of a function whose cache is known to its calls alone.
pub fn key_without_cache<V>(
    function: &'static ReadFunction,
    text: AnyKey,
    coding: Coding<V>,
) -> Key<V, Unplaced> {
    Key { text, function, coding, value: PhantomData }
}

/// A key that lies in the cache that a write names, unless it names one itself.
pub fn in_cache_of_write<V, C>(key: Key<V, C>) -> Key<V> {
    Key { text: key.text, function: key.function, coding: key.coding, value: PhantomData }
}

/// A typed key without its type.
#[must_use]
pub fn any_key<V, C: KnowsCache>(key: Key<V, C>) -> AnyKey {
    key.into()
}

/// A key, with or without its type.
#[diagnostic::on_unimplemented(
    message = "what ends in `.key(…)` is taken for a key itself, and `{Self}` is none",
    label = "this is a `{Self}`",
    note = "write the call of a cached function, such as `load_user(id)`, or the key of a `Cached`, such as `USER.key(id)`"
)]
pub trait IsKey {
    /// It, without its type.
    fn any_key(self) -> AnyKey;
}

#[diagnostic::do_not_recommend]
impl<T, C: KnowsCache> IsKey for Key<T, C> {
    fn any_key(self) -> AnyKey {
        self.text
    }
}

#[diagnostic::do_not_recommend]
impl IsKey for AnyKey {
    fn any_key(self) -> AnyKey {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<K: IsKey + Clone> IsKey for &K {
    fn any_key(self) -> AnyKey {
        self.clone().any_key()
    }
}

/// Keys one after the other, as a list.
#[must_use = "keys do nothing by themselves; give them to `invalidate(…)`, `invalidating(…)`, `Cache::invalidate_keys` or `Cache::guard`"]
pub fn all_keys(keys: impl IntoIterator<Item = AnyKey>) -> Vec<AnyKey> {
    keys.into_iter().collect()
}

/// A key that was given as it is, without its type.
pub fn given_key<K: IsKey>(key: K) -> AnyKey {
    key.any_key()
}

impl<T, C: KnowsCache> From<Key<T, C>> for AnyKey {
    fn from(key: Key<T, C>) -> AnyKey {
        key.text.without_tags()
    }
}

impl<T, C: KnowsCache> From<&Key<T, C>> for AnyKey {
    fn from(key: &Key<T, C>) -> AnyKey {
        key.any()
    }
}

#[diagnostic::do_not_recommend]
impl<T, C: KnowsCache> IntoKeys for Key<T, C> {
    fn into_keys(self) -> Vec<AnyKey> {
        vec![self.into()]
    }
}

#[diagnostic::do_not_recommend]
impl<T, C: KnowsCache> IntoKeys for &Key<T, C> {
    fn into_keys(self) -> Vec<AnyKey> {
        vec![self.into()]
    }
}

impl AnyKey {
    /// Deletes the entry: in the cache that the key names, else in the one in scope, or in the installed one; see
    /// [`Key::invalidate`].
    ///
    /// # Errors
    ///
    /// As [`Key::invalidate`].
    pub async fn invalidate(&self) -> Result<(), Error> {
        let cache = self.cache().cloned().or_else(scope::current).ok_or(Error::NoCache)?;
        by_hand::invalidate_in(
            FunctionName::of_library("AnyKey::invalidate"),
            Some(&cache),
            vec![self.clone()],
        )
        .await
    }
}

/// A value that can be stored for a cached function whose values are of type `V`: the same type.
#[diagnostic::on_unimplemented(
    message = "this function gives `{Self}`, and what it updates caches `{V}`",
    label = "an entry of this function holds `{V}`",
    note = "return the `{V}` that was written (also in an `Option` or a `Result`), or delete the entry with `#[invalidates(…)]`"
)]
pub trait Updates<V>: Sized {
    /// The key, now that the types are known to be one. Its name is none that programs call something by: of a type that has no such
    /// function the compiler would suggest this one.
    fn key_of_updated(key: Key<V>) -> Key<Self>;
}

#[diagnostic::do_not_recommend]
impl<V> Updates<V> for V {
    fn key_of_updated(key: Key<V>) -> Key<V> {
        key
    }
}
