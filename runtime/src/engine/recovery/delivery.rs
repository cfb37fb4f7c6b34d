//! Delivering the recovery list: in the background until it is empty, or now.

use std::{
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use cached_aside_protocol::steps::{Left, Release, Released};
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::{BATCH, Batch, FIRST, Invalidation, Recovery, Undelivered};
use crate::{backoff::DELIVERY, engine::shared::Shared, store::StoreError, thread::Clock};

impl Recovery {
    /// Delivers in the background until the list is empty, unless a task does so already.
    pub(crate) fn deliver(cache: &Arc<Shared>) {
        let recovery = &cache.recovery;
        if std::mem::replace(&mut recovery.queue.lock().delivering, true) {
            return;
        }
        let (delivery, clock) = (Delivery(Arc::downgrade(cache)), cache.clock);
        cache.spawn_for_ever(async move {
            let mut pauses = DELIVERY.pauses();
            loop {
                let Some(cache) = delivery.0.upgrade() else { return };
                let reconnected = cache.store.reconnected().cloned();
                drop(cache);
                wait(clock, reconnected.as_deref(), pauses.next_pause()).await;
                let Some(cache) = delivery.0.upgrade() else { return };
                let mut at_most = FIRST;
                loop {
                    let _alone = cache.recovery.attempt.lock().await;
                    let Some(batch) = cache.recovery.next_batch_or_end(at_most) else { return };
                    if !cache.recovery.send_batch(&cache, batch).await {
                        break;
                    }
                    (at_most, pauses) = (BATCH, DELIVERY.pauses());
                }
            }
        });
    }

    /// Delivers now, until the list is empty or a delivery fails again.
    pub(crate) async fn flush(cache: &Arc<Shared>) {
        let mut at_most = FIRST;
        while cache.recovery.len() > 0 {
            let shared = cache.clone();
            // Without its caller, who may go away or be polled no more: no other attempt could begin.
            let attempt = cache.spawn(async move {
                let _alone = shared.recovery.attempt.lock().await;
                shared.recovery.send_batch(&shared, shared.recovery.next_batch(at_most)).await
            });
            if !attempt.await.unwrap_or(false) {
                return;
            }
            at_most = BATCH;
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

    /// Delivers a batch. Delivered keys leave the list, the others are queued again. `true` if at least one was delivered.
    async fn send_batch(&self, cache: &Shared, batch: Batch) -> bool {
        let mut batch = Undelivered { recovery: self, left: batch.into() };
        let sent: Batch = batch.left.iter().cloned().collect();
        let delivered = join_all(sent.iter().map(|pending| send_one(cache, pending))).await;
        if delivered.iter().all(Option::is_none) {
            return false;
        }
        // The keys stay on the list while local copies of what was met may be used.
        cache.wait_for_copies(delivered.iter().flatten().max().copied().unwrap_or_default()).await;
        let mut delivered = delivered.into_iter();
        batch.left.retain(|pending| {
            let undelivered = delivered.next().flatten().is_none();
            if !undelivered {
                self.delivered_one(cache, pending);
            }
            undelivered
        });
        true
    }

    /// An invalidation was delivered: its key leaves the list.
    fn delivered_one(&self, cache: &Shared, (key, invalidation): &(Arc<str>, Invalidation)) {
        let mut queue = self.queue.lock();
        // A write that failed meanwhile has an invalidation of its own.
        let is_over = queue
            .keys
            .get(key)
            .is_some_and(|pending| pending.invalidation == Some(*invalidation) && pending.writing.is_empty());
        if is_over {
            queue.keys.remove(key);
            self.owed.delivered();
        } else {
            queue.push_ready(key);
        }
        self.count.store(queue.keys.len(), Relaxed);
        // Whoever is told of it may ask the cache.
        drop(queue);
        if is_over {
            cache.table.writes.delivered.increment();
            tracing::debug!(key = &**key, "an invalidation was delivered late");
        }
    }
}

/// Sends an invalidation. Gives what is left of the local copies of what it has met, if it was delivered.
async fn send_one(cache: &Shared, (key, invalidation): &(Arc<str>, Invalidation)) -> Option<Duration> {
    let release = |_| Release { token: invalidation.token, left: Left::Settling(invalidation.settle) };
    match cache.store.run_all(&[key], release, cache.timeout).await.pop() {
        Some(Ok(Released::Left(left))) => Some(left),
        Some(Ok(Released::Stored) | Err(StoreError::Foreign)) => Some(Duration::ZERO),
        answer => {
            tracing::debug!(key = &**key, ?answer, "an invalidation is still undelivered");
            None
        }
    }
}

/// Waits until the store is reachable again, at most for `pause`.
pub(crate) async fn wait(clock: Clock, reconnected: Option<&Notify>, pause: Duration) {
    match reconnected {
        // After either the caller tries again.
        Some(reconnected) => drop(clock.timeout(pause, reconnected.notified()).await),
        None => clock.sleep(pause).await,
    }
}

/// The task that delivers. Clears its flag when it ends for whatever reason.
struct Delivery(Weak<Shared>);

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(cache) = self.0.upgrade() {
            cache.recovery.queue.lock().delivering = false;
        }
    }
}
