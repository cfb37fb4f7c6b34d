//! Tags: groups of entries that are invalidated together.

use std::fmt::{self, Debug, Display};

use super::{AnyKey, KeyWriter};

/// What the keys of tags begin with. No other key does.
const SIGN: &str = "#";

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
pub struct Tag(AnyKey);

impl Tag {
    /// A tag written out by hand, as it stands: nothing is encoded, so a value that holds `:` or a space does not become what a
    /// template would make of it. Prefer a tag that is declared with [`tags!`](crate::tags!). A name of more than 199 bytes is
    /// shortened as a template's is.
    #[must_use]
    pub fn new(name: &str) -> Tag {
        KeyWriter::new(SIGN).literal(name).finish_tag()
    }

    /// The tag as the template says, without the namespace and the `#` that its key begins with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().strip_prefix(SIGN).unwrap_or_default()
    }

    /// The key under which its version stands.
    pub(crate) fn key(&self) -> &AnyKey {
        &self.0
    }
}

impl KeyWriter {
    /// The finished tag. What was written begins with `#`.
    #[doc(hidden)]
    #[must_use]
    pub fn finish_tag(self) -> Tag {
        debug_assert!(self.text.starts_with(SIGN), "{}", self.text);
        Tag(self.finish())
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

impl From<&Tag> for Tag {
    fn from(tag: &Tag) -> Tag {
        tag.clone()
    }
}

/// The key of the tag: invalidating or guarding it invalidates or guards every entry that carries the tag.
impl From<Tag> for AnyKey {
    fn from(tag: Tag) -> AnyKey {
        tag.0
    }
}

/// The same.
impl From<&Tag> for AnyKey {
    fn from(tag: &Tag) -> AnyKey {
        tag.0.clone()
    }
}
