//! The flight of a key that was missed: to lead it, or to be given what its leader learns.

use std::{sync::Arc, time::Duration};

use cached_aside_protocol::entry::{self, Entry};
use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};

use super::{
    body::Body,
    decision::{AtHand, FollowerStep, of_follower_without_result, of_new_leader},
    site::Call,
};
use crate::{
    engine::budget::Budget,
    engine::flight::{FollowerMessage, SharedResult, Ticket, Turn},
    engine::nested,
    options::Source,
    outcome::{Loaded, has_none},
};

impl<V, E> Call<'_, V, E> {
    /// Joins the flight of this key: to lead it, or to be given what the leader learns.
    pub(super) async fn join<B: Body<V, E>>(
        &self,
        at_hand: AtHand<V>,
        budget: Budget,
        body: B,
    ) -> Loaded<V, E> {
        self.counters.misses.increment();
        tracing::debug!(key = self.key(), took = ?budget.spent(), "miss");
        if self.waits_for_itself() {
            return self.run_alone(body).await;
        }
        let patience = Instant::now() + self.function.settings.wait;
        let message = match self.cache.flights.join(self.kind(), self.key(), false) {
            Turn::Lead(ticket) => {
                return self.lead(ticket, at_hand.into(), budget, patience, body).await;
            }
            Turn::Follow(message) => message,
        };
        // With an entry at hand the wait may be over sooner.
        let soft = self.soft_end().filter(|_| matches!(at_hand, AtHand::Stale(_)));
        match self.follow(message, soft.unwrap_or(patience).min(patience)).await {
            FollowOutcome::Result(result) => return result,
            FollowOutcome::Alone => {}
            FollowOutcome::AfterAnother(bodies) => {
                // The permit bounds how many run at once, not how long anybody waits.
                let _permit = self.cache.clock.timeout_at(patience, bodies.acquire()).await;
                return self.run_alone(body).await;
            }
            FollowOutcome::Lead(ticket) => {
                let found = of_new_leader(&at_hand).into();
                return self.lead(ticket, found, budget, patience, body).await;
            }
        }
        match of_follower_without_result(at_hand, soft.is_some()) {
            FollowerStep::GiveStale(stale) => self.give_stale(stale),
            FollowerStep::LoadUnstored(stale) => {
                let result = self.run_alone(body).await;
                match stale {
                    Some(stale) => self.or_stale(Some(result), stale).0,
                    None => result,
                }
            }
        }
    }

    /// Whether this is part of the load of its own key, which is logged once.
    pub(super) fn waits_for_itself(&self) -> bool {
        let inside = nested::is_inside(self.cache, self.key());
        if inside {
            self.function.warn_once_recursive(self.key());
        }
        inside
    }

    /// When a caller that has a stale value at hand waits no longer.
    pub(super) fn soft_end(&self) -> Option<Instant> {
        self.function.settings.staleness.soft_limit.map(|limit| Instant::now() + limit)
    }

    /// Waits for what the leader learns, at most until `patience` is over; not at all if that leader waits for this.
    pub(super) async fn follow(
        &self,
        message: oneshot::Receiver<FollowerMessage>,
        patience: Instant,
    ) -> FollowOutcome<V, E> {
        let begun = Instant::now();
        let Some(_waiting) = nested::wait_for(self.cache, self.key()) else {
            self.function.warn_once_recursive(self.key());
            return FollowOutcome::Alone;
        };
        match self.cache.clock.timeout_at(patience, message).await {
            Ok(Ok(FollowerMessage::Lead(ticket))) => FollowOutcome::Lead(ticket),
            Ok(Ok(FollowerMessage::Failed(bodies))) => FollowOutcome::AfterAnother(bodies),
            Ok(Ok(FollowerMessage::Shared(shared))) => match self.received(&shared) {
                Some(result) => {
                    self.counters.shared.increment();
                    self.record_source(Source::Shared, self.age_of(&shared).await);
                    tracing::debug!(key = self.key(), took = ?begun.elapsed(), "shared");
                    FollowOutcome::Result(result)
                }
                None => FollowOutcome::Alone,
            },
            // The wait was too long, or the cache is being dropped.
            Ok(Err(_)) | Err(_) => FollowOutcome::Alone,
        }
    }

    /// A follower's own copy of what the leader learned.
    pub(super) fn received(&self, shared: &SharedResult) -> Option<Loaded<V, E>> {
        match shared {
            SharedResult::None => has_none(self.shape).then_some(Loaded::None),
            SharedResult::Error(error) => Some(Loaded::Error((self.errors.receive)(error)?)),
            SharedResult::Entry(bytes) => match entry::parse(bytes, self.type_info.fingerprint) {
                Entry::Value(value) => {
                    let value = value.payload.map(self.coding.decode).transpose().ok()?;
                    (value.is_some() || has_none(self.shape)).then(|| Loaded::of_entry(value))
                }
                Entry::Failure(failure) => self.error_of(&failure).ok(),
                _ => None,
            },
        }
    }

    /// How old what another call learned is, if anybody asks.
    pub(super) async fn age_of(&self, shared: &SharedResult) -> Option<Duration> {
        if !self.is_observed() {
            return None;
        }
        match shared {
            SharedResult::Entry(bytes) => match entry::stored_at(bytes) {
                // It was found in the store.
                Some(stored_at) => self.age_since(stored_at).await,
                None => Some(Duration::ZERO),
            },
            SharedResult::None | SharedResult::Error(_) => Some(Duration::ZERO),
        }
    }

    async fn age_since(&self, stored_at: Duration) -> Option<Duration> {
        let (_, now) = self.cache.read_timed(self.key(), self.cache.timeout).await.ok()?;
        Some(now.saturating_sub(stored_at))
    }
}

/// What following another's load came to.
pub(super) enum FollowOutcome<V, E> {
    Result(Loaded<V, E>),
    Alone,
    AfterAnother(Arc<Semaphore>),
    Lead(Ticket),
}
