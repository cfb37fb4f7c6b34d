//! What keeps trouble with the store away from the application: a budget of time for each call, pauses between attempts,
//! and the list of invalidations that have not been delivered yet.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use crate::{
    cache::Inner,
    entry::Token,
    store::{Answer, StoreError},
};

/// The time that one call may still spend on the store.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    spent: Duration,
}

impl Budget {
    pub(crate) fn new(left: Duration) -> Budget {
        Budget { left, spent: Duration::ZERO }
    }

    /// Takes a step within what is left, and counts the time it took.
    pub(crate) async fn spend<T, F>(&mut self, step: impl FnOnce(Duration) -> F) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        if self.left.is_zero() {
            return Err(StoreError::Timeout(Duration::ZERO));
        }
        let begun = Instant::now();
        let answer = step(self.left).await;
        let took = begun.elapsed();
        self.left = self.left.saturating_sub(took);
        self.spent += took;
        answer
    }

    /// What the steps have taken so far.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }
}

/// Pauses that double, each shortened by a random part, so that many who wait do not all come back at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Backoff {
        Backoff { first, most }
    }

    pub(crate) fn pauses(self) -> Pauses {
        Pauses { next: self.first, most: self.most }
    }
}

/// The pauses of one wait.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        shorten(pause, 500)
    }
}

/// Shortens a time by a random part of it, up to so many thousandths.
pub(crate) fn shorten(time: Duration, per_mille: u16) -> Duration {
    // Without randomness nothing is shortened.
    let random = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
    time.mul_f64(1.0 - random * f64::from(per_mille) / 1000.0)
}

/// So many keys are kept for later delivery, about a hundred bytes each.
const MOST_KEYS: usize = 100_000;
/// So many are delivered in one step.
const BATCH: usize = 128;
/// The pauses between attempts to deliver.
const DELIVERY: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// Invalidations that have not been delivered. While a key is here, this process neither reads nor stores it.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// How many keys there are, so that a hit asks no lock while there are none.
    count: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    keys: HashMap<String, Item>,
    delivering: bool,
    /// Counts additions: the oldest are given up first.
    added: u64,
}

#[derive(Debug)]
struct Item {
    /// Writes whose body still runs: nothing is delivered before they are through.
    writing: usize,
    /// What to deliver; `None` while only a running write keeps the key here.
    due: Option<Due>,
    added: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    token: Token,
    settle: Duration,
}

impl Recovery {
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
        list.item(key).writing += 1;
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

    /// An invalidation could not be delivered. Gives up the oldest where there are too many; returns how many.
    pub(crate) fn add(&self, key: &str, token: Token, settle: Duration) -> usize {
        let mut list = self.list();
        list.item(key).due = Some(Due { token, settle });
        let given_up = list.give_up();
        self.count.store(list.keys.len(), Relaxed);
        given_up
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers in the background until nothing is left, unless somebody is doing so.
    pub(crate) fn deliver(cache: &std::sync::Arc<Inner>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let recovery = &cache.recovery;
        if std::mem::replace(&mut recovery.list().delivering, true) {
            return;
        }
        let delivery = Delivery(std::sync::Arc::downgrade(cache));
        runtime.spawn(async move {
            let mut pauses = DELIVERY.pauses();
            loop {
                tokio::time::sleep(pauses.next_pause()).await;
                let Some(cache) = delivery.0.upgrade() else { return };
                let Some(batch) = cache.recovery.batch() else { return };
                if cache.recovery.deliver_batch(&cache, batch).await {
                    pauses = DELIVERY.pauses();
                }
            }
        });
    }

    /// Some of what is due, or `None` when nothing is left, in which case the delivery is over.
    fn batch(&self) -> Option<Vec<(String, Due)>> {
        let mut list = self.list();
        if list.keys.is_empty() {
            list.delivering = false;
            return None;
        }
        let due = list.keys.iter().filter(|(_, item)| item.writing == 0);
        Some(due.filter_map(|(key, item)| Some((key.clone(), item.due?))).take(BATCH).collect())
    }

    /// Delivers each; those that were delivered leave the list. `true` if any was.
    async fn deliver_batch(&self, cache: &Inner, batch: Vec<(String, Due)>) -> bool {
        let mut any = false;
        for (key, due) in batch {
            let answers = cache.store.release(&[&key], due.token, due.settle, cache.timeout).await;
            if !answers.iter().all(|answer| matches!(answer, Ok(()) | Err(StoreError::Foreign))) {
                tracing::debug!(key, ?answers, "an invalidation is still undelivered");
                break;
            }
            any = true;
            tracing::debug!(key, "an invalidation was delivered late");
            let mut list = self.list();
            if list.keys.get(&key).is_some_and(|item| item.due == Some(due) && item.writing == 0) {
                list.keys.remove(&key);
            }
            self.count.store(list.keys.len(), Relaxed);
        }
        any
    }
}

impl List {
    fn item(&mut self, key: &str) -> &mut Item {
        self.added += 1;
        let added = self.added;
        self.keys.entry(key.to_owned()).or_insert(Item { writing: 0, due: None, added })
    }

    /// Gives up the older half of what is over the bound, so that the search for the oldest is rare.
    fn give_up(&mut self) -> usize {
        if self.keys.len() <= MOST_KEYS {
            return 0;
        }
        let before = self.keys.len();
        let newest_given_up = self.added.saturating_sub(MOST_KEYS as u64 / 2);
        self.keys.retain(|_, item| item.writing > 0 || item.added > newest_given_up);
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
