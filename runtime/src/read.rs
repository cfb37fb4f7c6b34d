//! The read path, in the order in which it happens: look, join the flight, acquire, load, fill.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};
use tracing::Instrument;

use crate::{
    AnyKey, Cache, Error,
    backoff::Backoff,
    cache::{Inner, bypassed},
    codec::Coding,
    entry::{self, Entry, Header, Token, Unusable},
    fingerprint::{self, Known},
    flight::{Landed, Step, Ticket, Turn, Word},
    health::Budget,
    lease::{HeldLease, while_renewing},
    outcome::{Gave, Outcome, Sharing},
    settings::ReadFunction,
    store::{Acquired, Answer, StoreError, Watched},
    storing::{Storable, Storing},
    telemetry::Counters,
};

/// One call of a cached function: the value from the cache, or the body's.
///
/// The body is polled only if it is needed.
pub(crate) async fn load<R, const SHAPE: u8, B>(
    function: &'static ReadFunction,
    cache: Option<&Cache>,
    key: AnyKey,
    coding: Coding<R::Value>,
    sharing: Sharing<R::Error>,
    body: B,
) -> R
where
    R: Outcome<SHAPE>,
    B: Future<Output = R>,
{
    let cache = match cache {
        Some(cache) => cache.clone(),
        None => match Cache::of_call(function.settings.name) {
            Some(cache) => cache,
            None => return body.await,
        },
    };
    let counters = cache.inner.table.of(function);
    if bypassed() {
        counters.bypassed.one();
        return body.await;
    }
    let known = match function.fingerprint.get(&coding.kind, SHAPE) {
        Ok(known) => known,
        Err(error) => {
            function.say_uncacheable(&error);
            counters.bypassed.one();
            return body.await;
        }
    };
    let call = Call {
        cache: &cache.inner,
        function,
        counters,
        key: key.as_str(),
        known,
        coding: &coding,
        sharing: &sharing,
    };
    call.run::<R, SHAPE, B>(body).await
}

/// Reads what is stored under a key, without loading.
pub(crate) async fn peek<V>(cache: &Cache, key: &str, coding: &Coding<V>) -> Result<Option<V>, Error> {
    let Ok(Known { fingerprint, .. }) = fingerprint::of(&coding.kind) else { return Ok(None) };
    if cache.inner.recovery.has(key) {
        return Ok(None);
    }
    let stored = cache.inner.store.read(key, cache.inner.timeout).await;
    let Some(bytes) = stored.map_err(|error| error.into_error("read", key))? else { return Ok(None) };
    match entry::parse(&bytes, fingerprint) {
        Entry::Value(value) => Ok(value.payload.and_then(|payload| (coding.decode)(payload).ok())),
        Entry::Foreign => Err(Error::Foreign { key: key.to_owned() }),
        Entry::Lease | Entry::Guard | Entry::Unusable(_) => Ok(None),
    }
}

/// What a look at the store found.
enum Seen<V> {
    /// An entry: its decoded value, or `None` where the function gave `None`; and its bytes, for followers.
    Entry(Option<V>, Vec<u8>),
    /// Nothing (an empty head), or an entry that can't be read, with its head.
    Free(Vec<u8>),
    /// Somebody else is loading.
    Lease,
    /// A write is in progress, the data is somebody else's, or the store does not answer: run the body without storing.
    Closed,
}

/// One call, with everything that does not depend on its return type.
struct Call<'a, V, E> {
    cache: &'a Arc<Inner>,
    function: &'static ReadFunction,
    counters: &'a Counters,
    key: &'a str,
    known: Known,
    coding: &'a Coding<V>,
    sharing: &'a Sharing<E>,
}

/// Pauses between looks while another process loads, where the server does not announce changes.
const ASK: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
/// So long after a lease should have ended it is looked for again: a server's milliseconds are rounded.
const AFTER_THE_END: Duration = Duration::from_millis(2);

impl<V, E> Call<'_, V, E> {
    async fn run<R, const SHAPE: u8, B>(&self, body: B) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        B: Future<Output = R>,
    {
        let mut budget = Budget::new(self.cache.timeout);
        let mut seen = self.look(&mut budget).await;
        if let Seen::Entry(value, bytes) = seen {
            if let Some(hit) = given::<R, SHAPE>(value) {
                self.counters.hits.one();
                tracing::trace!(key = self.key, took = ?budget.spent(), "hit");
                return hit;
            }
            seen = Seen::Free(entry::head(&bytes).to_vec());
        }
        let span =
            tracing::debug_span!("cached_aside", function = self.function.settings.name, key = self.key);
        // On the heap, so that a hit does not carry the room that a miss needs.
        Box::pin(self.miss(seen, budget, body)).instrument(span).await
    }

    /// The first look: one `GET`, and nothing else on a hit.
    async fn look(&self, budget: &mut Budget) -> Seen<V> {
        if self.cache.recovery.has(self.key) {
            return Seen::Closed;
        }
        let stored = budget.spend(|within| self.cache.store.read(self.key, within)).await;
        self.make_out(stored)
    }

    /// What an answer of the store means.
    fn make_out(&self, stored: Answer<Option<Vec<u8>>>) -> Seen<V> {
        let bytes = match stored {
            Ok(None) => return Seen::Free(Vec::new()),
            Ok(Some(bytes)) => bytes,
            Err(error) => return self.trouble("read", &error),
        };
        let why = match entry::parse(&bytes, self.known.fingerprint) {
            Entry::Value(value) => match value.payload.map(self.coding.decode).transpose() {
                Ok(decoded) => return Seen::Entry(decoded, bytes),
                Err(error) => {
                    self.function.say_undecodable(self.key, &error);
                    Unusable::Undecodable
                }
            },
            Entry::Lease => return Seen::Lease,
            Entry::Guard => return Seen::Closed,
            Entry::Foreign => return self.trouble("read", &StoreError::Foreign),
            Entry::Unusable(why) => why,
        };
        self.counters.unusable.one();
        tracing::debug!(key = self.key, ?why, "the entry can't be used and is replaced");
        Seen::Free(entry::head(&bytes).to_vec())
    }

    /// A step that the store did not take: counted and told, and the body runs.
    fn trouble(&self, doing: &'static str, error: &StoreError) -> Seen<V> {
        if *error == StoreError::Foreign {
            self.counters.foreign.one();
            self.cache.say_foreign(self.function.settings.name, self.key);
        } else {
            self.counters.errors.one();
            tracing::debug!(key = self.key, doing, ?error, "the cache failed, the function runs uncached");
        }
        Seen::Closed
    }

    /// Joins the flight of this key: to lead it, or to be given what the leader learns.
    async fn miss<R, const SHAPE: u8, B>(&self, mut seen: Seen<V>, budget: Budget, body: B) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        B: Future<Output = R>,
    {
        self.counters.misses.one();
        tracing::debug!(key = self.key, took = ?budget.spent(), "miss");
        let body = pin!(body);
        let patience = Instant::now() + self.function.settings.wait;
        let ticket = match self.cache.flights.join(self.key) {
            Turn::Lead(ticket) => ticket,
            Turn::Follow(word) => match self.follow::<R, SHAPE>(word, patience).await {
                Followed::Given(result) => return result,
                Followed::Alone => return self.run_alone(body).await,
                Followed::AfterAnother(bodies) => {
                    // The permit bounds how many run at once, not how long anybody waits.
                    let _permit = timeout_at(patience, bodies.acquire()).await;
                    return self.run_alone(body).await;
                }
                Followed::Lead(ticket) => {
                    // What was seen is old by now; acquiring tells what is there.
                    if matches!(seen, Seen::Lease) {
                        seen = Seen::Free(Vec::new());
                    }
                    ticket
                }
            },
        };
        self.lead(ticket, seen, budget, patience, body).await
    }

    async fn follow<R, const SHAPE: u8>(
        &self,
        word: oneshot::Receiver<Word>,
        patience: Instant,
    ) -> Followed<R>
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        let begun = Instant::now();
        match timeout_at(patience, word).await {
            Ok(Ok(Word::Lead(ticket))) => Followed::Lead(ticket),
            Ok(Ok(Word::Failed(bodies))) => Followed::AfterAnother(bodies),
            Ok(Ok(Word::Shared(landed))) => match self.received::<R, SHAPE>(&landed) {
                Some(result) => {
                    self.counters.shared.one();
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
                _ => None,
            },
        }
    }

    /// Leads the flight until something is known: an entry that another process stored, or the body's result.
    async fn lead<R, const SHAPE: u8, B>(
        &self,
        ticket: Ticket,
        mut seen: Seen<V>,
        mut budget: Budget,
        patience: Instant,
        body: Pin<&mut B>,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        B: Future<Output = R>,
    {
        // What the last look saw was observed from this step on.
        let mut looked = Step::NONE;
        loop {
            // A write whose invalidation could not be delivered may have returned since the last look.
            if self.cache.recovery.has(self.key) {
                seen = Seen::Closed;
            }
            seen = match seen {
                Seen::Entry(value, bytes) => {
                    if let Some(result) = given::<R, SHAPE>(value) {
                        self.counters.waited.one();
                        ticket.land(&Landed::Entry(Arc::new(bytes)), looked);
                        return result;
                    }
                    Seen::Free(entry::head(&bytes).to_vec())
                }
                Seen::Closed => return self.load_unstored(ticket, body).await,
                Seen::Lease if Instant::now() >= patience => return self.load_unstored(ticket, body).await,
                Seen::Lease => {
                    let (next, step) = self.wait_for_change(&ticket, patience).await;
                    looked = step;
                    next
                }
                Seen::Free(head) => {
                    let token = Token::fresh();
                    looked = ticket.step();
                    let lease = self.function.settings.lease;
                    let store = &self.cache.store;
                    match budget.spend(|within| store.acquire(self.key, &head, token, lease, within)).await {
                        Ok(Acquired::Yes) => {
                            let lease = HeldLease::new(self.cache, self.key, token);
                            return self.load_and_fill(ticket, lease, budget, body).await;
                        }
                        Ok(Acquired::No(there)) => self.make_out(Ok(Some(there))),
                        Ok(Acquired::Changed) => {
                            looked = ticket.step();
                            self.look(&mut budget).await
                        }
                        Err(error) => {
                            // It may have been acquired all the same, and would keep others waiting.
                            drop(HeldLease::new(self.cache, self.key, token));
                            self.trouble("acquire", &error)
                        }
                    }
                }
            };
        }
    }

    /// Waits until the lease of another is gone, at most until `patience` is; then looks again.
    async fn wait_for_change(&self, ticket: &Ticket, patience: Instant) -> (Seen<V>, Step) {
        let mut pauses = ASK.pauses();
        loop {
            let step = ticket.step();
            let patient = patience.saturating_duration_since(Instant::now());
            let watched = self.cache.store.watch(self.key, patient.min(self.cache.timeout)).await;
            let Watched { mut watch, there, left } = match watched {
                Ok(watched) => watched,
                Err(error) => return (self.trouble("watch", &error), step),
            };
            let seen = self.make_out(Ok(there));
            if !matches!(seen, Seen::Lease) || patience <= Instant::now() {
                return (seen, step);
            }
            // The holder renews its lease, which is a change too; if it died, the lease ends when it says.
            let ends = left + AFTER_THE_END;
            let pause = if watch.told() { ends } else { ends.min(pauses.next_pause()) };
            first_of(watch.changed(), sleep(pause.min(patient))).await;
        }
    }

    /// Runs the body under a lease, and stores what it gave in the lease's place.
    async fn load_and_fill<R, const SHAPE: u8, B>(
        &self,
        ticket: Ticket,
        lease: HeldLease,
        budget: Budget,
        body: Pin<&mut B>,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        B: Future<Output = R>,
    {
        let began = ticket.step();
        self.counters.loads.one();
        let started = Instant::now();
        let result = while_renewing(body, lease.keep(self.function.settings.lease)).await;
        let load_time = started.elapsed();
        tracing::debug!(key = self.key, took = ?load_time, "loaded");
        let gave = result.gave();
        let listed = self.cache.recovery.has(self.key);
        let entry = self.storing().entry(&gave, lease.token, load_time);
        let Some(Storable { value, ttl }) = entry.filter(|_| !listed) else {
            drop(lease);
            self.land_unstored(ticket, began, &gave);
            return result;
        };
        let value = Arc::new(value);
        let filling = ticket.step();
        let accepted = self.fill(lease, value.clone(), ttl, budget).await;
        ticket.land(&Landed::Entry(value), if accepted { filling } else { began });
        result
    }

    fn storing(&self) -> Storing<'_, V> {
        let Call { function, counters, key, known, coding, .. } = *self;
        Storing { function, counters, key, known, coding }
    }

    /// Stores the value if the lease is still ours. Goes on in the background when the caller's time is up or the caller is
    /// gone: the lease's token makes a late fill harmless, and giving up would leave the lease in everybody's way.
    async fn fill(&self, lease: HeldLease, value: Arc<Vec<u8>>, ttl: Duration, mut budget: Budget) -> bool {
        let begun = Instant::now();
        let filled = self.cache.spawn(&Handle::current(), lease.fill(value, ttl));
        let answer = budget
            .spend(|within| async move {
                let answer = tokio::time::timeout(within, filled).await;
                answer.map_err(|_| StoreError::Timeout(within))?.unwrap_or(Err(StoreError::Timeout(within)))
            })
            .await;
        match answer {
            Ok(true) => {
                self.counters.stored.one();
                tracing::debug!(key = self.key, took = ?begun.elapsed(), ?ttl, "stored");
                true
            }
            Ok(false) => {
                self.counters.fills_refused.one();
                let took = begun.elapsed();
                tracing::debug!(
                    key = self.key,
                    ?took,
                    "fill refused: invalidated meanwhile, or the lease was lost"
                );
                false
            }
            Err(error) => {
                self.trouble("fill", &error);
                false
            }
        }
    }

    /// Runs the body as the only one of this process, without storing.
    async fn load_unstored<R, const SHAPE: u8, B>(&self, ticket: Ticket, body: Pin<&mut B>) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        B: Future<Output = R>,
    {
        let began = ticket.step();
        let result = self.run_alone(body).await;
        self.land_unstored(ticket, began, &result.gave());
        result
    }

    /// Runs the body without storing or sharing.
    async fn run_alone<R>(&self, body: Pin<&mut impl Future<Output = R>>) -> R {
        self.counters.loads.one();
        self.counters.unstored.one();
        let started = Instant::now();
        let result = body.await;
        tracing::debug!(key = self.key, took = ?started.elapsed(), "loaded, not stored");
        result
    }

    /// Gives what is not stored to those who came before the body began.
    fn land_unstored(&self, ticket: Ticket, began: Step, gave: &Gave<'_, V, E>) {
        if !ticket.followed(began) {
            return;
        }
        let landed = match gave {
            Gave::Value(value) => {
                let header = Header {
                    fingerprint: self.known.fingerprint,
                    fresh_for: Duration::ZERO,
                    load_time: Duration::ZERO,
                };
                self.storing()
                    .encode(value, Token::fresh(), header)
                    .map(|bytes| Landed::Entry(Arc::new(bytes)))
            }
            Gave::None => Some(Landed::None),
            Gave::Error(error) => self.sharing.share.map(|share| Landed::Error(share(error))),
        };
        match landed {
            Some(landed) => ticket.land(&landed, began),
            None => ticket.fail(began),
        }
    }
}

/// What following another's load came to.
enum Followed<R> {
    Given(R),
    Alone,
    AfterAnother(Arc<tokio::sync::Semaphore>),
    Lead(Ticket),
}

/// The return value of a stored entry; `None` for a stored `None` where the function has none.
fn given<R, const SHAPE: u8>(value: Option<R::Value>) -> Option<R>
where
    R: Outcome<SHAPE>,
{
    match value {
        Some(value) => Some(R::from_value(value)),
        None => R::from_none(),
    }
}

/// Waits for either.
async fn first_of(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        if first.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { second.as_mut().poll(context) }
    })
    .await;
}

#[cfg(test)]
mod tests;
