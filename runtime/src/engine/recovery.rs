//! The invalidations that have not been delivered yet.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use cached_aside_protocol::Token;

use crate::owed::Owed;

pub(crate) mod delivery;

/// Maximum number of keys on the list, about two hundred bytes each.
const MAX_KEYS: usize = 100_000;
/// So many are delivered in one step.
const BATCH: usize = 128;
/// Invalidations that have not been delivered. While a key is here, this process neither reads nor stores it.
///
/// A key stays until its invalidation is delivered, however long that takes: another function, or another release, may have
/// stored its entry for longer than whoever wrote it knows. Only where the list is full does the oldest leave undelivered.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// How many keys there are, so that a hit asks no lock while there are none.
    count: AtomicUsize,
    list: Mutex<List>,
    owed: Arc<Owed>,
    /// Held during an attempt: what one has taken from the list is not missing for another.
    attempt: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct List {
    keys: HashMap<Arc<str>, Item>,
    /// The keys that can be delivered, in the order of their next attempt, each once. One that is no longer here, or is being
    /// written again, is passed over when its turn comes.
    turns: VecDeque<Arc<str>>,
    delivering: bool,
}

#[derive(Debug, Default)]
struct Item {
    /// Writes whose body still runs: nothing is delivered before they are through.
    writing: Vec<Token>,
    /// What to deliver; `None` while only a running write keeps the key here.
    due: Option<Due>,
    /// Whether it is among the turns.
    queued: bool,
}

type Batch = Vec<(Arc<str>, Due)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    token: Token,
    settle: Duration,
}

impl Recovery {
    /// An empty list that counts its keys there.
    pub(crate) fn new(owed: Arc<Owed>) -> Recovery {
        Recovery { owed, ..Recovery::default() }
    }

    /// How many keys are waiting.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether this process must leave the cache alone for this key: asked by [`gate`](crate::engine::gate) alone.
    pub(super) fn has(&self, key: &str) -> bool {
        self.len() > 0 && self.list().keys.contains_key(key)
    }

    /// A write begins whose guard could not be placed. Returns how many keys were given up for this one. Where all others are
    /// being written as well, there is no room for it.
    pub(crate) fn begin(&self, key: &str, write: Token) -> usize {
        let mut list = self.list();
        let room = list.make_room(key);
        if room != Room::None {
            list.keys.entry(key.into()).or_default().writing.push(write);
            self.count.store(list.keys.len(), Relaxed);
        }
        if room == Room::OfTheOldest {
            self.owed.gave_up();
        }
        usize::from(room == Room::OfTheOldest)
    }

    /// That write is over.
    pub(crate) fn end(&self, key: &str, write: Token) {
        let mut list = self.list();
        if let Some(item) = list.keys.get_mut(key) {
            item.writing.retain(|writing| *writing != write);
            if item.writing.is_empty() && item.due.is_none() {
                list.keys.remove(key);
            }
        }
        list.queue(key);
        self.count.store(list.keys.len(), Relaxed);
    }

    /// An invalidation could not be delivered. Returns how many keys were given up: the oldest where there are too many, or this
    /// one where all others are being written.
    pub(crate) fn add(&self, key: &str, token: Token, settle: Duration) -> usize {
        let mut list = self.list();
        let room = list.make_room(key);
        if room == Room::OfTheOldest {
            self.owed.gave_up();
        }
        if room != Room::None {
            let due = &mut list.keys.entry(key.into()).or_default().due;
            // A write that was cancelled may still be at work, whatever a later one of the same key owes.
            let settle = due.map_or(settle, |earlier| earlier.settle.max(settle));
            if due.replace(Due { token, settle }).is_none() {
                self.owed.add();
            }
            list.queue(key);
            self.count.store(list.keys.len(), Relaxed);
        }
        usize::from(room != Room::Free)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is due next, or `None` when nothing is left, in which case the delivery is over.
    fn batch(&self) -> Option<Batch> {
        let mut list = self.list();
        if list.keys.is_empty() {
            list.turns.clear();
            list.delivering = false;
            return None;
        }
        drop(list);
        Some(self.take_turns())
    }

    /// What is due next.
    fn take_turns(&self) -> Batch {
        let mut list = self.list();
        let mut batch = Batch::new();
        while batch.len() < BATCH
            && let Some((key, due)) = list.next_turn()
        {
            batch.push((key, due));
        }
        batch
    }
}

/// What was taken from the list for an attempt. Whatever is left of it, also when the attempt is cancelled, waits for its
/// next turn.
struct Undelivered<'a> {
    recovery: &'a Recovery,
    left: VecDeque<(Arc<str>, Due)>,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        let mut list = self.recovery.list();
        self.left.drain(..).for_each(|(key, _)| list.queue(&key));
    }
}

impl List {
    /// Room for this key.
    fn make_room(&mut self, key: &str) -> Room {
        if self.keys.len() < MAX_KEYS || self.keys.contains_key(key) {
            return Room::Free;
        }
        match self.next_turn() {
            Some((oldest, _)) => {
                self.keys.remove(&oldest);
                Room::OfTheOldest
            }
            None => Room::None,
        }
    }

    /// Puts a key that can be delivered at the end of the turns, unless it has one.
    fn queue(&mut self, key: &str) {
        let Some((key, _)) = self.keys.get_key_value(key) else { return };
        let key = key.clone();
        if let Some(item) = self.keys.get_mut(&key)
            && item.due.is_some()
            && item.writing.is_empty()
            && !item.queued
        {
            item.queued = true;
            self.turns.push_back(key);
        }
    }

    /// The key whose turn it is.
    fn next_turn(&mut self) -> Option<(Arc<str>, Due)> {
        while let Some(key) = self.turns.pop_front() {
            let Some(item) = self.keys.get_mut(&key) else { continue };
            item.queued = false;
            // While it is written it has no turn; it has one again when the write is over.
            if item.writing.is_empty()
                && let Some(due) = item.due
            {
                return Some((key, due));
            }
        }
        None
    }
}

/// Whether there is room for one more key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Free,
    /// The oldest key was given up for it.
    OfTheOldest,
    /// All keys are being written or delivered.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(recovery: &Recovery) -> Vec<String> {
        recovery.batch().unwrap_or_default().into_iter().map(|(key, _)| key.to_string()).collect()
    }

    fn token(number: usize) -> Token {
        Token::numbered(number as u64)
    }

    #[test]
    fn the_list_is_bounded_and_gives_up_the_oldest() {
        let recovery = Recovery::default();
        assert_eq!(recovery.begin("written now", token(0)), 0);
        let mut given_up = 0;
        for number in 0..MAX_KEYS + 10 {
            given_up += recovery.add(&format!("key {number}"), token(1), Duration::ZERO);
        }
        assert_eq!((recovery.len(), given_up), (MAX_KEYS, 11));
        assert!(!recovery.has("key 10") && recovery.has("key 11") && recovery.has("written now"));
        assert_eq!(recovery.begin("written next", token(2)), 1);
        assert!(!recovery.has("key 11") && recovery.has("written next"));
    }

    #[test]
    fn the_list_is_bounded_while_its_keys_are_written() {
        let recovery = Recovery::default();
        let keys: Vec<String> = (0..3 * MAX_KEYS).map(|number| format!("key {number}")).collect();
        for key in &keys {
            assert_eq!(recovery.begin(key, token(1)), 0);
            assert!(recovery.len() <= MAX_KEYS);
        }
        let given_up: usize = keys.iter().map(|key| recovery.add(key, token(1), Duration::ZERO)).sum();
        for key in &keys {
            recovery.end(key, token(1));
        }
        assert_eq!((recovery.len(), given_up), (MAX_KEYS, 2 * MAX_KEYS));
        assert_eq!(recovery.list().turns.len(), MAX_KEYS);
    }

    #[test]
    fn a_key_that_is_written_again_and_again_takes_one_place() {
        let recovery = Recovery::default();
        for number in 0..1000 {
            recovery.begin("k", token(number));
            recovery.add("k", token(number), Duration::ZERO);
            recovery.end("k", token(number));
            if number % 3 == 0 {
                let batch = recovery.take_turns();
                drop(Undelivered { recovery: &recovery, left: batch.into() });
            }
        }
        assert_eq!((recovery.len(), recovery.list().turns.len()), (1, 1));
        let latest = Due { token: token(999), settle: Duration::ZERO };
        assert_eq!(recovery.take_turns(), [("k".into(), latest)]);
    }

    #[test]
    fn a_key_that_fails_is_not_in_the_way_of_others() {
        let recovery = Recovery::default();
        for number in 0..BATCH * 2 {
            recovery.add(&format!("{number:03}"), token(1), Duration::ZERO);
        }
        let first = due(&recovery);
        assert_eq!((first.len(), first[0].as_str()), (BATCH, "000"));
        assert_eq!(due(&recovery)[0], format!("{BATCH:03}"), "the next ones are next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_stays_until_its_invalidation_is_delivered() {
        let recovery = Recovery::default();
        recovery.add("k", token(1), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(365 * 24 * 3600)).await;
        assert_eq!(due(&recovery), ["k"]);
        assert!(recovery.has("k"));
    }

    #[test]
    fn a_write_that_may_still_be_at_work_is_not_forgotten_for_a_later_one() {
        let recovery = Recovery::default();
        recovery.add("k", token(1), Duration::from_secs(10));
        recovery.add("k", token(2), Duration::ZERO);
        let both = Due { token: token(2), settle: Duration::from_secs(10) };
        assert_eq!(recovery.take_turns(), [("k".into(), both)]);
    }

    #[test]
    fn nothing_is_delivered_while_a_write_runs() {
        let recovery = Recovery::default();
        recovery.begin("k", token(1));
        recovery.begin("k", token(2));
        recovery.add("k", token(1), Duration::ZERO);
        recovery.end("k", token(1));
        recovery.end("k", token(1));
        assert_eq!(due(&recovery), [""; 0], "the other write runs");
        recovery.end("k", token(2));
        assert_eq!(due(&recovery), ["k"]);
        assert!(recovery.has("k"), "it stays until it has been delivered");
        recovery.begin("only written", token(3));
        recovery.end("only written", token(3));
        assert!(!recovery.has("only written"));
    }
}
