//! Keys under guard, from the first step of a write to its last.

use std::{
    convert::identity,
    future::Future,
    mem,
    ops::Range,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use cached_aside_protocol::{
    Token,
    steps::{self, Left, Release, RenewGuard},
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    deletion::{Failures, failure},
    pieces::{PIECE, in_pieces},
    places::Part,
};
use crate::{
    AnyKey,
    engine::events::now_and_then,
    engine::lease::while_renewing,
    engine::recovery::delivery::wait,
    engine::shared::Shared,
    engine::storing::Storable,
    function::write::{GUARD_FOR, Guard, WriteSettings},
    key::Listed,
    store::StoreError,
};

/// An entry that a write leaves behind.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) cache: Arc<Shared>,
    pub(crate) key: AnyKey,
    pub(crate) entry: Storable,
}

/// Keys under guard. Dropping it ends the guard in the background: at once where the write was refused or is over; where
/// its body was cancelled or panicked, when the time is up for which a guard holds unrenewed.
#[derive(Debug)]
pub(crate) struct Guarded {
    /// Which write they are of.
    function: &'static str,
    cache: Arc<Shared>,
    keys: Arc<[AnyKey]>,
    pub(crate) token: Token,
    hold: Duration,
    settle: Duration,
    /// How many replicas have to confirm a guard.
    replicas: u8,
    /// The number of keys, from the first on, whose guards are renewed; `None` where none are placed.
    renewed: Option<Arc<AtomicUsize>>,
    /// Whether a guard was found to be gone while the body ran: others may have written meanwhile without meeting it.
    lost: Arc<AtomicBool>,
    /// The keys that could not be guarded. They are on the recovery list while the write runs.
    pub(crate) failures: Failures,
    pub(crate) stage: Stage,
}

/// How far a write has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The body has not begun: nothing was written.
    Before,
    /// The body runs, or ended in a way that does not say whether the database goes on with what it was told.
    Running,
    /// The body is over.
    After,
    /// The guards are released, or somebody else does it.
    Released,
}

impl Guarded {
    /// No guard, only the deletion at the end.
    pub(crate) fn nothing(function: &'static str, cache: &Arc<Shared>, keys: Vec<AnyKey>) -> Guarded {
        Guarded {
            function,
            cache: cache.clone(),
            keys: keys.into(),
            token: Token::fresh(),
            hold: GUARD_FOR,
            settle: Duration::ZERO,
            replicas: 0,
            renewed: None,
            lost: Arc::default(),
            failures: Vec::new(),
            stage: Stage::Before,
        }
    }

    /// Places the guards, and renews the first ones where the last ones take long.
    pub(crate) async fn place(cache: &Arc<Shared>, keys: Vec<AnyKey>, settings: &WriteSettings) -> Guarded {
        let WriteSettings { name, guard_for: hold, settle, wait_replicas: replicas, .. } = *settings;
        // It exists before the guards do: dropped while they are being placed, it takes them away again.
        let (mut guarded, begun, renewed) =
            (Guarded::nothing(name, cache, keys), Instant::now(), Arc::default());
        (guarded.hold, guarded.settle, guarded.replicas) = (hold, settle, replicas);
        guarded.renewed = Some(Arc::clone(&renewed));
        let (names, token) = (guarded.names(), guarded.token);
        let guard = async |piece: Range<usize>| {
            let end = piece.end;
            let (piece, step) = (&names[piece], steps::Guard { token, hold });
            let answers = cache.store.guard_on_replicas(piece, step, replicas, cache.timeout).await;
            renewed.store(end, Relaxed);
            answers
        };
        let answers = in_pieces(names.len(), settings.guard == Guard::Required, guard);
        let answers = if names.len() > PIECE {
            while_renewing(cache.clock, pin!(answers), guarded.keep(), identity).await
        } else {
            answers.await
        };
        renewed.store(names.len(), Relaxed);
        let took = begun.elapsed();
        cache.table.writes.guard_times.record(|| took);
        let failures = guarded.keys.iter().cloned().zip(answers).filter_map(failure);
        // Somebody else's data is not ours to guard, and never served either.
        guarded.failures = failures.filter(|(_, error)| *error != StoreError::Foreign).collect();
        tracing::debug!(keys = ?Listed(&guarded.keys), failed = guarded.failures.len(), ?took, "guarded");
        if let Some((_, error)) = guarded.failures.first() {
            let keys: Vec<&AnyKey> = guarded.failures.iter().map(|(key, _)| key).collect();
            now_and_then!(
                cache,
                unguarded,
                function = guarded.function,
                keys = ?Listed(&keys),
                ?error,
                "keys could not be guarded; this process leaves their entries alone until the write is over and they are invalidated"
            );
            cache.given_up(keys.iter().map(|key| cache.recovery.begin(key.as_str(), token)).sum());
        }
        cache.table.writes.guards_failed.add(guarded.failures.len() as u64);
        guarded
    }

    fn names(&self) -> Vec<&str> {
        self.keys.iter().map(AnyKey::as_str).collect()
    }

    /// Ends the write for the recovery list.
    fn written(&self) {
        self.failures.iter().for_each(|(key, _)| self.cache.recovery.end(key.as_str(), self.token));
    }

    /// Renews the guards for ever.
    pub(crate) fn keep(&self) -> impl Future<Output = ()> + Send + 'static {
        let (cache, keys, token, hold) = (self.cache.clone(), self.keys.clone(), self.token, self.hold);
        let (function, renewed, any_lost) = (self.function, self.renewed.clone(), self.lost.clone());
        async move {
            let Some(renewed) = renewed else { return };
            let names: Vec<&str> = keys.iter().map(AnyKey::as_str).collect();
            let within = cache.timeout.min(hold);
            // The first of many were placed a while ago.
            let mut pause = if names.len() > PIECE { Duration::ZERO } else { hold / 3 };
            loop {
                // A guard that could not be placed is placed as soon as the store is back.
                wait(cache.clock, cache.store.reconnected().map(Arc::as_ref), pause).await;
                let begun = Instant::now();
                let renew = |_| RenewGuard { token, hold };
                let renew = |piece| cache.store.run_all(&names[piece], renew, within);
                let answers = in_pieces(renewed.load(Relaxed), false, renew).await;
                let lost = names.iter().zip(answers).filter(|(_, answer)| *answer == Ok(false));
                let lost: Vec<&str> = lost.map(|(name, _)| *name).collect();
                if !lost.is_empty() {
                    any_lost.store(true, Relaxed);
                    // Evicted, flushed, or too late: what may have been stored since is guarded away.
                    now_and_then!(
                        cache,
                        lost,
                        function,
                        keys = ?Listed(&lost),
                        "the guard was lost while a write was running, and is placed anew"
                    );
                    cache.table.writes.guards_lost.add(lost.len() as u64);
                    let guard = |_| steps::Guard { token, hold };
                    let guard = |piece| cache.store.run_all(&lost[piece], guard, within);
                    in_pieces(lost.len(), false, guard).await;
                }
                pause = (hold / 3).saturating_sub(begun.elapsed());
            }
        }
    }

    /// Leaves the guards, all at once, with an entry in the place of those that were ours alone. What can't be delivered goes
    /// on the recovery list and is returned.
    pub(crate) async fn release(mut self, mut puts: Vec<Written>) -> Failures {
        let begun = Instant::now();
        let Guarded { cache, token, settle, .. } = &self;
        // Without its guard, or where another write is still to be delivered, this may not be the last that was written.
        puts.retain(|put| !self.lost.load(Relaxed) && !cache.is_listed(put.key.as_str()));
        if !cache.store.is_open(puts.iter().map(|put| put.key.as_str())) {
            puts.clear();
        }
        let is_put = |key: &&AnyKey| puts.iter().any(|put| put.key == **key);
        let (with, without): (Vec<&AnyKey>, Vec<&AnyKey>) = self.keys.iter().partition(is_put);
        let mut answers = Vec::with_capacity(self.keys.len());
        if !without.is_empty() {
            let names: Vec<&str> = without.iter().map(|key| key.as_str()).collect();
            let release = |_| Release { token: *token, left: Left::Settling(*settle) };
            let release = |piece| cache.store.run_all(&names[piece], release, cache.timeout);
            let released = in_pieces(names.len(), false, release).await;
            answers.extend(released.into_iter().map(|answer| answer.map(drop)));
        }
        let mut updated = 0;
        if !with.is_empty() {
            let names: Vec<&str> = with.iter().map(|key| key.as_str()).collect();
            let release = |number: usize| {
                let put = puts.iter().find(|put| put.key == *with[number]);
                let value =
                    |put: &Written| Left::Value { value: put.entry.value.clone(), ttl: put.entry.ttl };
                Release { token: *token, left: put.map_or(Left::Nothing, value) }
            };
            let put = cache.store.run_all(&names, release, cache.timeout).await;
            updated = put.iter().filter(|answer| **answer == Ok(true)).count();
            answers.extend(put.into_iter().map(|answer| answer.map(drop)));
        }
        tracing::debug!(keys = ?Listed(&self.keys), ?settle, updated, took = ?begun.elapsed(), "released");
        let keys = without.into_iter().chain(with).cloned();
        let failures: Failures = keys.zip(answers).filter_map(failure).collect();
        cache.table.writes.updated.add(updated as u64);
        self.stage = Stage::Released;
        self.cache.undelivered(self.function, &failures, self.token, self.settle);
        self.written();
        self.cache.table.writes.invalidated.add((self.keys.len() - failures.len()) as u64);
        failures
    }
}

/// The guards of one write: one [`Guarded`] for each cache that its keys lie in.
#[derive(Debug, Default)]
pub(crate) struct Guards(Vec<Guarded>);

impl Guards {
    /// Places the guards, all at once; with `guard = "off"` none.
    pub(crate) async fn place(parts: Vec<Part>, settings: &WriteSettings) -> Guards {
        let place = |Part { cache, keys }| async move {
            match settings.guard {
                Guard::Off => Guarded::nothing(settings.name, &cache, keys),
                Guard::BestEffort | Guard::Required => Guarded::place(&cache, keys, settings).await,
            }
        };
        Guards(join_all(parts.into_iter().map(place)).await)
    }

    pub(crate) fn enter(&mut self, stage: Stage) {
        self.0.iter_mut().for_each(|guarded| guarded.stage = stage);
    }

    /// The first key that could not be guarded, in which cache, and why.
    pub(crate) fn failure(&self) -> Option<(&Shared, &AnyKey, &StoreError)> {
        self.0.iter().find_map(|guarded| {
            let (key, error) = guarded.failures.first()?;
            Some((&*guarded.cache, key, error))
        })
    }

    /// All keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &AnyKey> {
        self.0.iter().flat_map(|guarded| guarded.keys.iter())
    }

    /// The write's token in this cache.
    pub(crate) fn token(&self, cache: &Arc<Shared>) -> Option<Token> {
        self.0.iter().find(|guarded| Arc::ptr_eq(&guarded.cache, cache)).map(|guarded| guarded.token)
    }

    /// Renews the guards for ever.
    pub(crate) fn keep(&self) -> impl Future<Output = ()> + Send + 'static {
        let kept: Vec<_> = self.0.iter().map(Guarded::keep).collect();
        async move { drop(join_all(kept).await) }
    }

    /// Leaves the guards, all at once, as [`Guarded::release`] does.
    pub(crate) async fn release(self, puts: Vec<Written>) -> Failures {
        let mut puts: Vec<Option<Written>> = puts.into_iter().map(Some).collect();
        let mut release = |guarded: Guarded| {
            let here = |put: &mut Option<Written>| put.take_if(|put| Arc::ptr_eq(&put.cache, &guarded.cache));
            let puts = puts.iter_mut().filter_map(here).collect();
            guarded.release(puts)
        };
        let releases: Vec<_> = self.0.into_iter().map(&mut release).collect();
        join_all(releases).await.concat()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let settle = match self.stage {
            Stage::Released => return,
            Stage::Before | Stage::After => self.settle,
            // The database may still be carrying out what it was told: what a reader loads now could be the value
            // from before. So the guard is left to its end.
            Stage::Running => self.settle.max(self.hold),
        };
        let (cache, keys) = (self.cache.clone(), self.keys.clone());
        let failures = mem::take(&mut self.failures);
        let lost = self.lost.clone();
        let guarded =
            Guarded { cache, keys, failures, settle, lost, renewed: None, stage: Stage::Released, ..*self };
        let cache = guarded.cache.clone();
        drop(cache.spawn(guarded.release(Vec::new())));
    }
}
