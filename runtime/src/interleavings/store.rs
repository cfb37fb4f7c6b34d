//! The in-process store, one step at a time: each step is a command on the stage.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::Step;

use super::stage::Stage;
use crate::store::{Answer, Watched, memory::MemoryStore};

/// One process's way to the store that it shares with others.
pub(crate) struct SteppedStore {
    pub(super) inside: Arc<MemoryStore>,
    pub(super) stage: Arc<Stage>,
    pub(super) process: usize,
}

impl fmt::Debug for SteppedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteppedStore").field("process", &self.process).finish_non_exhaustive()
    }
}

impl SteppedStore {
    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Bytes>> {
        let key = key.to_owned();
        self.send("read", |store| async move { store.read(&key).await }).await
    }

    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        let key = key.to_owned();
        self.send("read_timed", |store| async move { store.read_timed(&key).await }).await
    }

    pub(crate) async fn run<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        let (key, step) = (key.to_owned(), step.clone());
        self.send(S::NAME, |store| async move { store.run(&key, &step).await }).await
    }

    pub(crate) async fn run_all<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
    ) -> Answer<Vec<Answer<S::Answer>>> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let steps = steps.to_vec();
        let run = |store: Arc<MemoryStore>| async move {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            store.run_all(&keys, &steps).await
        };
        self.send(S::NAME, run).await
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let key = key.to_owned();
        self.send("watch", |store| async move { store.watch(&key).await }).await
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        self.inside.ping().await
    }

    /// Sends a command: it goes on without its caller.
    async fn send<T, F>(&self, name: &'static str, command: impl FnOnce(Arc<MemoryStore>) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        self.stage.send(self.process, name, command(self.inside.clone())).await
    }
}
