//! Reading the tags of a batch's entries. Each is read once, for all entries that carry it.

use std::time::Duration;

use bytes::Bytes;
use cached_aside_protocol::{Token, steps::Carry};

use super::{group::GroupSite, tags::OfTags};
use crate::{
    Tag,
    store::{Answer, Read},
};

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
        let steps = Token::several(tags.len()).map(|fresh| Carry { fresh, ttl }).collect();
        let keys: Vec<&str> = tags.iter().map(|place| self.tag(*place).key()).collect();
        let versions = self.cache.run_all_of_load(&keys, steps, |_| true, within).await;
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
