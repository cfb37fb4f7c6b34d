//! Entries that are stale, or soon will be: who reloads them, and what everybody else is given meanwhile.
//!
//! The election is one script on the entry's own header, and what the winner loads is stored only while its token stands
//! there. A guard, a deletion or a later refresh takes it away.

use std::time::Duration;

use cached_aside_protocol::{Token, entry, steps::Elect};
use tokio::runtime::Handle;

use super::{
    body::Body,
    found::{Election, StaleEntry},
    revalidation::Revalidation,
    site::Call,
};
use crate::{
    engine::budget::Budget,
    engine::flight::{Epoch, SharedResult, Ticket},
    engine::lease::{Right, StoreRight},
    function::staleness::Freshness,
    options::Source,
    outcome::Loaded,
    store::Answer,
};

impl<V, E> Call<'_, V, E> {
    /// Gives a stale entry as it is.
    pub(super) fn give_stale(&self, stale: StaleEntry<V>) -> Loaded<V, E> {
        if stale.freshness == Freshness::EarlyRefresh {
            self.counters.hits.increment();
            self.record_source(Source::Hit, Some(stale.age));
            tracing::trace!(key = self.key(), age = ?stale.age, "hit");
        } else {
            self.counters.stale.increment();
            self.record_source(Source::Stale, Some(stale.age));
            tracing::debug!(key = self.key(), age = ?stale.age, "stale");
        }
        Loaded::of_entry(stale.value)
    }

    /// Gives an entry while it is reloaded. The elected caller waits for the load, unless it goes on without it.
    pub(super) async fn revalidate<B: Body<V, E>>(
        &self,
        stale: StaleEntry<V>,
        mut budget: Budget,
        body: B,
    ) -> Loaded<V, E> {
        let staleness = &self.function.settings.staleness;
        let patience = if staleness.in_background { Some(Duration::ZERO) } else { staleness.soft_limit };
        let patience = patience.filter(|_| can_detach());
        let slot = patience.and_then(|_| B::slot(&self.cache.background));
        let crowded = patience.is_some() && slot.is_none();
        if crowded {
            return self.give_stale(stale);
        }
        let Election::Won(held) = self.elect(stale.without_value(), &mut budget).await else {
            return self.give_stale(stale);
        };
        if stale.freshness == Freshness::EarlyRefresh {
            self.counters.early_refreshes.increment();
        }
        let result = self.run_revalidation(held, patience.zip(slot), budget, body).await;
        self.or_stale(result, stale).0
    }

    /// Reloads an entry that may only be given if that fails, for all who wait for it.
    pub(super) async fn reload<B: Body<V, E>>(
        &self,
        mut ticket: Ticket,
        stale: (StaleEntry<V>, Epoch),
        held: StoreRight,
        budget: Budget,
        body: B,
    ) -> Loaded<V, E> {
        let began = ticket.begin_load();
        let patience = self.function.settings.staleness.soft_limit.filter(|_| can_detach());
        let slot = patience.and_then(|_| B::slot(&self.cache.background));
        let result = self.run_revalidation(held, patience.zip(slot), budget, body).await;
        self.share_or_stale(ticket, began, result, stale)
    }

    /// Gives the result to those who came before its load began; or the stale entry to those who came before it was seen.
    pub(super) fn share_or_stale(
        &self,
        ticket: Ticket,
        began: Epoch,
        result: Option<Loaded<V, E>>,
        (mut stale, looked): (StaleEntry<V>, Epoch),
    ) -> Loaded<V, E> {
        let bytes = std::mem::take(&mut stale.bytes);
        let (result, loaded) = self.or_stale(result, stale);
        if loaded {
            self.complete_unstored(ticket, began, result.as_ref());
        } else {
            ticket.complete(&SharedResult::Entry(bytes), looked);
        }
        result
    }

    /// Gives the stale entry, also to those who came before it was seen.
    pub(super) fn share_stale(
        &self,
        ticket: Ticket,
        mut stale: StaleEntry<V>,
        looked: Epoch,
    ) -> Loaded<V, E> {
        let bytes = std::mem::take(&mut stale.bytes);
        ticket.complete(&SharedResult::Entry(bytes), looked);
        self.give_stale(stale)
    }

    /// The result, and `true`; or the stale value, where there is none or it is an error.
    pub(super) fn or_stale(
        &self,
        result: Option<Loaded<V, E>>,
        stale: StaleEntry<V>,
    ) -> (Loaded<V, E>, bool) {
        match result {
            // A write may have returned meanwhile whose invalidation could not be delivered.
            Some(Loaded::Error(error)) if self.is_listed() => (Loaded::Error(error), true),
            Some(Loaded::Error(_)) | None => (self.give_stale(stale), false),
            Some(result) => (result, true),
        }
    }

    /// Tries to become the one who refreshes an entry.
    pub(super) async fn elect(&self, stale: StaleEntry<()>, budget: &mut Budget) -> Election<StoreRight> {
        let (lease, token) = (self.function.settings.lease, Token::fresh());
        let right = Right::Revalidate { failures: stale.refresh.failures };
        // It exists before it is won: dropped while that is being asked, it gives up what may have been won.
        let mut held = StoreRight::new(self.cache, self.key(), token, right, lease);
        let elect = Elect { expected: entry::header_of(&stale.bytes), token, hold: lease, force: false };
        let asked = |within| self.with_versions(within, self.cache.elect(self.key(), elect, within));
        let answer = budget.spend(asked).await;
        self.elected(&mut held, &stale, answer).with(held)
    }

    /// What the answer says to a caller who asked for the right to refresh an entry, and for the versions of the tags. A right that is
    /// not won is to be dropped, together with others that were asked for with it.
    pub(super) fn elected<T>(
        &self,
        held: &mut StoreRight,
        stale: &StaleEntry<T>,
        answer: Answer<(bool, Option<Box<[Token]>>)>,
    ) -> Election {
        match answer {
            // A write of a tag is in progress: it ends the entry.
            Ok((true, None)) => Election::Lost,
            Ok((true, Some(versions))) => {
                held.versions = versions;
                held.may_be_copied = entry::can_have_copies(&stale.bytes);
                self.counters.refreshes.increment();
                tracing::debug!(key = self.key(), age = ?stale.age, freshness = ?stale.freshness, "refreshing");
                Election::Won(())
            }
            Ok((false, _)) => {
                held.disarm();
                Election::Lost
            }
            Err(error) => {
                held.unanswered(&error);
                self.record_store_error("elect", &error);
                Election::Unknown
            }
        }
    }

    /// Runs a body whose election was won. Where it has a place in the background, it goes on there after so long; without
    /// a result by then, there is none.
    async fn run_revalidation<B: Body<V, E>>(
        &self,
        held: StoreRight,
        elsewhere: Option<(Duration, B::Slot)>,
        budget: Budget,
        body: B,
    ) -> Option<Loaded<V, E>> {
        self.record_source(Source::Loaded, Some(Duration::ZERO));
        let (function, type_info, coding) = (self.function, self.type_info, *self.coding);
        let given_up = self.errors.given_up;
        let revalidation =
            Revalidation { cache: self.cache.clone(), function, type_info, coding, given_up, held };
        match elsewhere {
            Some((patience, slot)) => {
                let result = body.detach(slot, revalidation);
                // Even the shortest sleep lasts a while; a load that panics gives nothing.
                if patience.is_zero() {
                    None
                } else {
                    self.cache.clock.timeout(patience, result).await.ok()?.ok()
                }
            }
            None => Some(revalidation.run(self.run(body), budget).await),
        }
    }
}

/// Whether there is a runtime that a body could go on on without its caller.
fn can_detach() -> bool {
    Handle::try_current().is_ok()
}
