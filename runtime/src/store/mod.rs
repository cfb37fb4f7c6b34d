//! The stores that run the steps of the protocol: Redis, or this process.

pub(crate) mod answer;
mod changes;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod faulty;
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod stepped;
#[cfg(test)]
mod suite;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{Step, format, steps::Guard};
use futures_util::future::join_all;
use tokio::sync::Notify;

use self::answer::{Boxed, boxed};
pub(crate) use self::{
    answer::{Answer, LARGE, Read, StoreError, Together, Watched},
    changes::ChangeListener,
};
#[cfg(any(feature = "redis", test, feature = "testing"))]
use crate::patience::in_awake_time;
use crate::{owed::Owed, telemetry::Node, thread::Clock};

/// Where entries are stored.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(memory::MemoryStore),
    #[cfg(feature = "redis")]
    Redis(Box<redis::RedisStore>),
    #[cfg(any(test, feature = "testing"))]
    Faulty(faulty::FaultyStore),
    #[cfg(any(test, feature = "testing"))]
    Stepped(stepped::SteppedStore),
}

/// Runs a step within a time limit, which only counts while this process is awake. A function would hold the step twice.
#[cfg(any(feature = "redis", test, feature = "testing"))]
macro_rules! in_time {
    ($clock:expr, $within:ident, $step:expr) => {
        in_awake_time!($clock, $within, $step).unwrap_or(Err(StoreError::Timeout($within)))
    };
}

/// Calls the same method of every kind of store, within a time limit.
macro_rules! on_store {
    ($self:ident, $within:ident, $store:ident => $call:expr) => {
        match $self {
            // It never waits.
            Store::Memory($store) => {
                let _ = $within;
                $call.await
            }
            #[cfg(feature = "redis")]
            Store::Redis($store) => in_time!(Clock::Real, $within, $call),
            #[cfg(any(test, feature = "testing"))]
            Store::Faulty($store) => in_time!(Clock::Callers, $within, $call),
            #[cfg(any(test, feature = "testing"))]
            Store::Stepped($store) => in_time!(Clock::Callers, $within, $call),
        }
    };
}

impl Store {
    /// Reads the entry of a key.
    pub(crate) async fn read(&self, key: &str, within: Duration) -> Answer<Option<Bytes>> {
        match self {
            Store::Memory(store) => {
                let _ = within;
                store.read(key).await
            }
            // The reads of a batch share a time limit.
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.read(key, within).await,
            #[cfg(any(test, feature = "testing"))]
            Store::Faulty(store) => {
                boxed(async move { in_time!(Clock::Callers, within, store.read(key)) }).await
            }
            #[cfg(any(test, feature = "testing"))]
            Store::Stepped(store) => {
                boxed(async move { in_time!(Clock::Callers, within, store.read(key)) }).await
            }
        }
    }

    /// Reads the entry of a key, and the time of the store right after that.
    pub(crate) fn read_timed<'a>(
        &'a self,
        key: &'a str,
        within: Duration,
    ) -> Boxed<'a, Answer<(Option<Bytes>, Duration)>> {
        boxed(async move { on_store!(self, within, store => store.read_timed(key)) })
    }

    /// Reads what stands under several keys; with `timed` also the time of the store right after the first was read.
    pub(crate) async fn read_together(
        &self,
        keys: &[&str],
        timed: bool,
        within: Duration,
    ) -> Answer<Together> {
        match self {
            Store::Memory(store) => {
                let _ = within;
                store.read_together(keys, timed).await
            }
            // The reads of a batch share a time limit.
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.read_together(keys, timed, within).await,
            #[cfg(any(test, feature = "testing"))]
            Store::Faulty(store) => {
                boxed(async move { in_time!(Clock::Callers, within, store.read_together(keys, timed)) }).await
            }
            #[cfg(any(test, feature = "testing"))]
            Store::Stepped(store) => {
                boxed(async move { in_time!(Clock::Callers, within, store.read_together(keys, timed)) }).await
            }
        }
    }

    /// Reads the entries of several keys, and with `timed` the time of the store right after that. One answer per key, in order.
    pub(crate) fn read_all<'a>(
        &'a self,
        keys: &'a [&'a str],
        timed: bool,
        within: Duration,
    ) -> Boxed<'a, Vec<Answer<Read>>> {
        match self {
            // What was answered in time counts, whatever became of the rest.
            #[cfg(feature = "redis")]
            Store::Redis(store) => boxed(store.read_all(keys, timed, within)),
            #[cfg(any(test, feature = "testing"))]
            Store::Stepped(store) => {
                boxed(
                    async move { each(keys, in_time!(Clock::Callers, within, store.read_all(keys, timed))) },
                )
            }
            _ => boxed(async move {
                let reads = keys.iter().map(|key| async move {
                    if timed {
                        self.read_timed(key, within).await.map(|(there, now)| (there, Some(now)))
                    } else {
                        self.read(key, within).await.map(|there| (there, None))
                    }
                });
                join_all(reads).await
            }),
        }
    }

    /// Runs a step on a key.
    pub(crate) fn run<'a, S: Step>(
        &'a self,
        key: &'a str,
        step: S,
        within: Duration,
    ) -> Boxed<'a, Answer<S::Answer>> {
        boxed(async move { on_store!(self, within, store => store.run(key, &step)) })
    }

    /// Runs a step of a write on each of several keys: `step` gives the one of an index. One answer per key, in order.
    pub(crate) fn run_all<'a, S: Step>(
        &'a self,
        keys: &'a [&'a str],
        step: impl Fn(usize) -> S,
        within: Duration,
    ) -> Boxed<'a, Vec<Answer<S::Answer>>> {
        let steps: Vec<S> = (0..keys.len()).map(step).collect();
        boxed(async move { each(keys, on_store!(self, within, store => store.run_all(keys, &steps))) })
    }

    /// Runs a step of a load on each of several keys. One answer per key, in order. It takes the way of [`run`](Store::run), so that what
    /// is begun later there does not overtake it.
    pub(crate) fn run_all_of_load<'a, S: Step>(
        &'a self,
        keys: &'a [&'a str],
        steps: Vec<S>,
        within: Duration,
    ) -> Boxed<'a, Vec<Answer<S::Answer>>> {
        match self {
            // What was answered in time counts, whatever became of the rest.
            #[cfg(feature = "redis")]
            Store::Redis(store) => boxed(async move { store.run_all_of_load(keys, &steps, within).await }),
            _ => boxed(
                async move { each(keys, on_store!(self, within, store => store.run_all(keys, &steps))) },
            ),
        }
    }

    /// Places guards that only count if `replicas` replicas have confirmed them. A store without replicas has no failover to survive.
    pub(crate) fn guard_on_replicas<'a>(
        &'a self,
        keys: &'a [&'a str],
        guard: Guard,
        replicas: u8,
        within: Duration,
    ) -> Boxed<'a, Vec<Answer<Duration>>> {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) if replicas > 0 => {
                let call = store.guard_on_replicas(keys, guard, replicas, within);
                boxed(async move { each(keys, in_time!(Clock::Real, within, call)) })
            }
            _ => {
                let _ = replicas;
                self.run_all(keys, |_| guard.clone(), within)
            }
        }
    }

    /// Reads a key and listens for its next change.
    pub(crate) fn watch<'a>(&'a self, key: &'a str, within: Duration) -> Boxed<'a, Answer<Watched>> {
        boxed(async move { on_store!(self, within, store => store.watch(key)) })
    }

    /// Checks that the store answers.
    pub(crate) fn ping(&self, within: Duration) -> Boxed<'_, Answer<()>> {
        boxed(async move { on_store!(self, within, store => store.ping()) })
    }

    /// Whether writers may store values under these keys: right after an outage nothing is stored.
    pub(crate) fn is_open<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => keys.into_iter().all(|key| store.is_open(key)),
            _ => {
                let _ = keys;
                true
            }
        }
    }

    /// Whether parts of this many keys are read one beside the other. In a cluster each part would be parted again; and of longer values
    /// a part is several commands already.
    pub(crate) fn reads_in_parts(&self, part: usize) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.reads_with_one_command(part),
            _ => {
                let _ = part;
                false
            }
        }
    }

    /// Whether steps leave this process.
    pub(crate) fn is_remote(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(_) => true,
            _ => false,
        }
    }

    /// Whether it takes one step at a time, in an order that is searched for.
    pub(crate) fn is_stepped(&self) -> bool {
        #[cfg(any(test, feature = "testing"))]
        return matches!(self, Store::Stepped(_));
        #[cfg(not(any(test, feature = "testing")))]
        false
    }

    /// The clock that limits a step.
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

    /// The servers of the store.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.nodes(),
            _ => Vec::new(),
        }
    }

    /// How many times this process may have missed changes of keys: a lost connection, another server, a flush.
    pub(crate) fn losses(&self) -> u64 {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.losses(),
            _ => 0,
        }
    }

    /// Notified when a server is reachable again.
    pub(crate) fn reconnected(&self) -> Option<&Arc<Notify>> {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => Some(store.reconnected()),
            _ => None,
        }
    }

    /// Counts the invalidations that could not be delivered.
    pub(crate) fn owed(&self) -> Arc<Owed> {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.owed().clone(),
            _ => Arc::default(),
        }
    }

    /// Whether a server is unreachable, or the log does not say yet that it is reachable again.
    pub(crate) fn is_in_outage(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.is_in_outage(),
            _ => false,
        }
    }

    /// Describes where entries are stored, without secrets.
    pub(crate) fn describe(&self) -> String {
        match self {
            Store::Memory(_) => "this process".to_owned(),
            #[cfg(feature = "redis")]
            Store::Redis(store) => store.describe(),
            #[cfg(any(test, feature = "testing"))]
            Store::Faulty(_) => "a faulty store".to_owned(),
            #[cfg(any(test, feature = "testing"))]
            Store::Stepped(_) => "a store that takes one step at a time".to_owned(),
        }
    }
}

/// One answer per key, also if the whole step failed.
fn each<T>(keys: &[&str], answers: Answer<Vec<Answer<T>>>) -> Vec<Answer<T>> {
    match answers {
        Ok(answers) => answers,
        Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
    }
}
