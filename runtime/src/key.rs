//! Keys: how arguments are written so that no two argument lists give the same key.

use std::{
    fmt::{self, Debug, Display, Write},
    hash::{Hash, Hasher},
    marker::PhantomData,
    num::NonZero,
    sync::Arc,
    time::Duration,
};

use cached_aside_protocol::Token;
use sha2::{Digest, Sha256};

use crate::{
    Cache, Error,
    cache::Inner,
    codec::Coding,
    fingerprint,
    outcome::Gave,
    read,
    settings::ReadFunction,
    storing::{Storable, Storing},
    write,
};

mod part;

pub use part::KeyPart;
use part::Part;

/// A key longer than this (bytes) keeps its start and ends in a digest. Every shortened key is longer than
/// every key that was not, so the two can't coincide.
const MAX_KEY: usize = 200;
/// As much of a long key is kept at the most (bytes).
const KEPT: usize = 160;
/// Length of a SHA-256 in hexadecimal.
const DIGEST: usize = 64;

/// Writes a key: literals as they are, values with everything percent-encoded that could separate.
#[derive(Debug)]
pub struct KeyWriter {
    text: String,
    /// Whether a value could not be written.
    failed: bool,
}

impl KeyWriter {
    /// Begins with a literal.
    #[must_use]
    pub fn new(start: &str) -> KeyWriter {
        let mut text = String::with_capacity(start.len() + 40);
        text.push_str(start);
        KeyWriter { text, failed: false }
    }

    /// Adds a literal.
    #[must_use]
    pub fn literal(mut self, text: &str) -> KeyWriter {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    #[must_use]
    pub fn value<V: Displayed + ?Sized>(mut self, value: &V) -> KeyWriter {
        let before = self.text.len();
        if write!(Escape(&mut self.text), "{value}").is_err() {
            // Only a `Display` that fails by itself comes here. Two values that can't be written must not share an entry:
            // nothing is ever stored under such a key, and the marker is for the log.
            self.text.truncate(before);
            self.text.push_str("{unprintable}");
            self.failed = true;
        }
        self
    }

    /// Adds an argument of a derived key.
    #[must_use]
    pub fn part<T: KeyPart + ?Sized>(self, argument: &T) -> KeyWriter {
        self.value(&Part(argument))
    }

    /// Adds an integer, which holds nothing that could separate.
    #[must_use]
    pub fn integer<I: itoa::Integer>(mut self, value: I) -> KeyWriter {
        self.text.push_str(itoa::Buffer::new().format(value));
        self
    }

    /// The finished key.
    #[must_use]
    pub fn finish(self) -> AnyKey {
        let text = if self.text.len() > MAX_KEY { shorten(&self.text) } else { self.text };
        AnyKey { text, cache: None, failed: self.failed }
    }
}

fn shorten(text: &str) -> String {
    let kept = (0..=KEPT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let mut short = String::with_capacity(KEPT + 1 + DIGEST);
    short.push_str(&text[..kept]);
    short.push('~');
    for byte in Sha256::digest(text) {
        // Writing to a `String` can't fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

/// Whether this is what `shorten` made of a key.
fn is_shortened(text: &str) -> bool {
    let Some(at) = text.len().checked_sub(DIGEST).filter(|at| text.is_char_boundary(*at)) else {
        return false;
    };
    let (start, digest) = text.split_at(at);
    // Less is kept where a character would have been cut, which has four bytes at the most.
    !text.starts_with('#')
        && start.strip_suffix('~').is_some_and(|kept| (KEPT - 3..=KEPT).contains(&kept.len()))
        && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Percent-encodes what a template uses to separate, white space, control characters and invisible ones.
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| PLAIN[byte as usize]) {
            self.0.push_str(text);
            return Ok(());
        }
        let mut plain_from = 0;
        for (at, character) in text.char_indices() {
            if !separates(character) {
                continue;
            }
            self.0.push_str(&text[plain_from..at]);
            plain_from = at + character.len_utf8();
            for byte in text[at..plain_from].bytes() {
                write!(self.0, "%{byte:02X}")?;
            }
        }
        self.0.push_str(&text[plain_from..]);
        Ok(())
    }
}

/// The ASCII characters that are written as they are, which is most of what keys are made of.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_graphic() && !is_separator(byte as char);
        byte += 1;
    }
    plain
};

const fn is_separator(character: char) -> bool {
    matches!(character, ':' | '/' | '|' | '#' | ',' | ';' | '=' | '{' | '}' | '%')
}

fn separates(character: char) -> bool {
    is_separator(character) || character.is_whitespace() || character.is_control() || is_invisible(character)
}

/// Whether it has no width, or changes the order in which a line is shown: two keys that look alike would be two keys.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

/// A value that a template writes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be written into a key as it is",
    label = "it has no `Display`, which a placeholder without a format asks for",
    note = "write `{{x:?}}` for what its `Debug` gives, or fields of it that tell its values apart, such as `{{x.0}}` or `{{x.id}}`"
)]
pub trait Displayed: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Displayed for T {}

/// A value that a key may pad to a width.
#[diagnostic::on_unimplemented(
    message = "a width in a key is for numbers",
    label = "`{Self}` is not a number: padding would make two different values the same",
    note = "leave the width out"
)]
pub trait Number {}

macro_rules! numbers {
    ($($number:ty)*) => {$(impl Number for $number {})*};
}

numbers! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 }

numbers! { NonZero<u8> NonZero<u16> NonZero<u32> NonZero<u64> NonZero<u128> NonZero<usize> }
numbers! { NonZero<i8> NonZero<i16> NonZero<i32> NonZero<i64> NonZero<i128> NonZero<isize> }

#[diagnostic::do_not_recommend]
impl<N: Number + ?Sized> Number for &N {}

/// A value that is padded to a width.
pub const fn number<N: Number + ?Sized>(value: &N) -> &N {
    value
}

/// The name of a type parameter, for `{T}` in a key.
#[must_use]
pub fn type_name<T: ?Sized>() -> &'static str {
    std::any::type_name::<T>()
}

/// A key whose value type is not known: what [`Cache::guard`] takes, and what every [`Key`] becomes by `into()`.
///
/// ```
/// # use cached_aside::AnyKey;
/// let key = AnyKey::new("users:recent");
/// assert_eq!(key.as_str(), "users:recent");
/// ```
#[derive(Clone)]
pub struct AnyKey {
    text: String,
    /// The cache that it lies in, where the key says so itself.
    cache: Option<Cache>,
    /// Whether the `Display` of a value in it failed: then it is the key of nothing.
    failed: bool,
}

/// The same text in the same cache.
impl PartialEq for AnyKey {
    fn eq(&self, other: &AnyKey) -> bool {
        let cache = |key: &AnyKey| key.cache.as_ref().map(|cache| Arc::as_ptr(&cache.inner));
        self.text == other.text && cache(self) == cache(other)
    }
}

impl Eq for AnyKey {}

impl Hash for AnyKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Debug for AnyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.text, f)
    }
}

impl AnyKey {
    /// A key written out by hand, as it stands: nothing is encoded, so a value that holds `:` or a space does not become what a
    /// template would make of it. Prefer the companions of the cached function, which do that and which the compiler checks.
    /// A key of more than 200 bytes is shortened as a template's is, to its start, a `~` and a SHA-256. A name that has been
    /// shortened already, as the log and Redis show it, is taken as it is.
    ///
    /// A `#` at the start is written `%23`: names that begin with one are kept for tags.
    #[must_use]
    pub fn new(text: &str) -> AnyKey {
        if is_shortened(text) {
            return AnyKey::finished(text);
        }
        match text.strip_prefix('#') {
            Some(rest) => KeyWriter::new("%23").literal(rest).finish(),
            None => KeyWriter::new(text).finish(),
        }
    }

    /// A key whose text is finished.
    pub(crate) fn finished(text: &str) -> AnyKey {
        AnyKey { text: text.to_owned(), cache: None, failed: false }
    }

    /// The key as the template says, without the namespace.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Deletes the entry: in the cache that the key names, else in the one in scope, or in the installed one; see
    /// [`Key::invalidate`].
    ///
    /// # Errors
    ///
    /// As [`Key::invalidate`].
    pub async fn invalidate(&self) -> Result<(), Error> {
        let cache = self.cache.clone().or_else(Cache::current).ok_or(Error::NoCache)?;
        write::invalidate(&cache, self).await
    }

    /// The cache that the key names.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The key in whichever cache it is asked for.
    pub(crate) fn without_cache(self) -> AnyKey {
        AnyKey { cache: None, ..self }
    }

    /// Whether every value in it could be written. If not, nothing is stored under it, and there is nothing to delete.
    pub(crate) fn is_whole(&self) -> bool {
        !self.failed
    }
}

impl Display for AnyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Maximum number of keys that a line of the log lists.
const LISTED: usize = 8;

/// Keys as the log lists them: the first ones, and how many more there are.
pub(crate) struct Listed<'a, K>(pub(crate) &'a [K]);

impl<K: Debug> Debug for Listed<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (listed, rest) = self.0.split_at(self.0.len().min(LISTED));
        let mut list = f.debug_list();
        list.entries(listed);
        if !rest.is_empty() {
            list.entry(&format_args!("and {} more", rest.len()));
        }
        list.finish()
    }
}

impl<T, C> From<Key<T, C>> for AnyKey {
    fn from(key: Key<T, C>) -> AnyKey {
        key.text
    }
}

impl From<&AnyKey> for AnyKey {
    fn from(key: &AnyKey) -> AnyKey {
        key.clone()
    }
}

impl<T, C> From<&Key<T, C>> for AnyKey {
    fn from(key: &Key<T, C>) -> AnyKey {
        key.text.clone()
    }
}

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
        let text = AnyKey { cache: Some(cache.clone()), ..self.text };
        Key { text, function: self.function, coding: self.coding, value: PhantomData }
    }

    /// Reads what is stored, without loading. `None` when there is no entry that can be read: absent, being loaded, being
    /// written, of another type, or a stored `None`.
    ///
    /// # Errors
    ///
    /// [`Error::NoCache`] without a cache, otherwise when the cache does not answer.
    pub async fn peek(&self) -> Result<Option<T>, Error> {
        let cache = self.cache()?;
        if !self.is_whole() || cache.inner.switch.is_off(self.function) {
            return Ok(None);
        }
        read::peek(&cache, self.as_str(), &self.coding).await
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
        self.cache()?.invalidate(self).await
    }

    /// Whether every value in it could be written.
    pub(crate) fn is_whole(&self) -> bool {
        self.text.is_whole()
    }

    /// The entry that the cached function would have stored of this; none while it is turned off.
    pub(crate) fn entry<E>(&self, cache: &Inner, gave: &Gave<'_, T, E>, token: Token) -> Option<Storable> {
        if cache.switch.is_off(self.function) {
            return None;
        }
        let known = fingerprint::of(&self.coding.kind).ok()?;
        let (function, key, coding) = (self.function, self.as_str(), &self.coding);
        let (counters, max_value) = (cache.table.of(function), cache.store.max_value());
        let storing = Storing { function, counters, key, known, coding, max_value };
        storing.entry(gave, None, token, Duration::ZERO)
    }

    fn cache(&self) -> Result<Cache, Error> {
        self.text.cache.clone().or_else(Cache::current).ok_or(Error::NoCache)
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

#[cfg(test)]
mod tests;
