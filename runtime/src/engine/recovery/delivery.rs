//! The delivery of what is on the list: in the background until nothing is left, or now.

use std::{
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use cached_aside_protocol::steps::{Left, Release};
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::{Batch, Due, Recovery, Undelivered};
use crate::{backoff::DELIVERY, engine::shared::Shared, store::StoreError, thread::Clock};

impl Recovery {
    /// Delivers in the background until nothing is left, unless somebody is doing so.
    pub(crate) fn deliver(cache: &Arc<Shared>) {
        let recovery = &cache.recovery;
        if std::mem::replace(&mut recovery.list().delivering, true) {
            return;
        }
        let (delivery, clock) = (Delivery(Arc::downgrade(cache)), cache.clock);
        cache.spawn_for_ever(async move {
            let mut pauses = DELIVERY.pauses();
            loop {
                let Some(cache) = delivery.0.upgrade() else { return };
                let back = cache.store.reconnected().cloned();
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
    pub(crate) async fn flush(cache: &Arc<Shared>) {
        while cache.recovery.len() > 0 {
            let _alone = cache.recovery.attempt.lock().await;
            let batch = cache.recovery.take_turns();
            if !cache.recovery.deliver_batch(cache, batch).await {
                return;
            }
        }
    }

    /// Waits until everything has been delivered.
    pub(crate) async fn delivered(cache: &Arc<Shared>) {
        let mut pauses = DELIVERY.pauses();
        loop {
            Recovery::flush(cache).await;
            if cache.recovery.len() == 0 {
                return;
            }
            wait(cache.clock, cache.store.reconnected().map(Arc::as_ref), pauses.next_pause()).await;
        }
    }

    /// Delivers each; those that were delivered leave the list, the others wait for their next turn. `true` if any was.
    async fn deliver_batch(&self, cache: &Shared, batch: Batch) -> bool {
        let mut batch = Undelivered { recovery: self, left: batch.into() };
        let Some(first) = batch.left.front().cloned() else { return false };
        // One goes ahead: where it gets no answer, the others would fare no better now.
        if !self.deliver_one(cache, &first).await {
            return false;
        }
        batch.left.pop_front();
        let rest: Batch = batch.left.iter().cloned().collect();
        let delivered = join_all(rest.iter().map(|item| self.deliver_one(cache, item))).await;
        let mut delivered = delivered.into_iter();
        batch.left.retain(|_| delivered.next() == Some(false));
        true
    }

    /// `true` if it was delivered.
    async fn deliver_one(&self, cache: &Shared, (key, due): &(Arc<str>, Due)) -> bool {
        let release = |_| Release { token: due.token, left: Left::Settling(due.settle) };
        let answer = cache.store.run_all(&[key], release, cache.timeout).await.pop();
        if !matches!(answer, Some(Ok(_) | Err(StoreError::Foreign))) {
            tracing::debug!(key = &**key, ?answer, "an invalidation is still undelivered");
            return false;
        }
        let mut list = self.list();
        // A write that failed meanwhile is due by itself.
        if list.keys.get(key).is_some_and(|item| item.due == Some(*due) && item.writing.is_empty()) {
            tracing::debug!(key = &**key, "an invalidation was delivered late");
            cache.table.writes.delivered.one();
            list.keys.remove(key);
            self.owed.delivered();
        } else {
            list.queue(key);
        }
        self.count.store(list.keys.len(), Relaxed);
        true
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

/// Says, when it ends for whatever reason, that nobody is delivering any more.
struct Delivery(Weak<Shared>);

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(cache) = self.0.upgrade() {
            cache.recovery.list().delivering = false;
        }
    }
}
