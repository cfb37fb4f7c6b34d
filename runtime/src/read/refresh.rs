//! Entries that are stale, or soon will be: who reloads them, and what everybody else is given meanwhile.
//!
//! The election is one script on the entry's own header, and what the winner loads is stored only while its token stands
//! there. A guard, a deletion or a later refresh takes it away.

use std::time::Duration;

use cached_aside_protocol::{Token, entry, steps::Elect};
use tokio::runtime::Handle;

use super::{
    call::Call,
    loader::Loader,
    lookup::{Election, Old},
    refreshing::Refreshing,
};
use crate::{
    engine::budget::Budget,
    engine::flight::{Landed, Step, Ticket},
    engine::lease::{Held, Right},
    function::staleness::Due,
    options::Source,
    outcome::{Gave, Outcome},
};

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
            Some(error) if self.cache.is_listed(self.key) => (error, true),
            _ => (self.give(old), false),
        }
    }

    /// Tries to become the one who refreshes an entry.
    pub(super) async fn elect(&self, old: Old<()>, budget: &mut Budget) -> Election {
        let (lease, token) = (self.function.settings.lease, Token::fresh());
        let right = Right::Refresh { failures: old.refresh.failures };
        // It exists before it is won: dropped while that is being asked, it gives up what may have been won.
        let held = Held::new(self.cache, self.key, token, right);
        let elect = || Elect { expected: entry::header_of(&old.bytes), token, hold: lease, force: false };
        match budget.spend(|within| self.cache.elect(self.key, elect(), within)).await {
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
                held.unanswered(&error);
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
