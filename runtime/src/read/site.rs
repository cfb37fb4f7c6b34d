//! A cached function in one cache, and one call of it, as all steps of the read path have them.

use std::{ops::Deref, sync::Arc, time::Duration};

use cached_aside_protocol::Token;

use super::body::{Body, as_loaded, within_limit};
use crate::{
    AnyKey, Error, Tag,
    codec::coding::Coding,
    engine::{encoder::EntryEncoder, flight::Kind, nested, shared::Shared},
    fingerprint::TypeInfo,
    function::read::ReadFunction,
    lock::Mutex,
    options::{CallOptions, ReadMode, Source},
    outcome::{Loaded, has_none, returns::ErrorPolicy},
    store::StoreError,
    telemetry::Counters,
};

/// A cached function in one cache: everything that does not depend on the key.
pub(super) struct Site<'a, V, E> {
    pub(super) cache: &'a Arc<Shared>,
    pub(super) function: &'static ReadFunction,
    pub(super) counters: &'a Counters,
    pub(super) type_info: TypeInfo,
    pub(super) coding: &'a Coding<V>,
    pub(super) errors: &'a ErrorPolicy<E>,
    /// Of the return type.
    pub(super) shape: u8,
    /// Its calls are those of a batch.
    pub(super) of_batch: bool,
    pub(super) options: CallOptions,
}

impl<V, E> Site<'_, V, E> {
    /// What loads could be shared with.
    pub(super) fn kind(&self) -> Kind {
        Kind::new(self.function.number(), &self.coding.kind)
    }

    /// Whether calls replace what is stored, whatever it is.
    pub(super) fn is_forced(&self) -> bool {
        self.options.mode == ReadMode::Refresh
    }

    /// What the function gives where there is nothing.
    ///
    /// # Panics
    ///
    /// If its type can't say so: see [`only_cached`](crate::only_cached()).
    pub(super) fn absent(&self, error: Error) -> Loaded<V, E> {
        absent(self.function, self.shape, self.errors, error)
    }
}

/// See [`Site::absent`].
pub(super) fn absent<V, E>(
    function: &'static ReadFunction,
    shape: u8,
    errors: &ErrorPolicy<E>,
    error: Error,
) -> Loaded<V, E> {
    match errors.absent {
        _ if has_none(shape) => Loaded::None,
        Some(absent) => Loaded::Error(absent(error)),
        None => panic!(
            "`{}` was called inside of `only_cached`, and its return type can't say that nothing is cached; return an \
             `Option<_>`, or a `Result<_, E>` with `E: From<cached_aside::Error>`, or ask its key with `peek`",
            function.settings.name
        ),
    }
}

/// One call: a function and a key.
pub(super) struct Call<'a, V, E> {
    pub(super) site: &'a Site<'a, V, E>,
    key: &'a AnyKey,
    /// Where its value came from and its age, if anybody observes it. On the heap, since a call that nobody observes needs none.
    source: Option<Box<Mutex<Option<FoundAt>>>>,
}

/// Where a value came from, and its age.
type FoundAt = (Source, Option<Duration>);

impl<'a, V, E> Deref for Call<'a, V, E> {
    type Target = Site<'a, V, E>;

    fn deref(&self) -> &Site<'a, V, E> {
        self.site
    }
}

impl<'a, V, E> Call<'a, V, E> {
    pub(super) fn new(site: &'a Site<'a, V, E>, key: &'a AnyKey) -> Self {
        Call { site, key, source: site.options.is_observed().then(Box::default) }
    }

    pub(super) fn key(&self) -> &'a str {
        self.key.as_str()
    }

    /// The tags that its entry carries.
    pub(super) fn tags(&self) -> &'a [Tag] {
        self.key.tags()
    }

    /// Whether anybody observes where its value comes from.
    pub(super) fn is_observed(&self) -> bool {
        self.source.is_some()
    }

    /// Reports where its value came from, if anybody observes it.
    pub(super) fn report(&self) {
        // Nobody does, as a rule, and then a hit takes no lock.
        if let Some(source) = &self.source
            && let Some((source, age)) = source.lock().take()
        {
            self.options.report(self.function, self.key(), source, age);
        }
    }

    /// Records where its value came from, if anybody observes it; what is recorded last counts.
    pub(super) fn record_source(&self, source: Source, age: Option<Duration>) {
        if let Some(recorded) = &self.source {
            *recorded.lock() = Some((source, age));
        }
    }

    /// What decides about an entry of this call that carries these versions of its tags.
    pub(super) fn encoder<'b>(&'b self, versions: &'b [Token]) -> EntryEncoder<'b, V> {
        let Site { function, counters, type_info, coding, cache, .. } = *self.site;
        let max_value = cache.store.max_value();
        EntryEncoder { function, counters, key: self.key(), type_info, coding, versions, max_value }
    }

    /// Runs the body, for no longer than the function says.
    pub(super) fn run<B: Body<V, E>>(&self, body: B) -> impl Future<Output = Loaded<V, E>> {
        let loading = nested::loading(self.cache, [self.key()]);
        let given_up = as_loaded(self.errors.given_up);
        within_limit(self.cache, self.function, given_up, body.begin(Some(loading)))
    }

    /// A step that the store did not take: counted and logged, and the body runs.
    pub(super) fn record_store_error(&self, doing: &'static str, error: &StoreError) {
        self.cache.record_store_error(self.function, self.key(), doing, error);
    }
}
