//! The invalidations that have not been delivered yet.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use cached_aside_protocol::Token;

use crate::{lock::Mutex, owed::Owed};

pub(crate) mod delivery;

/// Maximum number of keys on the list, about two hundred bytes each.
const MAX_KEYS: usize = 100_000;
/// Maximum number of invalidations of a batch.
const BATCH: usize = 128;
/// The same of the first batch of an attempt: without an answer to any of these the others would fail too. Next time others are the
/// first, which may be another server's.
const FIRST: usize = 8;

/// The recovery list: invalidations that have not been delivered. While a key is on it, this process neither reads nor stores the key.
///
/// A key stays until its invalidation is delivered, however long that takes: another function, or another release, may have stored its
/// entry for longer than the writer knows. Only when the list is full is the oldest one evicted undelivered.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// Number of keys, so that a hit takes no lock while there are none.
    count: AtomicUsize,
    queue: Mutex<Queue>,
    owed: Arc<Owed>,
    /// Held during an attempt, so that no other attempt takes the queue for empty meanwhile.
    attempt: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Queue {
    keys: HashMap<Arc<str>, Pending>,
    /// The keys that can be delivered, in the order of their next attempts, each once. One that has been removed, or is being written
    /// again, is skipped.
    ready: VecDeque<Arc<str>>,
    delivering: bool,
}

#[derive(Debug, Default)]
struct Pending {
    /// Writes whose body still runs: the invalidation is delivered after them.
    writing: Vec<Token>,
    /// What to deliver; `None` if only a running write keeps the key on the list.
    invalidation: Option<Invalidation>,
    /// Whether it is in `ready`.
    queued: bool,
}

type Batch = Vec<(Arc<str>, Invalidation)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Invalidation {
    token: Token,
    settle: Duration,
}

impl Recovery {
    /// An empty list that counts its keys in `owed`.
    pub(crate) fn new(owed: Arc<Owed>) -> Recovery {
        Recovery { owed, ..Recovery::default() }
    }

    /// Number of keys on the list.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Keys on the list, at most so many: first those whose invalidations are tried next.
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn first(&self, at_most: usize) -> Vec<Arc<str>> {
        let queue = self.queue.lock();
        let next = queue.ready.iter().filter(|key| queue.keys.contains_key(*key));
        let others = queue.keys.iter().filter(|(_, pending)| !pending.queued).map(|(key, _)| key);
        next.chain(others).take(at_most).cloned().collect()
    }

    /// Whether this key is on the list: asked by [`gate`](crate::engine::gate) alone.
    pub(super) fn has(&self, key: &str) -> bool {
        self.len() > 0 && self.queue.lock().keys.contains_key(key)
    }

    /// A write begins whose guard could not be placed. Returns the number of keys that were evicted for it. If all others are being
    /// written too, there is no room for it.
    pub(crate) fn begin(&self, key: &str, write: Token) -> usize {
        let mut queue = self.queue.lock();
        let room = queue.make_room(key);
        if room != Room::None {
            let writing = &mut queue.keys.entry(key.into()).or_default().writing;
            if !writing.contains(&write) {
                writing.push(write);
            }
            self.count.store(queue.keys.len(), Relaxed);
        }
        if room == Room::OfEvicted {
            self.owed.gave_up();
        }
        usize::from(room == Room::OfEvicted)
    }

    /// That write has ended.
    pub(crate) fn end(&self, key: &str, write: Token) {
        let mut queue = self.queue.lock();
        if let Some(pending) = queue.keys.get_mut(key) {
            pending.writing.retain(|writing| *writing != write);
            if pending.writing.is_empty() && pending.invalidation.is_none() {
                queue.keys.remove(key);
            }
        }
        queue.push_ready(key);
        self.count.store(queue.keys.len(), Relaxed);
    }

    /// An invalidation could not be delivered. Returns the number of keys that were given up: the oldest if the list is full, or this
    /// one if all others are being written.
    pub(crate) fn add(&self, key: &str, token: Token, settle: Duration) -> usize {
        let mut queue = self.queue.lock();
        let room = queue.make_room(key);
        if room == Room::OfEvicted {
            self.owed.gave_up();
        }
        if room != Room::None {
            let invalidation = &mut queue.keys.entry(key.into()).or_default().invalidation;
            // A cancelled write may still reach the database, whatever a later one of the same key has to deliver.
            let settle = invalidation.map_or(settle, |earlier| earlier.settle.max(settle));
            if invalidation.replace(Invalidation { token, settle }).is_none() {
                self.owed.add();
            }
            queue.push_ready(key);
            self.count.store(queue.keys.len(), Relaxed);
        }
        usize::from(room != Room::Free)
    }

    /// The next batch, or `None` if the list is empty: then the delivery has ended.
    fn next_batch_or_end(&self, at_most: usize) -> Option<Batch> {
        let mut queue = self.queue.lock();
        if queue.keys.is_empty() {
            queue.ready.clear();
            queue.delivering = false;
            return None;
        }
        drop(queue);
        Some(self.next_batch(at_most))
    }

    /// The next batch.
    fn next_batch(&self, at_most: usize) -> Batch {
        let mut queue = self.queue.lock();
        let mut batch = Batch::new();
        while batch.len() < at_most
            && let Some((key, invalidation)) = queue.pop_ready()
        {
            batch.push((key, invalidation));
        }
        batch
    }
}

/// The batch of an attempt. What is left of it, also when the attempt is cancelled, is queued again.
struct Undelivered<'a> {
    recovery: &'a Recovery,
    left: VecDeque<(Arc<str>, Invalidation)>,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        let mut queue = self.recovery.queue.lock();
        self.left.drain(..).for_each(|(key, _)| queue.push_ready(&key));
    }
}

impl Queue {
    /// Makes room for this key.
    fn make_room(&mut self, key: &str) -> Room {
        if self.keys.len() < MAX_KEYS || self.keys.contains_key(key) {
            return Room::Free;
        }
        match self.pop_ready() {
            Some((oldest, _)) => {
                self.keys.remove(&oldest);
                Room::OfEvicted
            }
            None => Room::None,
        }
    }

    /// Puts a key that can be delivered at the end of `ready`, unless it is there.
    fn push_ready(&mut self, key: &str) {
        let Some((key, _)) = self.keys.get_key_value(key) else { return };
        let key = key.clone();
        if let Some(pending) = self.keys.get_mut(&key)
            && pending.invalidation.is_some()
            && pending.writing.is_empty()
            && !pending.queued
        {
            pending.queued = true;
            self.ready.push_back(key);
        }
    }

    /// The next key that can be delivered.
    fn pop_ready(&mut self) -> Option<(Arc<str>, Invalidation)> {
        while let Some(key) = self.ready.pop_front() {
            let Some(pending) = self.keys.get_mut(&key) else { continue };
            pending.queued = false;
            // A key that is being written is pushed again when the write has ended.
            if pending.writing.is_empty()
                && let Some(invalidation) = pending.invalidation
            {
                return Some((key, invalidation));
            }
        }
        None
    }
}

/// Whether there is room for one more key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Free,
    /// The oldest key was evicted for it.
    OfEvicted,
    /// All keys are being written or delivered.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(recovery: &Recovery) -> Vec<String> {
        recovery
            .next_batch_or_end(BATCH)
            .unwrap_or_default()
            .into_iter()
            .map(|(key, _)| key.to_string())
            .collect()
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
    fn some_of_its_keys_are_told_those_first_that_are_tried_next() {
        let recovery = Recovery::default();
        recovery.begin("written", token(1));
        for key in ["first", "second", "third", "written"] {
            recovery.add(key, token(1), Duration::ZERO);
        }
        let told = |at_most| recovery.first(at_most).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(2), ["first", "second"]);
        assert_eq!(told(9), ["first", "second", "third", "written"]);
        // What is on its way is on the list, and what is only being written is as long as that takes.
        let batch = recovery.next_batch(BATCH);
        assert_eq!((batch.len(), told(9).len()), (3, 4));
        recovery.begin("begun", token(2));
        assert!(told(9).contains(&"begun".to_owned()));
        recovery.end("begun", token(2));
        assert_eq!(told(9).len(), 4);
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
        assert_eq!(recovery.queue.lock().ready.len(), MAX_KEYS);
    }

    #[test]
    fn a_key_that_is_written_again_and_again_takes_one_place() {
        let recovery = Recovery::default();
        for number in 0..1000 {
            recovery.begin("k", token(number));
            recovery.add("k", token(number), Duration::ZERO);
            recovery.end("k", token(number));
            if number % 3 == 0 {
                let batch = recovery.next_batch(BATCH);
                drop(Undelivered { recovery: &recovery, left: batch.into() });
            }
        }
        assert_eq!((recovery.len(), recovery.queue.lock().ready.len()), (1, 1));
        let latest = Invalidation { token: token(999), settle: Duration::ZERO };
        assert_eq!(recovery.next_batch(BATCH), [("k".into(), latest)]);
    }

    #[test]
    fn a_write_that_names_a_key_again_and_again_is_noted_once() {
        let recovery = Recovery::default();
        for _ in 0..1000 {
            recovery.begin("k", token(1));
        }
        assert_eq!(recovery.queue.lock().keys["k"].writing.len(), 1);
        recovery.end("k", token(1));
        assert_eq!(recovery.len(), 0);
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
        let both = Invalidation { token: token(2), settle: Duration::from_secs(10) };
        assert_eq!(recovery.next_batch(BATCH), [("k".into(), both)]);
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
