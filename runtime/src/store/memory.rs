//! A store in this process: for development, tests, and programs of one process.
//!
//! It holds the same bytes as Redis would, so that both stores behave alike in every field of the header.

use std::time::Duration;

use crate::lock::Mutex;

use bytes::Bytes;
#[cfg(test)]
use cached_aside_protocol::Writers;
use cached_aside_protocol::{Change, Slot, Step};
use tokio::time::Instant;

use self::slots::Slots;
use super::{
    answer::{Answer, Together, Watched},
    changes::ChangeListeners,
};

mod slots;

#[derive(Debug)]
pub(crate) struct MemoryStore {
    /// The epoch of the deadlines.
    epoch: Instant,
    slots: Mutex<Slots>,
    listeners: ChangeListeners,
}

/// Default maximum size of a store (bytes).
const CAPACITY: usize = 128 << 20;

#[expect(clippy::unused_async, reason = "the methods of all stores are alike")]
impl MemoryStore {
    pub(crate) fn new() -> Self {
        MemoryStore::with_capacity(CAPACITY)
    }

    /// A store of at most `bytes`, including keys and overhead.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let slots = Mutex::new(Slots::new(bytes));
        MemoryStore { epoch: Instant::now(), slots, listeners: ChangeListeners::default() }
    }

    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Bytes>> {
        Ok(self.slots.lock().read(key).map(Bytes::copy_from_slice))
    }

    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        Ok((self.read(key).await?, self.now()))
    }

    pub(crate) async fn read_together(&self, keys: &[&str], timed: bool) -> Answer<Together> {
        let mut slots = self.slots.lock();
        let values = keys.iter().map(|key| slots.read(key).map(Bytes::copy_from_slice));
        Ok(Together::of(values, timed.then(|| self.now())))
    }

    pub(crate) async fn run<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        self.take(&mut self.slots.lock(), key, step)
    }

    pub(crate) async fn run_all<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
    ) -> Answer<Vec<Answer<S::Answer>>> {
        let mut slots = self.slots.lock();
        Ok(keys.iter().zip(steps).map(|(key, step)| self.take(&mut slots, key, step)).collect())
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let watch = self.listeners.listen(key, true);
        let slots = self.slots.lock();
        let left = slots.left(key);
        Ok(Watched { watch, there: slots.get(key).map(Bytes::copy_from_slice), left, now: self.now() })
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        Ok(())
    }

    /// The time of this store.
    fn now(&self) -> Duration {
        Instant::now().duration_since(self.epoch)
    }

    /// Runs a step on one key.
    fn take<S: Step>(&self, slots: &mut Slots, key: &str, step: &S) -> Answer<S::Answer> {
        let left = slots.left(key);
        let mut slot = Slot::new(slots.get(key), left, self.now());
        let answer = step.apply(&mut slot)?;
        for change in slot.into_changes() {
            self.change(slots, key, change);
        }
        Ok(answer)
    }

    fn change(&self, slots: &mut Slots, key: &str, change: Change) {
        let changed = match change {
            Change::Put { bytes, ttl } => return self.put(slots, key, bytes, ttl),
            Change::Patch { at, bytes } => slots.patch(key, at, &bytes),
            Change::Expire { ttl } => slots.expire(key, Instant::now() + ttl),
            Change::Delete => slots.remove(key),
        };
        if changed {
            self.listeners.changed(key);
        }
    }

    fn put(&self, slots: &mut Slots, key: &str, bytes: Vec<u8>, ttl: Duration) {
        let evicted = slots.insert(key, bytes, Instant::now() + ttl);
        self.listeners.changed(key);
        for key in &evicted {
            self.listeners.changed(key);
        }
    }

    #[cfg(test)]
    pub(crate) fn time(&self) -> Duration {
        self.now()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().len()
    }

    /// Number of keys that have listeners.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> usize {
        self.listeners.len()
    }

    /// Removes what stands under a key, unless it is a guard, as for want of room.
    #[cfg(test)]
    pub(crate) fn evict(&self, key: &str) {
        let mut slots = self.slots.lock();
        let is_guard = slots.get(key).is_some_and(|bytes| Writers::read(bytes).is_some());
        if !is_guard {
            self.change(&mut slots, key, Change::Delete);
        }
    }

    /// Puts arbitrary bytes under a key, as another program might.
    #[cfg(test)]
    pub(crate) fn plant(&self, key: &str, bytes: Vec<u8>) {
        self.plant_for(key, bytes, Duration::from_secs(3600));
    }

    #[cfg(test)]
    pub(crate) fn plant_for(&self, key: &str, bytes: Vec<u8>, ttl: Duration) {
        self.put(&mut self.slots.lock(), key, bytes, ttl);
    }
}
