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

use super::{RedisStore, connection::Link};
use crate::{
    patience::in_awake_time,
    store::{Answer, LARGE, StoreError},
    thread::{self, Clock},
};

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

    /// A large value did not come through in time.
    fn late(&self, key: &str, within: Duration, now: Instant) {
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

/// A read on its way. Dropped without an answer, when most of the time of a call is over, it was late.
pub(super) struct Reading<'a> {
    store: &'a RedisStore,
    key: &'a str,
    way: Way,
    began: Instant,
    within: Duration,
    ended: bool,
}

impl Reading<'_> {
    /// Whether the value is not known to be large.
    pub(super) fn is_usual(&self) -> bool {
        self.way == Way::Usual
    }

    pub(super) fn end(mut self, there: Option<&Bytes>) {
        self.ended = true;
        self.store.large.read(self.key, there);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        if self.ended || now - self.began < self.within / 2 {
            return;
        }
        match self.way {
            Way::Usual => self.store.ask_length(self.key),
            Way::Apart => self.store.large.late(self.key, self.within, now),
            Way::Not => {}
        }
    }
}

impl RedisStore {
    /// The link over which a key is read, and what takes note of how that goes.
    pub(super) async fn way<'a>(&'a self, key: &'a str) -> Answer<(Link, Reading<'a>)> {
        let owner = self.route.owner(self.full(key))?;
        let within = owner.limits().call;
        let way = self.large.way(key, Instant::now);
        // Begun first: the connection for large values may be the one that is late.
        let reading = Reading { store: self, key, way, began: Instant::now(), within, ended: false };
        match way {
            Way::Usual => Ok((owner.into_owned(), reading)),
            Way::Apart => Ok((owner.for_large_values().await?, reading)),
            Way::Not => Err(StoreError::Timeout(Duration::ZERO)),
        }
    }

    /// A read was late: that may be because of its length, which is asked for in the background.
    #[cold]
    pub(super) fn ask_length(&self, key: &str) {
        if self.large.0.asked.fetch_add(1, Relaxed) >= ASKED_AT_ONCE {
            self.large.0.asked.fetch_sub(1, Relaxed);
            return;
        }
        let asking = Asking(self.large.clone());
        let Ok(owner) = self.route.owner(self.full(key)) else { return };
        let (within, owner, key) = (owner.limits().call, owner.into_owned(), key.to_owned());
        let mut get = redis::cmd("GETRANGE");
        // A user who may run the scripts may run it.
        get.arg(self.full(&key)).arg(LARGE).arg(LARGE);
        thread::spawn(async move {
            let answer = async { owner.for_large_values().await?.call::<Bytes>(&get).await };
            let answer = in_awake_time!(Clock::Real, within, answer);
            if matches!(answer, Some(Ok(beyond)) if !beyond.is_empty()) {
                asking.0.late(&key, within, Instant::now());
            }
        });
    }
}

/// Makes room, when it ends for whatever reason, for asking for another length.
struct Asking(LargeValues);

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
