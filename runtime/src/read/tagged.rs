//! Entries that carry tags: valid only with the versions that were read before their load.
//!
//! A look reads the entry and its tags at the same time. In whichever order they are read, both are read after the caller came: a
//! tag that still has the version of before the load has not been invalidated since then, for a version that a write has ended is
//! never created again. An entry alone says nothing: neither an `acquire`, nor a change that was waited for, nor a fill that was
//! accepted is a look.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{TagSlot, tag_slot},
    steps::Carry,
};
use futures_util::future::{join, join_all};

use super::{
    found::{Lookup, Missing},
    site::Call,
};
use crate::{
    Tag,
    engine::budget::Budget,
    store::{Answer, StoreError, Together},
};

/// What stands under the keys of the tags of a function that has none.
pub(super) const NO_TAGS: Option<&[Option<Bytes>]> = Some(&[]);

impl<V, E> Call<'_, V, E> {
    /// What stands under the keys of the tags where the entry alone was read.
    pub(super) fn unread_tags(&self) -> Option<&'static [Option<Bytes>]> {
        NO_TAGS.filter(|_| self.tags().is_empty())
    }

    /// Whether this process leaves the entry alone: its key, or one of its tags, is on the recovery list.
    pub(super) fn is_listed(&self) -> bool {
        self.cache.is_listed(self.key()) || self.tags().iter().any(|tag| self.cache.is_listed(tag.key()))
    }

    /// The look at an entry that carries tags.
    pub(super) async fn lookup_with_tags(&self, budget: &mut Budget, mut timed: bool) -> Lookup<V, E> {
        // Most entries carry one tag.
        let (two, more);
        let keys: &[&str] = if let [tag] = self.tags() {
            two = [self.key(), tag.key()];
            &two
        } else {
            more = keys(self.key(), self.tags());
            &more
        };
        loop {
            let within = match budget.begin() {
                Ok(within) => within,
                Err(error) => return self.classify(Err(error), None, None),
            };
            let read = self.cache.read_together(keys, timed, within).await;
            let silent = matches!(read, Err(StoreError::Timeout(_)));
            let found = match read {
                Ok(Together { first, others, now }) => self.classify_with_tags(first, &others, now),
                Err(error) => self.classify(Err(error), None, None),
            };
            if let Lookup::Hit(hit) = found {
                // A hit spends nothing more.
                return Lookup::Hit(hit);
            }
            budget.end(silent);
            match found {
                // Stored by a program whose function lets values grow old.
                Lookup::Missing(Missing::NeedsServerTime) if !timed => timed = true,
                found => return found,
            }
        }
    }

    /// What stands under a key and those of its tags means.
    pub(super) fn classify_with_tags(
        &self,
        stored: Option<Bytes>,
        tags: &[Option<Bytes>],
        now: Option<Duration>,
    ) -> Lookup<V, E> {
        for (tag, there) in self.tags().iter().zip(tags) {
            match tag_slot(there.as_deref()) {
                TagSlot::Version(_) | TagSlot::Missing => {}
                // To a read it is what a guard on the entry is.
                TagSlot::Guarded => return Lookup::Missing(Missing::Bypass),
                TagSlot::Foreign => {
                    self.record_tag_error(tag, &StoreError::Foreign);
                    return Lookup::Missing(Missing::Bypass);
                }
            }
        }
        self.classify(Ok(stored), now, Some(tags))
    }

    /// Asks for a right to store, and at the same time for the versions of the tags that the entry will carry: before its body begins.
    /// There are none where a tag can't be carried, since it is being written, or the store did not say.
    pub(super) async fn with_versions<T>(
        &self,
        within: Duration,
        right: impl Future<Output = Answer<T>>,
    ) -> Answer<(T, Option<Box<[Token]>>)> {
        if self.tags().is_empty() {
            return Ok((right.await?, Some(Box::default())));
        }
        let ttl = self.function.settings.longest_life();
        let each = self.tags().iter().map(|tag| {
            let carry = Carry { fresh: Token::fresh(), ttl };
            self.cache.carry(tag.key(), carry, within)
        });
        let (right, versions) = Box::pin(join(right, join_all(each))).await;
        let right = right?;
        let version = |(tag, version): (&Tag, Answer<Option<Token>>)| match version {
            Ok(version) => version,
            Err(error) => {
                self.record_tag_error(tag, &error);
                None
            }
        };
        Ok((right, self.tags().iter().zip(versions).map(version).collect()))
    }

    fn record_tag_error(&self, tag: &Tag, error: &StoreError) {
        self.cache.record_store_error(self.function, tag.key(), "tag", error);
    }
}

/// An entry's key and those of its tags.
pub(super) fn keys<'a>(key: &'a str, tags: &'a [Tag]) -> Vec<&'a str> {
    let mut keys = Vec::with_capacity(1 + tags.len());
    keys.push(key);
    keys.extend(tags.iter().map(Tag::key));
    keys
}

#[cfg(test)]
mod tests {
    use cached_aside_protocol::{
        Writers,
        entry::{Entry, Header, begin_with, finish, parse, tag},
    };

    use super::*;

    /// What carries tags with these versions, with this under the keys of the tags that are asked for.
    fn is_valid(carried: &[u64], there: &[Option<Vec<u8>>]) -> bool {
        let versions: Vec<Token> = carried.iter().copied().map(Token::numbered).collect();
        let mut bytes = begin_with(&versions, false);
        let (fresh_for, load_time) = (Duration::from_secs(60), Duration::ZERO);
        finish(
            &mut bytes,
            Token::numbered(1),
            Header { fingerprint: 7, fresh_for, load_time, outlives_freshness: false },
        );
        let there: Vec<Option<Bytes>> = there.iter().map(|bytes| bytes.clone().map(Bytes::from)).collect();
        matches!(parse(&bytes, 7), Entry::Value(value) if value.versions.are_current(&there))
    }

    #[test]
    fn an_entry_is_valid_with_exactly_the_versions_that_it_was_stored_with() {
        let version = |number: u64| Some(tag(Token::numbered(number)).to_vec());
        let guard = Some(Writers::default().write());
        assert!(
            is_valid(&[], &[])
                && is_valid(&[2], &[version(2)])
                && is_valid(&[2, 3], &[version(2), version(3)])
        );
        for (carried, there) in [
            (&[2_u64, 3][..], vec![version(3), version(2)]),
            (&[2, 3], vec![version(2)]),
            (&[2, 3], vec![version(3)]),
            (&[2, 3], vec![]),
            (&[2], vec![version(2), version(3)]),
            (&[2], vec![version(2), version(2)]),
            (&[], vec![version(2)]),
            (&[], vec![None]),
            (&[2], vec![version(4)]),
            (&[2], vec![None]),
            (&[2], vec![guard]),
            (&[2], vec![Some(b"hello".to_vec())]),
            (&[2], vec![Some(tag(Token::numbered(2))[..11].to_vec())]),
        ] {
            assert!(!is_valid(carried, &there), "{carried:?} with {there:?}");
        }
    }
}
