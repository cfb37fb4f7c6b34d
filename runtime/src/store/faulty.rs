//! A store that fails on demand: the in-process store behind a gate that every step passes.

#[cfg(test)]
use std::mem;
use std::{
    collections::HashMap,
    future::{Future, pending},
    time::Duration,
};

use crate::lock::Mutex;

use bytes::Bytes;
use cached_aside_protocol::Step;
#[cfg(test)]
use tokio::time::sleep;

use super::{
    answer::{Answer, StoreError, Together, Watched},
    memory::MemoryStore,
};

/// What happens to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It is executed and answered.
    Passes,
    /// It is not executed, and fails at once.
    Fails,
    /// It is executed and answered late, but within the time limit.
    #[cfg(test)]
    Slow,
    /// It is not executed and never answered.
    Hangs,
    /// It is executed and never answered.
    LosesReply,
}

/// Every gate.
#[cfg(test)]
pub(crate) const GATES: [Gate; 5] = [Gate::Passes, Gate::Fails, Gate::Slow, Gate::Hangs, Gate::LosesReply];
/// How long a slow step takes.
#[cfg(test)]
pub(crate) const SLOW: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) inside: MemoryStore,
    gates: Mutex<Gates>,
    /// The steps on several keys, and on how many.
    #[cfg(test)]
    packets: Mutex<Vec<(&'static str, usize)>>,
}

/// What happens to which steps.
#[derive(Debug, Default)]
struct Gates {
    /// To those that have none of their own.
    all: Option<Gate>,
    of_step: HashMap<&'static str, Gate>,
    /// To the next one of a step alone.
    next: HashMap<&'static str, Gate>,
    /// To those on a key alone.
    #[cfg(test)]
    of_key: HashMap<String, Gate>,
}

impl FaultyStore {
    pub(crate) fn new() -> Self {
        FaultyStore {
            inside: MemoryStore::new(),
            gates: Mutex::default(),
            #[cfg(test)]
            packets: Mutex::default(),
        }
    }

    /// Sets what happens to steps from now on.
    #[cfg(test)]
    pub(crate) fn set(&self, step: &'static str, gate: Gate) {
        self.gates.lock().of_step.insert(step, gate);
    }

    /// Sets what happens to steps of writes on this key from now on, where it is the only one.
    #[cfg(test)]
    pub(crate) fn set_key(&self, key: &str, gate: Gate) {
        self.gates.lock().of_key.insert(key.to_owned(), gate);
    }

    /// Sets what happens to all steps from now on.
    #[cfg(feature = "testing")]
    pub(crate) fn set_all(&self, gate: Gate) {
        *self.gates.lock() = Gates { all: Some(gate), ..Gates::default() };
    }

    /// Sets what happens to the next of these steps, and to no other.
    #[cfg(feature = "testing")]
    pub(crate) fn set_next(&self, step: &'static str, gate: Gate) {
        self.gates.lock().next.insert(step, gate);
    }

    /// Lets every step pass again.
    pub(crate) fn heal(&self) {
        *self.gates.lock() = Gates::default();
    }

    /// The steps that were taken on several keys since this was asked, and on how many.
    #[cfg(test)]
    pub(crate) fn take_packets(&self) -> Vec<(&'static str, usize)> {
        mem::take(&mut *self.packets.lock())
    }

    #[cfg(test)]
    fn gate_of_key(&self, keys: &[&str]) -> Option<Gate> {
        let [key] = keys else { return None };
        self.gates.lock().of_key.get(*key).copied()
    }

    async fn pass<T>(&self, name: &'static str, step: impl Future<Output = Answer<T>>) -> Answer<T> {
        let gate = {
            let mut gates = self.gates.lock();
            gates.next.remove(name).or(gates.of_step.get(name).copied()).or(gates.all)
        };
        Self::pass_by(gate.unwrap_or(Gate::Passes), step).await
    }

    async fn pass_by<T>(gate: Gate, step: impl Future<Output = Answer<T>>) -> Answer<T> {
        match gate {
            Gate::Passes => step.await,
            Gate::Fails => Err(StoreError::Unreachable("the gate is shut".to_owned())),
            #[cfg(test)]
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
        #[cfg(test)]
        self.packets.lock().push((S::NAME, keys.len()));
        #[cfg(test)]
        if let Some(gate) = self.gate_of_key(keys) {
            return Self::pass_by(gate, self.inside.run_all(keys, steps)).await;
        }
        self.pass(S::NAME, self.inside.run_all(keys, steps)).await
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        self.pass("watch", self.inside.watch(key)).await
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        self.pass("ping", self.inside.ping()).await
    }
}
