//! One call of a cached function, as all its steps have it.

use std::{
    borrow::Cow,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::loader::{Loader, within_limit};
use crate::{
    AnyKey, Error,
    codec::coding::Coding,
    engine::{flight::Kind, nested, shared::Shared, storing::Storing},
    fingerprint::Known,
    function::read::ReadFunction,
    options::{CallOptions, ReadMode, Source},
    outcome::{Outcome, Sharing},
    store::StoreError,
    telemetry::Counters,
};

/// One call, with everything that does not depend on its return type.
pub(super) struct Call<'a, V, E> {
    pub(super) cache: &'a Arc<Shared>,
    pub(super) function: &'static ReadFunction,
    pub(super) counters: &'a Counters,
    pub(super) key: &'a str,
    pub(super) known: &'a Known,
    pub(super) coding: &'a Coding<V>,
    pub(super) sharing: &'a Sharing<E>,
    pub(super) mode: ReadMode,
    /// Who observes it. On the heap, since a call that nobody observes needs none.
    pub(super) observed: Option<Box<ObservedHere>>,
}

/// A call that is observed.
pub(super) struct ObservedHere {
    pub(super) options: CallOptions,
    /// Where the value came from, and its age.
    pub(super) source: Mutex<Option<(Source, Option<Duration>)>>,
}

impl<'a, V, E> Call<'a, V, E> {
    pub(super) fn new(
        function: &'static ReadFunction,
        (cache, known): &'a (Cow<'_, Arc<Shared>>, Known),
        key: &'a AnyKey,
        coding: &'a Coding<V>,
        sharing: &'a Sharing<E>,
        options: CallOptions,
    ) -> Self {
        let key = key.as_str();
        let counters = cache.table.of(function);
        let mode = options.mode;
        let observed =
            options.is_observed().then(|| Box::new(ObservedHere { options, source: Mutex::default() }));
        Call { cache, function, counters, key, known, coding, sharing, mode, observed }
    }

    /// What its load could be shared with.
    pub(super) fn kind(&self, shape: u8) -> Kind {
        Kind::new(self.function.number(), &self.coding.kind, shape)
    }

    /// Tells where the value came from, if anybody observes it.
    pub(super) fn tell(&self) {
        // Nobody does, as a rule, and then a hit takes no lock.
        if let Some(observed) = &self.observed
            && let Some((source, age)) = observed.source.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            observed.options.report(self.function, self.key, source, age);
        }
    }

    /// Notes where the value came from, if anybody observes it; what is noted last counts.
    pub(super) fn note(&self, source: Source, age: Option<Duration>) {
        if let Some(observed) = &self.observed {
            *observed.source.lock().unwrap_or_else(PoisonError::into_inner) = Some((source, age));
        }
    }

    pub(super) fn storing(&self) -> Storing<'_, V> {
        let Call { function, counters, key, known, coding, .. } = *self;
        let max_value = self.cache.store.max_value();
        Storing { function, counters, key, known: *known, coding, max_value }
    }

    /// Runs the body, for no longer than the function says.
    pub(super) fn begin<L: Loader>(&self, body: L) -> impl Future<Output = L::Output> {
        let (given_up, loading) = (body.given_up(), nested::loading(self.cache, self.key));
        within_limit(self.cache, self.function, given_up, body.begin(Some(loading)))
    }

    /// A step that the store did not take: counted and told, and the body runs.
    pub(super) fn trouble(&self, doing: &'static str, error: &StoreError) {
        self.cache.trouble(self.function, self.key, doing, error);
    }
}

/// What a function gives where there is nothing.
///
/// # Panics
///
/// If its type can't say so: see [`only_cached`](crate::only_cached()).
pub(super) fn absent<R, const SHAPE: u8>(
    function: &'static ReadFunction,
    absent: Option<fn(Error) -> R>,
    error: Error,
) -> R
where
    R: Outcome<SHAPE>,
{
    match (R::from_none(), absent) {
        (Some(none), _) => none,
        (None, Some(absent)) => absent(error),
        (None, None) => panic!(
            "`{}` was called inside of `only_cached`, and its return type can't say that nothing is cached; return an \
             `Option<_>`, or a `Result<_, E>` with `E: From<cached_aside::Error>`, or ask its key with `peek`",
            function.settings.name
        ),
    }
}
