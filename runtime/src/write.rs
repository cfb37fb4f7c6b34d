//! The write path, in the order in which it happens: guard, body, release.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};

use futures_util::future::join_all;
use tracing::Instrument;

use crate::{
    AnyKey, Error,
    engine::course::Course,
    engine::events::now_and_then,
    engine::lease::while_renewing,
    engine::shared::Shared,
    function::write::{WriteFunction, WriteSettings},
};

pub(crate) mod deletion;
pub(crate) mod guarded;
mod inside;
mod pieces;
pub(crate) mod places;

use self::{
    deletion::Removal,
    guarded::{Guards, Stage},
    places::{Part, Places},
};
pub(crate) use self::{
    deletion::{end, invalidate},
    guarded::Written,
    inside::Inside,
};

/// One call of a function that invalidates: its keys are guarded while the body runs, and deleted after it.
///
/// `after` names the keys that only the return value knows.
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
    let after = |returned: &R, _: &Inside<'_>| After { keys: after(returned), puts: Vec::new() };
    call(function, cache, keys, refuse, body, after)
}

/// One call of a function that updates: the same, but the entries that `puts` makes of what the function gave take the
/// guards' places, where this write was the only one.
pub(crate) fn update<R, B, P>(
    function: &'static WriteFunction,
    cache: Option<&Arc<Shared>>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    body: Pin<&mut B>,
    puts: P,
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
    P: FnOnce(&R, &Inside<'_>) -> Vec<Written>,
{
    let after = |returned: &R, inside: &Inside<'_>| After { keys: Vec::new(), puts: puts(returned, inside) };
    call(function, cache, keys, refuse, body, after)
}

/// What is known after the body: keys to delete, and entries to store.
struct After {
    keys: Vec<AnyKey>,
    puts: Vec<Written>,
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
    A: FnOnce(&R, &Inside<'_>) -> After,
{
    // No `async fn`, which would carry its arguments twice.
    let mut after = Some(after);
    async move {
        let course = Course::new();
        let steps = pin!(steps(function, cache, keys, refuse, &course, &mut after));
        course.beside(steps, body).await
    }
}

/// The steps of a call, which run beside its body.
async fn steps<R, A>(
    function: &'static WriteFunction,
    cache: Option<&Arc<Shared>>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    course: &Course<R>,
    after: &mut Option<A>,
) -> R
where
    A: FnOnce(&R, &Inside<'_>) -> After,
{
    let Some(after) = after.take() else { return course.run().await };
    let places = Places::new(function.settings.name, cache);
    let parts = places.sort(keys);
    let span = tracing::debug_span!("invalidates", function = function.settings.name);
    course.inside(&span);
    // On the heap, without the body's type: so small, and easily found to be `Send`.
    Box::pin(carry_out(function, places, parts, refuse, course, after)).instrument(span).await
}

async fn carry_out<R, A>(
    function: &'static WriteFunction,
    places: Places,
    parts: Vec<Part>,
    refuse: Option<fn(Error) -> R>,
    body: &Course<R>,
    after: A,
) -> R
where
    A: FnOnce(&R, &Inside<'_>) -> After,
{
    let settings = &function.settings;
    places.count(&parts);
    let (result, removals) = if let Some(Part { cache, .. }) = parts.first() {
        let clock = cache.clock;
        let mut guards = Guards::place(parts, settings).await;
        if let Some(refuse) = refuse
            && let Some(error) = refusal(&guards, settings)
        {
            return refuse(error);
        }
        guards.enter(Stage::Running);
        let renewal = guards.keep();
        let encode = |result| {
            guards.enter(Stage::After);
            let after = after(&result, &Inside { places: &places, guards: &guards });
            (result, after)
        };
        let (result, After { keys, puts }) = while_renewing(clock, pin!(body.run()), renewal, encode).await;
        let removals = places.removals(keys);
        guards.release(puts).await;
        (result, removals)
    } else {
        let result = body.run().await;
        let After { keys, .. } = after(&result, &Inside { places: &places, guards: &Guards::default() });
        (result, places.removals(keys))
    };
    join_all(removals.into_iter().map(Removal::carry_out)).await;
    result
}

/// The error of a write that needs its guards and lacks one, which is counted and told.
fn refusal(guards: &Guards, settings: &WriteSettings) -> Option<Error> {
    let (cache, key, error) = guards.failure()?;
    cache.table.writes.writes_refused.one();
    let WriteSettings { module, name, file, line, .. } = settings;
    now_and_then!(
        cache,
        refused,
        module,
        function = name,
        file,
        line,
        key = key.as_str(),
        ?error,
        "the write was refused, its key could not be guarded"
    );
    let source = Box::new(error.clone().into_error("guard", key.as_str()));
    Some(Error::NotGuarded { key: key.to_string(), source })
}

#[cfg(test)]
mod tests;
