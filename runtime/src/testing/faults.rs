//! A cache that fails when a test asks for it.

use std::{sync::Arc, time::Duration};

use crate::{
    Cache,
    engine::shared::Shared,
    store::{
        Store,
        faulty::{FaultyStore, Gate},
    },
};

/// The timeout of such a cache, which is the default of every other.
const TIMEOUT: Duration = Duration::from_millis(250);

/// A cache in this process, and what makes it fail. It behaves as one in Redis would: with a timeout of 250 ms, a recovery list and the
/// same counts in [`Cache::stats`].
///
/// Time is tokio's: in a test with `start_paused = true` a timeout takes no time, and "at most 250 ms" can be asserted exactly.
///
/// ```
/// use cached_aside::{cached_aside, testing};
///
/// #[cached_aside(ttl = "5m", key = "price:{id}")]
/// async fn price(id: u64) -> u64 {
///     100 + id
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (cache, faults) = testing::faulty_cache();
/// faults.refuse();
/// assert_eq!(cache.scope(price(7)).await, 107);
/// assert_eq!((cache.stats().total.errors > 0, cache.stats().total.hits), (true, 0));
/// # }
/// ```
#[must_use]
pub fn faulty_cache() -> (Cache, Faults) {
    let cache = Cache::with_store(Store::Faulty(FaultyStore::new()), TIMEOUT, "testing".to_owned());
    let faults = Faults { cache: cache.inner.clone() };
    (cache, faults)
}

/// Orders the faults of a [`faulty_cache`]. A fault holds until another is ordered, or [`heal`](Faults::heal) ends it.
#[derive(Debug, Clone)]
pub struct Faults {
    cache: Arc<Shared>,
}

impl Faults {
    /// Every command fails at once and is not executed, as with a connection that is refused.
    pub fn refuse(&self) {
        self.store().set_all(Gate::Fails);
    }

    /// No command is executed or answered, as with a server that has stopped: callers wait for the timeout.
    pub fn hang(&self) {
        self.store().set_all(Gate::Hangs);
    }

    /// Every command is executed, and its answer is lost: callers wait for the timeout.
    pub fn lose_answers(&self) {
        self.store().set_all(Gate::LosesReply);
    }

    /// The next release of a guard, with which a write ends, does not arrive: the writer waits for the timeout, and the guard stays. What
    /// follows that release passes.
    pub fn lose_next_release(&self) {
        self.store().set_next("release", Gate::Hangs);
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.store().heal();
    }

    fn store(&self) -> &FaultyStore {
        match &self.cache.store {
            Store::Faulty(store) => store,
            _ => unreachable!("a faulty cache has a faulty store"),
        }
    }
}
