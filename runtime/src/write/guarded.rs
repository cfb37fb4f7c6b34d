//! The steps of a write on its keys: guards, which are kept while its body runs, and their release.

use std::{ops::Range, sync::Arc, time::Duration};

use cached_aside_protocol::steps::{self, Left, Release, Released, RenewGuard};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    deletion::{Failures, failure},
    pieces::{for_parts, in_pieces},
};
use crate::{
    AnyKey,
    engine::{
        events::now_and_then,
        local::clock,
        recovery::delivery::wait,
        session::{Ended, GuardSet, Named, Update},
        shared::Shared,
    },
    function::write::{Guard, WriteSettings},
    key::Listed,
    store::{Answer, StoreError},
    thread::Beside,
};

/// Maximum number of attempts to have all guards stand at the same time before a body goes on.
const AGAIN: usize = 3;

/// Guards keys of a write, all in one round trip, and keeps those guards until it is over. Then waits for the local copies of what was
/// there. Gives those that could not be guarded: they are on the recovery list while the write runs.
pub(super) async fn place(
    set: &Arc<GuardSet>,
    keys: &[AnyKey],
    settings: &WriteSettings,
    by_inner: bool,
) -> Failures {
    let guarded = by_inner || settings.guard != Guard::Off;
    let (unguarded, hold) = set.add(keys, settings, guarded, by_inner);
    let mut failures = Failures::new();
    if !unguarded.is_empty() {
        failures = place_these(set, &unguarded, hold, settings).await;
        if !failures.is_empty() && settings.guard == Guard::Required {
            return failures;
        }
    }
    failures.extend(place_again(set, keys, settings).await);
    failures
}

/// Places guards that were counted on and may have ended meanwhile: where this process stood still, nobody renewed them. Gives those of
/// these keys that could not be guarded again.
async fn place_again(set: &GuardSet, keys: &[AnyKey], settings: &WriteSettings) -> Failures {
    let (cache, mut failed) = (&set.cache, None);
    for _ in 0..AGAIN {
        if !set.may_have_ended(clock::now(cache.clock)) {
            break;
        }
        let renewed = renew(set).await;
        failed = renewed.failed;
        cache.hold_up_write(renewed.copied).await;
    }
    let Some(error) = failed else { return Failures::new() };
    let failures = set.gone(keys).into_iter().map(|key| (key, error.clone())).collect();
    owe(set, &failures, settings);
    failures
}

/// What could not be guarded is on the recovery list from now on.
fn owe(set: &GuardSet, failures: &Failures, settings: &WriteSettings) {
    let Some((_, error)) = failures.first() else { return };
    let (cache, token) = (&set.cache, set.token);
    let keys: Vec<&AnyKey> = failures.iter().map(|(key, _)| key).collect();
    // Also those that were not tried.
    set.failed(&keys);
    now_and_then!(
        cache,
        unguarded,
        module = settings.module,
        function = settings.name,
        keys = ?Listed(&keys),
        ?error,
        "keys could not be guarded; this process leaves their entries alone until the write is over and they are invalidated"
    );
    cache.given_up(keys.iter().map(|key| cache.recovery.begin(key.as_str(), token)).sum());
    cache.table.writes.guards_failed.add(failures.len() as u64);
}

/// The guards of keys that have none, or that others have not waited for yet.
async fn place_these(
    set: &Arc<GuardSet>,
    unguarded: &[AnyKey],
    hold: Duration,
    settings: &WriteSettings,
) -> Failures {
    let (cache, token, begun) = (&set.cache, set.token, Instant::now());
    // From the first step on: where there are many, the first guards are renewed while the last ones are placed.
    set.renew(|| Beside::begin(cache.clock, keep(set.clone(), hold / 3)));
    let names = names(unguarded);
    let until = || clock::end(clock::now(cache.clock), hold);
    let guard = async |piece: Range<usize>| {
        let (keys, step, until) = (piece.clone(), steps::Guard { token, hold }, until());
        let answers =
            cache.store.guard_on_replicas(&names[piece], step, settings.wait_replicas, cache.timeout).await;
        let placed = answers.iter().map(|answer| matches!(answer, Ok(_) | Err(StoreError::Foreign)));
        set.answered(unguarded[keys].iter().zip(placed), until);
        answers
    };
    let answers = in_pieces(names.len(), settings.guard == Guard::Required, guard).await;
    let took = begun.elapsed();
    cache.table.writes.guard_times.record(|| took);
    let copied = longest(answers.iter().filter_map(|answer| answer.as_ref().ok().copied()));
    let failures = unguarded.iter().cloned().zip(answers).filter_map(failure);
    // Somebody else's data is not ours to guard, and never served either.
    let failures: Failures = failures.filter(|(_, error)| *error != StoreError::Foreign).collect();
    tracing::debug!(keys = ?Listed(unguarded), failed = failures.len(), ?took, "guarded");
    owe(set, &failures, settings);
    if failures.is_empty() || settings.guard != Guard::Required {
        cache.hold_up_write(copied).await;
        for_parts(unguarded, |part| set.stand(part)).await;
    }
    failures
}

fn longest(times: impl Iterator<Item = Duration>) -> Duration {
    times.max().unwrap_or_default()
}

fn names(keys: &[AnyKey]) -> Vec<&str> {
    keys.iter().map(AnyKey::as_str).collect()
}

/// Renews the guards of a write for ever, each time after so long.
async fn keep(set: Arc<GuardSet>, interval: Duration) {
    let cache = &set.cache;
    let mut pause = interval;
    loop {
        // A guard that could not be placed is placed as soon as the store is back.
        wait(cache.clock, cache.store.reconnected().map(Arc::as_ref), pause).await;
        let begun = Instant::now();
        drop(renew(&set).await);
        pause = interval.saturating_sub(begun.elapsed());
    }
}

/// What a renewal of guards has come to.
struct Renewed {
    /// What is left of the local copies of what stood in the places of those that were lost.
    copied: Duration,
    /// Why some could not be renewed or placed again.
    failed: Option<StoreError>,
}

/// Renews the guards of a write, and places those again that were lost.
async fn renew(set: &GuardSet) -> Renewed {
    let (cache, token, now) = (&set.cache, set.token, clock::now(set.cache.clock));
    let (keys, hold) = set.renewable();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let within = cache.timeout.min(hold);
    let stands = |answer: &Answer<bool>| matches!(answer, Ok(true) | Err(StoreError::Foreign));
    let renew = |_| RenewGuard { token, hold };
    let renew = |piece| cache.store.run_all(&names[piece], renew, within);
    let answers = in_pieces(names.len(), false, renew).await;
    let renewed: Vec<(&str, bool)> = names.iter().copied().zip(answers.iter().map(stands)).collect();
    for_parts(&renewed, |part| set.renewed(part.iter().copied())).await;
    let lost = names.iter().zip(&answers).filter(|(_, answer)| **answer == Ok(false));
    let lost: Vec<&str> = lost.map(|(name, _)| *name).collect();
    let mut failed = first_error(&answers);
    let mut copied = Duration::ZERO;
    if !lost.is_empty() {
        set.lose();
        // Evicted, flushed, or too late: what may have been stored since is guarded away.
        for (function, keys) in set.by_function(&lost) {
            now_and_then!(
                cache,
                lost,
                module = function.module,
                function = function.name,
                keys = ?Listed(&keys),
                "the guard was lost while a write was running, and is placed anew"
            );
        }
        cache.table.writes.guards_lost.add(lost.len() as u64);
        let guard = |_| steps::Guard { token, hold };
        let guard = |piece| cache.store.run_all(&lost[piece], guard, within);
        let answers = in_pieces(lost.len(), false, guard).await;
        set.renewed(lost.iter().copied().zip(answers.iter().map(Answer::is_ok)));
        failed = failed.or_else(|| first_error(&answers));
        copied = longest(answers.into_iter().filter_map(Answer::ok));
    }
    set.renewed_until(clock::end(now, hold));
    Renewed { copied, failed }
}

fn first_error<T>(answers: &[Answer<T>]) -> Option<StoreError> {
    answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .find(|error| **error != StoreError::Foreign)
        .cloned()
}

/// A write in one cache that is over, and whose guards are still there. Dropped, it is carried out in the background.
#[derive(Debug)]
pub(super) struct Releasing {
    set: Arc<GuardSet>,
    ended: Ended,
    /// Whether this is the last attempt, or nothing is left to do.
    is_last: bool,
}

impl Releasing {
    /// Ends the write: from now on no guard of it is placed or renewed.
    pub(super) fn begin(set: Arc<GuardSet>) -> Releasing {
        let ended = set.end();
        Releasing { set, ended, is_last: false }
    }

    /// How many keys it has.
    pub(super) fn len(&self) -> usize {
        self.ended.keys.len()
    }

    pub(super) fn cache(&self) -> &Arc<Shared> {
        &self.set.cache
    }

    /// Leaves the guards, all at once, with an entry in the place of those that were this write's alone. What can't be delivered
    /// goes on the recovery list and is returned.
    pub(super) async fn carry_out(mut self, mut updates: Vec<Update>) -> Failures {
        let begun = Instant::now();
        let (cache, token, keys) = (&self.set.cache, self.set.token, &self.ended.keys);
        // Without its guard, or where another write is still to be delivered, this may not be the last that was written; nor
        // where a write inside of it named the key as well, or may still be at work.
        let is_last = |update: &Update| {
            let named = keys.get(update.key.as_str());
            named.is_some_and(|named| named.is_of(update) && named.settle.is_zero() && !named.listed)
        };
        updates.retain(|update| !self.ended.lost && is_last(update) && !cache.is_listed(update.key.as_str()));
        if !cache.store.is_open(updates.iter().map(|update| update.key.as_str())) {
            updates.clear();
        }
        let is_updated =
            |(key, _): &(&String, &Named)| updates.iter().any(|update| update.key.as_str() == *key);
        let (with, without): (Vec<_>, Vec<_>) = keys.iter().partition(is_updated);
        let mut answers = Vec::new();
        if !without.is_empty() {
            let release = async |piece: Range<usize>| {
                let these = &without[piece];
                let names: Vec<&str> = these.iter().map(|(key, _)| key.as_str()).collect();
                let release = |number: usize| Release { token, left: Left::Settling(these[number].1.settle) };
                cache.store.run_all(&names, release, cache.timeout).await
            };
            answers = in_pieces(without.len(), false, release).await;
        }
        let mut stored = 0;
        if !with.is_empty() {
            let released = self.leave_entries(&with, &updates).await;
            stored = released.iter().filter(|answer| **answer == Ok(Released::Stored)).count();
            answers.extend(released);
        }
        let named: Vec<_> = without.into_iter().chain(with).collect();
        let texts: Vec<&String> = named.iter().map(|(key, _)| *key).collect();
        tracing::debug!(keys = ?Listed(&texts), updated = stored, took = ?begun.elapsed(), "released");
        cache.table.writes.updated.add(stored as u64);
        let all: Vec<_> = named.into_iter().zip(&answers).collect();
        let mut answered = Answered::default();
        for_parts(&all, |part| {
            for ((key, named), answer) in part {
                answered.add(key, named, answer);
            }
        })
        .await;
        let Answered { copied, settle, failed } = answered;
        for (function, failed) in self.ended.by_function(failed.clone(), |(key, _)| key.as_str()) {
            cache.undelivered(function, &failed, token, settle).await;
        }
        cache.hold_up_write(copied).await;
        let listed: Vec<&String> =
            keys.iter().filter(|(_, named)| named.listed).map(|(key, _)| key).collect();
        for_parts(&listed, |part| part.iter().for_each(|key| cache.recovery.end(key, token))).await;
        cache.table.writes.invalidated.add((keys.len() - failed.len()) as u64);
        self.is_last = true;
        failed
    }

    /// Leaves guards with entries in their places.
    async fn leave_entries(&self, keys: &[(&String, &Named)], updates: &[Update]) -> Vec<Answer<Released>> {
        let (cache, token) = (&self.set.cache, self.set.token);
        let names: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
        let release = |number: usize| {
            let update = updates.iter().find(|update| update.key.as_str() == names[number]);
            let value =
                |update: &Update| Left::Value { value: update.entry.value.clone(), ttl: update.entry.ttl };
            Release { token, left: update.map_or(Left::Nothing, value) }
        };
        cache.store.run_all(&names, release, cache.timeout).await
    }
}

/// What the answers to a release say.
#[derive(Default)]
struct Answered {
    /// For how long local copies may still be used.
    copied: Duration,
    /// For how long the guards have to stay of what could not be delivered.
    settle: Duration,
    failed: Failures,
}

impl Answered {
    fn add(&mut self, key: &str, named: &Named, answer: &Answer<Released>) {
        match answer {
            Ok(Released::Left(left)) => self.copied = self.copied.max(*left),
            Ok(Released::Stored) => {}
            Err(error) => {
                self.settle = self.settle.max(named.settle);
                self.failed.push((AnyKey::finished(key), error.clone()));
            }
        }
    }
}

impl Drop for Releasing {
    fn drop(&mut self) {
        if self.is_last || self.ended.keys.is_empty() {
            return;
        }
        let ended = self.ended.take();
        let again = Releasing { set: self.set.clone(), ended, is_last: true };
        drop(self.set.cache.spawn(again.carry_out(Vec::new()).in_current_span()));
    }
}
