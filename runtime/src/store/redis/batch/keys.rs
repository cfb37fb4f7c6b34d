//! The keys of a batch.

use xxhash_rust::xxh3::xxh3_64;

/// Keys without duplicates, one after the other in one buffer.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) text: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<u64>,
    /// A Bloom filter of the hashes, by their last byte: most keys are new, and this shows it without a search.
    bits: [u64; 4],
}

impl Keys {
    pub(super) fn with_capacity(keys: usize) -> Keys {
        let (ends, hashes) = (Vec::with_capacity(keys), Vec::with_capacity(keys));
        Keys { text: Vec::with_capacity(32 * keys), ends, hashes, bits: [0; 4] }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn at(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start..self.ends[place]]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|place| self.at(place))
    }

    /// The index of a key that was there already; `None` if it is new, and now the last.
    pub(super) fn index_or_insert(&mut self, key: [&[u8]; 3]) -> Option<usize> {
        let start = self.text.len();
        for part in key {
            self.text.extend_from_slice(part);
        }
        let hash = xxh3_64(&self.text[start..]);
        let same = |place: &usize| self.hashes[*place] == hash && self.at(*place) == &self.text[start..];
        let (word, bit) = ((hash >> 6 & 3) as usize, 1 << (hash & 63));
        let known = if self.bits[word] & bit == 0 { None } else { (0..self.len()).find(same) };
        if known.is_some() {
            self.text.truncate(start);
        } else {
            self.ends.push(self.text.len());
            self.hashes.push(hash);
            self.bits[word] |= bit;
        }
        known
    }
}
