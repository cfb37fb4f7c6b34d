//! The counts of this process, written to Redis for `cached-aside top` and the inspector's page.
//!
//! Each process has one of a fixed number of keys, so that tools read them all with one command instead of a search. A process takes a
//! random one that is free, and moves to another where it finds that somebody else writes there: two that took one key at the same
//! time, or a process that was suspended for so long that its key expired.

use std::{
    fmt::Write,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    engine::shared::Shared,
    store::{
        Store,
        redis::published::{PUBLISHERS, Published},
    },
    thread,
};

/// How long between two writes while calls are counted.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long after a write the same counts are written again, so that the key does not expire.
const KEEP: Duration = Duration::from_secs(10);
/// How long the counts of a process that is gone are there.
const EXPIRY: Duration = Duration::from_secs(30);
/// Maximum number of keys that are tried in one interval. What finds none free tries again in the next.
const TRIES: usize = 8;

/// Begins to publish, until the cache is dropped or shut down.
pub(crate) fn begin(cache: &Arc<Shared>) {
    if !matches!(cache.store, Store::Redis(_)) {
        return;
    }
    let (weak, end) = (Arc::downgrade(cache), cache.shut_down.clone());
    // Shutting down waits for it.
    drop(cache.spawn(async move {
        let mut publisher = Publisher::new();
        loop {
            let Some(cache) = weak.upgrade() else { return };
            if end.is_cancelled() {
                return publisher.withdraw(&cache).await;
            }
            publisher.publish(&cache).await;
            drop(cache);
            end.run_until_cancelled(thread::sleep(INTERVAL)).await;
        }
    }));
}

/// What this process has published.
struct Publisher {
    /// What everything that it publishes begins with, and nothing of anybody else.
    mark: String,
    key: u16,
    written: Option<(Instant, String)>,
}

impl Publisher {
    fn new() -> Publisher {
        let mut mark = String::from("{\"schema\":1,\"id\":\"");
        for byte in random::<16>() {
            // Writing to a `String` can't fail.
            let _ = write!(mark, "{byte:02x}");
        }
        mark.push('"');
        Publisher { mark, key: any_key(), written: None }
    }

    async fn publish(&mut self, cache: &Shared) {
        // What it would wait for, calls may need.
        let Store::Redis(store) = &cache.store else { return };
        if store.is_unreachable() {
            return;
        }
        let pid = process::id();
        let version = env!("CARGO_PKG_VERSION");
        let text = format!(
            "{},\"pid\":{pid},\"version\":\"{version}\",{}}}",
            self.mark,
            cache.stats().to_published()
        );
        let is_known =
            self.written.as_ref().is_some_and(|(at, written)| at.elapsed() < KEEP && *written == text);
        if is_known {
            return;
        }
        for _ in 0..TRIES {
            let step = store.publish(self.key, &self.mark, &text, EXPIRY);
            match thread::timeout(cache.timeout, step).await {
                Ok(Ok(Published::Written)) => {
                    self.written = Some((Instant::now(), text));
                    return;
                }
                Ok(Ok(Published::Taken)) => self.key = any_key(),
                error => {
                    tracing::debug!(?error, "the counts of this process could not be published");
                    return;
                }
            }
        }
        tracing::debug!("no key is free for the counts of this process: too many processes publish theirs");
    }

    async fn withdraw(self, cache: &Shared) {
        let Store::Redis(store) = &cache.store else { return };
        if self.written.is_some() {
            let step = store.withdraw(self.key, &self.mark);
            match thread::timeout(cache.timeout, step).await {
                Ok(Ok(())) => {}
                error => tracing::debug!(?error, "the counts of this process are there until they expire"),
            }
        }
    }
}

fn any_key() -> u16 {
    u16::from_be_bytes(random()) % PUBLISHERS
}

fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    // Without the system's generator two processes may share a key, which they notice.
    if getrandom::fill(&mut bytes).is_err() {
        let pid = u64::from(process::id()).to_be_bytes();
        bytes.iter_mut().zip(pid.iter().rev()).for_each(|(byte, of_pid)| *byte = *of_pid);
    }
    bytes
}
