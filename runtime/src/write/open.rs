//! A write whose guards stand: the outermost one, which ends them all, or one inside of it.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    deletion::{Deletion, Failures},
    guarded::{Releasing, place},
    places::Part,
};
use crate::{
    AnyKey,
    engine::{
        scope,
        session::{GuardSet, Member, Session, Update},
        shared::Shared,
    },
    function::{name::FunctionName, write::WriteSettings},
    store::StoreError,
};

/// A key that could not be guarded, in which cache, and why.
pub(crate) type Unguarded = (Arc<Shared>, AnyKey, StoreError);

/// How far a write has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The body has not begun: nothing was written.
    Before,
    /// The body runs, or ended in a way that does not say whether the database goes on with what it was told.
    Running,
    /// The body is over.
    After,
}

/// A write whose guards stand. Dropped, it ends as its phase says.
#[derive(Debug)]
pub(crate) enum Open {
    Outermost(Outermost),
    Inner(Inner),
}

impl Open {
    /// Places the guards: those of the write that this is part of, or else its own. With them the first key that has none.
    pub(crate) async fn begin(parts: Vec<Part>, settings: &WriteSettings) -> (Open, Option<Unguarded>) {
        match scope::join_write(settings.own_transaction) {
            Some(write) => {
                let (inner, failure) = Inner::begin(Share(write), parts, settings).await;
                (Open::Inner(inner), failure)
            }
            None => {
                let (outermost, failure) = Outermost::begin(parts, settings).await;
                (Open::Outermost(outermost), failure)
            }
        }
    }

    /// Its body begins. Gives what it is the body of.
    pub(crate) fn enter(&mut self) -> Arc<Member> {
        let (write, phase) = match self {
            Open::Outermost(outermost) => (&outermost.write, &mut outermost.phase),
            Open::Inner(inner) => (&inner.write, &mut inner.phase),
        };
        *phase = Phase::Running;
        write.0.clone()
    }

    /// Its body is over. Gives the write whose guards' places can be taken by entries, if there is one.
    pub(crate) fn leave(&mut self) -> Option<Arc<Session>> {
        match self {
            Open::Outermost(outermost) => {
                outermost.phase = Phase::After;
                Some(outermost.write.session().clone())
            }
            Open::Inner(inner) => {
                inner.phase = Phase::After;
                inner.is_same_call.then(|| inner.write.session().clone())
            }
        }
    }

    /// Releases the guards and then deletes what only the result names; inside of another write it guards that. With the first
    /// key that could not be guarded.
    pub(crate) async fn end(
        self,
        of_result: Vec<Part>,
        settings: &WriteSettings,
        updates: Vec<Update>,
    ) -> Option<Unguarded> {
        match self {
            Open::Outermost(outermost) => {
                // They exist before the release does: whoever goes away does not leave these behind.
                let deletions = deletions(settings.function(), of_result);
                outermost.release(updates).await;
                join_all(deletions.into_iter().map(Deletion::carry_out)).await;
                None
            }
            Open::Inner(inner) => {
                inner.write.session().add_updates(updates);
                inner.end(of_result, settings).await.0
            }
        }
    }

    /// Releases the guards of a write that knows no more keys. With the first key for which the cache did not answer.
    pub(crate) async fn release(self, settings: &WriteSettings) -> Option<(AnyKey, StoreError)> {
        let failures = match self {
            Open::Outermost(outermost) => outermost.release(Vec::new()).await,
            Open::Inner(inner) => inner.end(Vec::new(), settings).await.1,
        };
        first(failures)
    }
}

fn first(failures: Failures) -> Option<(AnyKey, StoreError)> {
    failures.into_iter().find(|(_, error)| *error != StoreError::Foreign)
}

/// Deletes keys that no guard stands under, in all caches at once.
pub(super) async fn delete(function: FunctionName, parts: Vec<Part>) -> Failures {
    join_all(deletions(function, parts).into_iter().map(Deletion::carry_out)).await.concat()
}

fn deletions(function: FunctionName, parts: Vec<Part>) -> Vec<Deletion> {
    parts.into_iter().map(|Part { cache, keys }| Deletion { function, cache, keys }).collect()
}

/// A write's place in its session. Dropped, it leaves that; if it is the last, the guards are released in the background.
#[derive(Debug)]
pub(super) struct Share(pub(super) Arc<Member>);

impl Share {
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.0.session
    }

    /// The write is over. Gives what is to be released: nothing, where another one is not.
    pub(super) fn leave(&self) -> Vec<Releasing> {
        self.0.leave().into_iter().map(Releasing::begin).collect()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

/// An outermost write. Dropped, it releases its guards in the background: at once where its body had not begun or is over; where
/// that was dropped or panicked, they are left for as long as they hold unrenewed.
#[derive(Debug)]
pub(crate) struct Outermost {
    pub(super) write: Share,
    pub(super) phase: Phase,
}

impl Outermost {
    async fn begin(parts: Vec<Part>, settings: &WriteSettings) -> (Outermost, Option<Unguarded>) {
        // It exists before the guards do: dropped while they are being placed, it takes them away again.
        let write = Share(Member::outermost(settings.function(), settings.own_transaction));
        let outermost = Outermost { write, phase: Phase::Before };
        let failure = place_all(outermost.write.session(), &parts, settings, false).await;
        (outermost, failure)
    }

    /// Leaves the guards, all at once, with entries in the places of those that were this write's alone.
    pub(crate) async fn release(self, mut updates: Vec<Update>) -> Failures {
        updates.extend(self.write.session().take_updates());
        release_all(self.write.leave(), updates).await
    }
}

impl Drop for Outermost {
    fn drop(&mut self) {
        if self.phase == Phase::Running {
            // What a reader loads now could be the value from before.
            self.write.session().doubt();
        }
    }
}

/// Leaves the guards of a write in all caches, all at once.
pub(super) async fn release_all(releases: Vec<Releasing>, updates: Vec<Update>) -> Failures {
    let mut updates: Vec<Option<Update>> = updates.into_iter().map(Some).collect();
    let mut release = |releasing: Releasing| {
        let here = |update: &mut Option<Update>| {
            update.take_if(|update| Arc::ptr_eq(&update.cache, releasing.cache()))
        };
        let updates = updates.iter_mut().filter_map(here).collect();
        releasing.carry_out(updates)
    };
    let releases: Vec<_> = releases.into_iter().map(&mut release).collect();
    join_all(releases).await.concat()
}

/// A write inside of another. Dropped in its body it leaves doubt about its keys: their guards stay longer after the end.
#[derive(Debug)]
pub(crate) struct Inner {
    write: Share,
    /// The keys that its arguments name.
    keys: Vec<Part>,
    /// Those that its result names, while their guards are being placed.
    of_result: Vec<Part>,
    phase: Phase,
    /// Whether it is a transaction of its own, of which all writes inside of it are part.
    own_transaction: bool,
    /// Whether it is another attribute of the outermost write's function: what it leaves behind takes the guards' places then.
    is_same_call: bool,
}

impl Inner {
    /// Guards the keys as part of that write.
    async fn begin(write: Share, keys: Vec<Part>, settings: &WriteSettings) -> (Inner, Option<Unguarded>) {
        let is_same_call = write.session().count_joined(settings);
        let (of_result, phase, own_transaction) = (Vec::new(), Phase::Before, settings.own_transaction);
        let inner = Inner { write, keys, of_result, phase, own_transaction, is_same_call };
        let failure = place_all(inner.write.session(), &inner.keys, settings, true).await;
        (inner, failure)
    }

    /// Guards what only the result names; the last write of all releases everything. With the first key that could not be guarded,
    /// and those for which the cache did not answer in the end.
    async fn end(mut self, of_result: Vec<Part>, settings: &WriteSettings) -> (Option<Unguarded>, Failures) {
        self.phase = Phase::After;
        self.of_result = of_result;
        let failure = place_all(self.write.session(), &self.of_result, settings, true).await;
        self.of_result.clear();
        (failure, release_all(self.write.leave(), Vec::new()).await)
    }

    fn each(&self, parts: &[Part], change: impl Fn(&GuardSet, &[AnyKey])) {
        for Part { cache, keys } in parts {
            change(&self.write.session().in_cache(cache), keys);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.phase == Phase::Running && self.own_transaction {
            self.write.session().doubt();
        } else if self.phase == Phase::Running {
            self.each(&self.keys, |set, keys| set.doubt(Some(keys)));
        }
        // It has written, and is dropped before their guards stand.
        self.each(&self.of_result, GuardSet::unanswered);
    }
}

/// Guards keys in all caches at once. Gives the first that could not be guarded.
async fn place_all(
    session: &Session,
    parts: &[Part],
    settings: &WriteSettings,
    by_inner: bool,
) -> Option<Unguarded> {
    let place = |part: &Part| {
        let (set, keys) = (session.in_cache(&part.cache), part.keys.clone());
        async move {
            let failure = place(&set, &keys, settings, by_inner).await.into_iter().next();
            failure.map(|(key, error)| (set.cache.clone(), key, error))
        }
    };
    join_all(parts.iter().map(place)).await.into_iter().flatten().next()
}

/// Guards keys as part of the write in progress, as one of it that is over at once: what is invalidated by hand. Gives the keys
/// back if there is no write in progress.
pub(crate) async fn join(
    parts: Vec<Part>,
    settings: &WriteSettings,
) -> Result<Option<(AnyKey, StoreError)>, Vec<Part>> {
    let Some(write) = scope::join_write(false) else { return Err(parts) };
    // What it names was written before, or will be by what joins the same write.
    let (inner, _) = Inner::begin(Share(write), Vec::new(), settings).await;
    let (unguarded, undelivered) = inner.end(parts, settings).await;
    Ok(unguarded.map(|(_, key, error)| (key, error)).or_else(|| first(undelivered)))
}
