//! Steps of the protocol, taken on the servers that have the keys.

use std::{
    borrow::Cow,
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
use redis::RedisResult;

use super::{
    RedisStore,
    connection::Link,
    failure::store_error,
    large::Way,
    replicas,
    script::{by_hash, by_source},
    wire::FullKey,
};
use crate::{
    store::answer::{Answer, LARGE, StoreError},
    thread,
};

/// Number of keys from which on a packet carries its script's source.
const MANY: usize = 16;

impl RedisStore {
    /// Whether values may be stored under a key by those who have written.
    pub(crate) fn is_open(&self, key: &str) -> bool {
        self.route.owner(self.full(key)).is_ok_and(|owner| owner.is_open())
    }

    /// Takes a step of a load.
    pub(crate) async fn run<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        if let Some(answer) = self.set_if_absent(key, step).await? {
            return Ok(answer);
        }
        if let Some(value) = step.value() {
            self.large.stored(key, value.len());
            if value.len() > LARGE {
                return self.run_apart(key, step).await;
            }
        }
        let full = self.full(key);
        let owner = self.route.owner(full)?;
        if S::RENEWAL {
            self.run_at(&owner, full, step).await
        } else {
            self.run_here(&owner, full, step).await
        }
    }

    /// Takes a step of a write on each of several keys.
    pub(crate) async fn run_all<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
    ) -> Answer<Vec<Answer<S::Answer>>> {
        let is_large = |step: &S| step.value().is_some_and(|value| value.len() > LARGE);
        if !steps.iter().any(is_large) {
            return self.run_each(keys, steps).await;
        }
        let each = keys.iter().zip(steps).map(|(key, step)| async move {
            if is_large(step) {
                self.large.stored(key, step.value().map_or(0, Bytes::len));
                return self.run_apart(key, step).await;
            }
            let full = self.full(key);
            self.run_of_write(&*self.route.owner(full)?, full, step).await
        });
        Ok(join_all(each).await)
    }

    /// Places guards that count only once so many replicas have confirmed them.
    ///
    /// `WAIT` holds up whatever else is sent over its connection, and speaks only of what was: so it has one of its own.
    pub(crate) async fn guard_on_replicas(
        &self,
        keys: &[&str],
        guard: Guard,
        replicas: u8,
        within: Duration,
    ) -> Answer<Vec<Answer<()>>> {
        let guard = &guard;
        let each = self.by_owner(keys).into_iter().map(|(owner, places)| async move {
            let outcome = async {
                let begun = Instant::now();
                let link = owner?.second().await;
                let mut pipeline = redis::Pipeline::with_capacity(places.len() + 1);
                for place in &places {
                    pipeline.add_command(by_source(self.full(keys[*place]), guard));
                }
                // The rest is for the answer, and for the reason where there is no confirmation.
                let left = within.saturating_sub(begun.elapsed());
                pipeline.cmd("WAIT").arg(replicas).arg(millis(left.mul_f64(0.75)));
                let mut answers: Vec<RedisResult<i64>> = link.call_all_of_write(pipeline).await?;
                let confirmed =
                    answers.pop().transpose().map_err(|error| store_error(&error))?.unwrap_or_default();
                let missing = if confirmed < i64::from(replicas) {
                    Some(replicas::unconfirmed(&link, confirmed, replicas, within).await)
                } else {
                    None
                };
                Ok((link, answers, missing))
            };
            (outcome.await, places)
        });
        let mut all = vec![Ok(()); keys.len()];
        for (outcome, places) in join_all(each).await {
            let (link, answers, missing) = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    for place in places {
                        all[place] = Err(StoreError::clone(&error));
                    }
                    continue;
                }
            };
            for (place, answer) in places.into_iter().zip(answers) {
                all[place] = match answer {
                    Err(error) => {
                        self.route.refused(&link, &error);
                        Err(store_error(&error))
                    }
                    Ok(reply) if verdict::<Guard>(reply).is_err() => Err(StoreError::Foreign),
                    Ok(_) => missing.clone().map_or(Ok(()), |reason| Err(StoreError::Server(reason))),
                };
            }
        }
        Ok(all)
    }

    /// Takes a step as one command, where the server has one that tells more.
    async fn set_if_absent<S: Step>(&self, key: &str, step: &S) -> Answer<Option<S::Answer>> {
        let Some(SetIfAbsent { value, ttl, answer }) = step.set_if_absent() else { return Ok(None) };
        // `GET` would bring a large value along that another process has just stored.
        if self.no_nx_get.load(Relaxed) || self.large.way(key, Instant::now) != Way::Usual {
            return Ok(None);
        }
        let full = self.full(key);
        let mut set = redis::cmd("SET");
        set.arg(full).arg(value).arg("NX").arg("GET").arg("PX").arg(ttl);
        match self.route.call_here(full, &set).await {
            Err(StoreError::Server(reason)) if reason.contains("syntax error") => {
                self.no_nx_get.store(true, Relaxed);
                Ok(None)
            }
            there => Ok(Some(answer(there?))),
        }
    }

    /// Runs a step's script over the connection of the caller's runtime. Where that broke, or stands still for half of the time that
    /// calls have, what may be taken twice is sent over the lasting one; and if that finds it done, the first may have done it.
    async fn run_here<S: Step>(&self, owner: &Link, full: FullKey<'_>, step: &S) -> Answer<S::Answer> {
        let link = owner.here_if_up();
        let run = self.reply_at(link, full, step);
        if !link.is_own() || !S::REPEATABLE {
            return verdict::<S>(run.await?);
        }
        let (half, mut run) = (link.limits().call / 2, pin!(run));
        let reply = match thread::timeout(half, run.as_mut()).await {
            Ok(Err(StoreError::Unreachable(_))) => self.reply_at(owner, full, step).await,
            Ok(answer) => answer,
            Err(_) => match self.reply_at(owner, full, step).await {
                Ok(0) => thread::timeout(half, run).await.unwrap_or(Ok(0)),
                answer => answer,
            },
        };
        verdict::<S>(reply?)
    }

    async fn run_at<S: Step>(&self, link: &Link, full: FullKey<'_>, step: &S) -> Answer<S::Answer> {
        verdict::<S>(self.reply_at(link, full, step).await?)
    }

    /// What a step's script answers, which is taught to the server where that does not know it.
    async fn reply_at<S: Step>(&self, link: &Link, full: FullKey<'_>, step: &S) -> Answer<i64> {
        match self.route.call_at(link, &by_hash(full, step)).await {
            Err(StoreError::Server(reason)) if is_unknown(&reason) => {
                self.route.call_at(link, &by_source(full, step)).await
            }
            reply => reply,
        }
    }

    /// Takes a step that stores a large value.
    async fn run_apart<S: Step>(&self, key: &str, step: &S) -> Answer<S::Answer> {
        let full = self.full(key);
        let link = self.route.owner(full)?.for_large_values().await?;
        // With its source: beside such a value that is nothing, and it is not sent twice.
        verdict::<S>(self.route.call_at(&link, &by_source(full, step)).await?)
    }

    /// Takes a step of a write.
    async fn run_of_write<S: Step>(&self, link: &Link, full: FullKey<'_>, step: &S) -> Answer<S::Answer> {
        let known = self.route.call_of_write(link, &by_hash(full, step)).await;
        let reply = match known {
            Err(StoreError::Server(reason)) if is_unknown(&reason) => {
                self.route.call_of_write(link, &by_source(full, step)).await?
            }
            reply => reply?,
        };
        verdict::<S>(reply)
    }

    /// Takes a step of a write on each of several keys, in one round trip to each server.
    async fn run_each<S: Step>(&self, keys: &[&str], steps: &[S]) -> Answer<Vec<Answer<S::Answer>>> {
        let each = self.by_owner(keys).into_iter().map(|(owner, places)| {
            let mut pipeline = redis::Pipeline::with_capacity(places.len());
            // A server that does not know the script would refuse them all: the first of many teaches it.
            let mut teaches = places.len() >= MANY;
            for place in &places {
                let (key, step) = (self.full(keys[*place]), &steps[*place]);
                let by = if mem::take(&mut teaches) { by_source } else { by_hash };
                pipeline.add_command(by(key, step));
            }
            async move {
                let answers = match &owner {
                    Ok(link) => link.call_all_of_write(pipeline).await.map_err(StoreError::from),
                    Err(error) => Err(error.clone()),
                };
                (owner, answers, places)
            }
        });
        let mut all = vec![Err(StoreError::Timeout(Duration::ZERO)); keys.len()];
        for (owner, answers, places) in join_all(each).await {
            let answers: Vec<RedisResult<i64>> = match answers {
                Ok(answers) => answers,
                Err(error) => {
                    for place in places {
                        all[place] = Err(error.clone());
                    }
                    continue;
                }
            };
            for (place, answer) in places.into_iter().zip(answers) {
                all[place] = match answer {
                    Ok(reply) => verdict::<S>(reply),
                    Err(error) => {
                        if let Ok(link) = &owner {
                            self.route.refused(link, &error);
                        }
                        let not_done =
                            is_unknown(error.code().unwrap_or_default()) || error.redirect_node().is_some();
                        match &owner {
                            // The server has forgotten the script, or the key is on another: it was not carried out.
                            Ok(link) if not_done => {
                                self.run_of_write(link, self.full(keys[place]), &steps[place]).await
                            }
                            _ => Err(store_error(&error)),
                        }
                    }
                };
            }
        }
        Ok(all)
    }

    /// The places of keys in their list, by the server that has them.
    fn by_owner(&self, keys: &[&str]) -> Vec<(Answer<Link>, Vec<usize>)> {
        let mut owners: Vec<(Answer<Link>, Vec<usize>)> = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let owner = self.route.owner(self.full(key)).map(Cow::into_owned);
            let known = owners.iter_mut().find(|(known, _)| match (known, &owner) {
                (Ok(known), Ok(owner)) => known.is(owner),
                _ => false,
            });
            match known {
                Some((_, places)) => places.push(place),
                None => owners.push((owner, vec![place])),
            }
        }
        owners
    }
}

fn verdict<S: Step>(reply: i64) -> Answer<S::Answer> {
    Ok(S::answer(reply)?)
}

fn is_unknown(reason: &str) -> bool {
    reason.starts_with("NOSCRIPT")
}

/// Redis counts in milliseconds, and knows no expiry of none.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
