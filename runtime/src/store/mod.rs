//! The verbs of the protocol. Each is one step, one script or command in `redis/`, and one method in `memory.rs`.

#[cfg(test)]
pub(crate) mod faulty;
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(test)]
mod suite;
mod watches;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{Token, format};
use tokio::sync::Notify;

pub(crate) use self::watches::{Watch, Watches};
#[cfg(any(feature = "redis", test))]
use crate::patience::in_awake_time;
use crate::{Error, engine::Clock, health::Owed, telemetry::Node};

/// Length from which on a value is large: it may be on its way for longer than a lease, and holds up what is behind it (bytes).
pub(crate) const LARGE: usize = 256 << 10;

/// Where entries are kept.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(memory::MemoryStore),
    #[cfg(feature = "redis")]
    Redis(Box<redis::RedisStore>),
    #[cfg(test)]
    Faulty(faulty::FaultyStore),
    #[cfg(test)]
    Stepped(crate::interleavings::SteppedStore),
}

/// A step that the store did not take, or may have taken without saying so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// No answer in this time.
    Timeout(Duration),
    /// No connection.
    #[cfg(any(feature = "redis", test))]
    Unreachable(String),
    /// The server's own words.
    #[cfg(feature = "redis")]
    Server(String),
    /// Too many commands are on their way already.
    #[cfg(feature = "redis")]
    Full,
    /// The key holds somebody else's data.
    Foreign,
}

impl StoreError {
    /// Whether the step may have been taken all the same.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            StoreError::Timeout(_) => true,
            #[cfg(any(feature = "redis", test))]
            StoreError::Unreachable(_) => true,
            #[cfg(feature = "redis")]
            StoreError::Server(_) | StoreError::Full => false,
            StoreError::Foreign => false,
        }
    }

    /// The error of the public face.
    pub(crate) fn into_error(self, doing: &'static str, key: &str) -> Error {
        match self {
            StoreError::Timeout(within) => Error::Timeout { doing, within },
            #[cfg(any(feature = "redis", test))]
            StoreError::Unreachable(reason) => Error::Unreachable { doing, reason },
            #[cfg(feature = "redis")]
            StoreError::Server(reason) => Error::Server { doing, reason },
            #[cfg(feature = "redis")]
            StoreError::Full => Error::Overloaded { doing },
            StoreError::Foreign => Error::Foreign { key: key.to_owned() },
        }
    }
}

/// A key that is being watched.
#[derive(Debug)]
pub(crate) struct Watched {
    /// What tells of its next change.
    pub(crate) watch: Watch,
    /// What stands there.
    pub(crate) there: Option<Bytes>,
    /// How long it will, if nobody touches it.
    pub(crate) left: Duration,
    /// The store's time.
    pub(crate) now: Duration,
}

/// A value that a writer leaves in the place of its guard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Put<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a [u8],
    pub(crate) ttl: Duration,
}

pub(crate) type Answer<T> = Result<T, StoreError>;

/// The outcome of an attempt to become the loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// The lease is ours.
    Yes,
    /// This is there instead.
    No(Bytes),
    /// Something else was there, or is gone again: look once more.
    Changed,
}

/// Takes a step within a time, in which this process has to be awake. A function would carry the step twice.
#[cfg(any(feature = "redis", test))]
macro_rules! in_time {
    ($clock:expr, $within:ident, $step:expr) => {
        in_awake_time!($clock, $within, $step).unwrap_or(Err(StoreError::Timeout($within)))
    };
}

/// Calls the same verb of whichever store there is, within a time.
macro_rules! verb {
    ($self:ident, $within:ident, $store:ident => $call:expr) => {
        match $self {
            // It takes a step at once.
            Store::Memory($store) => {
                let _ = $within;
                $call.await
            }
            #[cfg(feature = "redis")]
            Store::Redis($store) => in_time!(Clock::Real, $within, $call),
            #[cfg(test)]
            Store::Faulty($store) => in_time!(Clock::Callers, $within, $call),
            #[cfg(test)]
            Store::Stepped($store) => in_time!(Clock::Callers, $within, $call),
        }
    };
}

/// The same on the heap and without its type, for all verbs but the one of a hit: so that the futures of annotated functions
/// stay small, and the compiler does not follow them into the sockets when it asks whether they are `Send`.
macro_rules! boxed_verb {
    ($self:ident, $within:ident, $store:ident => $call:expr) => {
        boxed(async move { verb!($self, $within, $store => $call) }).await
    };
}

fn boxed<'a, T>(step: impl Future<Output = T> + Send + 'a) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(step)
}

impl Store {
    /// What stands under a key.
    pub(crate) async fn read(&self, key: &str, within: Duration) -> Answer<Option<Bytes>> {
        match self {
            Store::Memory(store) => {
                let _ = within;
                store.read(key).await
            }
            // Reads that travel together have one limit of time.
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.read(key, within).await,
            #[cfg(test)]
            Store::Faulty(store) => in_time!(Clock::Callers, within, store.read(key)),
            #[cfg(test)]
            Store::Stepped(store) => in_time!(Clock::Callers, within, store.read(key)),
        }
    }

    /// What stands under a key, and the store's time right after it was read.
    pub(crate) async fn read_timed(&self, key: &str, within: Duration) -> Answer<(Option<Bytes>, Duration)> {
        boxed_verb!(self, within, store => store.read_timed(key))
    }

    /// Becomes the loader of a key under which `seen` stands: nothing (empty), or an unusable entry with this head.
    pub(crate) async fn acquire(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        lease: Duration,
        within: Duration,
    ) -> Answer<Acquired> {
        boxed_verb!(self, within, store => store.acquire(key, seen, token, lease))
    }

    /// Keeps a lease; `false` if it is no longer ours.
    pub(crate) async fn renew(
        &self,
        key: &str,
        token: Token,
        lease: Duration,
        within: Duration,
    ) -> Answer<bool> {
        boxed_verb!(self, within, store => store.renew(key, token, lease))
    }

    /// Stores a value in the place of our lease; `false` if that is no longer there.
    pub(crate) async fn fill(
        &self,
        key: &str,
        token: Token,
        value: &[u8],
        ttl: Duration,
        within: Duration,
    ) -> Answer<bool> {
        boxed_verb!(self, within, store => store.fill(key, token, value, ttl))
    }

    /// Gives a lease up; `false` if it was no longer ours.
    pub(crate) async fn abandon(&self, key: &str, token: Token, within: Duration) -> Answer<bool> {
        boxed_verb!(self, within, store => store.abandon(key, token))
    }

    /// Wins the refresh of the value with this head; `false` if that is no longer there, or another runs or rests.
    pub(crate) async fn elect(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        hold: Duration,
        within: Duration,
    ) -> Answer<bool> {
        boxed_verb!(self, within, store => store.elect(key, seen, token, hold))
    }

    /// Takes the refresh of the value with this head, whoever has it; `false` if that is no longer there.
    pub(crate) async fn take_over(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        hold: Duration,
        within: Duration,
    ) -> Answer<bool> {
        boxed_verb!(self, within, store => store.take_over(key, seen, token, hold))
    }

    /// Keeps a refresh; `false` if it is no longer ours.
    pub(crate) async fn renew_refresh(
        &self,
        key: &str,
        token: Token,
        hold: Duration,
        within: Duration,
    ) -> Answer<bool> {
        boxed_verb!(self, within, store => store.renew_refresh(key, token, hold))
    }

    /// Stores a value in the place of the one that we refresh; `false` if the refresh is no longer ours.
    pub(crate) async fn refill(
        &self,
        key: &str,
        token: Token,
        value: &[u8],
        ttl: Duration,
        within: Duration,
    ) -> Answer<bool> {
        boxed_verb!(self, within, store => store.refill(key, token, value, ttl))
    }

    /// Gives a refresh up, for others to begin after a pause; `false` if it was no longer ours.
    pub(crate) async fn rest(
        &self,
        key: &str,
        token: Token,
        failures: u8,
        pause: Duration,
        within: Duration,
    ) -> Answer<bool> {
        boxed_verb!(self, within, store => store.rest(key, token, failures, pause))
    }

    /// Deletes the value that we refresh; `false` if the refresh was no longer ours.
    pub(crate) async fn discard(&self, key: &str, token: Token, within: Duration) -> Answer<bool> {
        boxed_verb!(self, within, store => store.discard(key, token))
    }

    /// Places a guard, or joins it: one answer a key, in order.
    pub(crate) async fn guard(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
        within: Duration,
    ) -> Vec<Answer<()>> {
        each(keys, boxed_verb!(self, within, store => store.guard(keys, token, hold)))
    }

    /// The same, where a guard counts only once so many replicas have confirmed it. A store without replicas has nothing to lose
    /// to them.
    pub(crate) async fn guard_on_replicas(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
        replicas: u8,
        within: Duration,
    ) -> Vec<Answer<()>> {
        match self {
            _ if replicas == 0 => self.guard(keys, token, hold, within).await,
            #[cfg(feature = "redis")]
            Store::Redis(store) => {
                let call = store.guard_on_replicas(keys, token, hold, replicas, within);
                each(keys, boxed(async move { in_time!(Clock::Real, within, call) }).await)
            }
            _ => self.guard(keys, token, hold, within).await,
        }
    }

    /// Keeps a guard: one answer a key; `false` where our token is no longer in one.
    pub(crate) async fn renew_guard(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
        within: Duration,
    ) -> Vec<Answer<bool>> {
        each(keys, boxed_verb!(self, within, store => store.renew_guard(keys, token, hold)))
    }

    /// Leaves a guard, the last one out deleting it, or deletes what stands there without one. With `settle` our token
    /// stays in the guard that much longer. One answer a key.
    pub(crate) async fn release(
        &self,
        keys: &[&str],
        token: Token,
        settle: Duration,
        within: Duration,
    ) -> Vec<Answer<()>> {
        each(keys, boxed_verb!(self, within, store => store.release(keys, token, settle)))
    }

    /// Leaves a guard as [`release`](Store::release) does, and stores a value in its place if nobody else was ever in it.
    /// One answer a key, in order; `false` where the value was not stored.
    pub(crate) async fn release_with(
        &self,
        puts: &[Put<'_>],
        token: Token,
        within: Duration,
    ) -> Vec<Answer<bool>> {
        let keys: Vec<&str> = puts.iter().map(|put| put.key).collect();
        each(&keys, boxed_verb!(self, within, store => store.release_with(puts, token)))
    }

    /// Deletes what stands there, unless it is a guard, whose last writer will. One answer a key.
    pub(crate) async fn remove(&self, keys: &[&str], within: Duration) -> Vec<Answer<()>> {
        each(keys, boxed_verb!(self, within, store => store.remove(keys)))
    }

    /// Reads a key and asks to be told of its next change.
    pub(crate) async fn watch(&self, key: &str, within: Duration) -> Answer<Watched> {
        boxed_verb!(self, within, store => store.watch(key))
    }

    /// Asks whether the store is there.
    pub(crate) async fn ping(&self, within: Duration) -> Answer<()> {
        boxed_verb!(self, within, store => store.ping())
    }

    /// Whether a step takes more than this process.
    pub(crate) fn is_remote(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(_) => true,
            _ => false,
        }
    }

    /// Which time bounds a step.
    pub(crate) fn clock(&self) -> Clock {
        if self.is_remote() { Clock::Real } else { Clock::Callers }
    }

    /// Maximum length of a value (bytes).
    pub(crate) fn max_value(&self) -> usize {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.max_value(),
            _ => format::MAX_PAYLOAD,
        }
    }

    /// The servers behind it.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.nodes(),
            _ => Vec::new(),
        }
    }

    /// Told when a server is there again that was not.
    pub(crate) fn back(&self) -> Option<&Arc<Notify>> {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => Some(store.back()),
            _ => None,
        }
    }

    /// Where the keys are counted whose invalidations could not be delivered.
    pub(crate) fn owed(&self) -> Arc<Owed> {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.owed().clone(),
            _ => Arc::default(),
        }
    }

    /// Whether a server is known not to be there.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.is_away(),
            _ => false,
        }
    }

    /// Where entries are kept, without secrets.
    pub(crate) fn place(&self) -> String {
        match self {
            Store::Memory(_) => "this process".to_owned(),
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.place(),
            #[cfg(test)]
            Store::Faulty(_) => "a faulty store".to_owned(),
            #[cfg(test)]
            Store::Stepped(_) => "a store that takes one step at a time".to_owned(),
        }
    }
}

/// One answer a key, also where the whole step failed.
fn each<T>(keys: &[&str], answers: Answer<Vec<Answer<T>>>) -> Vec<Answer<T>> {
    match answers {
        Ok(answers) => answers,
        Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
    }
}
