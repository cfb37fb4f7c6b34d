//! Which keys have been asked for of late: a table that forgets, and may take a key for another once in a while.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::clock::Nanos;

/// Number of slots that a key can take. With one, two keys that are asked for in turns would overwrite each other for ever.
const WAYS: usize = 4;
/// Number of keys that it can tell of. A key that is not asked for again soon is overwritten by another.
const SLOTS: usize = 8_192 * WAYS;

/// The last time at which keys were asked for: half of a slot is that time (ms), the other half tells the key.
#[derive(Debug)]
pub(super) struct Recent {
    hasher: RandomState,
    slots: Box<[AtomicU64]>,
}

impl Recent {
    pub(super) fn new() -> Recent {
        Recent { hasher: RandomState::new(), slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Whether this key was asked for within so long before; now it is.
    pub(super) fn again(&self, function: usize, key: &str, now: Nanos, within: Duration) -> bool {
        let hash = self.hasher.hash_one((function, key));
        let [hash_a, hash_b, hash_c, hash_d, low @ ..] = hash.to_be_bytes();
        // The time begins again after 49 days.
        let [.., ms_a, ms_b, ms_c, ms_d] = (now / 1_000_000).to_be_bytes();
        let first = usize::from(u16::from_be_bytes([low[0], low[1]])) * WAYS % SLOTS;
        let slots = &self.slots[first..first + WAYS];
        // Which key a slot tells of, and how long ago that was asked for (ms).
        let told = |slot: &AtomicU64| {
            let [was_a, was_b, was_c, was_d, then @ ..] = slot.load(Relaxed).to_be_bytes();
            let passed = u32::from_be_bytes([ms_a, ms_b, ms_c, ms_d]).wrapping_sub(u32::from_be_bytes(then));
            ([was_a, was_b, was_c, was_d] == [hash_a, hash_b, hash_c, hash_d], passed)
        };
        // Its own, or else the one that was not asked for the longest.
        let Some((slot, (is_known, passed))) =
            slots.iter().map(|slot| (slot, told(slot))).max_by_key(|(_, told)| *told)
        else {
            return false;
        };
        slot.store(u64::from_be_bytes([hash_a, hash_b, hash_c, hash_d, ms_a, ms_b, ms_c, ms_d]), Relaxed);
        is_known && u128::from(passed) <= within.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn a_key_that_is_asked_for_again_in_time_is_hot() {
        let (recent, second) = (Recent::new(), Duration::from_secs(1));
        assert!(!recent.again(1, "k", 5_000 * MS, second));
        assert!(!recent.again(2, "k", 5_100 * MS, second), "another function's");
        assert!(!recent.again(1, "other", 5_100 * MS, second));
        assert!(recent.again(1, "k", 6_000 * MS, second));
        assert!(recent.again(1, "k", 7_000 * MS, second), "the last time counts");
        assert!(!recent.again(1, "k", 8_001 * MS, second));
    }

    #[test]
    fn many_keys_that_are_asked_for_in_turns_are_hot() {
        let (recent, second) = (Recent::new(), Duration::from_secs(1));
        let keys: Vec<String> = (0..2_000).map(|key| format!("product:{key}")).collect();
        let mut hot = 0;
        for turn in 0..2 {
            hot = keys.iter().filter(|key| recent.again(1, key, (5_000 + turn) * MS, second)).count();
        }
        // Of a few in a thousand five share a place.
        assert!(hot > 1_950, "{hot}");
    }

    #[test]
    fn the_milliseconds_may_begin_again() {
        let recent = Recent::new();
        let end = MS << 32;
        assert!(!recent.again(1, "k", end - MS, Duration::from_millis(10)));
        assert!(recent.again(1, "k", end + MS, Duration::from_millis(10)));
    }
}
