//! What keeps trouble with the store away from the application: a budget of time for each call, pauses between attempts,
//! and the list of invalidations that have not been delivered yet.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::Notify, time::Instant};

use crate::{
    backoff::Backoff,
    cache::Inner,
    engine::Clock,
    entry::Token,
    store::{Answer, StoreError},
    telemetry::Counter,
};

/// The time that one call may still spend on the store.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    spent: Duration,
    /// When the step began that is being taken.
    begun: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(left: Duration) -> Budget {
        Budget { left, spent: Duration::ZERO, begun: None }
    }

    /// Takes a step within what is left, and counts the time it took.
    pub(crate) async fn spend<T, F>(&mut self, step: impl FnOnce(Duration) -> F) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let within = self.begin()?;
        let answer = step(within).await;
        self.end(matches!(answer, Err(StoreError::Timeout(_))));
        answer
    }

    /// Begins a step, and tells what is left for it.
    pub(crate) fn begin(&mut self) -> Answer<Duration> {
        if self.left.is_zero() {
            return Err(StoreError::Timeout(Duration::ZERO));
        }
        self.begun = Some(Instant::now());
        Ok(self.left)
    }

    /// Ends the step, and counts the time it took. A step that was answered although it took longer than it had was one during
    /// which this process stood still: then nobody knows how long the store took, and it is not counted.
    pub(crate) fn end(&mut self, silent: bool) {
        if let Some(begun) = self.begun.take() {
            let took = begun.elapsed();
            if silent || took <= self.left {
                self.left = self.left.saturating_sub(took);
            }
            self.spent += took;
        }
    }

    /// What is left.
    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// What the steps have taken so far.
    pub(crate) fn spent(&self) -> Duration {
        self.spent + self.begun.map(|begun| begun.elapsed()).unwrap_or_default()
    }
}

/// So many keys are kept for later delivery, about a hundred bytes each.
const MOST_KEYS: usize = 100_000;
/// So many are delivered in one step.
const BATCH: usize = 128;
/// A load that was under way when its key was written, and that nobody could stop, is over after this, so that what it stored
/// has ended this much after the longest TTL.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// The pauses between attempts to deliver. After an outage everybody waits for the longest of them.
pub(crate) const DELIVERY: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(250));

/// Invalidations that have not been delivered. While a key is here, this process neither reads nor stores it.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// How many keys there are, so that a hit asks no lock while there are none.
    count: AtomicUsize,
    list: Mutex<List>,
    /// Held during an attempt: what one has taken from the list is not missing for another.
    attempt: tokio::sync::Mutex<()>,
    /// Keys that nothing is left to delete of.
    moot: Counter,
}

#[derive(Debug, Default)]
struct List {
    keys: HashMap<String, Item>,
    /// The keys that something is due for, in the order of their next attempt. A key that is no longer here, or has been
    /// put in twice, is passed over when its turn comes.
    turns: VecDeque<String>,
    delivering: bool,
}

#[derive(Debug, Default)]
struct Item {
    /// Writes whose body still runs: nothing is delivered before they are through.
    writing: usize,
    /// What to deliver; `None` while only a running write keeps the key here.
    due: Option<Due>,
    /// When nothing is left to delete, because every entry has come to its end; `None` where nobody knows.
    moot: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    token: Token,
    settle: Duration,
}

impl Recovery {
    /// How many keys left the list because their entries had come to their ends.
    pub(crate) fn moot(&self) -> u64 {
        self.moot.get()
    }

    /// How many keys are waiting.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether this process must leave the cache alone for this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.len() > 0 && self.list().keys.contains_key(key)
    }

    /// A write begins whose guard could not be placed.
    pub(crate) fn begin(&self, key: &str) {
        let mut list = self.list();
        list.keys.entry(key.to_owned()).or_default().writing += 1;
        self.count.store(list.keys.len(), Relaxed);
    }

    /// That write is over.
    pub(crate) fn end(&self, key: &str) {
        let mut list = self.list();
        if let Some(item) = list.keys.get_mut(key) {
            item.writing = item.writing.saturating_sub(1);
            if item.writing == 0 && item.due.is_none() {
                list.keys.remove(key);
            }
        }
        self.count.store(list.keys.len(), Relaxed);
    }

    /// An invalidation could not be delivered; `longest` is how long an entry under the key can live. Gives up the oldest where
    /// there are too many; returns how many.
    pub(crate) fn add(&self, key: &str, token: Token, settle: Duration, longest: Option<Duration>) -> usize {
        let mut list = self.list();
        let item = list.keys.entry(key.to_owned()).or_default();
        item.due = Some(Due { token, settle });
        item.moot = longest.and_then(|longest| Instant::now().checked_add(longest + UNDER_WAY));
        list.turns.push_back(key.to_owned());
        let given_up = list.give_up();
        self.count.store(list.keys.len(), Relaxed);
        given_up
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers in the background until nothing is left, unless somebody is doing so.
    pub(crate) fn deliver(cache: &Arc<Inner>) {
        let recovery = &cache.recovery;
        if std::mem::replace(&mut recovery.list().delivering, true) {
            return;
        }
        let (delivery, clock) = (Delivery(Arc::downgrade(cache)), cache.clock);
        cache.spawn_for_ever(async move {
            let mut pauses = DELIVERY.pauses();
            loop {
                let Some(cache) = delivery.0.upgrade() else { return };
                let back = cache.store.back().cloned();
                drop(cache);
                wait(clock, back.as_deref(), pauses.next_pause()).await;
                let Some(cache) = delivery.0.upgrade() else { return };
                loop {
                    let _alone = cache.recovery.attempt.lock().await;
                    let Some(batch) = cache.recovery.batch() else { return };
                    if !cache.recovery.deliver_batch(&cache, batch).await {
                        break;
                    }
                    pauses = DELIVERY.pauses();
                }
            }
        });
    }

    /// Delivers now, until nothing is left or something fails again.
    pub(crate) async fn flush(cache: &Arc<Inner>) {
        while cache.recovery.len() > 0 {
            let _alone = cache.recovery.attempt.lock().await;
            let batch = cache.recovery.take_turns();
            if !cache.recovery.deliver_batch(cache, batch).await {
                return;
            }
        }
    }

    /// Waits until everything has been delivered.
    pub(crate) async fn delivered(cache: &Arc<Inner>) {
        let mut pauses = DELIVERY.pauses();
        loop {
            Recovery::flush(cache).await;
            if cache.recovery.len() == 0 {
                return;
            }
            wait(cache.clock, cache.store.back().map(Arc::as_ref), pauses.next_pause()).await;
        }
    }

    /// What is due next, or `None` when nothing is left, in which case the delivery is over.
    fn batch(&self) -> Option<Vec<(String, Due)>> {
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
    fn take_turns(&self) -> Vec<(String, Due)> {
        let now = Instant::now();
        let mut list = self.list();
        let mut batch = Vec::new();
        for _ in 0..list.turns.len() {
            let Some(key) = list.turns.pop_front() else { break };
            match list.keys.get(&key) {
                Some(Item { writing: 0, due: Some(_), moot: Some(moot) }) if *moot <= now => {
                    tracing::debug!(key, "an undelivered invalidation is moot: its entry has ended");
                    list.keys.remove(&key);
                    self.moot.one();
                }
                Some(Item { writing: 0, due: Some(due), .. }) => batch.push((key, *due)),
                Some(_) => list.turns.push_back(key),
                None => {}
            }
            if batch.len() == BATCH {
                break;
            }
        }
        self.count.store(list.keys.len(), Relaxed);
        batch
    }

    /// Delivers each; those that were delivered leave the list, the others wait for their next turn. `true` if any was.
    async fn deliver_batch(&self, cache: &Inner, batch: Vec<(String, Due)>) -> bool {
        let mut batch = Undelivered { recovery: self, left: batch.into() };
        let Some(first) = batch.left.front().cloned() else { return false };
        // One goes ahead: where it gets no answer, the others would fare no better now.
        if !self.deliver_one(cache, &first).await {
            return false;
        }
        batch.left.pop_front();
        let rest: Vec<(String, Due)> = batch.left.iter().cloned().collect();
        let delivered = join_all(rest.iter().map(|item| self.deliver_one(cache, item))).await;
        let mut delivered = delivered.into_iter();
        batch.left.retain(|_| delivered.next() == Some(false));
        true
    }

    /// `true` if it was delivered.
    async fn deliver_one(&self, cache: &Inner, (key, due): &(String, Due)) -> bool {
        let answer = cache.store.release(&[key], due.token, due.settle, cache.timeout).await.pop();
        if !matches!(answer, Some(Ok(()) | Err(StoreError::Foreign))) {
            tracing::debug!(key, ?answer, "an invalidation is still undelivered");
            return false;
        }
        let mut list = self.list();
        // A write that failed meanwhile is due by itself.
        if list.keys.get(key).is_some_and(|item| item.due == Some(*due) && item.writing == 0) {
            tracing::debug!(key, "an invalidation was delivered late");
            cache.table.writes.delivered.one();
            list.keys.remove(key);
        } else {
            list.turns.push_back(key.clone());
        }
        self.count.store(list.keys.len(), Relaxed);
        true
    }
}

/// What was taken from the list for an attempt. Whatever is left of it, also when the attempt is cancelled, waits for its
/// next turn.
struct Undelivered<'a> {
    recovery: &'a Recovery,
    left: VecDeque<(String, Due)>,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        let left = self.left.drain(..).map(|(key, _)| key);
        self.recovery.list().turns.extend(left);
    }
}

/// Waits until the store is back, or for so long.
pub(crate) async fn wait(clock: Clock, back: Option<&Notify>, pause: Duration) {
    match back {
        // What it waited for, or the pause: both mean to try again.
        Some(back) => drop(clock.timeout(pause, back.notified()).await),
        None => clock.sleep(pause).await,
    }
}

impl List {
    /// Gives the oldest up that are over the bound; returns how many.
    fn give_up(&mut self) -> usize {
        let before = self.keys.len();
        for _ in 0..self.turns.len() {
            if self.keys.len() <= MOST_KEYS {
                break;
            }
            let Some(key) = self.turns.pop_front() else { break };
            match self.keys.get(&key) {
                Some(item) if item.writing > 0 => self.turns.push_back(key),
                _ => drop(self.keys.remove(&key)),
            }
        }
        before - self.keys.len()
    }
}

/// Says, when it ends for whatever reason, that nobody is delivering any more.
struct Delivery(Weak<Inner>);

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(cache) = self.0.upgrade() {
            cache.recovery.list().delivering = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(recovery: &Recovery) -> Vec<String> {
        recovery.batch().unwrap_or_default().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_list_is_bounded_and_gives_up_the_oldest() {
        let recovery = Recovery::default();
        recovery.begin("written now");
        let mut given_up = 0;
        for number in 0..MOST_KEYS + 10 {
            given_up += recovery.add(&format!("key {number}"), Token::numbered(1), Duration::ZERO, None);
        }
        assert_eq!((recovery.len(), given_up), (MOST_KEYS, 11));
        assert!(!recovery.has("key 10") && recovery.has("key 11") && recovery.has("written now"));
    }

    #[test]
    fn a_key_that_fails_is_not_in_the_way_of_others() {
        let recovery = Recovery::default();
        for number in 0..BATCH * 2 {
            recovery.add(&format!("{number:03}"), Token::numbered(1), Duration::ZERO, None);
        }
        let first = due(&recovery);
        assert_eq!((first.len(), first[0].as_str()), (BATCH, "000"));
        assert_eq!(due(&recovery)[0], format!("{BATCH:03}"), "the next ones are next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_whose_entry_has_ended_leaves_the_list() {
        let recovery = Recovery::default();
        let minute = Duration::from_secs(60);
        recovery.add("a minute", Token::numbered(1), Duration::ZERO, Some(minute));
        recovery.add("for ever", Token::numbered(2), Duration::ZERO, None);
        recovery.add("written", Token::numbered(3), Duration::ZERO, Some(minute));
        recovery.begin("written");
        tokio::time::advance(minute).await;
        assert_eq!(recovery.take_turns().len(), 2, "a load that was under way may have stored it since");
        for key in ["a minute", "for ever", "written"] {
            recovery.list().turns.push_back(key.to_owned());
        }
        tokio::time::advance(UNDER_WAY).await;
        assert_eq!(due(&recovery), ["for ever"]);
        assert!(!recovery.has("a minute") && recovery.has("written"));
        assert_eq!((recovery.len(), recovery.moot()), (2, 1));
    }

    #[test]
    fn nothing_is_delivered_while_a_write_runs() {
        let recovery = Recovery::default();
        recovery.begin("k");
        recovery.add("k", Token::numbered(1), Duration::ZERO, None);
        assert_eq!(due(&recovery), [""; 0]);
        recovery.end("k");
        assert_eq!(due(&recovery), ["k"]);
        assert!(recovery.has("k"), "it stays until it has been delivered");
        recovery.begin("only written");
        recovery.end("only written");
        assert!(!recovery.has("only written"));
    }
}
