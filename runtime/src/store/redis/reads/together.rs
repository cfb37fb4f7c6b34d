//! Reads of several keys by one caller: an entry with its tags. One command to each node, at the same time; under load the keys join
//! those of other callers.

use std::{cell::Cell, time::Duration};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::time::Instant;

use super::{LEFT, refuses_mget, value_of, values_of};
use crate::{
    few::Few,
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

thread_local! {
    /// The last `MGET` of a caller of this thread, cleared: the next one uses its memory.
    static MGET: Cell<Option<Cmd>> = const { Cell::new(None) };
}

impl RedisStore {
    /// Reads what stands under several keys, one at least; with `timed` also the time of the server that has the first, right after
    /// that was read.
    pub(crate) async fn read_together(
        &self,
        keys: &[&str],
        timed: bool,
        within: Duration,
    ) -> Answer<Together> {
        let Some(first) = keys.first() else { return Ok(Together::of([], None)) };
        match (self.route.sole(), self.large.read_via(first, std::time::Instant::now)) {
            (Some(sole), ReadVia::Shared) => self.read_of_owner(sole, keys, timed, within).await,
            (None, ReadVia::Shared) => boxed(self.read_of_owners(keys, timed, within)).await,
            _ => boxed(self.read_with_large(keys, timed, within)).await,
        }
    }

    /// The same where the value of the first is known to be large.
    async fn read_with_large(&self, keys: &[&str], timed: bool, within: Duration) -> Answer<Together> {
        let (first, others) = (keys[0], &keys[1..]);
        let large = async {
            if timed {
                let read = in_awake_time!(Clock::Real, within, self.read_timed(first));
                read.unwrap_or(Err(StoreError::Timeout(within))).map(|(there, now)| (there, Some(now)))
            } else {
                self.read_large(first, within).await.map(|there| (there, None))
            }
        };
        let small = async {
            if others.is_empty() {
                Ok(Together::of([], None))
            } else {
                self.read_of_owners(others, false, within).await
            }
        };
        let (large, small) = join(large, small).await;
        let ((there, now), small) = (large?, small?);
        let others = [small.first].into_iter().chain(small.others.iter().cloned()).take(keys.len() - 1);
        Ok(Together::of([there].into_iter().chain(others), now))
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
        for read in join_all(each).await {
            let (indices, Together { first, others, now }) = read?;
            let values = [first].into_iter().chain(others.iter().cloned());
            indices.into_iter().zip(values).for_each(|(index, value)| all[index] = value);
            time = time.or(now);
        }
        Ok(Together::of(all, time))
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
            // Boxed: redis-rs alone takes more than a kibibyte.
            Err(_permit) => boxed(self.ask_together(owner, node, keys, timed, within)).await,
            Ok(reply) => {
                let joined = async {
                    let left = match reply.await {
                        Ok((first, others)) => match given(first, &others, timed) {
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
            Ok(Together { first, others, .. }) => {
                let is_large =
                    |value: &Option<Bytes>| value.as_ref().is_some_and(|value| value.len() > LARGE);
                let values = [first].into_iter().chain(others.iter());
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
                    boxed(self.ask_at(owner, keys, timed)).await
                }
                answer => answer,
            }
        };
        in_awake_time!(Clock::Real, within, ask).unwrap_or(Err(StoreError::Timeout(within)))
    }

    async fn ask_at(&self, node: &NodeConnection, keys: &[&str], timed: bool) -> Answer<Together> {
        if self.reads_one_by_one(node) {
            return boxed(self.ask_each(node, keys, timed)).await;
        }
        let mut mget = MGET.take().unwrap_or_default();
        mget.arg("MGET");
        for key in keys {
            mget.arg(self.full(key));
        }
        let values = values_of(node, &mget, keys.len(), timed).await;
        mget.clear();
        MGET.set(Some(mget));
        match values {
            Ok((values, now)) => {
                let mut values = values.into_iter().map(value_of);
                let first = values.next().transpose()?.flatten();
                Ok(Together { first, others: values.collect::<Answer<_>>()?, now })
            }
            Err(Failure::Redis(error)) if refuses_mget(&error) => {
                if node.reads().disable_mget() {
                    tracing::debug!(%error, "the server refuses `MGET`; each read is sent as a `GET`");
                }
                boxed(self.ask_each(node, keys, timed)).await
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
        Ok(Together::of(values, now))
    }
}

/// What a batch answered; or until when the caller may ask alone, where it has to.
fn given(first: BatchReply, others: &[BatchReply], timed: bool) -> Result<Answer<Together>, Instant> {
    let (first, mut now) = match first? {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let mut there = Few::default();
    for reply in others {
        match reply.as_ref().map_err(|until| *until)? {
            Ok((value, time)) => {
                there.push(value.clone());
                now = now.or(*time);
            }
            Err(error) => return Ok(Err(error.clone())),
        }
    }
    if timed && now.is_none() {
        // It could not be told with the values.
        return Err(Instant::now());
    }
    Ok(Ok(Together { first, others: there, now }))
}
