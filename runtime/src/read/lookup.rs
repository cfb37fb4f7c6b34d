//! The look at the store: what is there, and what that means.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::entry::{self, Entry, Failure, Unusable, Value};
use tokio::time::Instant;

use super::{
    found::{Hit, Lookup, Missing, StaleEntry},
    site::Call,
    tagged::NO_TAGS,
};
use crate::{
    backoff::Backoff,
    engine::budget::Budget,
    engine::flight::{Epoch, Ticket},
    function::staleness::Freshness,
    outcome::{Loaded, has_none},
    store::{Answer, StoreError, Watched},
};

/// Pauses between looks while another process loads, where the server does not announce changes.
pub(super) const POLL: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
/// Extra wait after a lease should have ended: a server's milliseconds are rounded.
const AFTER_THE_END: Duration = Duration::from_millis(2);

impl<V, E> Call<'_, V, E> {
    /// The first look: one `GET`, and nothing else on a hit. With it the store's time, where the function asks for ages.
    pub(super) async fn lookup(&self, budget: &mut Budget) -> Lookup<V, E> {
        let timed = self.function.settings.staleness.asks_for_time() || self.is_observed();
        if !self.tags().is_empty() {
            return Box::pin(self.lookup_with_tags(budget, timed)).await;
        }
        if timed {
            return self.lookup_with_time(budget).await;
        }
        let within = match budget.begin() {
            Ok(within) => within,
            Err(error) => return self.classify(Err(error), None, NO_TAGS),
        };
        let stored = self.cache.read(self.key(), within).await;
        let silent = matches!(stored, Err(StoreError::Timeout(_)));
        match self.classify(stored, None, NO_TAGS) {
            // A hit spends nothing more.
            Lookup::Hit(hit) => Lookup::Hit(hit),
            found => {
                budget.end(silent);
                match found {
                    // Stored by a program whose function lets values grow old.
                    Lookup::Missing(Missing::NeedsServerTime) => self.lookup_with_time(budget).await,
                    found => found,
                }
            }
        }
    }

    pub(super) async fn lookup_with_time(&self, budget: &mut Budget) -> Lookup<V, E> {
        if !self.tags().is_empty() {
            return Box::pin(self.lookup_with_tags(budget, true)).await;
        }
        match budget.spend(|within| self.cache.read_timed(self.key(), within)).await {
            Ok((there, now)) => self.classify(Ok(there), Some(now), NO_TAGS),
            Err(error) => self.classify(Err(error), None, NO_TAGS),
        }
    }

    /// What an answer of the store means, at this time of the store, with what stands under the keys of the tags. Where that was not
    /// read, an entry is to be looked at again.
    pub(super) fn classify(
        &self,
        stored: Answer<Option<Bytes>>,
        now: Option<Duration>,
        tags: Option<&[Option<Bytes>]>,
    ) -> Lookup<V, E> {
        let vacant = |header: Bytes| Lookup::Missing(Missing::Vacant(header));
        let bytes = match stored {
            Ok(None) => return vacant(Bytes::new()),
            Ok(Some(bytes)) => bytes,
            Err(error) => {
                self.record_store_error("read", &error);
                return Lookup::Missing(Missing::Bypass);
            }
        };
        let why = match entry::parse(&bytes, self.type_info.fingerprint) {
            Entry::Value(Value { versions, .. }) | Entry::Failure(Failure { versions, .. })
                if !tags.is_some_and(|tags| versions.are_current(tags)) =>
            {
                let Some(_) = tags else { return Lookup::Missing(Missing::NeedsServerTime) };
                tracing::debug!(key = self.key(), "a tag of the entry was invalidated");
                return vacant(entry::header_of(&bytes));
            }
            Entry::Value(found) => {
                let age = now.map(|now| now.saturating_sub(found.stored_at));
                let Some(freshness) = self.function.settings.staleness.freshness(&found, now, draw) else {
                    return Lookup::Missing(Missing::NeedsServerTime);
                };
                match found.payload.map(self.coding.decode).transpose() {
                    _ if freshness == Freshness::Expired => return vacant(entry::header_of(&bytes)),
                    // The function stores no `None`.
                    Ok(None) if !has_none(self.shape) => return vacant(entry::header_of(&bytes)),
                    Ok(value) if freshness == Freshness::Fresh => {
                        return Lookup::Hit(Hit { value: Loaded::of_entry(value), bytes, age });
                    }
                    Ok(value) => {
                        let (refresh, now) = (found.refresh, now.unwrap_or_default());
                        let age = age.unwrap_or_default();
                        return Lookup::Stale(StaleEntry { value, bytes, freshness, refresh, now, age });
                    }
                    Err(error) => {
                        self.function.warn_once_undecodable(self.key(), &error);
                        Unusable::Undecodable
                    }
                }
            }
            Entry::Failure(failure) => {
                let age = now.map(|now| now.saturating_sub(failure.stored_at));
                match self.error_of(&failure) {
                    Ok(value) => return Lookup::Hit(Hit { value, bytes, age }),
                    Err(why) => why,
                }
            }
            Entry::Lease => return Lookup::Missing(Missing::Lease),
            Entry::Guard => return Lookup::Missing(Missing::Bypass),
            Entry::Foreign => {
                self.record_store_error("read", &StoreError::Foreign);
                return Lookup::Missing(Missing::Bypass);
            }
            Entry::Unusable(why) => why,
        };
        self.counters.unusable.increment();
        tracing::debug!(key = self.key(), ?why, "the entry can't be used and is replaced");
        vacant(entry::header_of(&bytes))
    }

    /// A stored error, if this function stores errors of that type. A batch can't say it of one key, which it leaves out.
    pub(super) fn error_of(&self, failure: &Failure<'_>) -> Result<Loaded<V, E>, Unusable> {
        if self.of_batch && self.function.settings.error_ttl.is_some() {
            return Ok(Loaded::None);
        }
        let errors = self.errors.stored.ok_or(Unusable::Type)?();
        let type_info = self.function.of_error(&errors.coding, self.type_info, self.key());
        type_info.filter(|type_info| type_info.fingerprint == failure.fingerprint).ok_or(Unusable::Type)?;
        (errors.coding.decode)(failure.payload).map(Loaded::Error).map_err(|error| {
            self.function.warn_once_undecodable(self.key(), &error);
            Unusable::Undecodable
        })
    }

    /// Waits until the load of another is over, at most until `patience` is; then looks again.
    pub(super) async fn wait_for_change(&self, ticket: &Ticket, patience: Instant) -> (Lookup<V, E>, Epoch) {
        let mut pauses = POLL.pauses();
        let mut last = None;
        loop {
            let step = ticket.next_epoch();
            let patient = patience.saturating_duration_since(Instant::now());
            let watched = self.cache.watch(self.key(), patient.min(self.cache.timeout)).await;
            let Watched { mut watch, there, left, now } = match (watched, last) {
                (Ok(watched), _) => watched,
                // It had no time left: what was there before that look counts.
                (Err(error), Some(last)) if error != StoreError::Listed && patience <= Instant::now() => {
                    return last;
                }
                (Err(error), _) => {
                    self.record_store_error("watch", &error);
                    return (Lookup::Missing(Missing::Bypass), step);
                }
            };
            let found = match self.classify(Ok(there), Some(now), self.unread_tags()) {
                // An entry whose tags are to be read with it.
                Lookup::Missing(Missing::NeedsServerTime) => {
                    let mut budget = Budget::new(patient.min(self.cache.timeout));
                    self.lookup_with_time(&mut budget).await
                }
                found => found,
            };
            let left = match &found {
                Lookup::Missing(Missing::Lease) => left,
                Lookup::Stale(stale) if stale.is_awaited() => stale.taken_for(),
                _ => return (found, step),
            };
            if patience <= Instant::now() {
                return (found, step);
            }
            // The holder renews its right, which is a change too; if it died, that ends when it says.
            let ends = left + AFTER_THE_END;
            let pause = if watch.is_push() { ends } else { ends.min(pauses.next_pause()) };
            first_of(watch.changed(), self.cache.clock.sleep(pause.min(patient))).await;
            last = Some((found, step));
        }
    }
}

/// A random number, above 0 and up to 1.
pub(super) fn draw() -> f64 {
    // Without randomness nothing is reloaded early.
    (f64::from(getrandom::u32().unwrap_or(u32::MAX)) + 1.0) / (f64::from(u32::MAX) + 1.0)
}

/// Waits for either.
pub(super) async fn first_of(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        if first.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { second.as_mut().poll(context) }
    })
    .await;
}
