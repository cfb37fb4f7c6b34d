//! The bounded contents of the in-process store.
//!
//! At the bound the values and tags that were least recently used are evicted. Without the version of a tag the values that carry it
//! are not valid. Leases and guards stay: without its guard a write would not be announced. They end within seconds, and there are no more of them than calls in progress.
//!
//! Nothing visits all keys at once: a hand finds expired slots by visiting a few with each insertion.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use cached_aside_protocol::entry::{self, TagSlot};

/// One key.
#[derive(Debug)]
struct Slot {
    key: Arc<str>,
    bytes: Vec<u8>,
    /// Every slot expires.
    expires: Instant,
    /// The neighbours in the order of use, if it holds a value or the version of a tag.
    order: Option<Neighbours>,
}

#[derive(Debug, Clone, Copy)]
struct Neighbours {
    newer: Option<usize>,
    older: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Slots {
    /// The index of each key, in several maps: when one grows, only its own part is moved.
    places: Vec<HashMap<Arc<str>, usize>>,
    all: Vec<Option<Slot>>,
    free: Vec<usize>,
    newest: Option<usize>,
    oldest: Option<usize>,
    /// Size of all slots (bytes).
    held: usize,
    capacity: usize,
    /// The slot that the hand visits next.
    hand: usize,
    /// Number of slots that the hand has visited, for the tests.
    #[cfg(test)]
    pub(super) visited: usize,
}

/// Number of maps that the keys are spread over.
const MAPS: usize = 64;
/// Number of slots that the hand visits with an insertion.
const SWEPT: usize = 4;
/// Approximate size of a slot without its key and bytes (bytes).
const OVERHEAD: usize = 160;

impl Slots {
    pub(super) fn new(capacity: usize) -> Slots {
        Slots {
            places: (0..MAPS).map(|_| HashMap::new()).collect(),
            all: Vec::new(),
            free: Vec::new(),
            newest: None,
            oldest: None,
            held: 0,
            capacity,
            hand: 0,
            #[cfg(test)]
            visited: 0,
        }
    }

    /// The bytes under a key, unless they have expired.
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        let slot = self.all[self.place(key)?].as_ref()?;
        (slot.expires > Instant::now()).then_some(slot.bytes.as_slice())
    }

    /// The same for a reader, which makes it the most recently used value.
    pub(super) fn read(&mut self, key: &str) -> Option<&[u8]> {
        let at = self.place(key)?;
        if self.newest != Some(at) && self.all[at].as_ref()?.order.is_some() {
            self.unlink(at);
            self.link(at);
        }
        self.get(key)
    }

    /// How long until the bytes under a key expire.
    pub(super) fn left(&self, key: &str) -> Duration {
        let slot = self.place(key).and_then(|at| self.all[at].as_ref());
        slot.map(|slot| slot.expires.duration_since(Instant::now())).unwrap_or_default()
    }

    /// Overwrites some of the bytes under a key; `false` if there are none.
    pub(super) fn patch(&mut self, key: &str, at: usize, bytes: &[u8]) -> bool {
        let Some(slot) = self.slot_mut(key) else { return false };
        let (before, end) = (slot.bytes.len(), at + bytes.len());
        if end > before {
            slot.bytes.resize(end, 0);
        }
        slot.bytes[at..end].copy_from_slice(bytes);
        self.held += end.saturating_sub(before);
        true
    }

    /// Changes when the bytes under a key expire; `false` if there are none.
    pub(super) fn expire(&mut self, key: &str, expires: Instant) -> bool {
        self.slot_mut(key).map(|slot| slot.expires = expires).is_some()
    }

    fn slot_mut(&mut self, key: &str) -> Option<&mut Slot> {
        let at = self.place(key)?;
        self.all[at].as_mut()
    }

    /// Puts bytes under a key. Returns the keys of the values that were evicted for it, which may be this one.
    pub(super) fn insert(&mut self, key: &str, bytes: Vec<u8>, expires: Instant) -> Vec<Arc<str>> {
        self.remove(key);
        let is_value = entry::refresh_until(&bytes).is_some();
        let is_tag = matches!(entry::tag_slot(Some(&bytes)), TagSlot::Version(_));
        let key: Arc<str> = key.into();
        let slot = Slot { key: key.clone(), bytes, expires, order: None };
        if is_value && slot.size() > self.capacity {
            // Nothing this large is worth evicting everything else.
            return vec![key];
        }
        self.held += slot.size();
        let at = self.free.pop().unwrap_or(self.all.len());
        if at == self.all.len() {
            self.all.push(Some(slot));
        } else {
            self.all[at] = Some(slot);
        }
        self.places[map_of(&key)].insert(key, at);
        if is_value || is_tag {
            self.link(at);
        }
        self.sweep();
        let mut evicted = Vec::new();
        while self.held > self.capacity
            && let Some(slot) = self.oldest.and_then(|oldest| self.take(oldest))
        {
            evicted.push(slot.key);
        }
        evicted
    }

    /// Removes a key; whether it was there.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        self.place(key).and_then(|at| self.take(at)).is_some()
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.places[map_of(key)].get(key).copied()
    }

    fn take(&mut self, at: usize) -> Option<Slot> {
        self.unlink(at);
        let slot = self.all[at].take()?;
        self.places[map_of(&slot.key)].remove(&slot.key);
        self.free.push(at);
        self.held -= slot.size();
        self.visit();
        Some(slot)
    }

    /// Removes the expired slots that the hand visits.
    fn sweep(&mut self) {
        let now = Instant::now();
        for _ in 0..SWEPT {
            self.hand = if self.hand + 1 < self.all.len() { self.hand + 1 } else { 0 };
            self.visit();
            if self.all[self.hand].as_ref().is_some_and(|slot| slot.expires <= now) {
                self.take(self.hand);
            }
        }
    }

    /// Makes a value the most recently used.
    fn link(&mut self, at: usize) {
        let older = self.newest;
        self.set(at, Some(Neighbours { newer: None, older }));
        match older {
            Some(older) => self.change(older, |order| order.newer = Some(at)),
            None => self.oldest = Some(at),
        }
        self.newest = Some(at);
    }

    fn unlink(&mut self, at: usize) {
        let Some(Neighbours { newer, older }) = self.all[at].as_ref().and_then(|slot| slot.order) else {
            return;
        };
        self.set(at, None);
        match newer {
            Some(newer) => self.change(newer, |order| order.older = older),
            None => self.newest = older,
        }
        match older {
            Some(older) => self.change(older, |order| order.newer = newer),
            None => self.oldest = newer,
        }
    }

    fn set(&mut self, at: usize, order: Option<Neighbours>) {
        if let Some(slot) = &mut self.all[at] {
            slot.order = order;
        }
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut Neighbours)) {
        if let Some(order) = self.all[at].as_mut().and_then(|slot| slot.order.as_mut()) {
            change(order);
        }
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "it counts for the tests"))]
    fn visit(&mut self) {
        #[cfg(test)]
        {
            self.visited += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.iter().map(HashMap::len).sum()
    }
}

impl Slot {
    fn size(&self) -> usize {
        self.key.len() + self.bytes.len() + OVERHEAD
    }
}

/// The map of a key, by its last bytes, in which keys differ most.
fn map_of(key: &str) -> usize {
    let hash = key
        .bytes()
        .rev()
        .take(8)
        .fold(0_usize, |hash, byte| (hash ^ usize::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 15)) % MAPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use cached_aside_protocol::{Token, Writers, entry::Header};

    const LONG: Duration = Duration::from_secs(3600);

    fn value(length: usize) -> Vec<u8> {
        let header =
            Header { fingerprint: 1, fresh_for: LONG, load_time: Duration::ZERO, outlives_freshness: false };
        let mut bytes = entry::begin();
        bytes.resize(bytes.len() + length, 7);
        entry::finish(&mut bytes, Token::numbered(1), header);
        bytes
    }

    fn guard() -> Vec<u8> {
        let mut writers = Writers::default();
        writers.enter(Token::numbered(1), LONG);
        writers.write()
    }

    fn put(slots: &mut Slots, key: &str, bytes: Vec<u8>) -> Vec<String> {
        let expires = Instant::now() + LONG;
        slots.insert(key, bytes, expires).iter().map(ToString::to_string).collect()
    }

    fn size(bytes: &[u8]) -> usize {
        bytes.len() + "v0".len() + OVERHEAD
    }

    #[test]
    fn what_was_used_last_stays() {
        let mut slots = Slots::new(3 * size(&value(10)));
        for key in ["v0", "v1", "v2"] {
            assert_eq!(put(&mut slots, key, value(10)), [""; 0]);
        }
        assert!(slots.read("v0").is_some());
        assert_eq!(put(&mut slots, "v3", value(10)), ["v1"]);
        assert_eq!(put(&mut slots, "v2", value(10)), [""; 0], "written anew");
        assert_eq!(put(&mut slots, "v4", value(10)), ["v0"]);
        assert_eq!(put(&mut slots, "v5", value(10 + size(&value(10)))), ["v3", "v2"]);
        assert_eq!((slots.len(), slots.held), (2, slots.capacity));
        let capacity = slots.capacity;
        assert_eq!(put(&mut slots, "v6", value(capacity)), ["v6"], "larger than all");
        assert!(slots.get("v6").is_none() && slots.get("v4").is_some() && slots.get("v5").is_some());
        for key in ["v4", "v5"] {
            assert!(slots.remove(key));
        }
        assert_eq!((slots.len(), slots.held, slots.newest, slots.oldest), (0, 0, None, None));
    }

    /// Only values are evicted: evicting a guard would hide a write.
    #[test]
    fn guards_and_leases_are_never_evicted() {
        let mut slots = Slots::new(4 * size(&value(10)));
        for number in 0..100 {
            put(&mut slots, &format!("guard {number}"), guard());
            put(&mut slots, &format!("lease {number}"), entry::lease(Token::numbered(2)).to_vec());
            put(&mut slots, &format!("value {number}"), value(10));
        }
        for number in 0..100 {
            assert!(
                slots.get(&format!("guard {number}")).is_some()
                    && slots.get(&format!("lease {number}")).is_some()
            );
        }
        assert_eq!(slots.len(), 200, "there is no room for values");
    }

    #[test]
    fn the_bound_is_kept() {
        let mut slots = Slots::new(1_000_000);
        for number in 0..20_000_usize {
            put(&mut slots, &format!("key {number}"), value(number % 500));
            assert!(slots.held <= 1_000_000, "{}", slots.held);
        }
        assert!(slots.held > 990_000 && slots.all.len() < 6_000, "{} {}", slots.held, slots.all.len());
        assert!(slots.get("key 19999").is_some() && slots.get("key 1").is_none());
    }

    /// Whoever makes up names of tags does not fill the memory.
    #[test]
    fn tags_are_evicted_as_values_are() {
        let mut slots = Slots::new(100_000);
        for number in 0..5_000 {
            put(&mut slots, &format!("#tag {number}"), entry::tag(Token::numbered(2)).to_vec());
            assert!(slots.held <= 100_000, "{}", slots.held);
            assert!(slots.read("#tag 0").is_some(), "what is in use is kept");
        }
        assert!(slots.get("#tag 4999").is_some() && slots.get("#tag 1").is_none());
    }

    /// Also when a hundred thousand expire at once, or the maps grow.
    #[tokio::test(start_paused = true)]
    async fn no_step_visits_more_than_a_few_slots() {
        let mut slots = Slots::new(usize::MAX);
        let mut most = 0;
        for number in 0..200_000 {
            if number == 100_000 {
                tokio::time::advance(2 * LONG).await;
            }
            let before = slots.visited;
            put(&mut slots, &format!("key {number}"), value(0));
            most = most.max(slots.visited - before);
        }
        assert!(most <= 2 * SWEPT, "{most} in one step");
        assert_eq!(slots.len(), 100_000, "what has expired is gone");
        let largest = slots.places.iter().map(HashMap::len).max().unwrap_or_default();
        assert!(largest < 100_000 / MAPS * 4, "{largest} keys in one map");
    }
}
