//! What a cache knows of the entries that verification has found to be something else than what their bodies give.

use std::{
    collections::HashMap,
    sync::{
        MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use cached_aside_protocol::Token;
use tokio::time::Instant;

use crate::lock::Mutex;

/// Maximum number of entries under suspicion; what is found beyond it is found again later.
const MAX_SUSPECTS: usize = 1_000;

/// The verification of the hits of one cache.
#[derive(Debug)]
pub(crate) struct Verification {
    /// The share of hits for functions that say nothing of it.
    pub(crate) share: f64,
    begun: Instant,
    pub(crate) suspects: Suspects,
}

impl Verification {
    pub(crate) fn new(share: f64) -> Verification {
        Verification { share, begun: Instant::now(), suspects: Suspects::default() }
    }

    /// What time it is (ms).
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(Instant::now().saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Entries whose bodies gave something else once.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Number of entries, so that a hit takes no lock while there are none.
    count: AtomicUsize,
    entries: Mutex<HashMap<Box<str>, Suspect>>,
}

#[derive(Debug)]
struct Suspect {
    /// Who wrote the entry.
    token: Token,
    /// A digest of what the body gave.
    gave: u64,
    /// Whether it is being looked at again.
    looked_at: bool,
}

/// How many times an entry was found to be something else than what its body gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accused {
    First,
    /// The second time, and a digest of what the body gave the first time.
    Again {
        gave: u64,
    },
}

impl Suspects {
    fn change<T>(&self, change: impl FnOnce(&mut HashMap<Box<str>, Suspect>) -> T) -> T {
        let mut entries: MutexGuard<'_, _> = self.entries.lock();
        let changed = change(&mut entries);
        self.count.store(entries.len(), Relaxed);
        changed
    }

    /// Whether the next hit of this key decides about its entry.
    pub(crate) fn waits_for(&self, key: &str) -> bool {
        self.count.load(Relaxed) > 0 && self.entries.lock().get(key).is_some_and(|suspect| !suspect.looked_at)
    }

    /// The body gave something else than the entry that this token wrote. The entry is to be looked at again, unless it is already, or
    /// there are too many.
    pub(crate) fn accuse(&self, key: &str, token: Token, gave: u64) -> Option<Accused> {
        self.change(|entries| {
            match entries.get_mut(key) {
                Some(suspect) if suspect.looked_at => return None,
                Some(suspect) if suspect.token == token => {
                    suspect.looked_at = true;
                    return Some(Accused::Again { gave: suspect.gave });
                }
                _ => {}
            }
            if entries.len() >= MAX_SUSPECTS {
                // Their keys were not asked for again.
                entries.retain(|_, suspect| suspect.looked_at);
            }
            if entries.len() >= MAX_SUSPECTS {
                return None;
            }
            entries.insert(key.into(), Suspect { token, gave, looked_at: true });
            Some(Accused::First)
        })
    }

    /// The entry was looked at and still stands there: the next hit of its key decides.
    pub(crate) fn adjourn(&self, key: &str) {
        self.change(|entries| {
            if let Some(suspect) = entries.get_mut(key) {
                suspect.looked_at = false;
            }
        });
    }

    /// The look at the entry is over. Unless the next hit decides, it is no longer under suspicion.
    pub(crate) fn conclude(&self, key: &str) {
        self.change(|entries| {
            if entries.get(key).is_some_and(|suspect| suspect.looked_at) {
                entries.remove(key);
            }
        });
    }

    /// The body gave what the entry says. Whether it had given something else the time before.
    pub(crate) fn acquit(&self, key: &str, token: Token) -> bool {
        self.waits_for(key)
            && self.change(|entries| entries.remove(key).filter(|suspect| suspect.token == token)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_are_bounded_and_those_that_nobody_asks_for_make_room() {
        let suspects = Suspects::default();
        let token = Token::numbered(1);
        for key in 0..MAX_SUSPECTS {
            assert_eq!(suspects.accuse(&key.to_string(), token, 7), Some(Accused::First));
        }
        assert_eq!(suspects.accuse("more", token, 7), None, "all are being looked at");
        suspects.adjourn("5");
        assert!(suspects.waits_for("5") && !suspects.waits_for("6"));
        assert_eq!(suspects.accuse("more", token, 7), Some(Accused::First));
        assert!(!suspects.waits_for("5"), "it made room");
        suspects.adjourn("more");
        assert_eq!(
            suspects.accuse("more", Token::numbered(2), 8),
            Some(Accused::First),
            "another entry begins anew"
        );
        suspects.adjourn("more");
        assert_eq!(suspects.accuse("more", Token::numbered(2), 9), Some(Accused::Again { gave: 8 }));
        assert_eq!(suspects.accuse("more", Token::numbered(2), 9), None, "it is being looked at");
    }
}
