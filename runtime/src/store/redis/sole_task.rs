//! A background task of which there is at most one at a time.

use std::sync::{
    Arc, Weak,
    atomic::{
        AtomicBool,
        Ordering::{Relaxed, SeqCst},
        fence,
    },
};

/// The task of an owner. Clears its flag when it ends for whatever reason.
pub(super) struct SoleTask<T>(Weak<T>, fn(&T) -> &AtomicBool);

impl<T> SoleTask<T> {
    /// Begins the task with this flag, unless it runs already.
    pub(super) fn begin(owner: &Arc<T>, flag: fn(&T) -> &AtomicBool) -> Option<SoleTask<T>> {
        let running = flag(owner);
        // Either a task that ends now sees what the caller has changed before this, or its end is seen here.
        fence(SeqCst);
        // Usually it runs already, and then nothing is written.
        let is_first = !running.load(Relaxed) && !running.swap(true, Relaxed);
        is_first.then(|| SoleTask(Arc::downgrade(owner), flag))
    }

    /// Ends it for good: there is no further one.
    pub(super) fn be_the_last(mut self) {
        self.0 = Weak::new();
    }

    /// The owner, unless it is gone.
    pub(super) fn owner(&self) -> Option<Arc<T>> {
        self.0.upgrade()
    }
}

impl<T> Drop for SoleTask<T> {
    fn drop(&mut self) {
        if let Some(owner) = self.owner() {
            self.1(&owner).store(false, Relaxed);
            fence(SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_at_a_time_until_it_ends() {
        let owner = Arc::new(AtomicBool::new(false));
        let first = SoleTask::begin(&owner, |flag| flag).unwrap();
        assert!(SoleTask::begin(&owner, |flag| flag).is_none());
        drop(first);
        let next = SoleTask::begin(&owner, |flag| flag).unwrap();
        drop(owner);
        assert!(next.owner().is_none(), "it holds nothing");
    }

    #[test]
    fn there_may_be_a_last_one() {
        let owner = Arc::new(AtomicBool::new(false));
        SoleTask::begin(&owner, |flag| flag).unwrap().be_the_last();
        assert!(SoleTask::begin(&owner, |flag| flag).is_none());
    }
}
