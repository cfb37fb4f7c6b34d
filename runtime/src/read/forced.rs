//! Calls that load whatever is stored: `refresh(…)`.

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Entry},
    steps::{Acquire, Acquired, Elect},
};
use tokio::time::Instant;

use super::{body::Body, follow::FollowOutcome, site::Call};
use crate::{
    AnyKey,
    engine::budget::Budget,
    engine::flight::{Ticket, Turn},
    engine::lease::{Right, StoreRight},
    outcome::Loaded,
    store::{Answer, StoreError},
    write,
};

/// Maximum number of attempts to get the right to store, when the entry changes between the read and the step that compares it.
pub(super) const ATTEMPTS: usize = 10;

/// What a step answers, with the versions of the tags that the entry will carry; without them nobody may store.
pub(super) type Asked<A> = (A, Option<Box<[Token]>>);

/// What became of asking for the place of what is there.
pub(super) enum Replaced {
    Yes,
    /// Nobody may store there now.
    Never,
    /// Something else is there by now.
    Changed,
}

/// Whether a lease was taken, and the versions with which its holder may store.
pub(super) fn taken((acquired, versions): Asked<Acquired>) -> Asked<bool> {
    let versions = versions.filter(|_| acquired != Acquired::Copied);
    (matches!(acquired, Acquired::Yes | Acquired::Copied), versions)
}

impl<V, E> Call<'_, V, E> {
    /// Loads whatever is stored, one at a time in this process; or takes the result of another forced load that began after this call.
    pub(super) async fn force_refresh<B: Body<V, E>>(&self, mut budget: Budget, body: B) -> Loaded<V, E> {
        if self.waits_for_itself() {
            // The load around this one ends what stands there.
            return self.run_alone(body).await;
        }
        let patience = Instant::now() + self.function.settings.wait;
        let mut ticket = match self.cache.flights.join(self.kind(), self.key(), true) {
            Turn::Lead(ticket) => ticket,
            Turn::Follow(message) => match self.follow(message, patience).await {
                FollowOutcome::Result(result) => return result,
                FollowOutcome::Lead(ticket) => ticket,
                FollowOutcome::Alone => return self.run_forced(body, &mut budget).await,
                FollowOutcome::AfterAnother(bodies) => {
                    let _permit = self.cache.clock.timeout_at(patience, bodies.acquire()).await;
                    return self.run_forced(body, &mut budget).await;
                }
            },
        };
        if let Some(held) = self.take_over(&ticket, &mut budget).await {
            return self.load_and_fill(ticket, held, budget, body).await;
        }
        let began = ticket.begin_load();
        let result = self.run_forced(body, &mut budget).await;
        self.complete_unstored(ticket, began, result.as_ref());
        result
    }

    /// Runs the body without storing, and ends what stands there instead; a failure leaves it there.
    async fn run_forced<B: Body<V, E>>(&self, body: B, budget: &mut Budget) -> Loaded<V, E> {
        let result = self.run_alone(body).await;
        if !matches!(result, Loaded::Error(_)) {
            self.end_replaced(budget).await;
        }
        result
    }

    /// Takes the right to store from whoever has it; `None` where nobody may store.
    pub(super) async fn take_over(&self, ticket: &Ticket, budget: &mut Budget) -> Option<StoreRight> {
        for _ in 0..ATTEMPTS {
            ticket.next_epoch();
            let there = budget.spend(|within| self.cache.read(self.key(), within)).await;
            let (right, there) = self.right_to_replace(there)?;
            // It exists before it is won: dropped while that is being asked, it gives up what may have been won.
            let lease = self.function.settings.lease;
            let mut held = StoreRight::new(self.cache, ticket.key().clone(), Token::fresh(), right, lease);
            let answer = self.replace(held.token, right, entry::header_of(&there), budget).await;
            match self.replaced(&mut held, &there, answer) {
                Replaced::Yes => return Some(held),
                Replaced::Never => return None,
                Replaced::Changed => {}
            }
        }
        None
    }

    /// The right with which a load takes the place of what is there, and that; `None` where nobody may store.
    pub(super) fn right_to_replace(&self, there: Answer<Option<Bytes>>) -> Option<(Right, Bytes)> {
        let refused = |error: StoreError| {
            self.record_store_error("read", &error);
            None
        };
        let there = match there {
            Ok(there) => there.unwrap_or_default(),
            Err(error) => return refused(error),
        };
        let right = match entry::parse(&there, self.type_info.fingerprint) {
            _ if there.is_empty() => Right::Lease,
            Entry::Guard => return None,
            Entry::Foreign => return refused(StoreError::Foreign),
            // It stays until there is something better.
            Entry::Value(value) => Right::Revalidate { failures: value.refresh.failures },
            Entry::Lease | Entry::Failure(_) | Entry::Unusable(_) => Right::Lease,
        };
        Some((right, there))
    }

    /// What the answer says to a load that asked for the place of what is there.
    pub(super) fn replaced(
        &self,
        held: &mut StoreRight,
        there: &Bytes,
        answer: Answer<Asked<bool>>,
    ) -> Replaced {
        match answer {
            // A write of a tag is in progress, or there are local copies of what can't be read here.
            Ok((true, None)) => Replaced::Never,
            Ok((true, Some(versions))) => {
                held.versions = versions;
                if held.is_refresh() {
                    held.may_be_copied = entry::can_have_copies(there);
                    self.counters.refreshes.increment();
                }
                tracing::debug!(key = self.key(), refresh = held.is_refresh(), "forced refresh");
                Replaced::Yes
            }
            Ok((false, _)) => {
                held.disarm();
                Replaced::Changed
            }
            Err(error) => {
                held.unanswered(&error);
                self.record_store_error("acquire", &error);
                Replaced::Never
            }
        }
    }

    async fn replace(
        &self,
        token: Token,
        right: Right,
        expected: Bytes,
        budget: &mut Budget,
    ) -> Answer<Asked<bool>> {
        let lease = self.function.settings.lease;
        match right {
            Right::Lease => {
                let acquire = Acquire { expected, token, lease };
                let asked =
                    |within| self.with_versions(within, self.cache.acquire(self.key(), acquire, within));
                budget.spend(asked).await.map(taken)
            }
            Right::Revalidate { .. } => {
                let elect = Elect { expected, token, hold: lease, force: true };
                let asked = |within| self.with_versions(within, self.cache.elect(self.key(), elect, within));
                budget.spend(asked).await
            }
        }
    }

    /// After a forced load that was not stored: ends what stands there instead. It may be older, be it from before or what
    /// another is loading under a right that it took from this call. What can't be delivered is on the recovery list.
    pub(super) async fn end_replaced(&self, budget: &mut Budget) {
        if self.is_forced() && !self.cache.is_listed(self.key()) {
            let key = [AnyKey::finished(self.key())];
            // On the heap: every miss carries the room, and hardly any needs it.
            Box::pin(write::end(self.cache, self.function.settings.function(), &key, budget.left())).await;
        }
    }
}
