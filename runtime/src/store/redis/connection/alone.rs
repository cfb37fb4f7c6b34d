//! One attempt to connect at a time.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::Inner;
use crate::store::answer::boxed;

/// Nobody else connects meanwhile. Those who wait for that hold no place in a queue: a caller's runtime may stand still.
pub(super) struct Alone {
    node: Arc<Inner>,
    lock: Option<OwnedMutexGuard<()>>,
}

impl Alone {
    /// Tries to connect once, then keeps trying in the background.
    pub(super) async fn connect_or_keep_trying(self) {
        let node = &self.node;
        if let Err(error) = boxed(node.connect_alone(&self)).await {
            node.down(&error);
            node.keep_connecting();
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // In this order: whoever finds it taken is told.
        drop(self.lock.take());
        self.node.attempted.notify_waiters();
    }
}

impl Inner {
    /// Waits until nobody else connects: on the library's thread, which never stands still.
    pub(super) async fn alone(self: &Arc<Self>) -> Alone {
        let lock = self.connect_lock.clone().lock_owned().await;
        Alone { node: self.clone(), lock: Some(lock) }
    }

    /// Begins an attempt, unless somebody makes one.
    pub(super) fn try_alone(self: &Arc<Self>) -> Option<Alone> {
        let lock = self.connect_lock.clone().try_lock_owned().ok()?;
        Some(Alone { node: self.clone(), lock: Some(lock) })
    }
}
