//! Reads of several keys by one caller: an entry with its tags. One command to each node, at the same time; under load the keys join
//! those of other callers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::time::Instant;

use super::{LEFT, refuses_mget, value_of, values_of};
use crate::{
    patience::in_awake_time,
    store::{
        answer::{Answer, LARGE, StoreError, Together, boxed},
        redis::{
            RedisStore,
            batch::BatchReply,
            connection::NodeConnection,
            failure::{Failure, store_error},
            large::ReadVia,
            wire::Time,
        },
    },
    thread::Clock,
};

impl RedisStore {
    /// Reads what stands under several keys, one at least; with `timed` also the time of the server that has the first, right after
    /// that was read.
    pub(crate) async fn read_together(
        &self,
        keys: &[&str],
        timed: bool,
        within: Duration,
    ) -> Answer<Together> {
        let Some((first, others)) = keys.split_first() else { return Ok((Vec::new(), None)) };
        if self.large.read_via(first, std::time::Instant::now) == ReadVia::Shared {
            return self.read_of_owners(keys, timed, within).await;
        }
        let large = async {
            if timed {
                let read = in_awake_time!(Clock::Real, within, self.read_timed(first));
                read.unwrap_or(Err(StoreError::Timeout(within))).map(|(there, now)| (there, Some(now)))
            } else {
                self.read_large(first, within).await.map(|there| (there, None))
            }
        };
        let others = async {
            if others.is_empty() {
                Ok((Vec::new(), None))
            } else {
                self.read_of_owners(others, false, within).await
            }
        };
        let (large, others) = boxed(join(large, others)).await;
        let ((there, now), (others, _)) = (large?, others?);
        Ok(([there].into_iter().chain(others).collect(), now))
    }

    async fn read_of_owners(&self, keys: &[&str], timed: bool, within: Duration) -> Answer<Together> {
        if let Some(sole) = self.route.sole() {
            return self.read_of_owner(sole, keys, timed, within).await;
        }
        let owners = self.owners(keys.iter().copied().enumerate());
        if let [(owner, _)] = &owners[..] {
            let owner = owner.as_ref().map_err(StoreError::clone)?;
            return self.read_of_owner(owner, keys, timed, within).await;
        }
        let each = owners.into_iter().map(|(owner, indices)| async move {
            let of_owner: Vec<&str> = indices.iter().map(|index| keys[*index]).collect();
            let timed = timed && indices[0] == 0;
            (self.read_of_owner(&owner?, &of_owner, timed, within).await).map(|read| (indices, read))
        });
        let (mut all, mut time) = (vec![None; keys.len()], None);
        for read in boxed(join_all(each)).await {
            let (indices, (values, now)) = read?;
            indices.into_iter().zip(values).for_each(|(index, value)| all[index] = value);
            time = time.or(now);
        }
        Ok((all, time))
    }

    /// Reads keys of one server.
    async fn read_of_owner(
        &self,
        owner: &NodeConnection,
        keys: &[&str],
        timed: bool,
        within: Duration,
    ) -> Answer<Together> {
        let node = owner.local();
        let full = keys.iter().map(|key| self.full(key).parts());
        let joined = self.joined(node, node.reads().join_together(full, timed, || node.runtime()))?;
        let answer = match joined {
            Err(_permit) => self.ask_together(owner, node, keys, timed, within).await,
            Ok(reply) => {
                let joined = async {
                    let left = match reply.await {
                        Ok((first, others)) => match given(first, others, timed) {
                            Ok(answer) => return answer,
                            Err(until) => until.saturating_duration_since(Instant::now()),
                        },
                        // The task of the batch is gone, or the batch was given up.
                        Err(_) => within.mul_f64(LEFT),
                    };
                    boxed(self.ask_together(owner, owner, keys, timed, left)).await
                };
                // A batch has the time limit of a call. A caller with less time left has a timeout of its own.
                if within < node.limits().call {
                    let joined = async { in_awake_time!(Clock::Real, within, joined) };
                    boxed(joined).await.unwrap_or(Err(StoreError::Timeout(within)))
                } else {
                    joined.await
                }
            }
        };
        match &answer {
            Ok((values, _)) => {
                let is_large =
                    |value: &Option<Bytes>| value.as_ref().is_some_and(|value| value.len() > LARGE);
                for (key, value) in keys.iter().zip(values).filter(|(_, value)| is_large(value)) {
                    self.large.record_read(key, value.as_ref());
                }
            }
            Err(StoreError::Timeout(_)) if !within.is_zero() => self.request_length(keys[0]),
            Err(_) => {}
        }
        answer
    }

    /// Sends the reads of one caller.
    async fn ask_together(
        &self,
        owner: &NodeConnection,
        node: &NodeConnection,
        keys: &[&str],
        timed: bool,
        within: Duration,
    ) -> Answer<Together> {
        let ask = async {
            match self.ask_at(node, keys, timed).await {
                Err(StoreError::Unreachable(_)) if node.is_own() => {
                    node.redial();
                    self.ask_at(owner, keys, timed).await
                }
                answer => answer,
            }
        };
        boxed(async { in_awake_time!(Clock::Real, within, ask) })
            .await
            .unwrap_or(Err(StoreError::Timeout(within)))
    }

    async fn ask_at(&self, node: &NodeConnection, keys: &[&str], timed: bool) -> Answer<Together> {
        if self.reads_one_by_one(node) {
            return self.ask_each(node, keys, timed).await;
        }
        let length: usize = keys.iter().map(|key| self.full(key).len()).sum();
        let mut mget = Cmd::with_capacity(1 + keys.len(), "MGET".len() + length);
        mget.arg("MGET");
        for key in keys {
            mget.arg(self.full(key));
        }
        match values_of(node, mget, timed).await {
            Ok((values, now)) => Ok((values.into_iter().map(value_of).collect::<Answer<_>>()?, now)),
            Err(Failure::Redis(error)) if refuses_mget(&error) => {
                if node.reads().disable_mget() {
                    tracing::debug!(%error, "the server refuses `MGET`; each read is sent as a `GET`");
                }
                self.ask_each(node, keys, timed).await
            }
            Err(Failure::Redis(error)) => {
                self.route.note_error(node, &error);
                Err(store_error(&error))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The same with one command for each key, in one pipeline.
    async fn ask_each(&self, node: &NodeConnection, keys: &[&str], timed: bool) -> Answer<Together> {
        let mut pipeline = Pipeline::with_capacity(keys.len() + 1);
        for key in keys {
            pipeline.cmd("GET").arg(self.full(key));
        }
        if timed {
            // Taken afterwards, the time makes an entry look older rather than younger than it is.
            pipeline.cmd("TIME");
        }
        let answers: Vec<RedisResult<Value>> = node.call_all(&mut pipeline).await?;
        let mut answers = answers.into_iter();
        let mut values = Vec::with_capacity(keys.len());
        let mut redirected = false;
        for (key, answer) in keys.iter().zip(answers.by_ref()) {
            values.push(match answer {
                Ok(value) => value_of(value)?,
                // A key that is on another node is asked for there.
                Err(error) if error.redirect_node().is_some() => {
                    redirected = true;
                    self.route.note_error(node, &error);
                    let full = self.full(key);
                    self.route.call(full, redis::cmd("GET").arg(full)).await?
                }
                Err(error) => return Err(store_error(&error)),
            });
        }
        let now = match answers.next() {
            // It may be the time of another server.
            Some(_) if redirected => Some(self.time(self.full(keys[0])).await?),
            Some(Ok(now)) => {
                let now: Time = redis::from_redis_value(now).map_err(|error| store_error(&error.into()))?;
                Some(now.since_the_epoch())
            }
            Some(Err(error)) => return Err(store_error(&error)),
            None => None,
        };
        Ok((values, now))
    }
}

/// What a batch answered; or until when the caller may ask alone, where it has to.
fn given(first: BatchReply, others: Vec<BatchReply>, timed: bool) -> Result<Answer<Together>, Instant> {
    let (mut values, mut time) = (Vec::with_capacity(1 + others.len()), None);
    for reply in [first].into_iter().chain(others) {
        match reply? {
            Ok((value, now)) => {
                values.push(value);
                time = time.or(now);
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    if timed && time.is_none() {
        // It could not be told with the values.
        return Err(Instant::now());
    }
    Ok(Ok((values, time)))
}
