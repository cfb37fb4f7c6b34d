//! The read path, in the order in which it happens: look, join the flight, acquire, load, fill.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
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
    cache::Inner,
    codec::{Coding, CodingKind},
    entry::{self, Entry, Failure, Header, Token, Unusable},
    fingerprint::{self, Known},
    flight::{Landed, Step, Ticket, Turn, Word},
    health::Budget,
    lease::{Held, Right, while_renewing},
    outcome::{Gave, Outcome, Returns, Sharing},
    overrides::{Asked, How, Source},
    settings::ReadFunction,
    staleness::{Due, Staleness},
    store::{Acquired, Answer, StoreError, Watched},
    storing::{Storable, Storing},
    telemetry::Counters,
};

mod asked;
mod loader;
mod refresh;

pub(crate) use self::loader::{Begun, Here, Limit, Loader, Owned};
use self::refresh::{Election, Old};

/// One call of a cached function: the value from the cache, or the body's.
///
/// The body is polled only if it is needed.
pub(crate) async fn load<R, const SHAPE: u8, B>(
    function: &'static ReadFunction,
    cache: Option<&Cache>,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: Returns<R, SHAPE>,
    body: B,
) -> R
where
    R: Outcome<SHAPE>,
    B: Future<Output = R>,
{
    let body = pin!(body);
    let asked = Asked::here();
    let way = match way::<R, SHAPE>(function, cache, &coding.kind, &asked, &returns, key.as_str()) {
        Ok(way) => way,
        Err(Some(absent)) => return absent,
        Err(None) => return uncached(function, key.as_str(), &asked, body).await,
    };
    let body = Here { body, limit: Limit::of(&way.0, function, returns.given_up) };
    Call::new(function, &way, &key, &coding, &returns.sharing, asked).run(body, returns.absent).await
}

/// The same with a body that can go on without its caller. It is made only if it is needed.
pub(crate) async fn load_owned<R, const SHAPE: u8, M, B>(
    function: &'static ReadFunction,
    cache: Option<&Cache>,
    key: AnyKey,
    coding: Coding<R::Value>,
    returns: Returns<R, SHAPE>,
    make: M,
) -> R
where
    R: Outcome<SHAPE> + Send + 'static,
    M: FnOnce() -> B + Send,
    B: Future<Output = R> + Send + 'static,
{
    let asked = Asked::here();
    let way = match way::<R, SHAPE>(function, cache, &coding.kind, &asked, &returns, key.as_str()) {
        Ok(way) => way,
        Err(Some(absent)) => return absent,
        Err(None) => return uncached(function, key.as_str(), &asked, make()).await,
    };
    let mut make = Some(make);
    let mut make = || make.take().map(|make| Box::pin(make()) as Begun<R>);
    let body = Owned { make: &mut make, limit: Limit::of(&way.0, function, returns.given_up) };
    Call::new(function, &way, &key, &coding, &returns.sharing, asked).run(body, returns.absent).await
}

/// The cache that a call goes through, and what is known of its values. Where it goes through none: what it gives without
/// the body, or `None` for the body.
fn way<R, const SHAPE: u8>(
    function: &'static ReadFunction,
    cache: Option<&Cache>,
    kind: &CodingKind,
    asked: &Asked,
    returns: &Returns<R, SHAPE>,
    key: &str,
) -> Result<(Cache, Known), Option<R>>
where
    R: Outcome<SHAPE>,
{
    let without = |error: Error| {
        let only_cached = asked.how == How::OnlyCached;
        only_cached.then(|| {
            asked.tell(function, key, Source::Absent, None);
            absent::<R, SHAPE>(function, returns.absent, error)
        })
    };
    let cache = cache.cloned().or_else(|| Cache::of_call(function.settings.name));
    let cache = cache.ok_or_else(|| without(Error::NoCache))?;
    let bypass = || cache.inner.table.of(function).bypassed.one();
    if asked.how == How::Bypass {
        bypass();
        return Err(None);
    }
    match function.fingerprint.get(kind, SHAPE) {
        Ok(known) => Ok((cache, known)),
        Err(error) => {
            function.say_uncacheable(&error);
            bypass();
            Err(without(Error::NotCached { key: key.to_owned() }))
        }
    }
}

/// The body alone.
async fn uncached<R>(
    function: &'static ReadFunction,
    key: &str,
    asked: &Asked,
    body: impl Future<Output = R>,
) -> R {
    let result = body.await;
    asked.tell(function, key, Source::Bypassed, Some(Duration::ZERO));
    result
}

/// What a function gives where there is nothing.
///
/// # Panics
///
/// If its type can't say so: see [`only_cached`](crate::only_cached()).
fn absent<R, const SHAPE: u8>(
    function: &'static ReadFunction,
    absent: Option<fn(Error) -> R>,
    error: Error,
) -> R
where
    R: Outcome<SHAPE>,
{
    match (R::from_none(), absent) {
        (Some(none), _) => none,
        (None, Some(absent)) => absent(error),
        (None, None) => panic!(
            "`{}` was called inside of `only_cached`, and its return type can't say that nothing is cached; return an \
             `Option<_>`, or a `Result<_, E>` with `E: From<cached_aside::Error>`, or ask its key with `peek`",
            function.settings.name
        ),
    }
}

/// Reads what is stored under a key, without loading.
pub(crate) async fn peek<V>(cache: &Cache, key: &str, coding: &Coding<V>) -> Result<Option<V>, Error> {
    let Ok(Known { fingerprint, .. }) = fingerprint::of(&coding.kind) else { return Ok(None) };
    if cache.inner.recovery.has(key) {
        return Ok(None);
    }
    let stored = cache.inner.store.read(key, cache.inner.timeout).await;
    let Some(mut bytes) = stored.map_err(|error| error.into_error("read", key))? else { return Ok(None) };
    let mut now = None;
    if matches!(entry::parse(&bytes, fingerprint), Entry::Value(value) if value.lingers) {
        let stored = cache.inner.store.read_timed(key, cache.inner.timeout).await;
        let (there, time) = stored.map_err(|error| error.into_error("read", key))?;
        let Some(there) = there else { return Ok(None) };
        (bytes, now) = (there, Some(time));
    }
    match entry::parse(&bytes, fingerprint) {
        Entry::Value(value) if Staleness::NONE.due(&value, now, || 1.0) != Some(Due::Nothing) => Ok(None),
        Entry::Value(value) => Ok(value.payload.and_then(|payload| (coding.decode)(payload).ok())),
        Entry::Foreign => Err(Error::Foreign { key: key.to_owned() }),
        Entry::Lease | Entry::Guard | Entry::Failure(_) | Entry::Unusable(_) => Ok(None),
    }
}

/// What a look at the store found.
enum Seen<R> {
    /// An entry: what the caller is given for it; its bytes, for followers; and its age, if the store's time was asked for.
    Entry(R, Vec<u8>, Option<Duration>),
    /// An entry that is stale, or soon will be.
    Old(Old<R>),
    /// An entry whose age matters, read without the store's time.
    Timeless,
    /// Nothing (an empty head), or an entry that can't be used, with its head.
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
    asked: Asked,
    /// Where the value came from, for those who observe it.
    told: Mutex<Option<(Source, Option<Duration>)>>,
}

/// Pauses between looks while another process loads, where the server does not announce changes.
const ASK: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
/// So long after a lease should have ended it is looked for again: a server's milliseconds are rounded.
const AFTER_THE_END: Duration = Duration::from_millis(2);

impl<'a, V, E> Call<'a, V, E> {
    fn new(
        function: &'static ReadFunction,
        (cache, known): &'a (Cache, Known),
        key: &'a AnyKey,
        coding: &'a Coding<V>,
        sharing: &'a Sharing<E>,
        asked: Asked,
    ) -> Self {
        let (cache, known, key) = (&cache.inner, *known, key.as_str());
        let counters = cache.table.of(function);
        Call { cache, function, counters, key, known, coding, sharing, asked, told: Mutex::default() }
    }

    async fn run<R, const SHAPE: u8, L>(&self, body: L, absent: Option<fn(Error) -> R>) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let result = match self.asked.how {
            How::OnlyCached => Box::pin(self.only_cached(absent)).await,
            How::Refresh => Box::pin(self.load_anew(body)).await,
            How::Usual | How::Bypass => self.look_and_load(body).await,
        };
        // Nobody asks, as a rule, and then a hit takes no lock.
        if self.asked.is_observed()
            && let Some((source, age)) = self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            self.asked.tell(self.function, self.key, source, age);
        }
        result
    }

    /// Notes where the value came from, if anybody observes it; what is noted last counts.
    fn note(&self, source: Source, age: Option<Duration>) {
        if self.asked.is_observed() {
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((source, age));
        }
    }

    async fn look_and_load<R, const SHAPE: u8, L>(&self, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let mut budget = Budget::new(self.cache.timeout);
        let seen = match self.look::<R, SHAPE>(&mut budget).await {
            Seen::Entry(hit, _, age) => {
                self.counters.hits.one();
                self.note(Source::Hit, age);
                tracing::trace!(key = self.key, took = ?budget.spent(), "hit");
                return hit;
            }
            Seen::Old(old) if old.is_given() => return self.give(old),
            seen => seen,
        };
        let span =
            tracing::debug_span!("cached_aside", function = self.function.settings.name, key = self.key);
        // On the heap, so that a hit does not carry the room that a miss needs.
        match seen {
            Seen::Old(old) if old.due != Due::Reload => {
                Box::pin(self.revalidate(old, budget, body)).instrument(span).await
            }
            seen => Box::pin(self.miss(seen, budget, body)).instrument(span).await,
        }
    }

    /// The first look: one `GET`, and nothing else on a hit. With it the store's time, where the function asks for ages.
    async fn look<R, const SHAPE: u8>(&self, budget: &mut Budget) -> Seen<R>
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        if self.cache.recovery.has(self.key) {
            return Seen::Closed;
        }
        if self.function.settings.staleness.asks_for_time() || self.asked.is_observed() {
            return self.look_timed(budget).await;
        }
        let stored = budget.spend(|within| self.cache.store.read(self.key, within)).await;
        match self.make_out(stored, None) {
            // Stored by a program whose function lets values grow old.
            Seen::Timeless => self.look_timed(budget).await,
            seen => seen,
        }
    }

    async fn look_timed<R, const SHAPE: u8>(&self, budget: &mut Budget) -> Seen<R>
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        match budget.spend(|within| self.cache.store.read_timed(self.key, within)).await {
            Ok((there, now)) => self.make_out(Ok(there), Some(now)),
            Err(error) => self.make_out(Err(error), None),
        }
    }

    /// What an answer of the store means, at this time of the store.
    fn make_out<R, const SHAPE: u8>(&self, stored: Answer<Option<Vec<u8>>>, now: Option<Duration>) -> Seen<R>
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        let bytes = match stored {
            Ok(None) => return Seen::Free(Vec::new()),
            Ok(Some(bytes)) => bytes,
            Err(error) => {
                self.trouble("read", &error);
                return Seen::Closed;
            }
        };
        let why = match entry::parse(&bytes, self.known.fingerprint) {
            Entry::Value(found) => {
                let age = now.map(|now| now.saturating_sub(found.stored_at));
                let Some(due) = self.function.settings.staleness.due(&found, now, draw) else {
                    return Seen::Timeless;
                };
                match found.payload.map(self.coding.decode).transpose() {
                    _ if due == Due::Replacement => return Seen::Free(entry::head(&bytes).to_vec()),
                    Ok(decoded) => {
                        let (refresh, now) = (found.refresh, now.unwrap_or_default());
                        return match given::<R, SHAPE>(decoded) {
                            // The function stores no `None`.
                            None => Seen::Free(entry::head(&bytes).to_vec()),
                            Some(value) if due == Due::Nothing => Seen::Entry(value, bytes, age),
                            Some(value) => {
                                let age = age.unwrap_or_default();
                                Seen::Old(Old { value, bytes, due, refresh, now, age })
                            }
                        };
                    }
                    Err(error) => {
                        self.function.say_undecodable(self.key, &error);
                        Unusable::Undecodable
                    }
                }
            }
            Entry::Failure(failure) => {
                let age = now.map(|now| now.saturating_sub(failure.stored_at));
                match self.error_of(&failure).map(R::from_error) {
                    Ok(Some(result)) => return Seen::Entry(result, bytes, age),
                    Ok(None) => Unusable::Type,
                    Err(why) => why,
                }
            }
            Entry::Lease => return Seen::Lease,
            Entry::Guard => return Seen::Closed,
            Entry::Foreign => {
                self.trouble("read", &StoreError::Foreign);
                return Seen::Closed;
            }
            Entry::Unusable(why) => why,
        };
        self.counters.unusable.one();
        tracing::debug!(key = self.key, ?why, "the entry can't be used and is replaced");
        Seen::Free(entry::head(&bytes).to_vec())
    }

    /// A stored error, if this function stores errors of that type.
    fn error_of(&self, failure: &Failure<'_>) -> Result<E, Unusable> {
        let errors = self.sharing.stored.as_ref().ok_or(Unusable::Type)?;
        let known = self.function.of_error(&errors.coding, self.key);
        known.filter(|known| known.fingerprint == failure.fingerprint).ok_or(Unusable::Type)?;
        (errors.coding.decode)(failure.payload).map_err(|error| {
            self.function.say_undecodable(self.key, &error);
            Unusable::Undecodable
        })
    }

    /// A step that the store did not take: counted and told, and the body runs.
    fn trouble(&self, doing: &'static str, error: &StoreError) {
        if *error == StoreError::Foreign {
            self.counters.foreign.one();
            self.cache.say_foreign(self.function.settings.name, self.key);
        } else {
            self.counters.errors.one();
            tracing::debug!(key = self.key, doing, ?error, "the cache failed, the function runs uncached");
        }
    }

    /// Joins the flight of this key: to lead it, or to be given what the leader learns.
    async fn miss<R, const SHAPE: u8, L>(&self, mut seen: Seen<R>, budget: Budget, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        self.counters.misses.one();
        tracing::debug!(key = self.key, took = ?budget.spent(), "miss");
        let patience = Instant::now() + self.function.settings.wait;
        let word = match self.cache.flights.join(self.key, false) {
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
                let _permit = timeout_at(patience, bodies.acquire()).await;
                return self.run_alone(body).await;
            }
            Followed::Lead(ticket) => {
                // What was seen is old by now; acquiring tells what is there.
                seen = match seen {
                    Seen::Lease => Seen::Free(Vec::new()),
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

    /// When a caller that has an old value at hand waits no longer.
    fn soft_end(&self) -> Option<Instant> {
        self.function.settings.staleness.soft_limit.map(|limit| Instant::now() + limit)
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
        if !self.asked.is_observed() {
            return None;
        }
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
        let (_, now) = self.cache.store.read_timed(self.key, self.cache.timeout).await.ok()?;
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
            // A write whose invalidation could not be delivered may have returned since the last look.
            if self.cache.recovery.has(self.key) {
                seen = Seen::Closed;
            }
            seen = match seen {
                Seen::Entry(result, bytes, age) => {
                    self.counters.waited.one();
                    let landed = Landed::Entry(Arc::new(bytes));
                    ticket.land(&landed, looked);
                    self.note(Source::Shared, if age.is_some() { age } else { self.age_of(&landed).await });
                    return result;
                }
                Seen::Old(old) if old.is_given() => return self.land_stale(ticket, (old, looked)),
                Seen::Old(old) if old.due != Due::Reload => {
                    // Nobody waits for this refresh: the flight ends before it begins.
                    ticket.land(&Landed::Entry(Arc::new(old.bytes.clone())), looked);
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
                Seen::Old(old) => match self.elect(&old, &mut budget).await {
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
                    let lease = self.function.settings.lease;
                    let store = &self.cache.store;
                    match budget.spend(|within| store.acquire(self.key, &head, token, lease, within)).await {
                        Ok(Acquired::Yes) => {
                            let lease = Held::new(self.cache, self.key, token, Right::Lease);
                            return self.load_and_fill(ticket, lease, budget, body).await;
                        }
                        Ok(Acquired::No(there)) => self.make_out(Ok(Some(there)), None),
                        Ok(Acquired::Changed) => {
                            looked = ticket.step();
                            self.look(&mut budget).await
                        }
                        Err(error) => {
                            // It may have been acquired all the same, and would keep others waiting.
                            drop(Held::new(self.cache, self.key, token, Right::Lease));
                            self.trouble("acquire", &error);
                            Seen::Closed
                        }
                    }
                }
            };
        }
    }

    /// Waits until the load of another is over, at most until `patience` is; then looks again.
    async fn wait_for_change<R, const SHAPE: u8>(&self, ticket: &Ticket, patience: Instant) -> (Seen<R>, Step)
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
    {
        let mut pauses = ASK.pauses();
        loop {
            let step = ticket.step();
            let patient = patience.saturating_duration_since(Instant::now());
            let watched = self.cache.store.watch(self.key, patient.min(self.cache.timeout)).await;
            let Watched { mut watch, there, left, now } = match watched {
                Ok(watched) => watched,
                Err(error) => {
                    self.trouble("watch", &error);
                    return (Seen::Closed, step);
                }
            };
            let seen = self.make_out(Ok(there), Some(now));
            let left = match &seen {
                Seen::Lease => left,
                Seen::Old(old) if old.is_awaited() => old.taken_for(),
                _ => return (seen, step),
            };
            if patience <= Instant::now() {
                return (seen, step);
            }
            // The holder renews its right, which is a change too; if it died, that ends when it says.
            let ends = left + AFTER_THE_END;
            let pause = if watch.told() { ends } else { ends.min(pauses.next_pause()) };
            first_of(watch.changed(), sleep(pause.min(patient))).await;
        }
    }

    /// Runs the body under a lease, and stores what it gave in the lease's place.
    async fn load_and_fill<R, const SHAPE: u8, L>(
        &self,
        mut ticket: Ticket,
        lease: Held,
        budget: Budget,
        body: L,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let began = ticket.load();
        self.counters.loads.one();
        self.note(Source::Loaded, Some(Duration::ZERO));
        let started = Instant::now();
        let result = while_renewing(pin!(body.begin()), lease.keep(self.function.settings.lease)).await;
        let load_time = started.elapsed();
        tracing::debug!(key = self.key, took = ?load_time, "loaded");
        let gave = result.gave();
        let listed = self.cache.recovery.has(self.key);
        let entry = self.storing().entry(&gave, self.sharing.stored.as_ref(), lease.token, load_time);
        let Some(Storable { value, ttl }) = entry.filter(|_| !listed) else {
            match gave {
                _ if listed => drop(lease),
                Gave::Error(_) => lease.fail(),
                Gave::Value(_) | Gave::None => lease.discard(),
            }
            self.land_unstored(ticket, began, &gave);
            return result;
        };
        let replaces = lease.replaces();
        let value = Arc::new(value);
        let filling = ticket.step();
        let accepted = self.fill(lease, value.clone(), ttl, budget).await;
        if replaces && !accepted {
            self.end_replaced().await;
        }
        ticket.land(&Landed::Entry(value), if accepted { filling } else { began });
        result
    }

    fn storing(&self) -> Storing<'_, V> {
        let Call { function, counters, key, known, coding, .. } = *self;
        Storing { function, counters, key, known, coding }
    }

    /// Stores the value if the lease is still ours. Goes on in the background when the caller's time is up or the caller is
    /// gone: the lease's token makes a late fill harmless, and giving up would leave the lease in everybody's way.
    async fn fill(&self, lease: Held, value: Arc<Vec<u8>>, ttl: Duration, mut budget: Budget) -> bool {
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

    /// Runs the body as the only one of this process, without storing. An old value is given if that fails.
    async fn load_unstored<R, const SHAPE: u8, L>(
        &self,
        mut ticket: Ticket,
        old: Option<(Old<R>, Step)>,
        body: L,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let began = ticket.load();
        let result = self.run_alone(body).await;
        match old {
            Some(old) => self.land_or_stale(ticket, began, Some(result), old),
            None => {
                self.land_unstored(ticket, began, &result.gave());
                result
            }
        }
    }

    /// Runs the body without storing or sharing.
    async fn run_alone<R>(&self, body: impl Loader<Output = R>) -> R {
        self.counters.loads.one();
        self.counters.unstored.one();
        self.note(Source::Loaded, Some(Duration::ZERO));
        let started = Instant::now();
        let result = body.begin().await;
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
                    lingers: false,
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

/// A random number, above 0 and up to 1.
fn draw() -> f64 {
    // Without randomness nothing is reloaded early.
    (f64::from(getrandom::u32().unwrap_or(u32::MAX)) + 1.0) / (f64::from(u32::MAX) + 1.0)
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
