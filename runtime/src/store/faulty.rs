//! A store that fails on demand: the in-process one behind a gate for each verb.

use std::{
    collections::HashMap,
    future::{Future, pending},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::Token;
use tokio::time::sleep;

use super::{Acquired, Answer, Put, StoreError, Watched, memory::MemoryStore};

/// What happens to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It is taken and answered.
    Passes,
    /// It is not taken, and that is said at once.
    Fails,
    /// It is taken and answered late, but in time.
    Slow,
    /// It is not taken and never answered.
    Hangs,
    /// It is taken, and never answered.
    LosesReply,
}

/// All that can happen.
pub(crate) const GATES: [Gate; 5] = [Gate::Passes, Gate::Fails, Gate::Slow, Gate::Hangs, Gate::LosesReply];
/// What a slow step takes.
pub(crate) const SLOW: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) inside: MemoryStore,
    gates: Mutex<HashMap<&'static str, Gate>>,
}

impl FaultyStore {
    pub(crate) fn new() -> Self {
        FaultyStore { inside: MemoryStore::new(), gates: Mutex::default() }
    }

    /// Sets what happens to a verb from now on.
    pub(crate) fn set(&self, verb: &'static str, gate: Gate) {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).insert(verb, gate);
    }

    /// Everything passes again.
    pub(crate) fn heal(&self) {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn pass<T>(&self, verb: &'static str, step: impl Future<Output = Answer<T>>) -> Answer<T> {
        let gate = self.gates.lock().unwrap_or_else(PoisonError::into_inner).get(verb).copied();
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

    pub(crate) async fn acquire(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        lease: Duration,
    ) -> Answer<Acquired> {
        self.pass("acquire", self.inside.acquire(key, seen, token, lease)).await
    }

    pub(crate) async fn renew(&self, key: &str, token: Token, lease: Duration) -> Answer<bool> {
        self.pass("renew", self.inside.renew(key, token, lease)).await
    }

    pub(crate) async fn fill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        self.pass("fill", self.inside.fill(key, token, value, ttl)).await
    }

    pub(crate) async fn abandon(&self, key: &str, token: Token) -> Answer<bool> {
        self.pass("abandon", self.inside.abandon(key, token)).await
    }

    pub(crate) async fn elect(&self, key: &str, seen: &[u8], token: Token, hold: Duration) -> Answer<bool> {
        self.pass("elect", self.inside.elect(key, seen, token, hold)).await
    }

    pub(crate) async fn take_over(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        hold: Duration,
    ) -> Answer<bool> {
        self.pass("take_over", self.inside.take_over(key, seen, token, hold)).await
    }

    pub(crate) async fn renew_refresh(&self, key: &str, token: Token, hold: Duration) -> Answer<bool> {
        self.pass("renew_refresh", self.inside.renew_refresh(key, token, hold)).await
    }

    pub(crate) async fn refill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        self.pass("refill", self.inside.refill(key, token, value, ttl)).await
    }

    pub(crate) async fn rest(&self, key: &str, token: Token, failures: u8, pause: Duration) -> Answer<bool> {
        self.pass("rest", self.inside.rest(key, token, failures, pause)).await
    }

    pub(crate) async fn discard(&self, key: &str, token: Token) -> Answer<bool> {
        self.pass("discard", self.inside.discard(key, token)).await
    }

    pub(crate) async fn guard(&self, keys: &[&str], token: Token, hold: Duration) -> Answer<Vec<Answer<()>>> {
        self.pass("guard", self.inside.guard(keys, token, hold)).await
    }

    pub(crate) async fn renew_guard(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
    ) -> Answer<Vec<Answer<bool>>> {
        self.pass("renew_guard", self.inside.renew_guard(keys, token, hold)).await
    }

    pub(crate) async fn release(
        &self,
        keys: &[&str],
        token: Token,
        settle: Duration,
    ) -> Answer<Vec<Answer<()>>> {
        self.pass("release", self.inside.release(keys, token, settle)).await
    }

    pub(crate) async fn release_with(&self, puts: &[Put<'_>], token: Token) -> Answer<Vec<Answer<bool>>> {
        self.pass("release_with", self.inside.release_with(puts, token)).await
    }

    pub(crate) async fn remove(&self, keys: &[&str]) -> Answer<Vec<Answer<()>>> {
        self.pass("remove", self.inside.remove(keys)).await
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        self.pass("watch", self.inside.watch(key)).await
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        self.pass("ping", self.inside.ping()).await
    }
}
