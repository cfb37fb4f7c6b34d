//! The same verbs inside this process: for development, tests, and programs of one process.
//!
//! It keeps the very bytes that Redis would, so that both stores behave alike to the last header field.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::{Token, Writers, entry};
use tokio::time::Instant;

use self::slots::Slots;
use super::{Acquired, Answer, Put, StoreError, Watched, Watches};

mod slots;

#[derive(Debug)]
pub(crate) struct MemoryStore {
    /// Deadlines count from here.
    epoch: Instant,
    slots: Mutex<Slots>,
    watches: Watches,
}

/// What a store holds at most unless the builder says otherwise (bytes).
const CAPACITY: usize = 128 << 20;

#[expect(clippy::unused_async, reason = "the verbs of all stores are alike")]
impl MemoryStore {
    pub(crate) fn new() -> Self {
        MemoryStore::with_capacity(CAPACITY)
    }

    /// A store that holds so many bytes, keys and what is kept beside them included.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let slots = Mutex::new(Slots::new(bytes));
        MemoryStore { epoch: Instant::now(), slots, watches: Watches::default() }
    }

    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Bytes>> {
        Ok(self.lock().read(key).map(Bytes::copy_from_slice))
    }

    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        Ok((self.read(key).await?, self.now()))
    }

    pub(crate) async fn acquire(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        lease: Duration,
    ) -> Answer<Acquired> {
        let mut slots = self.lock();
        match slots.get(key) {
            Some(there) if seen.is_empty() || entry::head(there) != seen => {
                return Ok(Acquired::No(Bytes::copy_from_slice(there)));
            }
            None if !seen.is_empty() => return Ok(Acquired::Changed),
            _ => {}
        }
        self.put(&mut slots, key, entry::lease(token).to_vec(), lease);
        Ok(Acquired::Yes)
    }

    pub(crate) async fn renew(&self, key: &str, token: Token, lease: Duration) -> Answer<bool> {
        let mut slots = self.lock();
        let mine = holds_lease(slots.get(key), token);
        if let Some(slot) = slots.slot_mut(key).filter(|_| mine) {
            slot.expires = Instant::now() + lease;
            self.watches.changed(key);
        }
        Ok(mine)
    }

    pub(crate) async fn fill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        let mut slots = self.lock();
        let mine = holds_lease(slots.get(key), token);
        if mine {
            let mut value = value.to_vec();
            entry::stamp(&mut value, self.now());
            self.put(&mut slots, key, value, ttl);
        }
        Ok(mine)
    }

    pub(crate) async fn abandon(&self, key: &str, token: Token) -> Answer<bool> {
        let mut slots = self.lock();
        let mine = holds_lease(slots.get(key), token);
        if mine {
            self.take(&mut slots, key);
        }
        Ok(mine)
    }

    pub(crate) async fn elect(&self, key: &str, seen: &[u8], token: Token, hold: Duration) -> Answer<bool> {
        let mut slots = self.lock();
        let now = self.now();
        let same = slots.get(key).is_some_and(|there| entry::head(there) == seen);
        let free = entry::refresh_until(seen).is_some_and(|until| until <= now);
        let won = same && free;
        if won {
            self.set_refresh(&mut slots, key, *token.as_bytes(), now + hold);
        }
        Ok(won)
    }

    pub(crate) async fn take_over(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        hold: Duration,
    ) -> Answer<bool> {
        let mut slots = self.lock();
        let is_value = entry::refresh_until(seen).is_some();
        let same = is_value && slots.get(key).is_some_and(|there| entry::head(there) == seen);
        if same {
            self.set_refresh(&mut slots, key, *token.as_bytes(), self.now() + hold);
        }
        Ok(same)
    }

    pub(crate) async fn renew_refresh(&self, key: &str, token: Token, hold: Duration) -> Answer<bool> {
        let mut slots = self.lock();
        let mine = refreshes(slots.get(key), token);
        if mine {
            self.set_refresh(&mut slots, key, *token.as_bytes(), self.now() + hold);
        }
        Ok(mine)
    }

    pub(crate) async fn refill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        let mut slots = self.lock();
        let mine = refreshes(slots.get(key), token);
        if mine {
            let mut value = value.to_vec();
            entry::stamp(&mut value, self.now());
            self.put(&mut slots, key, value, ttl);
        }
        Ok(mine)
    }

    pub(crate) async fn rest(&self, key: &str, token: Token, failures: u8, pause: Duration) -> Answer<bool> {
        let mut slots = self.lock();
        let mine = refreshes(slots.get(key), token);
        if mine {
            self.set_refresh(&mut slots, key, entry::failures(failures), self.now() + pause);
        }
        Ok(mine)
    }

    pub(crate) async fn discard(&self, key: &str, token: Token) -> Answer<bool> {
        let mut slots = self.lock();
        let mine = refreshes(slots.get(key), token);
        if mine {
            self.take(&mut slots, key);
        }
        Ok(mine)
    }

    pub(crate) async fn guard(&self, keys: &[&str], token: Token, hold: Duration) -> Answer<Vec<Answer<()>>> {
        let mut slots = self.lock();
        let now = self.now();
        let mut guard = |key: &&str| {
            let mut writers = writers(&slots, key, now)?.unwrap_or_default();
            writers.enter(token, now + hold);
            self.put_guard(&mut slots, key, &writers, now);
            Ok(())
        };
        Ok(keys.iter().map(&mut guard).collect())
    }

    pub(crate) async fn renew_guard(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
    ) -> Answer<Vec<Answer<bool>>> {
        let mut slots = self.lock();
        let now = self.now();
        let mut renew = |key: &&str| {
            let Some(mut writers) = writers(&slots, key, now)? else { return Ok(false) };
            let mine = writers.extend(token, now + hold);
            if mine {
                self.put_guard(&mut slots, key, &writers, now);
            }
            Ok(mine)
        };
        Ok(keys.iter().map(&mut renew).collect())
    }

    pub(crate) async fn release(
        &self,
        keys: &[&str],
        token: Token,
        settle: Duration,
    ) -> Answer<Vec<Answer<()>>> {
        let mut slots = self.lock();
        let now = self.now();
        let mut release = |key: &&str| {
            let there = writers(&slots, key, now)?;
            let guarded = there.is_some();
            let mut writers = there.unwrap_or_default();
            let inside = writers.leave(token);
            if !settle.is_zero() {
                writers.enter(token, now + settle);
            } else if guarded && !inside {
                // A guard without us is the business of those who are in it. They are not alone.
                writers.overlapped = true;
            }
            self.put_guard(&mut slots, key, &writers, now);
            Ok(())
        };
        Ok(keys.iter().map(&mut release).collect())
    }

    pub(crate) async fn release_with(&self, puts: &[Put<'_>], token: Token) -> Answer<Vec<Answer<bool>>> {
        let mut slots = self.lock();
        let now = self.now();
        let mut release = |&Put { key, value, ttl }: &Put| {
            let there = writers(&slots, key, now)?;
            let guarded = there.is_some();
            let mut writers = there.unwrap_or_default();
            let inside = writers.leave(token);
            let alone = inside && !writers.overlapped && writers.until().is_none();
            if alone {
                let mut value = value.to_vec();
                entry::stamp(&mut value, now);
                self.put(&mut slots, key, value, ttl);
            } else {
                writers.overlapped |= guarded && !inside;
                self.put_guard(&mut slots, key, &writers, now);
            }
            Ok(alone)
        };
        Ok(puts.iter().map(&mut release).collect())
    }

    pub(crate) async fn remove(&self, keys: &[&str]) -> Answer<Vec<Answer<()>>> {
        let mut slots = self.lock();
        let now = self.now();
        let mut remove = |key: &&str| {
            match writers(&slots, key, now)? {
                Some(mut writers) => {
                    writers.overlapped = true;
                    self.put_guard(&mut slots, key, &writers, now);
                }
                None => self.take(&mut slots, key),
            }
            Ok(())
        };
        Ok(keys.iter().map(&mut remove).collect())
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let watch = self.watches.watch(key, true);
        let slots = self.lock();
        let expires = slots.slot(key).map(|slot| slot.expires.duration_since(Instant::now()));
        let left = expires.unwrap_or_default();
        Ok(Watched { watch, there: slots.get(key).map(Bytes::copy_from_slice), left, now: self.now() })
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This store's clock.
    fn now(&self) -> Duration {
        Instant::now().duration_since(self.epoch)
    }

    fn put(&self, slots: &mut Slots, key: &str, bytes: Vec<u8>, ttl: Duration) {
        let evicted = slots.insert(key, bytes, Instant::now() + ttl);
        self.watches.changed(key);
        for key in &evicted {
            self.watches.changed(key);
        }
    }

    /// Puts a guard, or deletes the key where nobody is inside.
    fn put_guard(&self, slots: &mut Slots, key: &str, writers: &Writers, now: Duration) {
        match writers.until() {
            Some(until) => self.put(slots, key, writers.write(), until.saturating_sub(now)),
            None => self.take(slots, key),
        }
    }

    /// Changes who refreshes a value, and nothing else.
    fn set_refresh(&self, slots: &mut Slots, key: &str, holder: [u8; 8], until: Duration) {
        if let Some(slot) = slots.slot_mut(key) {
            entry::set_refresh(&mut slot.bytes, holder, until);
            self.watches.changed(key);
        }
    }

    fn take(&self, slots: &mut Slots, key: &str) {
        if slots.remove(key) {
            self.watches.changed(key);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// How many keys are being watched.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> usize {
        self.watches.len()
    }

    /// Puts arbitrary bytes under a key, as somebody else might.
    #[cfg(test)]
    pub(crate) fn plant(&self, key: &str, bytes: Vec<u8>) {
        self.put(&mut self.lock(), key, bytes, Duration::from_secs(3600));
    }
}

fn holds_lease(bytes: Option<&[u8]>, token: Token) -> bool {
    bytes == Some(&entry::lease(token))
}

fn refreshes(bytes: Option<&[u8]>, token: Token) -> bool {
    bytes.is_some_and(|bytes| entry::refreshed_by(bytes, token))
}

/// The writers of the guard under a key, if there is one.
fn writers(slots: &Slots, key: &str, now: Duration) -> Answer<Option<Writers>> {
    let Some(bytes) = slots.get(key) else { return Ok(None) };
    if !entry::is_ours(bytes) {
        return Err(StoreError::Foreign);
    }
    let mut writers = Writers::read(bytes);
    if let Some(writers) = &mut writers {
        writers.expire(now);
    }
    Ok(writers)
}
