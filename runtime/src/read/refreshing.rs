//! A refresh that runs, with its caller or without.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::time::Instant;

use super::fill::{fill, within_budget};
use crate::{
    codec::coding::Coding,
    engine::{
        budget::Budget,
        lease::{Held, while_renewing},
        shared::Shared,
        storing::{Storable, Storing},
    },
    fingerprint::Known,
    function::read::ReadFunction,
    outcome::{Gave, Outcome},
};

/// A refresh that was won, with all that it needs to go on without its caller.
pub(crate) struct Refreshing<V> {
    pub(super) cache: Arc<Shared>,
    pub(super) function: &'static ReadFunction,
    pub(super) known: Known,
    pub(super) coding: Coding<V>,
    pub(super) held: Held,
}

impl<V> Refreshing<V> {
    pub(super) fn key(&self) -> &str {
        self.held.key()
    }

    /// Runs the body, and stores what it gives in the place of what it refreshes.
    pub(super) async fn run<R, const SHAPE: u8>(self, body: impl Future<Output = R>, mut budget: Budget) -> R
    where
        R: Outcome<SHAPE, Value = V>,
    {
        let Refreshing { cache, function, known, coding, held } = self;
        let counters = cache.table.of(function);
        counters.loads.one();
        let started = Instant::now();
        let (key, max_value) = (held.key().to_owned(), cache.store.max_value());
        let key = key.as_str();
        let storing = Storing { function, counters, key, known, coding: &coding, max_value };
        let encode = |result: R| {
            let load_time = started.elapsed();
            counters.load_times.record(|| load_time);
            let entry = match result.gave() {
                Gave::Error(_) => None,
                gave => Some(storing.entry(&gave, None, held.token, load_time)),
            };
            (result, load_time, entry)
        };
        let renewal = held.keep(function.settings.lease);
        let (result, load_time, entry) = while_renewing(cache.clock, pin!(body), renewal, encode).await;
        let Some(entry) = entry else {
            counters.refreshes_failed.one();
            tracing::debug!(key, took = ?load_time, "the refresh failed");
            held.fail();
            return result;
        };
        tracing::debug!(key, took = ?load_time, "refreshed");
        match entry {
            Some(Storable { value, ttl }) => {
                let filled = fill(cache.clone(), function, held, value, ttl);
                within_budget(&cache, filled, &mut budget).await;
            }
            None => held.discard(),
        }
        result
    }
}
