//! Tags: groups of entries that are invalidated together.

use std::fmt::{self, Debug, Display};

use compact_str::CompactString;

/// What the keys of tags begin with. No other key does.
pub(super) const SIGN: &str = "#";

/// A group of entries that are invalidated together, by its name: what `tags(…)` gives to the entries of a cached function, what
/// a function declared with [`tags!`](crate::tags!) returns, and what [`Cache::invalidate_tag`](crate::Cache::invalidate_tag) takes.
///
/// ```
/// # use cached_aside::Tag;
/// let tag = Tag::new("tenant:7");
/// assert_eq!(tag.as_str(), "tenant:7");
/// assert_eq!(tag, Tag::from("tenant:7"), "two tags with one text are one tag");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Its name, behind a `#`.
    key: CompactString,
    /// Whether every value in it could be written.
    is_whole: bool,
}

impl Tag {
    /// The tag of a key that begins with `#`.
    pub(super) fn of(key: CompactString, is_whole: bool) -> Tag {
        debug_assert!(key.starts_with(SIGN), "{key}");
        Tag { key, is_whole }
    }

    /// The tag as the template says, without the namespace and the `#` that its key begins with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.key.strip_prefix(SIGN).unwrap_or_default()
    }

    /// The key under which its version stands.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Whether every value in it could be written. If not, nothing carries it.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// What an attribute names as a tag: the compiler says so of anything else.
#[must_use]
pub fn tag(tag: Tag) -> Tag {
    tag
}

impl Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tag").field(&self.as_str()).finish()
    }
}

impl From<&Tag> for Tag {
    fn from(tag: &Tag) -> Tag {
        tag.clone()
    }
}
