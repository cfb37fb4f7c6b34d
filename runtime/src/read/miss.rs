//! The flight of a key that was missed: to lead it, or to be given what its leader learns.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Entry},
    steps::{Acquire, Acquired},
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};

use super::{
    call::Call,
    loader::Loader,
    look::given,
    lookup::{Election, Seen},
};
use crate::{
    engine::budget::Budget,
    engine::flight::{Landed, Step, Ticket, Turn, Word},
    engine::lease::{Held, Right},
    engine::nested,
    function::staleness::Due,
    options::Source,
    outcome::Outcome,
};

impl<V, E> Call<'_, V, E> {
    /// Joins the flight of this key: to lead it, or to be given what the leader learns.
    pub(super) async fn miss<R, const SHAPE: u8, L>(&self, mut seen: Seen<R>, budget: Budget, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        self.counters.misses.one();
        tracing::debug!(key = self.key, took = ?budget.spent(), "miss");
        if self.waits_for_itself() {
            return self.run_alone(body).await;
        }
        let patience = Instant::now() + self.function.settings.wait;
        let word = match self.cache.flights.join(self.kind(SHAPE), self.key, false) {
            Turn::Lead(ticket) => return self.lead(ticket, seen, budget, patience, body).await,
            Turn::Follow(word) => word,
        };
        // With an old value at hand the wait may be over sooner.
        let soft = self.soft_end().filter(|_| matches!(seen, Seen::Old(_)));
        match self.follow::<R, SHAPE>(word, soft.unwrap_or(patience).min(patience)).await {
            Followed::Given(result) => return result,
            Followed::Alone => {}
            Followed::AfterAnother(bodies) => {
                // The permit bounds how many run at once, not how long anybody waits.
                let _permit = self.cache.clock.timeout_at(patience, bodies.acquire()).await;
                return self.run_alone(body).await;
            }
            Followed::Lead(ticket) => {
                // What was seen is old by now; acquiring tells what is there.
                seen = match seen {
                    Seen::Lease => Seen::Free(Bytes::new()),
                    Seen::Old(_) => Seen::Timeless,
                    seen => seen,
                };
                return self.lead(ticket, seen, budget, patience, body).await;
            }
        }
        match seen {
            Seen::Old(old) if soft.is_some() => self.give(old),
            Seen::Old(old) => {
                let result = self.run_alone(body).await;
                self.or_stale(Some(result), old).0
            }
            _ => self.run_alone(body).await,
        }
    }

    /// Whether this is part of the load of its own key, which is told once.
    pub(super) fn waits_for_itself(&self) -> bool {
        let inside = nested::is_inside(self.cache, self.key);
        if inside {
            self.function.say_recursive(self.key);
        }
        inside
    }

    /// When a caller that has an old value at hand waits no longer.
    fn soft_end(&self) -> Option<Instant> {
        self.function.settings.staleness.soft_limit.map(|limit| Instant::now() + limit)
    }

    /// Waits for what the leader learns, at most until `patience` is over; not at all if that leader waits for this.
    pub(super) async fn follow<R, const SHAPE: u8>(
        &self,
        word: oneshot::Receiver<Word>,
        patience: Instant,
    ) -> Followed<R>
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        let begun = Instant::now();
        let Some(_waiting) = nested::wait_for(self.cache, self.key) else {
            self.function.say_recursive(self.key);
            return Followed::Alone;
        };
        match self.cache.clock.timeout_at(patience, word).await {
            Ok(Ok(Word::Lead(ticket))) => Followed::Lead(ticket),
            Ok(Ok(Word::Failed(bodies))) => Followed::AfterAnother(bodies),
            Ok(Ok(Word::Shared(landed))) => match self.received::<R, SHAPE>(&landed) {
                Some(result) => {
                    self.counters.shared.one();
                    self.note(Source::Shared, self.age_of(&landed).await);
                    tracing::debug!(key = self.key, took = ?begun.elapsed(), "shared");
                    Followed::Given(result)
                }
                None => Followed::Alone,
            },
            // The wait was too long, or the cache is being dropped.
            Ok(Err(_)) | Err(_) => Followed::Alone,
        }
    }

    /// A follower's own copy of what the leader learned.
    fn received<R, const SHAPE: u8>(&self, landed: &Landed) -> Option<R>
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        match landed {
            Landed::None => R::from_none(),
            Landed::Error(error) => R::from_error((self.sharing.receive)(error)?),
            Landed::Entry(bytes) => match entry::parse(bytes, self.known.fingerprint) {
                Entry::Value(value) => {
                    given::<R, SHAPE>(value.payload.map(self.coding.decode).transpose().ok()?)
                }
                Entry::Failure(failure) => R::from_error(self.error_of(&failure).ok()?),
                _ => None,
            },
        }
    }

    /// How old what another call learned is, if anybody asks.
    async fn age_of(&self, landed: &Landed) -> Option<Duration> {
        self.observed.as_ref()?;
        match landed {
            Landed::Entry(bytes) => match entry::stored_at(bytes) {
                // It was found in the store.
                Some(stored_at) => self.age_since(stored_at).await,
                None => Some(Duration::ZERO),
            },
            Landed::None | Landed::Error(_) => Some(Duration::ZERO),
        }
    }

    async fn age_since(&self, stored_at: Duration) -> Option<Duration> {
        let (_, now) = self.cache.read_timed(self.key, self.cache.timeout).await.ok()?;
        Some(now.saturating_sub(stored_at))
    }

    /// Leads the flight until something is known: an entry that another process stored, or the body's result.
    async fn lead<R, const SHAPE: u8, L>(
        &self,
        ticket: Ticket,
        mut seen: Seen<R>,
        mut budget: Budget,
        patience: Instant,
        body: L,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        // What the last look saw was observed from this step on.
        let mut looked = Step::NONE;
        let soft = self.soft_end();
        loop {
            seen = match seen {
                Seen::Entry(result, bytes, age) => {
                    self.counters.waited.one();
                    let landed = Landed::Entry(bytes);
                    ticket.land(&landed, looked);
                    self.note(Source::Shared, if age.is_some() { age } else { self.age_of(&landed).await });
                    return result;
                }
                Seen::Old(old) if old.is_given() => return self.land_stale(ticket, (old, looked)),
                Seen::Old(old) if old.due != Due::Reload => {
                    // Nobody waits for this refresh: the flight ends before it begins.
                    ticket.land(&Landed::Entry(old.bytes.clone()), looked);
                    return self.revalidate(old, budget, body).await;
                }
                Seen::Old(old) if old.refresh_runs() => {
                    let now = Instant::now();
                    if soft.is_some_and(|soft| now >= soft) {
                        return self.land_stale(ticket, (old, looked));
                    }
                    if now >= patience {
                        return self.load_unstored(ticket, Some((old, looked)), body).await;
                    }
                    let (next, step) =
                        self.wait_for_change(&ticket, soft.unwrap_or(patience).min(patience)).await;
                    looked = step;
                    next
                }
                Seen::Old(old) => match self.elect(old.without_value(), &mut budget).await {
                    Election::Won(held) => {
                        return self.reload(ticket, (old, looked), held, budget, body).await;
                    }
                    Election::Lost => Seen::Timeless,
                    Election::Unknown => {
                        return self.load_unstored(ticket, Some((old, looked)), body).await;
                    }
                },
                Seen::Timeless => {
                    looked = ticket.step();
                    self.look_timed(&mut budget).await
                }
                Seen::Closed => return self.load_unstored(ticket, None, body).await,
                Seen::Lease if Instant::now() >= patience => {
                    return self.load_unstored(ticket, None, body).await;
                }
                Seen::Lease => {
                    let (next, step) = self.wait_for_change(&ticket, patience).await;
                    looked = step;
                    next
                }
                Seen::Free(head) => {
                    let token = Token::fresh();
                    looked = ticket.step();
                    let hold = self.function.settings.lease;
                    // It exists before it is acquired: dropped while that is being asked, it gives up what may have been acquired.
                    let lease = Held::new(self.cache, self.key, token, Right::Lease);
                    let acquire = || Acquire { expected: head.clone(), token, lease: hold };
                    match budget.spend(|within| self.cache.acquire(self.key, acquire(), within)).await {
                        Ok(Acquired::Yes) => {
                            return self.load_and_fill(ticket, lease, budget, body).await;
                        }
                        Ok(Acquired::No(there)) => {
                            lease.forget();
                            self.make_out(Ok(Some(there)), None)
                        }
                        Ok(Acquired::Changed) => {
                            lease.forget();
                            looked = ticket.step();
                            self.look(&mut budget).await
                        }
                        Err(error) => {
                            lease.unanswered(&error);
                            self.trouble("acquire", &error);
                            Seen::Closed
                        }
                    }
                }
            };
        }
    }
}

/// What following another's load came to.
pub(super) enum Followed<R> {
    Given(R),
    Alone,
    AfterAnother(Arc<Semaphore>),
    Lead(Ticket),
}
