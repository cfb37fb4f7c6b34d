//! A store that fails on demand: the in-process store behind a gate that every step passes.

use std::{
    collections::HashMap,
    future::{Future, pending},
    mem,
    time::Duration,
};

use crate::lock::Mutex;

use bytes::Bytes;
use cached_aside_protocol::Step;
use tokio::time::sleep;

use super::{Answer, StoreError, Together, Watched, memory::MemoryStore};

/// What happens to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It is executed and answered.
    Passes,
    /// It is not executed, and fails at once.
    Fails,
    /// It is executed and answered late, but within the time limit.
    Slow,
    /// It is not executed and never answered.
    Hangs,
    /// It is executed and never answered.
    LosesReply,
}

/// Every gate.
pub(crate) const GATES: [Gate; 5] = [Gate::Passes, Gate::Fails, Gate::Slow, Gate::Hangs, Gate::LosesReply];
/// How long a slow step takes.
pub(crate) const SLOW: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) inside: MemoryStore,
    gates: Mutex<HashMap<&'static str, Gate>>,
    /// The steps on several keys, and on how many.
    packets: Mutex<Vec<(&'static str, usize)>>,
}

impl FaultyStore {
    pub(crate) fn new() -> Self {
        FaultyStore { inside: MemoryStore::new(), gates: Mutex::default(), packets: Mutex::default() }
    }

    /// Sets what happens to steps from now on.
    pub(crate) fn set(&self, step: &'static str, gate: Gate) {
        self.gates.lock().insert(step, gate);
    }

    /// Lets every step pass again.
    pub(crate) fn heal(&self) {
        self.gates.lock().clear();
    }

    /// The steps that were taken on several keys since this was asked, and on how many.
    pub(crate) fn take_packets(&self) -> Vec<(&'static str, usize)> {
        mem::take(&mut *self.packets.lock())
    }

    async fn pass<T>(&self, name: &'static str, step: impl Future<Output = Answer<T>>) -> Answer<T> {
        let gate = self.gates.lock().get(name).copied();
        match gate.unwrap_or(Gate::Passes) {
            Gate::Passes => step.await,
            Gate::Fails => Err(StoreError::Unreachable("the gate is shut".to_owned())),
            Gate::Slow => {
                sleep(SLOW / 2).await;
                let answer = step.await;
                sleep(SLOW / 2).await;
                answer
            }
            Gate::Hangs => pending().await,
            Gate::LosesReply => {
                let _ = step.await;
                pending().await
            }
        }
    }

    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Bytes>> {
        self.pass("read", self.inside.read(key)).await
    }

    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        self.pass("read_timed", self.inside.read_timed(key)).await
    }

    pub(crate) async fn read_together(&self, keys: &[&str], timed: bool) -> Answer<Together> {
        let name = if timed { "read_timed" } else { "read" };
        self.pass(name, self.inside.read_together(keys, timed)).await
    }

    pub(crate) async fn run<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        self.pass(S::NAME, self.inside.run(key, step)).await
    }

    pub(crate) async fn run_all<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
    ) -> Answer<Vec<Answer<S::Answer>>> {
        self.packets.lock().push((S::NAME, keys.len()));
        self.pass(S::NAME, self.inside.run_all(keys, steps)).await
    }

    pub(crate) async fn run_all_of_load<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
    ) -> Answer<Vec<Answer<S::Answer>>> {
        self.run_all(keys, steps).await
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        self.pass("watch", self.inside.watch(key)).await
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        self.pass("ping", self.inside.ping()).await
    }
}
