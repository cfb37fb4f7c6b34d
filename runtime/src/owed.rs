//! How many invalidations Redis is owed, for the line of the log that says how an outage ended.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::Notify;

/// Counts of the keys of one cache that went through its recovery list.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    listed: AtomicU64,
    delivered: AtomicU64,
    given_up: AtomicU64,
    /// Notified when nothing is owed any more.
    settled: Notify,
}

/// The counts at one moment.
#[cfg(feature = "redis")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Keys whose invalidation was put on the list so far.
    listed: u64,
    /// Those of them whose invalidation was delivered later.
    delivered: u64,
    /// Those that are owed still.
    left: u64,
}

#[cfg(feature = "redis")]
impl Counted {
    /// How many keys were owed since then, and how many of them were delivered.
    pub(crate) fn since(self, then: Counted) -> (u64, u64) {
        (then.left + self.listed - then.listed, self.delivered - then.delivered)
    }
}

impl Owed {
    pub(crate) fn add(&self) {
        self.listed.fetch_add(1, Relaxed);
    }

    pub(crate) fn delivered(&self) {
        self.delivered.fetch_add(1, Relaxed);
        self.check();
    }

    pub(crate) fn gave_up(&self) {
        self.given_up.fetch_add(1, Relaxed);
        self.check();
    }

    fn check(&self) {
        if self.left() == 0 {
            self.settled.notify_waiters();
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            listed: self.listed.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            left: self.left(),
        }
    }

    /// How many keys are owed now.
    pub(crate) fn left(&self) -> u64 {
        let ended = self.delivered.load(Relaxed) + self.given_up.load(Relaxed);
        self.listed.load(Relaxed).saturating_sub(ended)
    }

    /// Waits until nothing is owed.
    #[cfg(feature = "redis")]
    pub(crate) async fn settled(&self) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // From here on no notification is missed.
            settled.as_mut().enable();
            if self.left() == 0 {
                return;
            }
            settled.await;
        }
    }
}
