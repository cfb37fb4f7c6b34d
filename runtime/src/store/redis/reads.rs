//! What `read` does: by itself, or together with others.

use std::{cell::Cell, future::pending, iter::repeat_n, time::Duration};

use bytes::Bytes;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::{sync::oneshot, time::Instant};

use super::{
    RedisStore,
    connection::Link,
    failure::{Failure, store_error},
    gather::{Batch, Given, Permit, Turn},
    large::Way,
    poll::next_turn,
    route::Route,
    wire::{FullKey, Time},
};
use crate::{
    patience::in_awake_time,
    store::answer::{Answer, LARGE, StoreError, boxed},
    thread::{self, Clock},
};

mod large;

/// Share of a call's time after which the batches of a runtime are looked at, and that is left for asking alone after that.
const LEFT: f64 = 0.25;
/// Minimum time between two looks.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);
/// Minimum number of intervals in which the task of a batch had no turn. Callers have the last quarter of their time left.
const UNSENT: u64 = 2;
/// Minimum number of intervals without an answer: by then the task should have given up by itself.
const UNANSWERED: u64 = 5;

thread_local! {
    /// The last `GET` of this thread, cleared: the next one uses its room.
    static GET: Cell<Option<Cmd>> = const { Cell::new(None) };
}

impl RedisStore {
    pub(crate) async fn read(&self, key: &str, within: Duration) -> Answer<Option<Bytes>> {
        if self.large.way(key, std::time::Instant::now) != Way::Usual {
            return boxed(self.read_large(key, within)).await;
        }
        let full = self.full(key);
        let owner = self.route.owner(full)?;
        let link = owner.here();
        let reads = link.reads();
        // What is kept from here on is part of the future of every call.
        let word = match self.join(link, full, false)? {
            Ok(word) => word,
            Err(_permit) => {
                // On the heap: redis-rs alone takes more than a kibibyte.
                let answer = boxed(self.read_alone(&owner, link, full, within)).await;
                if let Ok(Some(value)) = &answer {
                    reads.note(value.len());
                }
                return self.note_length(key, within, answer);
            }
        };
        let told = async {
            let left = match word.await {
                Ok(Ok(answer)) => return answer.map(|(there, _)| there),
                Ok(Err(until)) => until.saturating_duration_since(Instant::now()),
                // Its task is gone, or was given up.
                Err(_) => within.mul_f64(LEFT),
            };
            boxed(self.read_alone(&owner, &owner, self.full(key), left)).await
        };
        // A batch is answered in the time of a call. Who has less left is told so earlier.
        if within < link.limits().call {
            let told = async {
                in_awake_time!(Clock::Real, within, told).unwrap_or(Err(StoreError::Timeout(within)))
            };
            return self.note_length(key, within, boxed(told).await);
        }
        self.note_length(key, within, told.await)
    }

    /// Learns from an answer whether the value is large, and asks for its length where there was none in time.
    fn note_length(
        &self,
        key: &str,
        within: Duration,
        answer: Answer<Option<Bytes>>,
    ) -> Answer<Option<Bytes>> {
        match &answer {
            Ok(Some(value)) if value.len() > LARGE => self.large.read(key, Some(value)),
            Err(StoreError::Timeout(_)) if !within.is_zero() => self.ask_length(key),
            _ => {}
        }
        answer
    }

    /// Takes part in a batch, or has the right to ask alone.
    fn join(
        &self,
        link: &Link,
        full: FullKey<'_>,
        timed: bool,
    ) -> Answer<Result<oneshot::Receiver<Given>, Option<Permit<Given>>>> {
        Ok(match link.reads().join(full.parts(), timed, || link.runtime()) {
            Turn::Alone(permit) => Err(permit),
            Turn::Wait(word) => Ok(word),
            Turn::Begin(word, begun) => {
                let (here, one_by_one) = (link.clone(), self.reads_one_by_one(link));
                link.spawn(async move {
                    next_turn().await;
                    if let Some(batch) = begun.close() {
                        send(here, batch, one_by_one).await;
                    }
                });
                if link.is_own() && link.reads().watch() {
                    thread::spawn(watch(link.clone()));
                }
                Ok(word)
            }
            Turn::Send(word, batch) => {
                let one_by_one = self.reads_one_by_one(link);
                link.spawn(send(link.clone(), batch, one_by_one));
                Ok(word)
            }
            Turn::Full => return Err(StoreError::Full),
        })
    }

    /// What stands under a key, and the server's time right after it was read. In a crowd it travels with others, and the time is
    /// asked for once.
    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        let full = self.full(key);
        let (owner, reading) = self.way(key).await?;
        let (mut permit, mut given_up) = (None, false);
        if reading.is_usual() {
            match self.join(owner.here(), full, true)? {
                Ok(word) => match word.await {
                    Ok(Ok(Ok((there, Some(now))))) => {
                        reading.end(there.as_ref());
                        return Ok((there, now));
                    }
                    Ok(Ok(Err(error))) => return Err(error),
                    Err(_) => given_up = true,
                    // It has to ask by itself after all.
                    _ => {}
                },
                Err(alone) => permit = alone,
            }
        }
        let link = if given_up { &owner } else { owner.here_if_up() };
        let (there, now) = match self.read_timed_at(link, full).await {
            Err(StoreError::Unreachable(_)) if link.is_own() => self.read_timed_at(&owner, full).await?,
            answer => answer?,
        };
        drop(permit);
        if let Some(value) = &there {
            link.reads().note(value.len());
        }
        reading.end(there.as_ref());
        Ok((there, now))
    }

    /// Reads a value that is known to be large.
    async fn read_large(&self, key: &str, within: Duration) -> Answer<Option<Bytes>> {
        let mut get = redis::cmd("GET");
        get.arg(self.full(key));
        let read = async {
            let (link, reading) = self.way(key).await?;
            let there: Option<Bytes> = self.route.call_at(&link, &get).await?;
            reading.end(there.as_ref());
            Ok(there)
        };
        in_awake_time!(Clock::Real, within, read).unwrap_or(Err(StoreError::Timeout(within)))
    }

    async fn read_alone(
        &self,
        owner: &Link,
        link: &Link,
        full: FullKey<'_>,
        within: Duration,
    ) -> Answer<Option<Bytes>> {
        let mut get = GET.take().unwrap_or_else(|| Cmd::with_capacity(2, "GET".len() + full.len()));
        get.arg("GET").arg(full);
        let read = async {
            match self.route.call_at(link, &get).await {
                Err(StoreError::Unreachable(_)) if link.is_own() => {
                    link.dial_again();
                    boxed(self.route.call_at(owner, &get)).await
                }
                answer => answer,
            }
        };
        let answer = in_awake_time!(Clock::Real, within, read);
        get.clear();
        GET.set(Some(get));
        answer.unwrap_or(Err(StoreError::Timeout(within)))
    }

    /// The nodes of a cluster take no command with keys of several slots.
    fn reads_one_by_one(&self, link: &Link) -> bool {
        matches!(self.route, Route::Cluster(_)) || link.reads().one_by_one()
    }
}

/// Watches over the batches of a runtime's own connection. Their tasks run on that runtime, which may stand still, or not be driven
/// at all; this one runs on the library's thread.
async fn watch(link: Link) {
    let interval = link.limits().call.mul_f64(LEFT).max(SHORTEST_INTERVAL);
    loop {
        // In awake time, so that a process that was stopped gives nothing up.
        in_awake_time!(Clock::Real, interval, pending::<()>());
        if !link.reads().give_up(UNSENT, UNANSWERED) {
            return;
        }
    }
}

/// Sends a batch, and gives its callers what is answered, or an error when the time of a call is over.
async fn send(link: Link, batch: Batch<Given>, one_by_one: bool) {
    if !batch.send() {
        return;
    }
    let (within, keys) = (link.limits().call, batch.keys().len());
    let until = Instant::now() + within;
    let asked = async {
        match (ask(&link, &batch, one_by_one, until).await, link.lasting()) {
            (Err(StoreError::Unreachable(_)), Some(lasting)) => {
                link.dial_again();
                ask(&lasting, &batch, one_by_one, until).await
            }
            (answer, _) => answer,
        }
    };
    let given = in_awake_time!(Clock::Real, within, asked);
    let given = given
        .unwrap_or(Err(StoreError::Timeout(within)))
        .unwrap_or_else(|error| repeat_n(Ok(Err(error)), keys).collect());
    batch.land(given).await;
}

/// Reads the keys of a batch; what is given for each. `MGET` costs the server least, and has nothing for keys of other types:
/// whoever then acquires is told that they are somebody else's.
async fn ask(link: &Link, batch: &Batch<Given>, one_by_one: bool, until: Instant) -> Answer<Vec<Given>> {
    if one_by_one {
        return ask_one_by_one(link, batch, until).await;
    }
    let mut mget = Cmd::with_capacity(1 + batch.keys().len(), "MGET".len() + batch.length());
    mget.arg("MGET");
    batch.keys().for_each(|key| {
        mget.arg(key);
    });
    match values_of(link, mget, batch.is_timed()).await {
        Ok((values, now)) => {
            let (mut bytes, keys) = (0, values.len());
            let given = values.into_iter().map(|value| {
                let value = value_of(value);
                bytes += value.iter().flatten().map(Bytes::len).sum::<usize>();
                Ok(value.map(|value| (value, now)))
            });
            let given = given.collect();
            link.reads().note(bytes / keys.max(1));
            Ok(given)
        }
        Err(Failure::Redis(error)) if refuses_mget(&error) => {
            if link.reads().refuse_together() {
                tracing::debug!(%error, "the server takes no `MGET`; reads go out as so many `GET`s");
            }
            ask_one_by_one(link, batch, until).await
        }
        // Who asks by itself is told where the key is.
        Err(Failure::Redis(error)) if error.redirect_node().is_some() => {
            Ok(vec![Err(until); batch.keys().len()])
        }
        Err(failure) => Err(failure.into()),
    }
}

/// What `MGET` answers, and the server's time right after that where it is asked for.
async fn values_of(link: &Link, mget: Cmd, timed: bool) -> Result<(Vec<Value>, Option<Duration>), Failure> {
    let values = |answer| match answer {
        Value::Array(values) => Ok(values),
        other => Ok(redis::from_redis_value(other.extract_error()?)?),
    };
    if !timed {
        return Ok((link.call_with(&mget, values).await?, None));
    }
    let mut both = Pipeline::with_capacity(2);
    // Asked afterwards, the time makes an entry rather older than younger than it is.
    both.add_command(mget).cmd("TIME");
    let (answer, now): (RedisResult<Value>, RedisResult<Time>) = link.call_all(&mut both).await?;
    let both = answer.and_then(values).and_then(|values| Ok((values, Some(now?.since_the_epoch()))));
    both.map_err(Failure::Redis)
}

/// One of the values that `MGET` answers.
fn value_of(value: Value) -> Answer<Option<Bytes>> {
    match value {
        Value::BulkString(value) => Ok(Some(value.into())),
        Value::Nil => Ok(None),
        other => redis::from_redis_value(other).map_err(|error| store_error(&error.into())),
    }
}

/// The same with one command a key, all at once.
async fn ask_one_by_one(link: &Link, batch: &Batch<Given>, until: Instant) -> Answer<Vec<Given>> {
    let mut pipeline = Pipeline::with_capacity(batch.keys().len());
    batch.keys().for_each(|key| {
        pipeline.cmd("GET").arg(key);
    });
    if batch.is_timed() {
        pipeline.cmd("TIME");
    }
    let mut answers: Vec<RedisResult<Value>> = link.call_all(&mut pipeline).await?;
    let now = match batch.is_timed().then(|| answers.pop()).flatten() {
        Some(Ok(now)) => redis::from_redis_value::<Time>(now).ok().map(|now| now.since_the_epoch()),
        // Who needs it asks by himself, and is told why there is none.
        _ => None,
    };
    let given = answers.into_iter().map(|answer| match answer {
        Ok(value) => Ok(value_of(value).map(|value| (value, now))),
        // A key that is on another node is asked for there.
        Err(error) if error.redirect_node().is_some() => Err(until),
        Err(error) => Ok(Err(store_error(&error))),
    });
    Ok(given.collect())
}

/// A user that may not call it, or a server that does not know it.
fn refuses_mget(error: &RedisError) -> bool {
    let unknown = error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) || unknown
}
