//! The guard that programs hold around a write that no attribute stands on.

use std::{fmt, sync::Arc};

use crate::{
    AnyKey, Error,
    engine::shared::Shared,
    function::write::{Guard, WriteFunction},
    key::Listed,
    write::{
        open::{Open, Unguarded},
        places::{Part, Places},
    },
};

/// Keys under guard, from [`Cache::guard`](crate::Cache::guard) or [`Cache::guard_best_effort`](crate::Cache::guard_best_effort): while it lives nothing is stored under them, and readers run their bodies.
///
/// [`release`](WriteGuard::release) it once the write is committed or rolled back. A guard that is dropped instead holds ten
/// seconds longer: nobody said whether the database is done.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// # #[cached_aside(ttl = "5m", key = "balance:{account}")]
/// # async fn balance(account: u64) -> u64 { account }
/// # async fn transfer_in_one_transaction() {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// let cache = Cache::in_process();
/// let guard = cache.guard([balance::key(1), balance::key(2)]).await?;
/// transfer_in_one_transaction().await;
/// // The transaction is committed: whatever this says, it must not look like a failure of the transfer.
/// if let Err(error) = guard.release().await {
///     eprintln!("{error}; the cache makes up for it by itself");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a guard that is dropped and not released holds for a while"]
pub struct WriteGuard {
    keys: Vec<AnyKey>,
    open: Open,
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGuard").field("keys", &Listed(&self.keys)).finish_non_exhaustive()
    }
}

/// How guards are placed that no attribute describes.
const BY_HAND: WriteFunction = WriteFunction::declare("cached_aside", "Cache::guard");

impl WriteGuard {
    /// Guards all of the keys, or none.
    pub(crate) async fn place(cache: &Arc<Shared>, keys: Vec<AnyKey>) -> Result<WriteGuard, Error> {
        let (guard, unguarded) = WriteGuard::begin(cache, keys, Guard::Required).await;
        match unguarded {
            Some((_, key, error)) => Err(error.into_error("guard", key.as_str())),
            None => Ok(guard.entered()),
        }
    }

    /// Guards those of the keys that can be guarded.
    pub(crate) async fn place_best_effort(cache: &Arc<Shared>, keys: Vec<AnyKey>) -> WriteGuard {
        let (guard, _) = WriteGuard::begin(cache, keys, Guard::BestEffort).await;
        guard.entered()
    }

    async fn begin(cache: &Arc<Shared>, keys: Vec<AnyKey>, guard: Guard) -> (WriteGuard, Option<Unguarded>) {
        let places = Places::new(BY_HAND.settings.function(), Some(cache));
        let parts = places.sort(keys);
        places.count(&parts);
        let keys = parts.iter().flat_map(|Part { keys, .. }| keys.iter().cloned()).collect();
        let (open, unguarded) = Open::begin(parts, &BY_HAND.guard(guard).settings).await;
        (WriteGuard { keys, open }, unguarded)
    }

    /// The write begins that it is around.
    fn entered(mut self) -> WriteGuard {
        self.open.enter();
        self
    }

    /// Ends the guard and deletes the entries: from here on readers see what was written. Inside of an annotated write or a
    /// transaction they stay guarded until that is over.
    ///
    /// # Errors
    ///
    /// When the cache did not answer. This process then does not use the entries until it has been told, which is tried
    /// again in the background; other processes see the guard's end at the latest ten seconds later.
    pub async fn release(mut self) -> Result<(), Error> {
        self.open.leave();
        match self.open.release(&BY_HAND.settings).await {
            Some((key, error)) => Err(error.into_error("release", key.as_str())),
            None => Ok(()),
        }
    }
}
