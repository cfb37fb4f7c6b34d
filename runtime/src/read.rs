//! The read path, in the order in which it happens: look, join the flight, acquire, load, fill.

use std::{
    borrow::Cow,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use crate::{
    AnyKey, Cache, Error,
    cache::Inner,
    codec::{Coding, CodingKind},
    entry::{self, Entry, Token},
    fingerprint::Known,
    flight::{Landed, Step, Ticket, Turn, Word},
    health::Budget,
    lease::{Held, Right},
    outcome::{Outcome, Returns, Sharing},
    overrides::{Asked, How, Source},
    settings::ReadFunction,
    staleness::Due,
    store::{Acquired, StoreError},
    telemetry::Counters,
};

mod asked;
mod lent;
mod load;
mod loader;
mod look;
mod refresh;

use self::{
    lent::beside,
    look::{Seen, given},
    refresh::Election,
};
pub(crate) use self::{
    loader::{Begun, Here, Lend, Limit, Loader, Owned},
    look::peek,
};

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
fn way<'a, R, const SHAPE: u8>(
    function: &'static ReadFunction,
    cache: Option<&'a Cache>,
    kind: &CodingKind,
    asked: &Asked,
    returns: &Returns<R, SHAPE>,
    key: &str,
) -> Result<(Cow<'a, Cache>, Known), Option<R>>
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
    let cache = cache.map(Cow::Borrowed).or_else(|| Cache::of_call(function.settings.name));
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

impl<'a, V, E> Call<'a, V, E> {
    fn new(
        function: &'static ReadFunction,
        (cache, known): &'a (Cow<'_, Cache>, Known),
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
        L: Lend<Output = R>,
    {
        let result = match self.asked.how {
            How::OnlyCached => Box::pin(self.only_cached(absent)).await,
            How::Usual | How::Bypass | How::Refresh => self.look_and_load(body).await,
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
        L: Lend<Output = R>,
    {
        let mut budget = Budget::new(self.cache.timeout);
        let seen = match self.asked.how {
            How::Refresh => None,
            _ => match self.look::<R, SHAPE>(&mut budget).await {
                Seen::Entry(hit, _, age) => {
                    self.counters.hits.one();
                    self.note(Source::Hit, age);
                    tracing::trace!(key = self.key, took = ?budget.spent(), "hit");
                    return hit;
                }
                Seen::Old(old) if old.is_given() => return self.give(old),
                seen => Some(seen),
            },
        };
        let span =
            tracing::debug_span!("cached_aside", function = self.function.settings.name, key = self.key);
        // On the heap, so that a hit does not carry the room that a miss needs.
        let (lent, body) = body.lend();
        beside(Box::pin(self.go_on(seen, budget, lent)), body).instrument(span).await
    }

    /// What follows a look that is no hit; or no look.
    async fn go_on<R, const SHAPE: u8, L>(&self, seen: Option<Seen<R>>, budget: Budget, body: L) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        match seen {
            None => self.load_anew(budget, body).await,
            Some(Seen::Old(old)) if old.due != Due::Reload => self.revalidate(old, budget, body).await,
            Some(seen) => self.miss(seen, budget, body).await,
        }
    }

    /// A step that the store did not take: counted and told, and the body runs.
    fn trouble(&self, doing: &'static str, error: &StoreError) {
        self.cache.trouble(self.function, self.key, doing, error);
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
}

/// What following another's load came to.
enum Followed<R> {
    Given(R),
    Alone,
    AfterAnother(Arc<tokio::sync::Semaphore>),
    Lead(Ticket),
}

#[cfg(test)]
mod tests;
