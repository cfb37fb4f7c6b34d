//! Waiting for local copies: decoded values in other processes, which those may use until a time that the server knows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use super::shared::Shared;

/// Added to each wait: the server's milliseconds are rounded, on both sides.
const ROUNDED: Duration = Duration::from_millis(2);

impl Shared {
    /// Waits until the local copies are over of which so much is left, by the server's answer.
    pub(crate) async fn wait_for_copies(&self, left: Duration) {
        if !left.is_zero() {
            self.clock.sleep(left + ROUNDED).await;
        }
    }

    /// The same before a write goes on, which is counted.
    pub(crate) async fn hold_up_write(&self, left: Duration) {
        if left.is_zero() {
            return;
        }
        self.table.writes.writes_waited.increment();
        let waited = u64::try_from((left + ROUNDED).as_millis()).unwrap_or(u64::MAX);
        self.table.writes.writes_waited_ms.add(waited);
        tracing::debug!(?left, "a write waits for local copies");
        self.wait_for_copies(left).await;
    }
}

/// Whether a refill has met local copies, and so takes longer than its caller would wait for the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Met(Arc<AtomicBool>);

impl Met {
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}
