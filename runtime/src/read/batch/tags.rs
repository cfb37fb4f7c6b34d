//! The tags of a batch's entries. Each is read once, for all entries that carry it.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{Token, steps::Carry};

use super::group::GroupSite;
use crate::{
    AnyKey, Tag,
    store::{Answer, Read},
};

/// Which tags the keys of a batch carry.
#[derive(Default)]
pub(super) struct Tags {
    /// Each tag once, as the index of a key that carries it and its number there.
    each: Vec<(usize, usize)>,
    /// The tags of all keys, key by key, as places in `each`.
    places: Vec<usize>,
    /// Where those of a key end.
    ends: Vec<usize>,
}

impl Tags {
    pub(super) fn of(keys: &[AnyKey]) -> Tags {
        let mut tags = Tags::default();
        if keys.iter().all(|key| key.tags().is_empty()) {
            return tags;
        }
        let mut known = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            for (number, tag) in key.tags().iter().enumerate() {
                let new = tags.each.len();
                let place = *known.entry(tag.key()).or_insert(new);
                if place == new {
                    tags.each.push((index, number));
                }
                tags.places.push(place);
            }
            tags.ends.push(tags.places.len());
        }
        tags
    }

    /// The places of a key's tags.
    fn of_key(&self, index: usize) -> &[usize] {
        let Some(end) = self.ends.get(index) else { return &[] };
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[begin..*end]
    }

    /// The places of the tags that these keys carry, each once.
    fn of_keys(&self, indices: &[usize]) -> Vec<usize> {
        let mut carried = vec![false; self.each.len()];
        for index in indices {
            self.of_key(*index).iter().for_each(|place| carried[*place] = true);
        }
        (0..carried.len()).filter(|place| carried[*place]).collect()
    }
}

/// What was answered about tags, each in its place; nothing about those that were not asked for.
pub(super) struct OfTags<T>(Vec<Option<Answer<T>>>);

impl<T> Default for OfTags<T> {
    fn default() -> Self {
        OfTags(Vec::new())
    }
}

impl<T> OfTags<T> {
    fn new(tags: &Tags, asked: &[usize], answers: impl IntoIterator<Item = Answer<T>>) -> OfTags<T> {
        let mut all: Vec<_> = tags.each.iter().map(|_| None).collect();
        for (place, answer) in asked.iter().zip(answers) {
            all[*place] = Some(answer);
        }
        OfTags(all)
    }

    pub(super) fn answers(&self) -> impl Iterator<Item = &Answer<T>> {
        self.0.iter().flatten()
    }
}

impl<V, E> GroupSite<V, E> {
    fn tag(&self, place: usize) -> &Tag {
        let (index, number) = self.tags.each[place];
        &self.keys[index].tags()[number]
    }

    /// What is stored under these keys and under those of their tags: one look, in whichever order they are read.
    pub(super) async fn read(
        &self,
        indices: &[usize],
        timed: bool,
        within: Duration,
    ) -> (Vec<Answer<Read>>, OfTags<Option<Bytes>>) {
        let tags = self.tags.of_keys(indices);
        let mut keys: Vec<&str> = indices.iter().map(|index| self.key(*index)).collect();
        keys.extend(tags.iter().map(|place| self.tag(*place).key()));
        let mut answers = self.cache.read_all(&keys, timed, within).await;
        let of_tags = answers.split_off(indices.len()).into_iter();
        let there = of_tags.map(|answer| answer.map(|(there, _)| there));
        (answers, OfTags::new(&self.tags, &tags, there))
    }

    /// What stands under the keys of the tags of a key.
    pub(super) fn there(&self, index: usize, read: &OfTags<Option<Bytes>>) -> Answer<Vec<Option<Bytes>>> {
        let there = |place: &usize| read.0.get(*place).cloned().flatten().unwrap_or(Ok(None));
        self.tags.of_key(index).iter().map(there).collect()
    }

    /// Reads the versions of the tags that the entries of these keys will carry: before their body begins.
    pub(super) async fn carry(&self, indices: &[usize], within: Duration) -> OfTags<Option<Token>> {
        let tags = self.tags.of_keys(indices);
        if tags.is_empty() {
            return OfTags::default();
        }
        let ttl = self.function.settings.longest_life();
        let steps = tags.iter().map(|_| Carry { fresh: Token::fresh(), ttl }).collect();
        let keys: Vec<&str> = tags.iter().map(|place| self.tag(*place).key()).collect();
        let versions = self.cache.run_all_of_load(&keys, steps, |_| false, within).await;
        for (key, version) in keys.iter().zip(&versions) {
            if let Err(error) = version {
                self.cache.record_store_error(self.function, key, "tag", error);
            }
        }
        OfTags::new(&self.tags, &tags, versions)
    }

    /// Those of one key; none where a tag can't be carried, since it is being written, or the store did not say.
    pub(super) fn versions(&self, index: usize, carried: &OfTags<Option<Token>>) -> Option<Box<[Token]>> {
        let version = |place: &usize| carried.0[*place].as_ref()?.as_ref().ok().copied().flatten();
        self.tags.of_key(index).iter().map(version).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_several_keys_carry_is_one() {
        let key = |name: &str, tags: &[&str]| AnyKey::new(name).tagged(tags.iter().map(|tag| Tag::new(tag)));
        let keys = [key("a", &["t", "u"]), key("b", &["t", "v"]), key("c", &[]), key("d", &["v", "t"])];
        let tags = Tags::of(&keys);
        assert_eq!(tags.each, [(0, 0), (0, 1), (1, 1)]);
        let of_keys: Vec<&[usize]> = (0..4).map(|index| tags.of_key(index)).collect();
        assert_eq!(of_keys, [&[0, 1][..], &[0, 2], &[], &[2, 0]]);
        assert_eq!(tags.of_keys(&[1, 3]), [0, 2]);
        assert_eq!(tags.of_keys(&[2]), [0; 0]);
        assert!(Tags::of(&keys[2..3]).of_key(0).is_empty(), "no key carries any");
    }
}
