//! A refresh that runs, with its caller or without.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::time::Instant;

use super::fill::fill_within;
use crate::{
    Error,
    codec::coding::Coding,
    engine::{
        budget::Budget,
        encoder::{EncodedEntry, EntryEncoder},
        lease::{StoreRight, while_renewing},
        shared::Shared,
    },
    fingerprint::TypeInfo,
    function::read::ReadFunction,
    outcome::Loaded,
};

/// A refresh that was won, with all that it needs to go on without its caller.
pub(crate) struct Revalidation<V, E> {
    pub(super) cache: Arc<Shared>,
    pub(super) function: &'static ReadFunction,
    pub(super) type_info: TypeInfo,
    pub(super) coding: Coding<V>,
    /// The error of a load that takes too long.
    pub(super) given_up: Option<fn(Error) -> E>,
    pub(super) held: StoreRight,
}

impl<V, E> Revalidation<V, E> {
    /// Runs the body, and stores what it gives in the place of what it refreshes.
    pub(super) async fn run(
        self,
        body: impl Future<Output = Loaded<V, E>>,
        mut budget: Budget,
    ) -> Loaded<V, E> {
        let Revalidation { cache, function, type_info, coding, held, .. } = self;
        let counters = cache.table.of(function);
        counters.loads.increment();
        let started = Instant::now();
        let (key, max_value) = (held.key().to_owned(), cache.store.max_value());
        let key = key.as_str();
        let (coding, versions) = (&coding, &*held.versions);
        let encoder = EntryEncoder { function, counters, key, type_info, coding, versions, max_value };
        let encode = |result: Loaded<V, E>| {
            let load_time = started.elapsed();
            counters.record_load(load_time);
            // No reference to the result may live on: it need not be `Sync`.
            let entry = match result.as_ref() {
                Loaded::Error(_) => None,
                loaded => Some(encoder.entry(loaded, None, held.token, load_time)),
            };
            (result, load_time, entry)
        };
        let renewal = held.renew_loop();
        let (result, load_time, entry) = while_renewing(cache.clock, pin!(body), renewal, encode).await;
        let Some(entry) = entry else {
            counters.refreshes_failed.increment();
            tracing::debug!(key, took = ?load_time, "the refresh failed");
            held.fail();
            return result;
        };
        tracing::debug!(key, took = ?load_time, "refreshed");
        match entry {
            Some(EncodedEntry { value, ttl }) => {
                fill_within(&mut budget, &cache, function, held, (value, ttl)).await;
            }
            None => held.discard().await,
        }
        result
    }
}
