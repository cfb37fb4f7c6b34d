//! The steps of the protocol, run on the servers that have the keys.

use std::{
    mem,
    pin::pin,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cached_aside_protocol::{
    Step,
    steps::{Guard, SetIfAbsent},
};
use futures_util::future::join_all;
use redis::{RedisError, RedisResult, Value};

use super::{
    RedisStore,
    connection::NodeConnection,
    failure::{not_waited, store_error},
    large::ReadVia,
    replicas,
    scatter::same_for_all,
    script::{by_hash, by_source},
    wire::{FullKey, ScriptReply},
};
use crate::{
    store::answer::{Answer, LARGE, StoreError},
    thread,
};

mod of_loads;
mod together;

/// What a script answers that has done nothing.
const NOT_DONE: ScriptReply = ScriptReply::Number(0);
/// Minimum number of keys of a pipeline that sends the script's source.
const SOURCE_FROM: usize = 16;

impl RedisStore {
    /// Whether a writer may store values under a key now.
    pub(crate) fn is_open(&self, key: &str) -> bool {
        self.route.owner(self.full(key)).is_ok_and(|owner| owner.is_open())
    }

    /// Runs a step of a load.
    pub(crate) async fn run<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        if let Some(answer) = self.set_if_absent(key, step).await? {
            return Ok(answer);
        }
        if let Some(value) = step.value() {
            self.large.record_stored(key, value.len());
            if value.len() > LARGE {
                return self.run_dedicated(key, step).await;
            }
        }
        let full = self.full(key);
        let owner = self.route.owner(full)?;
        if S::RENEWAL {
            self.run_at(&owner, full, step).await
        } else {
            self.run_local(&owner, full, step).await
        }
    }

    /// Runs a step of a write on each of several keys.
    pub(crate) async fn run_all<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
    ) -> Answer<Vec<Answer<S::Answer>>> {
        let is_large = |step: &S| step.value().is_some_and(|value| value.len() > LARGE);
        if !steps.iter().any(is_large) {
            return Ok(self.run_each(keys, steps).await);
        }
        let each = keys.iter().zip(steps).map(|(key, step)| async move {
            if is_large(step) {
                self.large.record_stored(key, step.value().map_or(0, Bytes::len));
                return self.run_dedicated(key, step).await;
            }
            let full = self.full(key);
            self.run_write(&*self.route.owner(full)?, full, step).await
        });
        Ok(join_all(each).await)
    }

    /// Places guards that only count if `replicas` replicas have confirmed them.
    ///
    /// `WAIT` blocks what is sent after it on its connection, and covers only what was sent before: so it has a dedicated connection.
    pub(crate) async fn guard_on_replicas(
        &self,
        keys: &[&str],
        guard: Guard,
        replicas: u8,
        within: Duration,
    ) -> Answer<Vec<Answer<Duration>>> {
        let guard = &guard;
        let place = |owner: NodeConnection, indices: Vec<usize>| async move {
            match self.guard_node_on_replicas(owner, keys, &indices, guard, replicas, within).await {
                Ok(answers) => indices.into_iter().zip(answers).collect(),
                Err(error) => same_for_all(indices, &error),
            }
        };
        Ok(self.scatter_all(keys, place).await)
    }

    /// The same on one server.
    async fn guard_node_on_replicas(
        &self,
        owner: NodeConnection,
        keys: &[&str],
        indices: &[usize],
        guard: &Guard,
        replicas: u8,
        within: Duration,
    ) -> Answer<Vec<Answer<Duration>>> {
        let begun = Instant::now();
        let node = owner.wait_connection().await;
        let mut pipeline = redis::Pipeline::with_capacity(indices.len() + 2);
        for index in indices {
            pipeline.add_command(by_source(self.full(keys[*index]), guard));
        }
        let left = within.saturating_sub(begun.elapsed());
        pipeline.cmd("WAIT").arg(replicas).arg(millis(replicas::longest_wait(left)));
        pipeline.cmd("INFO").arg("replication");
        let mut answers: Vec<RedisResult<Value>> = node.call_all_write(pipeline).await?;
        let info: Option<String> = answers.pop().and_then(|info| redis::from_redis_value(info.ok()?).ok());
        let confirmed =
            answers.pop().map_or(Ok(0), |reply| reply.and_then(|reply| Ok(redis::from_redis_value(reply)?)));
        let confirmed: i64 = confirmed.map_err(|error| not_waited(&error))?;
        let missing = (confirmed < i64::from(replicas))
            .then(|| replicas::unconfirmed(confirmed, replicas, within, info.as_deref()));
        let answers = answers.into_iter().map(|answer| match answer {
            Err(error) => {
                self.route.note_error(&node, &error);
                Err(store_error(&error))
            }
            Ok(Value::Int(reply)) => {
                let left = parse_reply::<Guard>(&ScriptReply::Number(reply))?;
                missing.clone().map_or(Ok(left), |reason| Err(StoreError::Server(reason)))
            }
            Ok(_) => Err(StoreError::Foreign),
        });
        Ok(answers.collect())
    }

    /// Runs a step as one command, if there is one that answers more.
    async fn set_if_absent<S: Step>(&self, key: &str, step: &S) -> Answer<Option<S::Answer>> {
        let Some(SetIfAbsent { value, ttl, answer }) = step.set_if_absent() else { return Ok(None) };
        // `GET` would transfer a large value that another process has just stored.
        if self.no_nx_get.load(Relaxed) || self.large.read_via(key, Instant::now) != ReadVia::Shared {
            return Ok(None);
        }
        let full = self.full(key);
        let mut set = redis::cmd("SET");
        set.arg(full).arg(value).arg("NX").arg("GET").arg("PX").arg(ttl);
        match self.route.call_local(full, &set).await {
            Err(StoreError::Server(reason)) if reason.contains("syntax error") => {
                self.no_nx_get.store(true, Relaxed);
                Ok(None)
            }
            there => Ok(Some(answer(there?))),
        }
    }

    /// Runs a step's script over the connection of the caller's runtime. If that fails, or does not answer for half of the time limit of
    /// calls, a repeatable step is sent over the main connection; if that finds it done, the first command may have done it.
    async fn run_local<S: Step>(
        &self,
        owner: &NodeConnection,
        full: FullKey<'_>,
        step: &S,
    ) -> Answer<S::Answer> {
        let node = owner.local_if_up();
        let run = self.reply_at(node, full, step);
        if !node.is_own() || !S::REPEATABLE {
            return parse_reply::<S>(&run.await?);
        }
        let (half, mut run) = (node.limits().call / 2, pin!(run));
        let reply = match thread::timeout(half, run.as_mut()).await {
            Ok(Err(StoreError::Unreachable(_))) => self.reply_at(owner, full, step).await,
            Ok(answer) => answer,
            Err(_) => match self.reply_at(owner, full, step).await {
                Ok(NOT_DONE) => thread::timeout(half, run).await.unwrap_or(Ok(NOT_DONE)),
                answer => answer,
            },
        };
        parse_reply::<S>(&reply?)
    }

    async fn run_at<S: Step>(&self, node: &NodeConnection, full: FullKey<'_>, step: &S) -> Answer<S::Answer> {
        parse_reply::<S>(&self.reply_at(node, full, step).await?)
    }

    /// The reply of a step's script, whose source is sent if the server does not know it.
    async fn reply_at<S: Step>(
        &self,
        node: &NodeConnection,
        full: FullKey<'_>,
        step: &S,
    ) -> Answer<ScriptReply> {
        match self.route.call_at(node, &by_hash(full, step)).await {
            Err(StoreError::Server(reason)) if is_noscript(&reason) => {
                self.route.call_at(node, &by_source(full, step)).await
            }
            reply => reply,
        }
    }

    /// Runs a step that stores a large value.
    async fn run_dedicated<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        let full = self.full(key);
        let node = self.route.owner(full)?.large_value_connection().await?;
        // With the source, which is small beside the value, so that the value is not sent twice.
        parse_reply::<S>(&self.route.call_at(&node, &by_source(full, step)).await?)
    }

    /// Runs a step of a write.
    async fn run_write<S: Step>(
        &self,
        node: &NodeConnection,
        full: FullKey<'_>,
        step: &S,
    ) -> Answer<S::Answer> {
        let known = self.route.call_write(node, &by_hash(full, step)).await;
        let reply = match known {
            Err(StoreError::Server(reason)) if is_noscript(&reason) => {
                self.route.call_write(node, &by_source(full, step)).await?
            }
            reply => reply?,
        };
        parse_reply::<S>(&reply)
    }

    /// Runs a step of a write on each of several keys, in one round trip to each server.
    async fn run_each<S: Step>(&self, keys: &[&str], steps: &[S]) -> Vec<Answer<S::Answer>> {
        let run = |owner: NodeConnection, indices: Vec<usize>| async move {
            let mut pipeline = redis::Pipeline::with_capacity(indices.len());
            // A server that does not know the script would refuse all commands: the source goes with the first of many.
            let mut with_source = indices.len() >= SOURCE_FROM;
            for index in &indices {
                let (key, step) = (self.full(keys[*index]), &steps[*index]);
                let by = if mem::take(&mut with_source) { by_source } else { by_hash };
                pipeline.add_command(by(key, step));
            }
            let replies: Vec<RedisResult<ScriptReply>> = match owner.call_all_write(pipeline).await {
                Ok(replies) => replies,
                Err(failure) => return same_for_all(indices, &failure.into()),
            };
            let mut answers = Vec::with_capacity(indices.len());
            for (index, reply) in indices.into_iter().zip(replies) {
                let answer = match reply {
                    Ok(reply) => parse_reply::<S>(&reply),
                    Err(error) => {
                        self.route.note_error(&owner, &error);
                        if is_not_taken(&error) {
                            self.run_write(&owner, self.full(keys[index]), &steps[index]).await
                        } else {
                            Err(store_error(&error))
                        }
                    }
                };
                answers.push((index, answer));
            }
            answers
        };
        self.scatter_all(keys, run).await
    }
}

fn parse_reply<S: Step>(reply: &ScriptReply) -> Answer<S::Answer> {
    Ok(S::answer(reply.as_reply())?)
}

/// The server does not know the script, or the key is on another node: the step was not executed.
fn is_not_taken(error: &RedisError) -> bool {
    is_noscript(error.code().unwrap_or_default()) || error.redirect_node().is_some()
}

fn is_noscript(reason: &str) -> bool {
    reason.starts_with("NOSCRIPT")
}

/// Redis counts in milliseconds, and an expiry is at least one.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
