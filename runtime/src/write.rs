//! The write path, in the order in which it happens: guard, body, release.

use std::{
    collections::BTreeSet,
    convert::identity,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};

use tracing::Instrument;

use crate::{
    AnyKey, Error,
    engine::{deferred::Deferred, events::now_and_then, scope, session::Update, shared::Shared},
    function::write::{Guard, WriteFunction, WriteSettings},
    lock::Mutex,
};

pub(crate) mod around;
pub(crate) mod by_hand;
pub(crate) mod deletion;
pub(crate) mod detached;
mod guarded;
mod inside;
pub(crate) mod open;
mod pieces;
pub(crate) mod places;
pub(crate) mod transaction;

pub(crate) use self::{deletion::end, inside::Inside};
use self::{
    open::{Open, Unguarded},
    places::{Part, Places},
};

/// One call of a function that invalidates: its keys are guarded while the body runs, and deleted after it.
///
/// `after` names the keys that only the return value knows. Inside of another write it is part of that one: what it guards is
/// released with it.
pub(crate) fn write<R, B, A>(
    function: &'static WriteFunction,
    cache: Option<&Arc<Shared>>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    body: Pin<&mut B>,
    after: A,
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
    A: FnOnce(&R) -> Vec<AnyKey>,
{
    let after = |returned: &R, _: Option<Inside<'_>>| After { keys: after(returned), updates: Vec::new() };
    call(function, cache, keys, refuse, body, after)
}

/// One call of a function that updates: the same, but the entries that `updates` makes of what the function gave take the
/// guards' places, where this write was the only one. Inside of another write it deletes, unless that one is another attribute of
/// the same function.
pub(crate) fn update<R, B, P>(
    function: &'static WriteFunction,
    cache: Option<&Arc<Shared>>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    body: Pin<&mut B>,
    updates: P,
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
    P: FnOnce(&R, &Inside<'_>) -> Vec<Update>,
{
    let after = |returned: &R, inside: Option<Inside<'_>>| {
        let updates = inside.map(|inside| updates(returned, &inside)).unwrap_or_default();
        After { keys: Vec::new(), updates }
    };
    call(function, cache, keys, refuse, body, after)
}

/// What is known after the body: keys to delete, and entries to store.
struct After {
    keys: Vec<AnyKey>,
    updates: Vec<Update>,
}

fn call<R, B, A>(
    function: &'static WriteFunction,
    cache: Option<&Arc<Shared>>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    body: Pin<&mut B>,
    after: A,
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
    A: FnOnce(&R, Option<Inside<'_>>) -> After,
{
    // No `async fn`, which would carry its arguments twice.
    let mut after = Some(after);
    async move {
        let course = Deferred::new();
        let steps = pin!(steps(function, cache, keys, refuse, &course, &mut after));
        course.drive_alongside(steps, body, identity).await
    }
}

/// The steps of a call, which run beside its body.
async fn steps<R, A>(
    function: &'static WriteFunction,
    cache: Option<&Arc<Shared>>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    course: &Deferred<R>,
    after: &mut Option<A>,
) -> R
where
    A: FnOnce(&R, Option<Inside<'_>>) -> After,
{
    let Some(after) = after.take() else { return course.run().await };
    let places = Places::new(function.settings.function(), cache);
    let parts = places.sort(keys);
    let span = tracing::debug_span!(
        "invalidates",
        function = function.settings.name,
        module = function.settings.module
    );
    course.inside(&span);
    // On the heap, without the body's type: so small, and easily found to be `Send`.
    Box::pin(carry_out(function, places, parts, refuse, course, after)).instrument(span).await
}

async fn carry_out<R, A>(
    function: &'static WriteFunction,
    places: Places,
    parts: Vec<Part>,
    refuse: Option<fn(Error) -> R>,
    body: &Deferred<R>,
    after: A,
) -> R
where
    A: FnOnce(&R, Option<Inside<'_>>) -> After,
{
    let settings = &function.settings;
    if settings.in_transaction_only && !scope::is_in_transaction() {
        match refuse {
            Some(refuse) => {
                if let Some(cache) = parts.first().map(|part| &part.cache) {
                    cache.table.writes.writes_refused.increment();
                }
                return refuse(Error::OutsideTransaction { function: settings.name });
            }
            None => say_outside(settings),
        }
    }
    let refuse = refuse.filter(|_| settings.guard == Guard::Required);
    places.count(&parts);
    let (mut open, unguarded) = Open::begin(parts, settings).await;
    if let Some((refuse, unguarded)) = refuse.zip(unguarded) {
        return refuse(refusal(settings, unguarded, "the write was refused, its key could not be guarded"));
    }
    let write = open.enter();
    let result = body.run_in(write.clone()).await;
    if settings.own_transaction {
        transaction::doubt_of_commit(&write.session, &result);
    }
    let session = open.leave();
    let inside = session.as_deref().map(|session| Inside { places: &places, session });
    let After { keys, updates } = after(&result, inside);
    let unguarded = open.end(places.sort(keys), settings, updates).await;
    if let Some((refuse, unguarded)) = refuse.zip(unguarded) {
        let what = "the write has to be rolled back, a key that its result names could not be guarded";
        return refuse(refusal(settings, unguarded, what));
    }
    result
}

/// A write that somebody else is to commit was called outside of a transaction, and can't say so itself: said once.
fn say_outside(settings: &WriteSettings) {
    static SAID: Mutex<BTreeSet<(&str, u32)>> = Mutex::new(BTreeSet::new());
    let WriteSettings { module, name, file, line, .. } = *settings;
    if SAID.lock().insert((file, line)) {
        tracing::error!(
            module,
            function = name,
            file,
            line,
            "a function with `transaction = \"required\"` was called outside of `transaction(…)`: its guards end before the commit"
        );
    }
}

/// The error of a write that needs its guards and lacks one, which is counted and logged.
fn refusal(settings: &WriteSettings, (cache, key, error): Unguarded, what: &str) -> Error {
    cache.table.writes.writes_refused.increment();
    let WriteSettings { module, name, file, line, .. } = settings;
    now_and_then!(cache, refused, module, function = name, file, line, key = key.as_str(), ?error, what);
    let source = Box::new(error.into_error("guard", key.as_str()));
    Error::NotGuarded { key: key.to_string(), source }
}

#[cfg(test)]
mod tests;
