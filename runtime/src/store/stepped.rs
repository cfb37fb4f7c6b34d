//! The in-process store, one step at a time: each step is a command on the stage.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the library's own search does more to commands than the testing kit")
)]
pub(crate) mod stage;

#[cfg(feature = "testing")]
use std::{any::Any, collections::HashMap};
use std::{fmt, slice, sync::Arc, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::Step;

use self::stage::{READ, READ_FIRST, Stage};
use super::{
    answer::{Answer, Read, Together, Watched},
    memory::MemoryStore,
};
#[cfg(feature = "testing")]
use crate::lock::Mutex;

/// What a look at an entry with tags reads first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Entry,
    Tags,
}

/// One process's way to the store that it shares with others.
pub(crate) struct SteppedStore {
    pub(crate) inside: Arc<MemoryStore>,
    pub(crate) stage: Arc<Stage>,
    pub(crate) process: usize,
    /// What a look at an entry with tags reads first.
    pub(crate) first: First,
    /// What a cache by hand has stored.
    #[cfg(feature = "testing")]
    pub(crate) by_hand: Arc<Mutex<HashMap<String, Value>>>,
}

/// A value of a cache by hand.
#[cfg(feature = "testing")]
type Value = Arc<dyn Any + Send + Sync>;

/// The plain commands of a cache by hand.
#[cfg(feature = "testing")]
pub(crate) struct ByHand<'a>(&'a SteppedStore);

#[cfg(feature = "testing")]
impl ByHand<'_> {
    pub(crate) async fn get(&self, key: &str) -> Option<Value> {
        let (values, name) = (self.0.by_hand.clone(), key.to_owned());
        let get = |_| async move { Ok(values.lock().get(&name).cloned()) };
        self.0.send("GET", &[key], get).await.ok().flatten()
    }

    /// Stores a value, or with none deletes what is stored.
    pub(crate) async fn set(&self, key: &str, value: Option<Value>) {
        let (values, name) = (self.0.by_hand.clone(), key.to_owned());
        let verb = if value.is_some() { "SET" } else { "DEL" };
        let set = |_| async move {
            let mut values = values.lock();
            match value {
                Some(value) => drop(values.insert(name, value)),
                None => drop(values.remove(&name)),
            }
            Ok(())
        };
        // The stage loses nothing that the testing kit sends.
        let _ = self.0.send(verb, &[key], set).await;
    }
}

impl fmt::Debug for SteppedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteppedStore").field("process", &self.process).finish_non_exhaustive()
    }
}

impl SteppedStore {
    pub(crate) fn new(
        inside: Arc<MemoryStore>,
        stage: Arc<Stage>,
        process: usize,
        first: First,
    ) -> SteppedStore {
        SteppedStore {
            inside,
            stage,
            process,
            first,
            #[cfg(feature = "testing")]
            by_hand: Arc::default(),
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn by_hand(&self) -> ByHand<'_> {
        ByHand(self)
    }

    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Bytes>> {
        let key = key.to_owned();
        self.send(READ, &[&key.clone()], |store| async move { store.read(&key).await }).await
    }

    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        let key = key.to_owned();
        self.send("read_timed", &[&key.clone()], |store| async move { store.read_timed(&key).await }).await
    }

    /// Each key by itself, one after the other: they may be on different nodes. An entry that is read first, and one that is read
    /// last, is all that can be told apart.
    pub(crate) async fn read_together(&self, keys: &[&str], timed: bool) -> Answer<Together> {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        if self.first == First::Tags {
            order.reverse();
        }
        let (mut values, mut time) = (vec![None; keys.len()], None);
        for (turn, index) in order.iter().enumerate() {
            let (key, timed) = (keys[*index].to_owned(), timed && *index == 0);
            let last = turn + 1 == keys.len();
            let name = if last { READ } else { READ_FIRST };
            let read =
                move |store: Arc<MemoryStore>| async move { store.read_together(&[&key], timed).await };
            let Together { first, now, .. } = self.send(name, slice::from_ref(&keys[*index]), read).await?;
            values[*index] = first;
            time = time.or(now);
        }
        Ok(Together::of(values, time))
    }

    pub(crate) async fn run<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        let (key, step) = (key.to_owned(), step.clone());
        self.send(S::NAME, &[&key.clone()], |store| async move { store.run(&key, &step).await }).await
    }

    pub(crate) async fn run_all<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
    ) -> Answer<Vec<Answer<S::Answer>>> {
        let owned: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let steps = steps.to_vec();
        let run = |store: Arc<MemoryStore>| async move {
            let keys: Vec<&str> = owned.iter().map(String::as_str).collect();
            store.run_all(&keys, &steps).await
        };
        self.send(S::NAME, keys, run).await
    }

    /// Entries and tags by themselves, one after the other: they may be on different nodes.
    pub(crate) async fn read_all(&self, keys: &[&str], timed: bool) -> Answer<Vec<Answer<Read>>> {
        let entries = keys.iter().take_while(|key| !key.starts_with('#')).count();
        let (entries, tags) = keys.split_at(entries);
        match self.first {
            _ if tags.is_empty() => self.read_some(READ, entries, timed).await,
            First::Entry => {
                let mut all = self.read_some(READ_FIRST, entries, timed).await?;
                all.extend(self.read_some(READ, tags, timed).await?);
                Ok(all)
            }
            First::Tags => {
                let of_tags = self.read_some(READ_FIRST, tags, timed).await?;
                let mut all = self.read_some(READ, entries, timed).await?;
                all.extend(of_tags);
                Ok(all)
            }
        }
    }

    async fn read_some(&self, name: &'static str, keys: &[&str], timed: bool) -> Answer<Vec<Answer<Read>>> {
        let owned: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let read = |store: Arc<MemoryStore>| async move {
            let mut all = Vec::new();
            for key in &owned {
                let read = store.read_timed(key).await;
                all.push(read.map(|(there, now)| (there, timed.then_some(now))));
            }
            Ok(all)
        };
        self.send(name, keys, read).await
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let key = key.to_owned();
        self.send("watch", &[&key.clone()], |store| async move { store.watch(&key).await }).await
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        self.inside.ping().await
    }

    /// Sends a command: it goes on without its caller.
    async fn send<T, F>(
        &self,
        name: &'static str,
        keys: &[&str],
        command: impl FnOnce(Arc<MemoryStore>) -> F,
    ) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        self.stage.send(self.process, (name, keys), command(self.inside.clone())).await
    }
}
