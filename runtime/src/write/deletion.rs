//! Deletions, and what becomes of those that can't be delivered.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use cached_aside_protocol::{Token, steps::Remove};
use tokio::time::Instant;
use tracing::Instrument;

use super::pieces::{for_parts, in_pieces};
use crate::{
    AnyKey,
    engine::{events::now_and_then, recovery::Recovery, shared::Shared},
    function::name::FunctionName,
    key::Listed,
    store::StoreError,
};

/// Without the keys in which the `Display` of a value failed: reads with such a value run uncached, so that nothing is stored
/// under them.
pub(crate) fn whole(function: FunctionName, mut keys: Vec<AnyKey>) -> Vec<AnyKey> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if let Some(key) = keys.iter().find(|key| !key.is_whole()) {
        if !SAID.swap(true, Relaxed) {
            tracing::error!(
                module = function.module,
                function = function.name,
                key = key.as_str(),
                "the `Display` of a value in a key failed; there is no entry to invalidate"
            );
        }
        keys.retain(AnyKey::is_whole);
    }
    keys
}

/// A deletion of keys that no guard stands under: those that only a result names, or that were named by hand. Dropped before it was
/// carried out, it is carried out in the background, since nobody else knows of it.
pub(crate) struct Deletion {
    pub(crate) function: FunctionName,
    pub(crate) cache: Arc<Shared>,
    pub(crate) keys: Vec<AnyKey>,
}

impl Deletion {
    /// Keys whose deletion is undelivered are on the recovery list, and are returned.
    pub(crate) async fn carry_out(mut self) -> Failures {
        if self.keys.is_empty() {
            return Failures::new();
        }
        let failures = remove(&self.cache, self.function, &self.keys, self.cache.timeout).await;
        self.keys.clear();
        failures
    }
}

impl Drop for Deletion {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let (cache, function, keys) = (self.cache.clone(), self.function, mem::take(&mut self.keys));
        let inner = cache.clone();
        let remove = async move { remove(&inner, function, &keys, inner.timeout).await };
        drop(cache.spawn(remove.in_current_span()));
    }
}

/// Deletes entries within a time. What can't be delivered in it is on the recovery list.
pub(crate) async fn end(cache: &Arc<Shared>, function: FunctionName, keys: &[AnyKey], within: Duration) {
    // The list is all that can be done about it.
    let _ = remove(cache, function, keys, within).await;
}

/// Deletes entries, unless writers are inside, and waits for their local copies. What can't be delivered goes on the recovery list and
/// is returned.
async fn remove(cache: &Arc<Shared>, function: FunctionName, keys: &[AnyKey], within: Duration) -> Failures {
    let names: Vec<&str> = keys.iter().map(AnyKey::as_str).collect();
    let begun = Instant::now();
    let remove = |piece| cache.store.run_all(&names[piece], |_| Remove, within);
    let answers = in_pieces(names.len(), false, remove).await;
    tracing::debug!(module = function.module, function = function.name, keys = ?Listed(keys), took = ?begun.elapsed(), "deleted");
    let copied = answers.iter().filter_map(|answer| answer.as_ref().ok().copied()).max().unwrap_or_default();
    let failures: Failures = keys.iter().cloned().zip(answers).filter_map(failure).collect();
    // With a token that is in no guard, a late release is a deletion.
    cache.undelivered(function, &failures, Token::fresh(), Duration::ZERO).await;
    cache.table.writes.invalidated.add((keys.len() - failures.len()) as u64);
    cache.hold_up_write(copied).await;
    failures
}

/// Keys and why a step failed for them.
pub(crate) type Failures = Vec<(AnyKey, StoreError)>;

pub(crate) fn failure<T>((key, answer): (AnyKey, Result<T, StoreError>)) -> Option<(AnyKey, StoreError)> {
    answer.err().map(|error| (key, error))
}

impl Shared {
    /// Puts keys on the recovery list, says so in one line, and has them delivered.
    pub(crate) async fn undelivered(
        self: &Arc<Self>,
        function: FunctionName,
        failures: &Failures,
        token: Token,
        settle: Duration,
    ) {
        let failures = failures.iter().filter(|(_, error)| *error != StoreError::Foreign);
        let keys: Vec<&AnyKey> = failures.clone().map(|(key, _)| key).collect();
        let Some((_, error)) = failures.clone().next() else { return };
        now_and_then!(
            self,
            undelivered,
            module = function.module,
            function = function.name,
            keys = ?Listed(&keys),
            ?error,
            "invalidations could not be delivered; this process leaves the entries alone until they are"
        );
        for_parts(&keys, |part| self.list(function, part, token, settle)).await;
        Recovery::deliver(self);
    }

    /// Puts keys on the recovery list.
    pub(crate) fn list(&self, function: FunctionName, keys: &[&AnyKey], token: Token, settle: Duration) {
        self.table.writes.undelivered.add(keys.len() as u64);
        let add = |key: &&AnyKey| {
            tracing::debug!(
                module = function.module,
                function = function.name,
                key = key.as_str(),
                "on the recovery list"
            );
            self.recovery.add(key.as_str(), token, settle)
        };
        self.given_up(keys.iter().map(add).sum());
    }

    /// Counts and reports keys that left the recovery list undelivered.
    pub(crate) fn given_up(&self, given_up: usize) {
        if given_up > 0 {
            self.table.writes.given_up.add(given_up as u64);
            if let Some(left_out) = self.events.given_up.due() {
                tracing::error!(
                    given_up = self.table.writes.given_up.get(),
                    left_out,
                    "too many undelivered invalidations; the oldest are left to their entries' TTLs"
                );
            }
        }
    }
}
