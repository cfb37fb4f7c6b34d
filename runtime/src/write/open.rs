//! A write whose guards stand: the outermost one, which ends them all, or one inside of it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    deletion::{Failures, Removal},
    guarded::{Over, Releasing, place},
    places::Part,
};
use crate::{
    AnyKey,
    engine::{
        scope,
        session::{GuardSet, Session, Written},
        shared::Shared,
    },
    function::write::WriteSettings,
    store::StoreError,
};

/// A key that could not be guarded, in which cache, and why.
pub(crate) type Unguarded = (Arc<Shared>, AnyKey, StoreError);

/// How far a write has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The body has not begun: nothing was written.
    Before,
    /// The body runs, or ended in a way that does not say whether the database goes on with what it was told.
    Running,
    /// The body is over.
    After,
}

/// A write whose guards stand. Dropped, it ends as its stage says.
#[derive(Debug)]
pub(crate) enum Open {
    Outermost(Outermost),
    Inner(Inner),
}

impl Open {
    /// Places the guards: those of the write that this is part of, or else its own. With them the first key that has none.
    pub(crate) async fn begin(parts: Vec<Part>, settings: &WriteSettings) -> (Open, Option<Unguarded>) {
        let parts = match scope::write_in_progress() {
            Some(session) => match Inner::begin(&session, parts, settings).await {
                Ok((inner, failure)) => return (Open::Inner(inner), failure),
                // It was over before the guards stood.
                Err(parts) => parts,
            },
            None => parts,
        };
        let (outermost, failure) = Outermost::begin(parts, settings).await;
        (Open::Outermost(outermost), failure)
    }

    /// Its body begins. Gives the write that it is the body of, if that is this one.
    pub(crate) fn enter(&mut self) -> Option<Arc<Session>> {
        match self {
            Open::Outermost(outermost) => {
                outermost.stage = Stage::Running;
                Some(outermost.session.clone())
            }
            Open::Inner(inner) => {
                inner.parts.iter().for_each(|(set, keys)| set.enter(keys));
                inner.stage = Stage::Running;
                None
            }
        }
    }

    /// Its body is over. Gives the write whose guards' places can be taken by entries, if there is one.
    pub(crate) fn leave(&mut self) -> Option<Arc<Session>> {
        match self {
            Open::Outermost(outermost) => {
                outermost.stage = Stage::After;
                Some(outermost.session.clone())
            }
            Open::Inner(inner) => {
                inner.leave();
                inner.is_same_call.then(|| inner.session.clone())
            }
        }
    }

    /// Releases the guards and then deletes what only the result names; inside of another write it guards that. With the first
    /// key that could not be guarded.
    pub(crate) async fn end(
        self,
        of_result: Vec<Part>,
        settings: &WriteSettings,
        puts: Vec<Written>,
    ) -> Option<Unguarded> {
        let of_result = match self {
            Open::Outermost(outermost) => {
                // It exists before the release does: whoever goes away does not leave these behind.
                let removals = removals(settings.name, of_result);
                outermost.release(puts).await;
                removals
            }
            Open::Inner(inner) => {
                inner.session.add_puts(puts);
                match inner.end(of_result, settings).await {
                    Ok(failure) => return failure,
                    Err(of_result) => removals(settings.name, of_result),
                }
            }
        };
        join_all(of_result.into_iter().map(Removal::carry_out)).await;
        None
    }

    /// Releases the guards of a write that knows no more keys. With the first key for which the cache did not answer.
    pub(crate) async fn release(self, settings: &WriteSettings) -> Option<(AnyKey, StoreError)> {
        let failures = match self {
            Open::Outermost(outermost) => outermost.release(Vec::new()).await,
            Open::Inner(inner) => match inner.end(Vec::new(), settings).await {
                Ok(_) => return None,
                Err(keys) => delete(settings.name, keys).await,
            },
        };
        failures.into_iter().find(|(_, error)| *error != StoreError::Foreign)
    }
}

/// Deletes keys that no guard stands under, in all caches at once.
pub(super) async fn delete(function: &'static str, parts: Vec<Part>) -> Failures {
    join_all(removals(function, parts).into_iter().map(Removal::carry_out)).await.concat()
}

fn removals(function: &'static str, parts: Vec<Part>) -> Vec<Removal> {
    parts.into_iter().map(|Part { cache, keys }| Removal { function, cache, keys }).collect()
}

/// An outermost write. Dropped, it releases its guards in the background: at once where its body had not begun or is over; where
/// that was dropped or panicked, they are left for as long as they hold unrenewed.
#[derive(Debug)]
pub(crate) struct Outermost {
    pub(crate) session: Arc<Session>,
    pub(crate) stage: Stage,
}

impl Outermost {
    pub(crate) fn new(module: &'static str, function: &'static str) -> Outermost {
        Outermost { session: Session::new(module, function), stage: Stage::Before }
    }

    async fn begin(parts: Vec<Part>, settings: &WriteSettings) -> (Outermost, Option<Unguarded>) {
        // It exists before the guards do: dropped while they are being placed, it takes them away again.
        let outermost = Outermost::new(settings.module, settings.name);
        // It is not over.
        let placed = place_all(&outermost.session, &parts, settings, false).await;
        let failure = placed.unwrap_or_default();
        (outermost, failure)
    }

    /// Leaves the guards, all at once, with entries in the places of those that were this write's alone.
    pub(crate) async fn release(self, mut puts: Vec<Written>) -> Failures {
        puts.extend(self.session.take_puts());
        let releases = self.session.end().into_iter().map(Releasing::begin).collect();
        release_all(releases, puts).await
    }
}

/// Ends a write whose guards stay at least so long.
pub(super) fn end(write: &Outermost, settle: Duration) -> Vec<Releasing> {
    write.session.end().into_iter().map(|set| Releasing::begin(set).settling(settle)).collect()
}

impl Drop for Outermost {
    fn drop(&mut self) {
        for releasing in self.session.end().into_iter().map(Releasing::begin) {
            drop(if self.stage == Stage::Running { releasing.in_doubt() } else { releasing });
        }
    }
}

/// Leaves the guards of a write in all caches, all at once.
pub(super) async fn release_all(releases: Vec<Releasing>, puts: Vec<Written>) -> Failures {
    let mut puts: Vec<Option<Written>> = puts.into_iter().map(Some).collect();
    let mut release = |releasing: Releasing| {
        let here = |put: &mut Option<Written>| put.take_if(|put| Arc::ptr_eq(&put.cache, releasing.cache()));
        let puts = puts.iter_mut().filter_map(here).collect();
        releasing.carry_out(puts)
    };
    let releases: Vec<_> = releases.into_iter().map(&mut release).collect();
    join_all(releases).await.concat()
}

/// A write inside of another. Dropped in its body it leaves its keys marked: their guards stay longer after the end.
#[derive(Debug)]
pub(crate) struct Inner {
    function: &'static str,
    session: Arc<Session>,
    parts: Vec<(Arc<GuardSet>, Vec<AnyKey>)>,
    stage: Stage,
    /// Whether it is another attribute of the outermost write's function: what it leaves behind takes the guards' places then.
    is_same_call: bool,
}

impl Inner {
    /// Guards the keys as part of that write; gives them back if it is over.
    async fn begin(
        session: &Arc<Session>,
        parts: Vec<Part>,
        settings: &WriteSettings,
    ) -> Result<(Inner, Option<Unguarded>), Vec<Part>> {
        let is_same_call = session.join(settings);
        let Ok(failure) = place_all(session, &parts, settings, true).await else { return Err(parts) };
        let mut joined = Vec::with_capacity(parts.len());
        for part in &parts {
            let Some(set) = session.in_cache(&part.cache) else { return Err(parts) };
            joined.push((set, part.keys.clone()));
        }
        let inner = Inner {
            function: settings.name,
            session: session.clone(),
            parts: joined,
            stage: Stage::Before,
            is_same_call,
        };
        Ok((inner, failure))
    }

    fn leave(&mut self) {
        if self.stage == Stage::Running {
            self.parts.iter().for_each(|(set, keys)| set.leave(keys));
        }
        self.stage = Stage::After;
    }

    /// Guards what only the result names. Gives the keys that are to be deleted now, if the write is over that this was part of.
    async fn end(
        mut self,
        of_result: Vec<Part>,
        settings: &WriteSettings,
    ) -> Result<Option<Unguarded>, Vec<Part>> {
        self.leave();
        if !of_result.is_empty()
            && let Ok(failure) = place_all(&self.session, &of_result, settings, true).await
        {
            return Ok(failure);
        }
        if !self.session.is_over() {
            return Ok(None);
        }
        let own = self.parts.drain(..).map(|(set, keys)| Part { cache: set.cache.clone(), keys });
        Err(own.chain(of_result).collect())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.stage == Stage::Running && self.session.is_over() {
            for (set, keys) in self.parts.drain(..) {
                drop(Removal { function: self.function, cache: set.cache.clone(), keys });
            }
        }
    }
}

/// Guards keys in all caches at once. Gives the first that could not be guarded.
async fn place_all(
    session: &Session,
    parts: &[Part],
    settings: &WriteSettings,
    by_inner: bool,
) -> Result<Option<Unguarded>, Over> {
    let place = |part: &Part| {
        let (set, keys) = (session.in_cache(&part.cache), part.keys.clone());
        async move {
            let set = set.ok_or(Over)?;
            let failures = place(&set, &keys, settings, by_inner).await?;
            let failure = failures.into_iter().next();
            Ok(failure.map(|(key, error)| (set.cache.clone(), key, error)))
        }
    };
    let placed = join_all(parts.iter().map(place)).await;
    let failures: Vec<Option<Unguarded>> = placed.into_iter().collect::<Result<_, Over>>()?;
    Ok(failures.into_iter().flatten().next())
}

/// Guards keys as part of the write in progress, as one of it that is over at once: what is invalidated by hand. Gives the keys
/// back if there is no write in progress.
pub(crate) async fn join(parts: Vec<Part>, settings: &WriteSettings) -> Result<Option<Unguarded>, Vec<Part>> {
    let Some(session) = scope::write_in_progress() else { return Err(parts) };
    match Inner::begin(&session, parts, settings).await {
        Ok((inner, failure)) => {
            // What it names was written before, or will be by what joins the same write.
            inner.end(Vec::new(), settings).await.map(|_| failure)
        }
        Err(parts) => Err(parts),
    }
}
