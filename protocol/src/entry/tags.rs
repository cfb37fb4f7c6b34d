//! Tags: their versions under keys of their own, and in the entries that carry them.

use bytes::Bytes;

use crate::{
    Token,
    format::{GUARD, KIND_AT, MAGIC, MAX_TAGS, TAG, TAG_LEN, TIME_LEN, TOKEN_AT},
};

/// What stands under the key of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagSlot {
    /// Nothing, or nothing that can be read: entries that carry the tag are not valid.
    Missing,
    /// Entries that carry this version are valid.
    Version(Token),
    /// A write is in progress, or settles.
    Guarded,
    /// Data of another program.
    Foreign,
}

/// Reads what stands under the key of a tag.
#[inline]
pub fn tag_slot(bytes: Option<&[u8]>) -> TagSlot {
    let Some(bytes) = bytes else { return TagSlot::Missing };
    let Some((&kind, rest)) = bytes.strip_prefix(&MAGIC).and_then(<[u8]>::split_first) else {
        return TagSlot::Foreign;
    };
    match (kind, rest.split_first_chunk::<{ Token::LEN }>()) {
        (TAG, Some((version, copied))) if copied.is_empty() || copied.len() == TIME_LEN => {
            TagSlot::Version(Token::from_bytes(*version))
        }
        (TAG, _) => TagSlot::Missing,
        (GUARD, _) => TagSlot::Guarded,
        _ => TagSlot::Foreign,
    }
}

/// The version of a tag, as it is stored.
pub fn tag(version: Token) -> [u8; TAG_LEN] {
    let mut bytes = [0; TAG_LEN];
    bytes[..KIND_AT].copy_from_slice(&MAGIC);
    bytes[KIND_AT] = TAG;
    bytes[TOKEN_AT..].copy_from_slice(version.as_bytes());
    bytes
}

/// The versions of the tags that an entry carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions<'a>(&'a [u8]);

impl<'a> Versions<'a> {
    /// Those of an entry without tags.
    pub const NONE: Versions<'static> = Versions(&[]);

    /// Splits what follows the header into versions and payload; `None` if it can't be.
    #[inline]
    pub(super) fn split(bytes: &'a [u8]) -> Option<(Versions<'a>, &'a [u8])> {
        let (&count, rest) = bytes.split_first()?;
        let count = usize::from(count);
        if !(1..=MAX_TAGS).contains(&count) {
            return None;
        }
        let (versions, payload) = rest.split_at_checked(count * Token::LEN)?;
        Some((Versions(versions), payload))
    }

    /// The number of tags.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len() / Token::LEN
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these are the versions that stand under the keys of the tags.
    #[inline]
    pub fn are_current(&self, tags: &[Option<Bytes>]) -> bool {
        let is_current = |(version, there): (&[u8], &Option<Bytes>)| matches!(tag_slot(there.as_deref()), TagSlot::Version(current) if current.as_bytes() == version);
        self.len() == tags.len() && self.iter().zip(tags).all(is_current)
    }

    /// The same as tokens.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + use<'a> {
        self.0.as_chunks().0.iter().copied().map(Token::from_bytes)
    }

    /// The versions, in the order of the tags.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.0.chunks_exact(Token::LEN)
    }
}
