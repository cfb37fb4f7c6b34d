//! Who waits for the change of a key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The keys that somebody in this process waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watches(Arc<Mutex<HashMap<Box<str>, watch::Sender<()>>>>);

impl Watches {
    /// Begins to watch a key. `told` says whether changes will be announced at all.
    pub(crate) fn watch(&self, key: &str, told: bool) -> Watch {
        let mut watches = self.lock();
        let changes = match watches.get(key) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, changes) = watch::channel(());
                watches.insert(key.into(), sender);
                changes
            }
        };
        Watch { watches: self.clone(), key: key.into(), changes, told }
    }

    /// The key has changed.
    pub(crate) fn changed(&self, key: &str) {
        let sender = self.lock().remove(key);
        // Wakes all who wait, and whoever still cares watches again: not under the lock, since a waker is somebody else's code.
        drop(sender);
    }

    /// Anything may have changed.
    #[cfg(feature = "redis")]
    pub(crate) fn all_changed(&self) {
        let senders = std::mem::take(&mut *self.lock());
        drop(senders);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// A key that is being watched.
#[derive(Debug)]
pub(crate) struct Watch {
    watches: Watches,
    key: Box<str>,
    changes: watch::Receiver<()>,
    told: bool,
}

impl Watch {
    /// Resolves at the next change. Without announcements it never does.
    pub(crate) async fn changed(&mut self) {
        while self.changes.changed().await.is_ok() {}
    }

    /// Whether changes are announced, so that asking again and again is only a safety net.
    pub(crate) fn told(&self) -> bool {
        self.told
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = self.watches.lock();
        // The last one to go takes the entry away, unless it is another's by now.
        if watches.get(&self.key).is_some_and(|sender| {
            sender.receiver_count() == 1 && sender.subscribe().same_channel(&self.changes)
        }) {
            let sender = watches.remove(&self.key);
            drop(watches);
            drop(sender);
        }
    }
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use std::{
        pin::Pin,
        sync::mpsc,
        task::{Context, Wake, Waker},
        thread,
        time::Duration,
    };

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Drops what it wakes, which then no longer watches.
    struct Drops(Mutex<Option<Waiting>>);

    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(waiting);
        }
    }

    #[test]
    fn a_reader_may_go_away_while_it_is_woken() {
        for change in [|watches: &Watches| watches.changed("k"), Watches::all_changed] {
            let (watches, (told, done)) = (Watches::default(), mpsc::channel());
            let mut watch = watches.watch("k", true);
            let mut waiting: Waiting = Box::pin(async move { watch.changed().await });
            let drops = Arc::new(Drops(Mutex::default()));
            let waker = Waker::from(drops.clone());
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            *drops.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiting);
            let changed = watches.clone();
            thread::spawn(move || {
                change(&changed);
                let _ = told.send(());
            });
            done.recv_timeout(Duration::from_secs(20)).expect("it waits for itself");
            assert_eq!(watches.len(), 0);
        }
    }
}
