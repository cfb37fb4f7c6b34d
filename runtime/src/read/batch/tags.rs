//! Which tags the entries of a batch carry, and what was answered about them.

use std::collections::HashMap;

use crate::{AnyKey, store::Answer};

/// Which tags the keys of a batch carry.
#[derive(Default)]
pub(super) struct Tags {
    /// Each tag once, as the index of a key that carries it and its number there.
    pub(super) each: Vec<(usize, usize)>,
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

    /// Whether no key carries any.
    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// The places of a key's tags.
    pub(super) fn of_key(&self, index: usize) -> &[usize] {
        let Some(end) = self.ends.get(index) else { return &[] };
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[begin..*end]
    }

    /// The places of the tags that these keys carry, each once.
    pub(super) fn of_keys(&self, indices: &[usize]) -> Vec<usize> {
        let mut carried = vec![false; self.each.len()];
        for index in indices {
            self.of_key(*index).iter().for_each(|place| carried[*place] = true);
        }
        (0..carried.len()).filter(|place| carried[*place]).collect()
    }
}

/// What was answered about tags, each in its place; nothing about those that were not asked for.
pub(super) struct OfTags<T>(pub(super) Vec<Option<Answer<T>>>);

impl<T> Default for OfTags<T> {
    fn default() -> Self {
        OfTags(Vec::new())
    }
}

impl<T> OfTags<T> {
    pub(super) fn new(
        tags: &Tags,
        asked: &[usize],
        answers: impl IntoIterator<Item = Answer<T>>,
    ) -> OfTags<T> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tag;

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
