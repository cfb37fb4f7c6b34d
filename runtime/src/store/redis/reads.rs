//! What `read` does: by itself, or together with others.

use std::{cell::Cell, future::pending, iter::repeat_n, time::Duration};

use bytes::Bytes;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, ToRedisArgs, Value};
use tokio::{sync::oneshot, time::Instant};

use super::{
    RedisStore,
    batch::{Admission, Batch, BatchReply, Permit},
    connection::NodeConnection,
    failure::{Failure, store_error},
    large::ReadVia,
    poll::yield_once,
    route::Route,
    wire::{FullKey, Time},
};
use crate::{
    patience::in_awake_time,
    store::answer::{Answer, LARGE, StoreError, boxed},
    thread::{self, Clock},
};

mod large;
mod several;
mod together;

/// Share of a call's time limit after which the batches of a runtime are checked, and that is left for asking alone after that.
const LEFT: f64 = 0.25;
/// Minimum time between two checks.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);
/// Number of intervals after which a batch whose task has not run is given up. Its callers have the last quarter of their time left.
const UNSENT: u64 = 2;
/// Number of intervals after which a batch without an answer is given up: by then its task should have timed out.
const UNANSWERED: u64 = 5;

/// What is wrong with an answer to `MGET` that has more or fewer values than keys were asked for. The connection is made again: nobody
/// knows which of the following answers is whose.
const NOT_ONE_EACH: (ErrorKind, &str) =
    (ErrorKind::Parse, "the answer to `MGET` has another number of values than of keys");

thread_local! {
    /// The last `GET` of this thread, cleared: the next one uses its memory.
    static GET: Cell<Option<Cmd>> = const { Cell::new(None) };
}

impl RedisStore {
    pub(crate) async fn read(&self, key: &str, within: Duration) -> Answer<Option<Bytes>> {
        if self.large.read_via(key, std::time::Instant::now) != ReadVia::Shared {
            return boxed(self.read_large(key, within)).await;
        }
        let full = self.full(key);
        let owner = self.route.owner(full)?;
        let node = owner.local();
        let reads = node.reads();
        // What lives across the next `await` is part of the future of every call.
        let reply = match self.join(node, full, false)? {
            Ok(reply) => reply,
            Err(_permit) => {
                // Boxed: redis-rs alone takes more than a kibibyte.
                let answer = boxed(self.read_alone(&owner, node, full, within)).await;
                if let Ok(Some(value)) = &answer {
                    reads.record_length(value.len());
                }
                return self.record_length(key, within, answer);
            }
        };
        let joined = async {
            let left = match reply.await {
                Ok(Ok(answer)) => return answer.map(|(there, _)| there),
                Ok(Err(until)) => until.saturating_duration_since(Instant::now()),
                // The task of the batch is gone, or the batch was given up.
                Err(_) => within.mul_f64(LEFT),
            };
            boxed(self.read_alone(&owner, &owner, self.full(key), left)).await
        };
        // A batch has the time limit of a call. A caller with less time left has a timeout of its own.
        if within < node.limits().call {
            let joined = async {
                in_awake_time!(Clock::Real, within, joined).unwrap_or(Err(StoreError::Timeout(within)))
            };
            return self.record_length(key, within, boxed(joined).await);
        }
        self.record_length(key, within, joined.await)
    }

    /// Learns from an answer whether the value is large, and requests its length after a timeout.
    fn record_length(
        &self,
        key: &str,
        within: Duration,
        answer: Answer<Option<Bytes>>,
    ) -> Answer<Option<Bytes>> {
        match &answer {
            Ok(Some(value)) if value.len() > LARGE => self.large.record_read(key, Some(value)),
            Err(StoreError::Timeout(_)) if !within.is_zero() => self.request_length(key),
            _ => {}
        }
        answer
    }

    /// Joins a batch, or gets the permit to ask alone.
    fn join(
        &self,
        node: &NodeConnection,
        full: FullKey<'_>,
        timed: bool,
    ) -> Answer<Result<oneshot::Receiver<BatchReply>, Option<Permit<BatchReply>>>> {
        self.joined(node, node.reads().join(full.parts(), timed, || node.runtime()))
    }

    /// Has the batch sent, where the caller is to see to that.
    fn joined<R>(
        &self,
        node: &NodeConnection,
        admission: Admission<BatchReply, R>,
    ) -> Answer<Result<oneshot::Receiver<R>, Option<Permit<BatchReply>>>> {
        Ok(match admission {
            Admission::Alone(permit) => Err(permit),
            Admission::Wait(reply) => Ok(reply),
            Admission::Begin(reply, open_batch) => {
                let (here, one_by_one) = (node.clone(), self.reads_one_by_one(node));
                node.spawn(async move {
                    yield_once().await;
                    if let Some(batch) = open_batch.close() {
                        send(here, batch, one_by_one).await;
                    }
                });
                if node.is_own() && node.reads().supervise() {
                    thread::spawn(supervise(node.clone()));
                }
                Ok(reply)
            }
            Admission::Send(reply, batch) => {
                let one_by_one = self.reads_one_by_one(node);
                node.spawn(send(node.clone(), batch, one_by_one));
                Ok(reply)
            }
            Admission::Full => return Err(StoreError::Full),
        })
    }

    /// Reads the entry of a key, and the time of the server right after that. Under load it joins a batch, which asks for the time once.
    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        let full = self.full(key);
        let (owner, reading) = self.read_connection(key).await?;
        let (mut permit, mut given_up) = (None, false);
        if reading.is_usual() {
            match self.join(owner.local(), full, true)? {
                Ok(reply) => match reply.await {
                    Ok(Ok(Ok((there, Some(now))))) => {
                        reading.end(there.as_ref());
                        return Ok((there, now));
                    }
                    Ok(Ok(Err(error))) => return Err(error),
                    Err(_) => given_up = true,
                    // It has to ask alone.
                    _ => {}
                },
                Err(alone) => permit = alone,
            }
        }
        let node = if given_up { &owner } else { owner.local_if_up() };
        let (there, now) = match self.read_timed_at(node, full).await {
            Err(StoreError::Unreachable(_)) if node.is_own() => self.read_timed_at(&owner, full).await?,
            answer => answer?,
        };
        drop(permit);
        if let Some(value) = &there {
            node.reads().record_length(value.len());
        }
        reading.end(there.as_ref());
        Ok((there, now))
    }

    /// Reads a value that is known to be large.
    async fn read_large(&self, key: &str, within: Duration) -> Answer<Option<Bytes>> {
        let mut get = redis::cmd("GET");
        get.arg(self.full(key));
        let read = async {
            let (node, reading) = self.read_connection(key).await?;
            let there: Option<Bytes> = self.route.call_at(&node, &get).await?;
            reading.end(there.as_ref());
            Ok(there)
        };
        in_awake_time!(Clock::Real, within, read).unwrap_or(Err(StoreError::Timeout(within)))
    }

    async fn read_alone(
        &self,
        owner: &NodeConnection,
        node: &NodeConnection,
        full: FullKey<'_>,
        within: Duration,
    ) -> Answer<Option<Bytes>> {
        let mut get = GET.take().unwrap_or_else(|| Cmd::with_capacity(2, "GET".len() + full.len()));
        get.arg("GET").arg(full);
        let read = async {
            match self.route.call_at(node, &get).await {
                Err(StoreError::Unreachable(_)) if node.is_own() => {
                    node.redial();
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

    /// The nodes of a cluster accept no command with keys of several slots.
    fn reads_one_by_one(&self, node: &NodeConnection) -> bool {
        matches!(self.route, Route::Cluster(_)) || node.reads().one_by_one()
    }
}

/// Supervises the batches of a runtime's own connection. Their tasks run on that runtime, which may stand still, or not be driven at
/// all; this one runs on the library's thread.
async fn supervise(node: NodeConnection) {
    let interval = node.limits().call.mul_f64(LEFT).max(SHORTEST_INTERVAL);
    loop {
        // In awake time, so that a process that was stopped gives nothing up.
        in_awake_time!(Clock::Real, interval, pending::<()>());
        if !node.reads().give_up(UNSENT, UNANSWERED) {
            return;
        }
    }
}

/// Sends a batch, and gives its callers the answers, or an error at the timeout of a call.
async fn send(node: NodeConnection, batch: Batch<BatchReply>, one_by_one: bool) {
    if !batch.send() {
        return;
    }
    let (within, keys) = (node.limits().call, batch.keys().len());
    let until = Instant::now() + within;
    let asked = async {
        let (length, timed) = (batch.length(), batch.is_timed());
        let asked = Asked { keys: batch.keys(), length, timed, one_by_one, until };
        match (ask(&node, &asked).await, node.main()) {
            (Err(StoreError::Unreachable(_)), Some(main)) => {
                node.redial();
                ask(&main, &asked).await
            }
            (answer, _) => answer,
        }
    };
    let replies = in_awake_time!(Clock::Real, within, asked);
    let replies = replies
        .unwrap_or(Err(StoreError::Timeout(within)))
        .unwrap_or_else(|error| repeat_n(Ok(Err(error)), keys).collect());
    batch.distribute(replies).await;
}

/// What is asked for with one command.
struct Asked<I> {
    keys: I,
    /// Total length of the keys (bytes).
    length: usize,
    /// The server's time as well.
    timed: bool,
    /// With one command per key instead.
    one_by_one: bool,
    /// Until when a caller may ask alone, where it has to.
    until: Instant,
}

/// Reads several keys; one reply per key. `MGET` costs the server least, and answers nil for keys of other types: the `acquire`
/// that follows then fails because they are foreign.
async fn ask<K: ToRedisArgs>(
    node: &NodeConnection,
    asked: &Asked<impl ExactSizeIterator<Item = K> + Clone>,
) -> Answer<Vec<BatchReply>> {
    let Asked { ref keys, length, timed, one_by_one, until } = *asked;
    if one_by_one {
        return ask_one_by_one(node, asked).await;
    }
    let mut mget = Cmd::with_capacity(1 + keys.len(), "MGET".len() + length);
    mget.arg("MGET");
    keys.clone().for_each(|key| {
        mget.arg(key);
    });
    match values_of(node, &mget, keys.len(), timed).await {
        Ok((values, now)) => {
            let (mut bytes, mut found) = (0, 0);
            let replies = values.into_iter().map(|value| {
                let value = value_of(value);
                for value in value.iter().flatten() {
                    bytes += value.len();
                    found += 1;
                }
                Ok(value.map(|value| (value, now)))
            });
            let replies = replies.collect();
            // What is not there says nothing about the length of what is.
            if let Some(average) = usize::checked_div(bytes, found) {
                node.reads().record_length(average);
            }
            Ok(replies)
        }
        Err(Failure::Redis(error)) if refuses_mget(&error) => {
            if node.reads().disable_mget() {
                tracing::debug!(%error, "the server refuses `MGET`; each read is sent as a `GET`");
            }
            ask_one_by_one(node, asked).await
        }
        // A caller that asks alone is redirected.
        Err(Failure::Redis(error)) if error.redirect_node().is_some() => Ok(vec![Err(until); keys.len()]),
        Err(failure) => Err(failure.into()),
    }
}

/// Sends an `MGET` of so many keys, and asks for the time of the server right after that if `timed`.
async fn values_of(
    node: &NodeConnection,
    mget: &Cmd,
    keys: usize,
    timed: bool,
) -> Result<(Vec<Value>, Option<Duration>), Failure> {
    let values = |answer: Value| {
        let values: Vec<Value> = match answer {
            Value::Array(values) => values,
            other => redis::from_redis_value(other.extract_error()?)?,
        };
        // Else nobody knows which of them is the answer of which key.
        if values.len() == keys { Ok(values) } else { Err(RedisError::from(NOT_ONE_EACH)) }
    };
    let not_one_each = |index, answer: &Value| match answer {
        Value::Array(values) if index == 0 && values.len() != keys => Some(RedisError::from(NOT_ONE_EACH)),
        _ => None,
    };
    if !timed {
        return Ok((node.call_with(mget, values).await?, None));
    }
    let mut both = Pipeline::with_capacity(2);
    // Taken afterwards, the time makes an entry look older rather than younger than it is.
    both.add_command(mget.clone()).cmd("TIME");
    let (answer, now): (RedisResult<Value>, RedisResult<Time>) =
        node.call_all_with(&mut both, not_one_each).await?;
    let both = answer.and_then(values).and_then(|values| Ok((values, Some(now?.since_the_epoch()))));
    both.map_err(Failure::Redis)
}

/// One of the values in the answer of `MGET`.
fn value_of(value: Value) -> Answer<Option<Bytes>> {
    match value {
        Value::BulkString(value) => Ok(Some(value.into())),
        Value::Nil => Ok(None),
        other => redis::from_redis_value(other).map_err(|error| store_error(&error.into())),
    }
}

/// The same with one command per key, in one pipeline.
async fn ask_one_by_one<K: ToRedisArgs>(
    node: &NodeConnection,
    asked: &Asked<impl ExactSizeIterator<Item = K> + Clone>,
) -> Answer<Vec<BatchReply>> {
    let Asked { ref keys, timed, until, .. } = *asked;
    let mut pipeline = Pipeline::with_capacity(keys.len() + usize::from(timed));
    keys.clone().for_each(|key| {
        pipeline.cmd("GET").arg(key);
    });
    if timed {
        pipeline.cmd("TIME");
    }
    let mut answers: Vec<RedisResult<Value>> = node.call_all(&mut pipeline).await?;
    let now = match timed.then(|| answers.pop()).flatten() {
        Some(Ok(now)) => redis::from_redis_value::<Time>(now).ok().map(|now| now.since_the_epoch()),
        // A caller that needs the time asks for it alone, and gets the error.
        _ => None,
    };
    let replies = answers.into_iter().map(|answer| match answer {
        Ok(value) => Ok(value_of(value).map(|value| (value, now))),
        // A key that is on another node is asked for there.
        Err(error) if error.redirect_node().is_some() => Err(until),
        Err(error) => Ok(Err(store_error(&error))),
    });
    Ok(replies.collect())
}

/// The user may not call it, or the server does not know it.
fn refuses_mget(error: &RedisError) -> bool {
    let unknown = error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) || unknown
}

#[cfg(test)]
mod tests {
    use cached_aside_tests::RedisServer;

    use super::{super::connection::tests::node, *};

    /// A server whose `MGET` is another command.
    #[tokio::test]
    async fn the_connection_ends_where_answers_are_not_one_for_each_key() {
        let renamed = ["--rename-command", "MGET", "", "--rename-command", "HMGET", "MGET"];
        let server = RedisServer::builder().args(renamed).start();
        let mut mget = redis::cmd("MGET");
        mget.arg("a").arg("b").arg("c");
        for timed in [false, true] {
            let node = node(&server.url(), None);
            node.connect().await;
            let failed = values_of(&node, &mget, 3, timed).await.unwrap_err();
            assert!(format!("{failed:?}").contains(NOT_ONE_EACH.1), "{failed:?}");
            assert_eq!(node.stats().outages, 1, "timed: {timed}");
        }
    }
}
