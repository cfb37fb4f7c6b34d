//! Large values. On the connection that everybody uses, one of them holds up what is sent behind it, in either direction, for as
//! long as it takes to come through; on a slow link that looks like a server that does not answer. So they travel over a
//! connection of their own.
//!
//! Of what is stored the length is known. Of what is read it is known from the last time: the first read of a large value that
//! another process stored may hold others up once. Where that read is late, the length is asked for.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::store::answer::LARGE;

/// Length up to which an entry says nothing about the next value (bytes).
const SHORT: usize = 256;
/// Maximum number of keys whose values are known to be large. All are forgotten when there is one more.
const MOST_KEYS: usize = 4_096;
/// Number of reads in a row that took too long, after which a value is left alone for a while.
const LATE_IN_A_ROW: u8 = 2;
/// How long it is left alone.
const REST: Duration = Duration::from_secs(10);
/// Maximum number of keys whose lengths are asked for at once: as many as may have travelled together.
const ASKED_AT_ONCE: usize = 64;

/// The keys whose values were large. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct LargeValues(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// There are some, so that a read asks no lock while there are none.
    any: AtomicBool,
    keys: RwLock<HashMap<u64, Reads>>,
    /// Number of keys whose lengths are being asked for.
    asked: AtomicUsize,
    /// That one does not come through was said.
    said: AtomicBool,
}

/// What became of the reads of one large value.
#[derive(Debug, Clone, Copy, Default)]
struct Reads {
    late: u8,
    rests_until: Option<Instant>,
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As all others.
    Usual,
    /// Over a connection of its own.
    Apart,
    /// Not at all: it did not come through in time.
    Not,
}

impl LargeValues {
    pub(super) fn way(&self, key: &str, now: impl FnOnce() -> Instant) -> Way {
        if !self.0.any.load(Relaxed) {
            return Way::Usual;
        }
        match self.0.keys().get(&hash(key)) {
            None => Way::Usual,
            Some(Reads { rests_until: Some(until), .. }) if now() < *until => Way::Not,
            Some(_) => Way::Apart,
        }
    }

    /// A value of this length is about to be stored.
    pub(super) fn stored(&self, key: &str, length: usize) {
        if length > LARGE {
            self.0.insert(key, |_| {});
        } else {
            self.0.remove(key);
        }
    }

    /// An entry was read in time.
    pub(super) fn read(&self, key: &str, there: Option<&Bytes>) {
        match there.map_or(0, Bytes::len) {
            length if length > LARGE => self.0.insert(key, |reads| *reads = Reads::default()),
            // A lease, or a guard, stands there for a while between two values.
            length if length < SHORT => {}
            _ => self.0.remove(key),
        }
    }

    /// Room for asking for one more length.
    pub(super) fn ask(&self) -> Option<Asking> {
        let is_room = self.0.asked.fetch_add(1, Relaxed) < ASKED_AT_ONCE;
        let asking = Asking(self.clone());
        is_room.then_some(asking)
    }

    /// A large value did not come through in time.
    pub(super) fn late(&self, key: &str, within: Duration, now: Instant) {
        let mut rests = false;
        self.0.insert(key, |reads| {
            reads.late += 1;
            rests = reads.late >= LATE_IN_A_ROW;
            if rests {
                *reads = Reads { late: 0, rests_until: Some(now + REST) };
            }
        });
        if rests && !self.0.said.swap(true, Relaxed) {
            tracing::warn!(
                key,
                ?within,
                "a large value does not come through in time and is left alone for a while; raise `timeout`, or lower \
                 `max_value_size` so that it is not stored"
            );
        }
    }
}

impl Known {
    fn keys(&self) -> RwLockReadGuard<'_, HashMap<u64, Reads>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys_mut(&self) -> RwLockWriteGuard<'_, HashMap<u64, Reads>> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, key: &str, change: impl FnOnce(&mut Reads)) {
        let (mut keys, key) = (self.keys_mut(), hash(key));
        if keys.len() >= MOST_KEYS && !keys.contains_key(&key) {
            keys.clear();
        }
        change(keys.entry(key).or_default());
        self.any.store(true, Relaxed);
    }

    fn remove(&self, key: &str) {
        if !self.any.load(Relaxed) || !self.keys().contains_key(&hash(key)) {
            return;
        }
        let mut keys = self.keys_mut();
        keys.remove(&hash(key));
        self.any.store(!keys.is_empty(), Relaxed);
    }
}

/// Makes room, when it ends for whatever reason, for asking for another length.
pub(super) struct Asking(LargeValues);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.0.asked.fetch_sub(1, Relaxed);
    }
}

fn hash(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Bytes {
        vec![0; length].into()
    }

    #[test]
    fn a_value_is_read_apart_while_it_is_large() {
        let (large, now) = (LargeValues::default(), Instant::now());
        assert_eq!(large.way("k", || now), Way::Usual);
        large.stored("k", LARGE);
        assert_eq!(large.way("k", || now), Way::Usual);
        large.stored("k", LARGE + 1);
        assert_eq!((large.way("k", || now), large.way("other", || now)), (Way::Apart, Way::Usual));
        large.read("k", Some(&bytes(12)));
        large.read("k", None);
        assert_eq!(large.way("k", || now), Way::Apart, "a lease, and none");
        large.read("k", Some(&bytes(LARGE)));
        assert_eq!(large.way("k", || now), Way::Usual);
        assert!(!large.0.any.load(Relaxed));
        large.read("k", Some(&bytes(LARGE + 1)));
        assert_eq!(large.way("k", || now), Way::Apart, "stored by another process");
        large.stored("k", 12);
        assert_eq!(large.way("k", || now), Way::Usual);
        for number in 0..MOST_KEYS + 10 {
            large.stored(&format!("{number}"), LARGE + 1);
        }
        assert_eq!(large.0.keys().len(), 10, "they are bounded");
    }

    #[test]
    fn a_value_that_does_not_come_through_is_left_alone_for_a_while() {
        let (large, now) = (LargeValues::default(), Instant::now());
        large.stored("k", LARGE + 1);
        large.late("k", REST, now);
        assert_eq!(large.way("k", || now), Way::Apart, "once is no rule");
        large.stored("k", LARGE + 1);
        large.late("k", REST, now);
        assert_eq!(large.way("k", || now), Way::Not, "storing it says nothing about reading it");
        assert_eq!(large.way("k", || now + REST), Way::Apart);
        large.late("k", REST, now + REST);
        large.read("k", Some(&bytes(LARGE + 1)));
        large.late("k", REST, now + REST);
        assert_eq!(
            large.way("k", || now + REST),
            Way::Apart,
            "one that came through counts from the beginning"
        );
    }
}
