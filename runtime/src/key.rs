//! Keys: how arguments are written so that no two argument lists give the same key.

use std::{
    fmt::{self, Debug, Display, Write},
    hash::{Hash, Hasher},
    mem,
    num::NonZero,
    sync::Arc,
};

use compact_str::CompactString;
use sha2::{Digest, Sha256};

use crate::{engine::shared::Shared, few::Few};

mod displayed;
pub(crate) mod into_keys;
mod part;
mod tag;

pub use displayed::{Displayed, DisplayedInWrite, text_of_write};
pub use part::KeyPart;
use part::Part;
use tag::SIGN;
pub use tag::{Tag, tag};

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
    text: CompactString,
    /// Whether a value could not be written.
    failed: bool,
}

// By reference, and `finish` inlined: a key that is handed on through memory, piece by piece, takes longer than all that is done with it.
impl KeyWriter {
    /// Begins with a literal.
    #[inline]
    #[must_use]
    pub fn new(start: &str) -> KeyWriter {
        KeyWriter { text: CompactString::new(start), failed: false }
    }

    /// Adds a literal.
    pub fn literal(&mut self, text: &str) -> &mut KeyWriter {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    #[inline]
    pub fn value<V: Displayed + ?Sized>(&mut self, value: &V) -> &mut KeyWriter {
        self.displayed(value)
    }

    /// Adds a value to a key that a write names.
    #[inline]
    pub fn value_of_write<V: DisplayedInWrite + ?Sized>(&mut self, value: &V) -> &mut KeyWriter {
        self.displayed(value)
    }

    /// Adds a value of a generic parameter, whose bounds have to say that it can be written.
    pub fn displayed<V: Display + ?Sized>(&mut self, value: &V) -> &mut KeyWriter {
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
    pub fn part<T: KeyPart + ?Sized>(&mut self, argument: &T) -> &mut KeyWriter {
        self.value(&Part(argument))
    }

    /// Adds an integer, which holds nothing that could separate.
    pub fn integer<I: itoa::Integer>(&mut self, value: I) -> &mut KeyWriter {
        self.text.push_str(itoa::Buffer::new().format(value));
        self
    }

    /// The finished key. The text is taken: it is finished once.
    #[inline]
    #[must_use]
    pub fn finish(&mut self) -> AnyKey {
        if self.failed || self.text.len() > MAX_KEY {
            return self.finish_unusual();
        }
        AnyKey { cache: None, more: None, text: mem::take(&mut self.text) }
    }

    #[cold]
    fn finish_unusual(&mut self) -> AnyKey {
        let text = mem::take(&mut self.text);
        let text = if text.len() > MAX_KEY { shorten(&text) } else { text };
        let more = self.failed.then(|| Box::new(More { tags: Few::default(), failed: true }));
        AnyKey { cache: None, more, text }
    }
}

fn shorten(text: &str) -> CompactString {
    let mut short = CompactString::with_capacity(KEPT + 1 + DIGEST);
    short.push_str(cut(text, KEPT));
    short.push('~');
    for byte in Sha256::digest(text) {
        // Writing to a `String` can't fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

/// So many bytes of a text at the most, without half a character.
fn cut(text: &str, at_most: usize) -> &str {
    let at = (0..=at_most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..at]
}

/// What `shorten` kept of the key of an entry, if this is what it made.
pub(crate) fn kept_of(text: &str) -> Option<&str> {
    kept_of_any(text).filter(|_| !text.starts_with(SIGN))
}

/// The same of any key.
fn kept_of_any(text: &str) -> Option<&str> {
    let at = text.len().checked_sub(DIGEST).filter(|at| text.is_char_boundary(*at))?;
    let (start, digest) = text.split_at(at);
    let kept = start.strip_suffix('~')?;
    // Less is kept where a character would have been cut, which has four bytes at the most.
    let is_shortened = (KEPT - 3..=KEPT).contains(&kept.len())
        && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_shortened.then_some(kept)
}

/// As much of the start of a key as is kept of every key that begins with it, however long.
#[cfg(feature = "redis")]
pub(crate) fn kept_of_all(start: &str) -> &str {
    cut(start, KEPT - 3)
}

/// Percent-encodes what a template uses to separate, white space, control characters and invisible ones.
struct Escape<'a>(&'a mut CompactString);

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

/// A key whose value type is not known: what [`Cache::guard`](crate::Cache::guard) takes, and what every [`Key`](crate::Key) becomes by `into()`.
///
/// ```
/// # use cached_aside::AnyKey;
/// let key = AnyKey::new("users:recent");
/// assert_eq!(key.as_str(), "users:recent");
/// ```
#[derive(Clone)]
// In this order: a copy of it then reads two fields together only if they were written together, for which a processor does not wait.
#[repr(C)]
pub struct AnyKey {
    /// The cache that it lies in, where the key says so itself.
    cache: Option<Arc<Shared>>,
    more: Option<Box<More>>,
    text: CompactString,
}

/// What hardly any key has: apart, so that a call does not carry the room for it.
#[derive(Clone)]
struct More {
    /// The tags that its entry carries.
    tags: Few<Tag>,
    /// Whether the `Display` of a value in it failed: then it is the key of nothing.
    failed: bool,
}

/// The same text in the same cache.
impl PartialEq for AnyKey {
    fn eq(&self, other: &AnyKey) -> bool {
        let cache = |key: &AnyKey| key.cache.as_ref().map(Arc::as_ptr);
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
        if kept_of(text).is_some() {
            return AnyKey::finished(text);
        }
        match text.strip_prefix('#') {
            Some(rest) => KeyWriter::new("%23").literal(rest).finish(),
            None => KeyWriter::new(text).finish(),
        }
    }

    /// A key whose text is finished.
    pub(crate) fn finished(text: &str) -> AnyKey {
        AnyKey { text: text.into(), cache: None, more: None }
    }

    /// The key as the template says, without the namespace.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key of an entry that carries these tags.
    #[doc(hidden)]
    #[must_use]
    pub fn tagged(self, tags: impl IntoIterator<Item = Tag>) -> AnyKey {
        let (mut carried, mut failed) = (Few::default(), !self.is_whole());
        for tag in tags {
            failed |= !tag.is_whole();
            if !carried.contains(&tag) {
                carried.push(tag);
            }
        }
        let more = Some(Box::new(More { tags: carried, failed }));
        AnyKey { more, ..self }
    }

    /// The tags that the key's entry carries.
    pub(crate) fn tags(&self) -> &[Tag] {
        self.more.as_ref().map_or(&[], |more| &more.tags)
    }

    /// The key alone, for writes.
    pub(crate) fn without_tags(self) -> AnyKey {
        let more = self.more.filter(|more| more.failed);
        AnyKey { more, ..self }
    }

    /// The cache that the key names.
    pub(crate) fn cache(&self) -> Option<&Arc<Shared>> {
        self.cache.as_ref()
    }

    /// The key in this cache.
    pub(crate) fn in_cache(self, cache: Arc<Shared>) -> AnyKey {
        AnyKey { cache: Some(cache), ..self }
    }

    /// The key in whichever cache it is asked for.
    pub(crate) fn without_cache(self) -> AnyKey {
        AnyKey { cache: None, ..self }
    }

    /// Whether every value in it could be written. If not, nothing is stored under it, and there is nothing to delete.
    pub(crate) fn is_whole(&self) -> bool {
        self.more.as_ref().is_none_or(|more| !more.failed)
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

impl From<&AnyKey> for AnyKey {
    fn from(key: &AnyKey) -> AnyKey {
        key.clone()
    }
}

impl KeyWriter {
    /// The finished tag. What was written begins with `#`.
    #[doc(hidden)]
    #[must_use]
    pub fn finish_tag(&mut self) -> Tag {
        let key = self.finish();
        let is_whole = key.is_whole();
        Tag::of(key.text, is_whole)
    }
}

impl Tag {
    /// A tag written out by hand, as it stands: nothing is encoded, so a value that holds `:` or a space does not become what a
    /// template would make of it. Prefer a tag that is declared with [`tags!`](crate::tags!). A name of more than 199 bytes is
    /// shortened as a template's is. One that has been shortened already, as the log shows it, is taken as it is.
    #[must_use]
    pub fn new(name: &str) -> Tag {
        let key = CompactString::from(SIGN) + name;
        let is_finished = kept_of_any(&key).is_some();
        if is_finished { Tag::of(key, true) } else { KeyWriter::new(SIGN).literal(name).finish_tag() }
    }
}

impl From<&str> for Tag {
    fn from(name: &str) -> Tag {
        Tag::new(name)
    }
}

impl From<String> for Tag {
    fn from(name: String) -> Tag {
        Tag::new(&name)
    }
}

/// The key of the tag: invalidating or guarding it invalidates or guards every entry that carries the tag.
impl From<Tag> for AnyKey {
    fn from(tag: Tag) -> AnyKey {
        AnyKey::from(&tag)
    }
}

/// The same.
impl From<&Tag> for AnyKey {
    fn from(tag: &Tag) -> AnyKey {
        let more = (!tag.is_whole()).then(|| Box::new(More { tags: Few::default(), failed: true }));
        AnyKey { text: tag.key().into(), cache: None, more }
    }
}

#[cfg(test)]
mod tests;
