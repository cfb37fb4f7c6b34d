//! Large values. On the shared connection a large value delays what is sent after it, in either direction, until it is transferred; on a
//! slow network that looks like a server that does not answer. So large values have a dedicated connection.
//!
//! The length of a value that is stored is known. The length of a value that is read is known from the last read: the first read of a
//! large value that another process stored may delay others once. If that read times out, the length is requested.

use std::{
    collections::HashMap,
    sync::{
        Arc, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::{lock::RwLock, store::answer::LARGE};

/// Maximum length of an entry that says nothing about the length of the value (bytes).
const SHORT: usize = 256;
/// Maximum number of keys whose values are known to be large. One more, and all are forgotten.
const MAX_KEYS: usize = 4_096;
/// Number of timeouts in a row after which a value is not read for a while.
const TIMEOUTS_IN_A_ROW: u8 = 2;
/// How long it is not read.
const SKIP_FOR: Duration = Duration::from_secs(10);
/// Maximum number of keys whose lengths are requested at once: as many as a batch may have.
const MAX_LENGTH_REQUESTS: usize = 64;

/// The keys whose values were large. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct LargeValues(Arc<Keys>);

#[derive(Debug, Default)]
struct Keys {
    /// Whether there are any, so that a read takes no lock while there are none.
    any: AtomicBool,
    by_hash: RwLock<HashMap<u64, Timeouts>>,
    /// Number of keys whose lengths are being requested.
    requested: AtomicUsize,
    /// The timeout of a large value has been logged.
    logged: AtomicBool,
}

/// The results of the reads of one large value.
#[derive(Debug, Clone, Copy, Default)]
struct Timeouts {
    in_a_row: u8,
    skipped_until: Option<Instant>,
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadVia {
    /// Over the shared connection.
    Shared,
    /// Over the dedicated connection.
    Dedicated,
    /// Not at all: it has timed out.
    Skip,
}

impl LargeValues {
    /// Whether any value is known to be large.
    pub(super) fn is_any_known(&self) -> bool {
        self.0.any.load(Relaxed)
    }

    pub(super) fn read_via(&self, key: &str, now: impl FnOnce() -> Instant) -> ReadVia {
        if !self.is_any_known() {
            return ReadVia::Shared;
        }
        match self.0.keys().get(&hash(key)) {
            None => ReadVia::Shared,
            Some(Timeouts { skipped_until: Some(until), .. }) if now() < *until => ReadVia::Skip,
            Some(_) => ReadVia::Dedicated,
        }
    }

    /// A value of this length is about to be stored.
    pub(super) fn record_stored(&self, key: &str, length: usize) {
        if length > LARGE {
            self.0.insert(key, |_| {});
        } else {
            self.0.remove(key);
        }
    }

    /// An entry was read in time.
    pub(super) fn record_read(&self, key: &str, there: Option<&Bytes>) {
        match there.map_or(0, Bytes::len) {
            length if length > LARGE => self.0.insert(key, |timeouts| *timeouts = Timeouts::default()),
            // Between two values there is a lease or a guard for a while.
            length if length < SHORT => {}
            _ => self.0.remove(key),
        }
    }

    /// A permit to request one more length.
    pub(super) fn request_length(&self) -> Option<LengthRequest> {
        let is_room = self.0.requested.fetch_add(1, Relaxed) < MAX_LENGTH_REQUESTS;
        let request = LengthRequest(self.clone());
        is_room.then_some(request)
    }

    /// The read of a large value timed out.
    pub(super) fn timed_out(&self, key: &str, within: Duration, now: Instant) {
        let mut skip = false;
        self.0.insert(key, |timeouts| {
            timeouts.in_a_row += 1;
            skip = timeouts.in_a_row >= TIMEOUTS_IN_A_ROW;
            if skip {
                *timeouts = Timeouts { in_a_row: 0, skipped_until: Some(now + SKIP_FOR) };
            }
        });
        if skip && !self.0.logged.swap(true, Relaxed) {
            tracing::warn!(
                key,
                ?within,
                "reads of a large value timed out, and it is not read for a while; raise `timeout`, or lower \
                 `max_value_size` so that it is not stored"
            );
        }
    }
}

impl Keys {
    fn keys(&self) -> RwLockReadGuard<'_, HashMap<u64, Timeouts>> {
        self.by_hash.read()
    }

    fn keys_mut(&self) -> RwLockWriteGuard<'_, HashMap<u64, Timeouts>> {
        self.by_hash.write()
    }

    fn insert(&self, key: &str, change: impl FnOnce(&mut Timeouts)) {
        let (mut keys, key) = (self.keys_mut(), hash(key));
        if keys.len() >= MAX_KEYS && !keys.contains_key(&key) {
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

/// A permit to request a length.
pub(super) struct LengthRequest(LargeValues);

impl Drop for LengthRequest {
    fn drop(&mut self) {
        self.0.0.requested.fetch_sub(1, Relaxed);
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
        assert_eq!(large.read_via("k", || now), ReadVia::Shared);
        large.record_stored("k", LARGE);
        assert_eq!(large.read_via("k", || now), ReadVia::Shared);
        large.record_stored("k", LARGE + 1);
        assert_eq!(
            (large.read_via("k", || now), large.read_via("other", || now)),
            (ReadVia::Dedicated, ReadVia::Shared)
        );
        large.record_read("k", Some(&bytes(12)));
        large.record_read("k", None);
        assert_eq!(large.read_via("k", || now), ReadVia::Dedicated, "a lease, and none");
        large.record_read("k", Some(&bytes(LARGE)));
        assert_eq!(large.read_via("k", || now), ReadVia::Shared);
        assert!(!large.0.any.load(Relaxed));
        large.record_read("k", Some(&bytes(LARGE + 1)));
        assert_eq!(large.read_via("k", || now), ReadVia::Dedicated, "stored by another process");
        large.record_stored("k", 12);
        assert_eq!(large.read_via("k", || now), ReadVia::Shared);
        for number in 0..MAX_KEYS + 10 {
            large.record_stored(&format!("{number}"), LARGE + 1);
        }
        assert_eq!(large.0.keys().len(), 10, "they are bounded");
    }

    #[test]
    fn a_value_that_does_not_come_through_is_left_alone_for_a_while() {
        let (large, now) = (LargeValues::default(), Instant::now());
        large.record_stored("k", LARGE + 1);
        large.timed_out("k", SKIP_FOR, now);
        assert_eq!(large.read_via("k", || now), ReadVia::Dedicated, "once is no rule");
        large.record_stored("k", LARGE + 1);
        large.timed_out("k", SKIP_FOR, now);
        assert_eq!(large.read_via("k", || now), ReadVia::Skip, "storing it says nothing about reading it");
        assert_eq!(large.read_via("k", || now + SKIP_FOR), ReadVia::Dedicated);
        large.timed_out("k", SKIP_FOR, now + SKIP_FOR);
        large.record_read("k", Some(&bytes(LARGE + 1)));
        large.timed_out("k", SKIP_FOR, now + SKIP_FOR);
        assert_eq!(
            large.read_via("k", || now + SKIP_FOR),
            ReadVia::Dedicated,
            "one that came through counts from the beginning"
        );
    }
}
