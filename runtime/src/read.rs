//! The read path. A call looks at the store, and gives a hit. Else it joins the flight of its key (`follow.rs`); the leader
//! (`lead.rs`) acquires the lease, runs the body, and fills (`load.rs`, `fill.rs`), or waits for whoever does. A stale entry is
//! revalidated (`revalidate.rs`), and `refresh(…)` loads whatever is there (`forced.rs`). What is done next is decided in
//! `decision.rs`.
//!
//! The shape of the return type ends at the door: inside there are values, `None` and errors, and the steps are compiled once for
//! all functions whose values and errors are of one type.

use std::{
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
    engine::deferred::Deferred,
    engine::scope,
    engine::shared::Shared,
    function::read::{ReadFunction, ReadSettings},
    options::{ReadMode, Source},
    outcome::{
        Loaded, Outcome,
        gives::Gives,
        has_none,
        returns::{ErrorPolicy, ReturnAdapter},
    },
};

mod batch;
mod body;
mod decision;
mod fill;
mod follow;
mod forced;
mod found;
mod lead;
mod load;
mod local;
mod lookup;
mod peek;
mod resolve;
mod revalidate;
mod revalidation;
mod site;
mod tagged;
mod verify;

pub(crate) use self::peek::peek;
pub use self::{
    batch::{Answer, Batch, BatchErrors, ErrorOf, NoError, NotGivenUp, NotSharedByBatch},
    body::BoxedBody,
};
use self::{
    body::{Body, BorrowedBody, Handed, Maker, OwnedBody},
    decision::{Cached, CallerStep, after_first_look, only_cached},
    found::{Hit, Lookup},
    resolve::resolve_cache,
    site::{Call, Site, absent},
};

/// One call of a cached function: the value from the cache, or the body's.
///
/// The body is polled only if it is needed.
pub(crate) fn load<R, const SHAPE: u8, B>(
    function: &'static ReadFunction,
    cache: Option<&Arc<Shared>>,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: ReturnAdapter<R, SHAPE>,
    body: Pin<&mut B>,
) -> impl Future<Output = R>
where
    R: Outcome<SHAPE>,
    B: Future<Output = R>,
{
    through(function, cache, key, coding, (SHAPE, returns.errors), body, (R::into_loaded, R::from_loaded))
}

/// One read of an entry that no function stands for: the value from the cache, or the body's. Errors are not shared.
pub(crate) fn load_given<R, V, B>(
    function: &'static ReadFunction,
    key: AnyKey,
    coding: Coding<V>,
    body: Pin<&mut B>,
) -> impl Future<Output = R>
where
    R: Gives<V>,
    B: Future<Output = R>,
{
    let errors = (R::SHAPE, ErrorPolicy::UNSHARED);
    through(function, None, key, coding, errors, body, (R::into_loaded, R::from_loaded))
}

/// The same for what `into` makes values and errors of, and `from` makes of them again.
#[expect(clippy::manual_async_fn, reason = "an async function carries its arguments twice")]
fn through<R, V, E, B>(
    function: &'static ReadFunction,
    cache: Option<&Arc<Shared>>,
    key: AnyKey,
    coding: Coding<V>,
    (shape, errors): (u8, ErrorPolicy<E>),
    body: Pin<&mut B>,
    (into, from): (impl Fn(R) -> Loaded<V, E> + Unpin, impl FnOnce(Loaded<V, E>) -> R),
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
{
    async move {
        if let Some(copy) = local::at_once(function, cache, &key, &coding, shape) {
            return from(copy);
        }
        let deferred = Deferred::new();
        let borrowed = BorrowedBody { deferred: &deferred };
        let steps = pin!(answer(function, cache, &key, &coding, (shape, &errors), borrowed));
        from(deferred.drive_alongside(steps, body, into).await)
    }
}

/// The same with a body that can go on without its caller. It is made only if it is needed.
pub(crate) fn load_owned<R, const SHAPE: u8, M>(
    function: &'static ReadFunction,
    cache: Option<&Arc<Shared>>,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: ReturnAdapter<R, SHAPE>,
    make: M,
) -> impl Future<Output = R>
where
    R: Outcome<SHAPE, Value: Send + 'static, Error: Send + 'static> + Send + 'static,
    M: FnOnce() -> BoxedBody<R> + Send,
{
    let mut make = Some(make);
    async move {
        if let Some(copy) = local::at_once(function, cache, &key, &coding, SHAPE) {
            return R::from_loaded(copy);
        }
        let (deferred, handed) = (Deferred::new(), Handed::new());
        let mut maker: Maker<'_, R, M, SHAPE> = Maker { make: &mut make, handed: &handed };
        let owned = OwnedBody { maker: &mut maker, deferred: &deferred };
        let steps = pin!(answer(function, cache, &key, &coding, (SHAPE, &returns.errors), owned));
        R::from_loaded(deferred.drive_alongside(steps, pin!(handed.body()), R::into_loaded).await)
    }
}

/// The steps of a call, which run beside its body.
#[expect(clippy::manual_async_fn, reason = "an async function carries its arguments twice")]
fn answer<V, E>(
    function: &'static ReadFunction,
    cache: Option<&Arc<Shared>>,
    key: &AnyKey,
    coding: &Coding<V>,
    (shape, errors): (u8, &ErrorPolicy<E>),
    body: impl Body<V, E>,
) -> impl Future<Output = Loaded<V, E>> {
    async move {
        let (cache, options) = scope::for_call(function.settings.function(), cache);
        let type_info = || function.of_value(&coding.kind, shape);
        let (cache, type_info) =
            match resolve_cache(function, cache, &options, type_info, std::slice::from_ref(key)) {
                Ok(resolved) => resolved,
                Err(why) if options.mode == ReadMode::OnlyCached => {
                    options.report(function, key.as_str(), Source::Absent, None);
                    return absent(function, shape, errors, why.into_error(key));
                }
                Err(_) => {
                    let result = body.begin(None).await;
                    options.report(function, key.as_str(), Source::Bypassed, Some(Duration::ZERO));
                    return result;
                }
            };
        let (counters, cache) = (cache.table.of(function), &*cache);
        let site =
            Site { cache, function, counters, type_info, coding, errors, shape, of_batch: false, options };
        let call = Call::new(&site, key);
        let result = match site.options.mode {
            ReadMode::OnlyCached => Box::pin(call.only_cached()).await,
            _ if site.options.in_transaction => Box::pin(call.look_or_run(body)).await,
            ReadMode::ReadThrough | ReadMode::Bypass | ReadMode::Refresh => call.look_and_load(body).await,
        };
        call.report();
        result
    }
}

impl<V, E> Call<'_, V, E> {
    async fn look_and_load<B: Body<V, E>>(&self, body: B) -> Loaded<V, E> {
        let mut budget = Budget::new(self.cache.timeout);
        let step = if self.is_forced() {
            None
        } else {
            // Without an observer there was none before these steps.
            if self.is_observed()
                && let Some(copy) = self.local_copy()
            {
                return copy;
            }
            match self.lookup(&mut budget).await {
                Lookup::Hit(hit) if !self.is_sampled(&hit) => {
                    self.keep_copy(&hit);
                    self.counters.hit_times.record(|| budget.spent());
                    tracing::trace!(key = self.key(), took = ?budget.spent(), "hit");
                    return self.give(hit);
                }
                found => Some(after_first_look(found)),
            }
        };
        if let Some(CallerStep::GiveStale(stale)) = step {
            return self.give_stale(stale);
        }
        let span = {
            let ReadSettings { module, name, .. } = self.function.settings;
            tracing::debug_span!("cached_aside", function = name, key = self.key(), module)
        };
        body.inside(&span);
        // On the heap, so that a hit does not carry the room that a miss needs.
        Box::pin(self.go_on(step, budget, body)).instrument(span).await
    }

    /// A call inside of a transaction whose origin is another one: a hit, or the body, of which nothing is stored or shared.
    async fn look_or_run<B: Body<V, E>>(&self, body: B) -> Loaded<V, E> {
        let mut budget = Budget::new(self.cache.timeout);
        if self.options.mode == ReadMode::ReadThrough
            && let Lookup::Hit(hit) = self.lookup(&mut budget).await
        {
            self.counters.hit_times.record(|| budget.spent());
            return self.give(hit);
        }
        self.run_alone(body).await
    }

    /// What follows a look that is no hit, or one that is verified; or no look.
    async fn go_on<B: Body<V, E>>(
        &self,
        step: Option<CallerStep<V, E>>,
        budget: Budget,
        body: B,
    ) -> Loaded<V, E> {
        match step {
            None => self.force_refresh(budget, body).await,
            Some(CallerStep::Give(hit)) => self.verify(hit, body).await,
            Some(CallerStep::GiveStale(stale)) => self.give_stale(stale),
            Some(CallerStep::Revalidate(stale)) => self.revalidate(stale, budget, body).await,
            Some(CallerStep::Join(at_hand)) => self.join(at_hand, budget, body).await,
        }
    }

    fn give(&self, hit: Hit<V, E>) -> Loaded<V, E> {
        self.counters.hits.increment();
        self.record_source(Source::Hit, hit.age);
        hit.value
    }

    /// What the cache holds, and nothing else.
    async fn only_cached(&self) -> Loaded<V, E> {
        if !has_none(self.shape) && self.errors.absent.is_none() {
            // Before anything is looked at: it must not depend on what is there.
            return self.absent(Error::NoCache);
        }
        if !self.options.in_transaction
            && let Some(copy) = self.local_copy()
        {
            return copy;
        }
        let mut budget = Budget::new(self.cache.timeout);
        match only_cached(self.lookup(&mut budget).await) {
            Cached::Hit(hit) => self.give(hit),
            Cached::Stale(stale) => self.give_stale(stale),
            Cached::Absent => {
                self.counters.misses.increment();
                self.record_source(Source::Absent, None);
                self.absent(Error::NotCached { key: self.key().to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
