//! The read path, in the order in which it happens: look, join the flight, acquire, load, fill.

use std::{
    borrow::Cow,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use tracing::Instrument;

use crate::{
    AnyKey, Error,
    codec::coding::Coding,
    engine::budget::Budget,
    engine::course::Course,
    engine::scope,
    engine::shared::Shared,
    fingerprint::{CodingKind, Known},
    function::read::ReadFunction,
    function::staleness::Due,
    options::{CallOptions, ReadMode, Source},
    outcome::{Outcome, Returns},
};

mod asked;
mod call;
mod fill;
mod load;
mod loader;
mod look;
mod lookup;
mod miss;
mod refresh;
mod refreshing;

pub use self::loader::Begun;
pub(crate) use self::look::peek;
use self::{
    call::{Call, absent},
    loader::{Handed, Lent, Loader, Owned, Parts},
    lookup::Seen,
};

/// One call of a cached function: the value from the cache, or the body's.
///
/// The body is polled only if it is needed.
#[expect(clippy::manual_async_fn, reason = "an async function carries its arguments twice")]
pub(crate) fn load<R, const SHAPE: u8, B>(
    function: &'static ReadFunction,
    cache: Option<&Arc<Shared>>,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: Returns<R, SHAPE>,
    body: Pin<&mut B>,
) -> impl Future<Output = R>
where
    R: Outcome<SHAPE>,
    B: Future<Output = R>,
{
    async move {
        let course = Course::or_given_up(returns.given_up);
        let lent = Lent { course: &course };
        let steps = pin!(answer(function, cache, &key, &coding, &returns, lent));
        course.beside(steps, body).await
    }
}

/// The same with a body that can go on without its caller. It is made only if it is needed.
pub(crate) fn load_owned<R, const SHAPE: u8, M>(
    function: &'static ReadFunction,
    cache: Option<&Arc<Shared>>,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: Returns<R, SHAPE>,
    make: M,
) -> impl Future<Output = R>
where
    R: Outcome<SHAPE> + Send + 'static,
    M: FnOnce() -> Begun<R> + Send,
{
    let mut make = Some(make);
    async move {
        let mut make = || make.take().map(|make| make());
        let (course, handed) = (Course::or_given_up(returns.given_up), Handed::new());
        let mut parts = Parts { make: &mut make, handed: &handed, course: &course };
        let steps = pin!(answer(function, cache, &key, &coding, &returns, Owned(&mut parts)));
        course.beside(steps, pin!(handed.body())).await
    }
}

/// The steps of a call, which run beside its body.
#[expect(clippy::manual_async_fn, reason = "an async function carries its arguments twice")]
fn answer<R, const SHAPE: u8>(
    function: &'static ReadFunction,
    cache: Option<&Arc<Shared>>,
    key: &AnyKey,
    coding: &Coding<R::Value>,
    returns: &Returns<R, SHAPE>,
    body: impl Loader<Output = R>,
) -> impl Future<Output = R>
where
    R: Outcome<SHAPE>,
{
    async move {
        let (cache, options) = scope::for_call(function.settings.name, cache);
        let way = match way::<R, SHAPE>(function, cache, &coding.kind, &options, returns, key) {
            Ok(way) => way,
            Err(Some(absent)) => return absent,
            Err(None) => {
                let result = body.begin(None).await;
                options.report(function, key.as_str(), Source::Bypassed, Some(Duration::ZERO));
                return result;
            }
        };
        let in_transaction = options.in_transaction;
        let call = Call::new(function, &way, key, coding, &returns.sharing, options);
        let result = match call.mode {
            ReadMode::OnlyCached => Box::pin(call.only_cached(returns.absent)).await,
            _ if in_transaction => Box::pin(call.look_or_run(body)).await,
            ReadMode::ReadThrough | ReadMode::Bypass | ReadMode::Refresh => call.look_and_load(body).await,
        };
        call.tell();
        result
    }
}

/// The cache that a call goes through, and what is known of its values. Where it goes through none: what it gives without
/// the body, or `None` for the body.
fn way<'a, R, const SHAPE: u8>(
    function: &'static ReadFunction,
    cache: Option<Cow<'a, Arc<Shared>>>,
    kind: &CodingKind,
    options: &CallOptions,
    returns: &Returns<R, SHAPE>,
    key: &AnyKey,
) -> Result<(Cow<'a, Arc<Shared>>, Known), Option<R>>
where
    R: Outcome<SHAPE>,
{
    let without = |error: Error| {
        let only_cached = options.mode == ReadMode::OnlyCached;
        only_cached.then(|| {
            options.report(function, key.as_str(), Source::Absent, None);
            absent::<R, SHAPE>(function, returns.absent, error)
        })
    };
    let cache = cache.ok_or_else(|| without(Error::NoCache))?;
    let bypass = || cache.table.of(function).bypassed.one();
    if options.mode == ReadMode::Bypass {
        bypass();
        return Err(None);
    }
    // What is read inside of a transaction may never be committed, or be older than what has been.
    let own_view = options.in_transaction && !function.settings.cached_in_transaction;
    if own_view || cache.switch.is_off(function) {
        bypass();
        return Err(without(Error::NotCached { key: key.to_string() }));
    }
    match function.of_value(kind, SHAPE) {
        Ok(known) if key.is_whole() => return Ok((cache, known)),
        Ok(_) => function.say_unprintable(key.as_str()),
        Err(error) => function.say_uncacheable(&error),
    }
    bypass();
    Err(without(Error::NotCached { key: key.to_string() }))
}

impl<V, E> Call<'_, V, E> {
    async fn look_and_load<R, const SHAPE: u8, L>(&self, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let mut budget = Budget::new(self.cache.timeout);
        let seen = match self.mode {
            ReadMode::Refresh => None,
            _ => match self.look::<R, SHAPE>(&mut budget).await {
                Seen::Entry(hit, _, age) => {
                    self.counters.hits.one();
                    self.counters.hit_times.record(|| budget.spent());
                    self.note(Source::Hit, age);
                    tracing::trace!(key = self.key, took = ?budget.spent(), "hit");
                    return hit;
                }
                Seen::Old(old) if old.is_given() => return self.give(old),
                seen => Some(seen),
            },
        };
        let span =
            tracing::debug_span!("cached_aside", function = self.function.settings.name, key = self.key);
        // On the heap, so that a hit does not carry the room that a miss needs.
        body.inside(&span);
        Box::pin(self.go_on(seen, budget, body)).instrument(span).await
    }

    /// A call inside of a transaction whose origin is another one: a hit, or the body, of which nothing is stored or shared.
    async fn look_or_run<R, const SHAPE: u8, L>(&self, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let mut budget = Budget::new(self.cache.timeout);
        if self.mode == ReadMode::ReadThrough
            && let Seen::Entry(hit, _, age) = self.look::<R, SHAPE>(&mut budget).await
        {
            self.counters.hits.one();
            self.counters.hit_times.record(|| budget.spent());
            self.note(Source::Hit, age);
            return hit;
        }
        self.run_alone(body).await
    }

    /// What follows a look that is no hit; or no look.
    async fn go_on<R, const SHAPE: u8, L>(&self, seen: Option<Seen<R>>, budget: Budget, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        match seen {
            None => self.load_anew(budget, body).await,
            Some(Seen::Old(old)) if old.due != Due::Reload => self.revalidate(old, budget, body).await,
            Some(seen) => self.miss(seen, budget, body).await,
        }
    }
}

#[cfg(test)]
mod tests;
