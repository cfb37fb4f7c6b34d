//! Calls that are asked for something else than their attribute says: the cache alone, or a new load.

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Entry},
    steps::{Acquire, Acquired, Elect},
};
use tokio::time::Instant;

use super::{
    call::{Call, absent},
    loader::Loader,
    lookup::Seen,
    miss::Followed,
    refresh::is_error,
};
use crate::{
    AnyKey, Error,
    engine::budget::Budget,
    engine::flight::{Ticket, Turn},
    engine::lease::{Held, Right},
    function::staleness::Due,
    options::{ReadMode, Source},
    outcome::Outcome,
    store::Answer,
    write,
};

/// So often what is to be replaced may change under the hand that replaces it.
const ATTEMPTS: usize = 10;

impl<V, E> Call<'_, V, E> {
    /// What the cache holds, and nothing else.
    pub(super) async fn only_cached<R, const SHAPE: u8>(&self, gives: Option<fn(Error) -> R>) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        if R::from_none().is_none() && gives.is_none() {
            // Before anything is looked at: it must not depend on what is there.
            return absent::<R, SHAPE>(self.function, None, Error::NoCache);
        }
        let mut budget = Budget::new(self.cache.timeout);
        let seen = self.look::<R, SHAPE>(&mut budget).await;
        match seen {
            Seen::Entry(hit, _, age) => {
                self.counters.hits.one();
                self.note(Source::Hit, age);
                hit
            }
            Seen::Old(old) if old.due != Due::Reload => self.give(old),
            _ => {
                self.counters.misses.one();
                self.note(Source::Absent, None);
                absent::<R, SHAPE>(self.function, gives, Error::NotCached { key: self.key.to_owned() })
            }
        }
    }

    /// Loads whatever is there, as the only one of this process; or is given what was loaded by another since this one came.
    pub(super) async fn load_anew<R, const SHAPE: u8, L>(&self, mut budget: Budget, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        if self.waits_for_itself() {
            // The load around this one ends what stands there.
            return self.run_alone(body).await;
        }
        let patience = Instant::now() + self.function.settings.wait;
        let mut ticket = match self.cache.flights.join(self.kind(SHAPE), self.key, true) {
            Turn::Lead(ticket) => ticket,
            Turn::Follow(word) => match self.follow::<R, SHAPE>(word, patience).await {
                Followed::Given(result) => return result,
                Followed::Lead(ticket) => ticket,
                Followed::Alone => return self.run_anew(body, &mut budget).await,
                Followed::AfterAnother(bodies) => {
                    let _permit = self.cache.clock.timeout_at(patience, bodies.acquire()).await;
                    return self.run_anew(body, &mut budget).await;
                }
            },
        };
        if let Some(held) = self.take_over(&ticket, &mut budget).await {
            return self.load_and_fill(ticket, held, budget, body).await;
        }
        let began = ticket.load();
        let result = self.run_anew(body, &mut budget).await;
        self.land_unstored(ticket, began, &result.gave());
        result
    }

    /// Runs the body without storing, and ends what stands there instead; a failure leaves it there.
    async fn run_anew<R, const SHAPE: u8>(&self, body: impl Loader<Output = R>, budget: &mut Budget) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        let result = self.run_alone(body).await;
        if !is_error::<R, SHAPE>(&result) {
            self.end_replaced(budget).await;
        }
        result
    }

    /// Becomes the one who may store, instead of whoever it is; `None` where nobody may.
    async fn take_over(&self, ticket: &Ticket, budget: &mut Budget) -> Option<Held> {
        for _ in 0..ATTEMPTS {
            ticket.step();
            let there = match budget.spend(|within| self.cache.read(self.key, within)).await {
                Ok(there) => there.unwrap_or_default(),
                Err(error) => {
                    self.trouble("read", &error);
                    return None;
                }
            };
            let right = match entry::parse(&there, self.known.fingerprint) {
                _ if there.is_empty() => Right::Lease,
                Entry::Guard => return None,
                Entry::Foreign => {
                    self.trouble("read", &crate::store::StoreError::Foreign);
                    return None;
                }
                // It stays until there is something better.
                Entry::Value(value) => Right::Refresh { failures: value.refresh.failures },
                Entry::Lease | Entry::Failure(_) | Entry::Unusable(_) => Right::Lease,
            };
            // It exists before it is won: dropped while that is being asked, it gives up what may have been won.
            let held = Held::new(self.cache, self.key, Token::fresh(), right);
            match self.replace(held.token, right, entry::header_of(&there), budget).await {
                Ok(true) => {
                    tracing::debug!(key = self.key, ?right, "loading anew");
                    return Some(held);
                }
                Ok(false) => held.forget(),
                Err(error) => {
                    held.unanswered(&error);
                    self.trouble("acquire", &error);
                    return None;
                }
            }
        }
        None
    }

    async fn replace(&self, token: Token, right: Right, seen: Bytes, budget: &mut Budget) -> Answer<bool> {
        let lease = self.function.settings.lease;
        match right {
            Right::Lease => {
                let acquire = || Acquire { expected: seen.clone(), token, lease };
                let acquired = budget.spend(|within| self.cache.acquire(self.key, acquire(), within)).await;
                acquired.map(|acquired| acquired == Acquired::Yes)
            }
            Right::Refresh { .. } => {
                self.counters.refreshes.one();
                let elect = || Elect { expected: seen.clone(), token, hold: lease, force: true };
                budget.spend(|within| self.cache.elect(self.key, elect(), within)).await
            }
        }
    }

    /// After a load anew that was not stored: ends what stands there instead. It may be older, be it from before or what
    /// another is loading under a right that it took from this call. What can't be delivered is on the recovery list.
    pub(super) async fn end_replaced(&self, budget: &mut Budget) {
        if self.mode == ReadMode::Refresh && !self.cache.is_listed(self.key) {
            let key = AnyKey::finished(self.key);
            // On the heap: every miss carries the room, and hardly any needs it.
            Box::pin(write::end(self.cache, self.function.settings.name, &key, budget.left())).await;
        }
    }
}
