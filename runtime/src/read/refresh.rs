//! Entries that are stale, or soon will be: who reloads them, and what everybody else is given meanwhile.
//!
//! The election is one script on the entry's own header, and what the winner loads is stored only while its token stands
//! there. A guard, a deletion or a later refresh takes it away.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Refresh},
    steps::Elect,
};
use tokio::{runtime::Handle, time::Instant};

use super::{
    Call,
    load::{fill, within_budget},
    loader::Loader,
};
use crate::{
    cache::Inner,
    codec::Coding,
    fingerprint::Known,
    flight::{Landed, Step, Ticket},
    health::Budget,
    lease::{Held, Right, while_renewing},
    outcome::{Gave, Outcome},
    overrides::Source,
    settings::ReadFunction,
    staleness::Due,
    storing::{Storable, Storing},
};

/// Maximum of `lease`, and more than the longest pause between refreshes that fail.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

/// An entry that is due for a refresh.
pub(super) struct Old<T> {
    /// What it holds; in the end, what a caller is given.
    pub(super) value: T,
    pub(super) bytes: Bytes,
    pub(super) due: Due,
    pub(super) refresh: Refresh,
    /// The store's time when it was read.
    pub(super) now: Duration,
    /// How long it has been there.
    pub(super) age: Duration,
}

impl<R> Old<R> {
    /// Without the value, which need not be `Sync`: an election may not refer to it.
    pub(super) fn without_value(&self) -> Old<()> {
        let Old { due, refresh, now, age, .. } = *self;
        Old { value: (), bytes: self.bytes.clone(), due, refresh, now, age }
    }

    /// How long nobody may begin a refresh: another runs, or the last one has failed. No right to refresh is given for longer than
    /// an hour: one that seems to be was given before the server's clock went back, and is over.
    pub(super) fn taken_for(&self) -> Duration {
        let left = self.refresh.until.saturating_sub(self.now);
        if left > LONGEST_HOLD { Duration::ZERO } else { left }
    }

    /// Whether somebody refreshes it now.
    pub(super) fn refresh_runs(&self) -> bool {
        self.refresh.runs && !self.taken_for().is_zero()
    }

    /// Whether it is given without more ado: nobody is to be elected now, and nobody is waited for.
    pub(super) fn is_given(&self) -> bool {
        !self.taken_for().is_zero() && !self.is_awaited()
    }

    /// Whether the refresh that runs must be waited for.
    pub(super) fn is_awaited(&self) -> bool {
        self.due == Due::Reload && self.refresh_runs()
    }
}

/// The outcome of an election.
pub(super) enum Election {
    Won(Held),
    /// Somebody else has won, or the entry is no longer there.
    Lost,
    /// The store did not answer.
    Unknown,
}

impl<V, E> Call<'_, V, E> {
    /// Gives an old entry as it is.
    pub(super) fn give<R>(&self, old: Old<R>) -> R {
        if old.due == Due::Early {
            self.counters.hits.one();
            self.note(Source::Hit, Some(old.age));
            tracing::trace!(key = self.key, age = ?old.age, "hit");
        } else {
            self.counters.stale.one();
            self.note(Source::Stale, Some(old.age));
            tracing::debug!(key = self.key, age = ?old.age, "stale");
        }
        old.value
    }

    /// Gives an entry while it is reloaded. The elected caller waits for the load, unless it goes on without it.
    pub(super) async fn revalidate<R, const SHAPE: u8, L>(
        &self,
        old: Old<R>,
        mut budget: Budget,
        body: L,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let staleness = &self.function.settings.staleness;
        let patience = if staleness.in_background { Some(Duration::ZERO) } else { staleness.soft_limit };
        let patience = patience.filter(|_| can_detach());
        let place = patience.and_then(|_| L::place(&self.cache.background));
        let crowded = patience.is_some() && place.is_none();
        if crowded {
            return self.give(old);
        }
        let Election::Won(held) = self.elect(old.without_value(), &mut budget).await else {
            return self.give(old);
        };
        if old.due == Due::Early {
            self.counters.early_refreshes.one();
        }
        let result = self.refresh::<R, SHAPE, L>(held, patience.zip(place), budget, body).await;
        self.or_stale::<R, SHAPE>(result, old).0
    }

    /// Reloads an entry that may only be given if that fails, for all who wait for it.
    pub(super) async fn reload<R, const SHAPE: u8, L>(
        &self,
        mut ticket: Ticket,
        (old, looked): (Old<R>, Step),
        held: Held,
        budget: Budget,
        body: L,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let began = ticket.load();
        let patience = self.function.settings.staleness.soft_limit.filter(|_| can_detach());
        let place = patience.and_then(|_| L::place(&self.cache.background));
        let result = self.refresh::<R, SHAPE, L>(held, patience.zip(place), budget, body).await;
        self.land_or_stale::<R, SHAPE>(ticket, began, result, (old, looked))
    }

    /// Gives the result to those who came before its load began; or the old entry to those who came before it was seen.
    pub(super) fn land_or_stale<R, const SHAPE: u8>(
        &self,
        ticket: Ticket,
        began: Step,
        result: Option<R>,
        (mut old, looked): (Old<R>, Step),
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        let bytes = std::mem::take(&mut old.bytes);
        let (result, loaded) = self.or_stale::<R, SHAPE>(result, old);
        if loaded {
            self.land_unstored(ticket, began, &result.gave());
        } else {
            ticket.land(&Landed::Entry(bytes), looked);
        }
        result
    }

    /// Gives the old entry to those who came before it was seen.
    pub(super) fn land_stale<R>(&self, ticket: Ticket, (mut old, looked): (Old<R>, Step)) -> R {
        let bytes = std::mem::take(&mut old.bytes);
        ticket.land(&Landed::Entry(bytes), looked);
        self.give(old)
    }

    /// The result, and whether it is one; else the old value.
    pub(super) fn or_stale<R, const SHAPE: u8>(&self, result: Option<R>, old: Old<R>) -> (R, bool)
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        match result {
            Some(result) if !is_error::<R, SHAPE>(&result) => (result, true),
            // A write has returned whose invalidation could not be delivered.
            Some(error) if self.cache.recovery.has(self.key) => (error, true),
            _ => (self.give(old), false),
        }
    }

    /// Tries to become the one who refreshes an entry.
    pub(super) async fn elect(&self, old: Old<()>, budget: &mut Budget) -> Election {
        let (store, lease, token) = (&self.cache.store, self.function.settings.lease, Token::fresh());
        let right = Right::Refresh { failures: old.refresh.failures };
        // It exists before it is won: dropped while that is being asked, it gives up what may have been won.
        let held = Held::new(self.cache, self.key, token, right);
        let elect = || Elect { seen: entry::head_of(&old.bytes), token, hold: lease, force: false };
        match budget.spend(|within| store.run(self.key, elect(), within)).await {
            Ok(true) => {
                self.counters.refreshes.one();
                tracing::debug!(key = self.key, age = ?old.age, due = ?old.due, "refreshing");
                Election::Won(held)
            }
            Ok(false) => {
                held.forget();
                Election::Lost
            }
            Err(error) => {
                self.trouble("elect", &error);
                Election::Unknown
            }
        }
    }

    /// Runs a body whose election was won. Where it has a place in the background, it goes on there after so long; without
    /// a result by then, there is none.
    async fn refresh<R, const SHAPE: u8, L>(
        &self,
        held: Held,
        elsewhere: Option<(Duration, L::Place)>,
        budget: Budget,
        body: L,
    ) -> Option<R>
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let Call { function, known: &known, coding, .. } = *self;
        self.note(Source::Loaded, Some(Duration::ZERO));
        let refreshing = Refreshing { cache: self.cache.clone(), function, known, coding: *coding, held };
        match elsewhere {
            Some((patience, place)) => {
                let result = body.detach::<SHAPE>(place, refreshing);
                // Even the shortest sleep lasts a while; a load that panics gives nothing.
                if patience.is_zero() {
                    None
                } else {
                    self.cache.clock.timeout(patience, result).await.ok()?.ok()
                }
            }
            None => Some(refreshing.run::<R, SHAPE>(self.begin(body), budget).await),
        }
    }
}

/// A refresh that was won, with all that it needs to go on without its caller.
pub(crate) struct Refreshing<V> {
    pub(super) cache: Arc<Inner>,
    pub(super) function: &'static ReadFunction,
    known: Known,
    coding: Coding<V>,
    held: Held,
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
            _ if cache.recovery.has(key) => drop(held),
            Some(Storable { value, ttl }) => {
                let filled = fill(cache.clone(), function, held, value, ttl);
                within_budget(&cache, filled, &mut budget).await;
            }
            None => held.discard(),
        }
        result
    }
}

/// Whether there is a runtime that a body could go on on without its caller.
fn can_detach() -> bool {
    Handle::try_current().is_ok()
}

pub(super) fn is_error<R, const SHAPE: u8>(result: &R) -> bool
where
    R: Outcome<SHAPE>,
{
    matches!(result.gave(), Gave::Error(_))
}
