//! Waiting for the change of a key.

#[cfg(feature = "redis")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{collections::HashMap, sync::Arc};

use crate::lock::Mutex;

use tokio::sync::watch;

/// The keys that callers in this process wait for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChangeListeners(Arc<Listeners>);

#[derive(Debug, Default)]
struct Listeners {
    keys: Mutex<HashMap<Box<str>, watch::Sender<()>>>,
    /// How many times any key may have changed.
    #[cfg(feature = "redis")]
    losses: AtomicU64,
}

impl ChangeListeners {
    /// Begins to listen for changes of a key. `push` says whether the store announces them at all.
    pub(crate) fn listen(&self, key: &str, push: bool) -> ChangeListener {
        let mut listeners = self.0.keys.lock();
        let changes = match listeners.get(key) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, changes) = watch::channel(());
                listeners.insert(key.into(), sender);
                changes
            }
        };
        ChangeListener { listeners: self.clone(), key: key.into(), changes, push }
    }

    /// The key has changed.
    pub(crate) fn changed(&self, key: &str) {
        let sender = self.0.keys.lock().remove(key);
        // Wakes every listener; those that still need the key listen again. Not under the lock, since a waker may run any code.
        drop(sender);
    }

    /// Any key may have changed.
    #[cfg(feature = "redis")]
    pub(crate) fn all_changed(&self) {
        self.0.losses.fetch_add(1, Relaxed);
        let senders = std::mem::take(&mut *self.0.keys.lock());
        drop(senders);
    }

    /// How many times any key may have changed: a lost connection, another server, a flush.
    #[cfg(feature = "redis")]
    pub(crate) fn losses(&self) -> u64 {
        self.0.losses.load(Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.keys.lock().len()
    }
}

/// Waits for the next change of a key.
#[derive(Debug)]
pub(crate) struct ChangeListener {
    listeners: ChangeListeners,
    key: Box<str>,
    changes: watch::Receiver<()>,
    push: bool,
}

impl ChangeListener {
    /// Resolves at the next change. If the store announces none, it never does.
    pub(crate) async fn changed(&mut self) {
        while self.changes.changed().await.is_ok() {}
    }

    /// Whether there has been a change, as far as the store announces them.
    pub(crate) fn is_over(&self) -> bool {
        self.changes.has_changed().is_err()
    }

    /// Whether the store announces changes, so that polling is only a safety net.
    pub(crate) fn is_push(&self) -> bool {
        self.push
    }
}

impl Drop for ChangeListener {
    fn drop(&mut self) {
        let mut listeners = self.listeners.0.keys.lock();
        // The last listener removes the entry, unless it belongs to a later one.
        if listeners.get(&self.key).is_some_and(|sender| {
            sender.receiver_count() == 1 && sender.subscribe().same_channel(&self.changes)
        }) {
            let sender = listeners.remove(&self.key);
            drop(listeners);
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

    /// Drops what it wakes, which then listens no longer.
    struct Drops(Mutex<Option<Waiting>>);

    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            let waiting = self.0.lock().take();
            drop(waiting);
        }
    }

    #[test]
    fn a_reader_may_go_away_while_it_is_woken() {
        for change in [|listeners: &ChangeListeners| listeners.changed("k"), ChangeListeners::all_changed] {
            let (listeners, (told, done)) = (ChangeListeners::default(), mpsc::channel());
            let mut watch = listeners.listen("k", true);
            let mut waiting: Waiting = Box::pin(async move { watch.changed().await });
            let drops = Arc::new(Drops(Mutex::default()));
            let waker = Waker::from(drops.clone());
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            *drops.0.lock() = Some(waiting);
            let changed = listeners.clone();
            thread::spawn(move || {
                change(&changed);
                let _ = told.send(());
            });
            done.recv_timeout(Duration::from_secs(20)).expect("it waits for itself");
            assert_eq!(listeners.len(), 0);
        }
    }
}
