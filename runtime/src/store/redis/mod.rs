//! The verbs over one Redis server.

mod address;
mod away;
mod cluster;
mod connection;
mod gather;
mod handshake;
mod large;
mod reads;
mod replicas;
mod route;
mod scripts;
mod sentinel;
#[cfg(feature = "tls")]
mod tls;
mod trial;

use std::{
    borrow::Cow,
    io::Write,
    iter, mem,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cached_aside_protocol::{Token, entry};
use futures_util::future::join_all;
use redis::{FromRedisValue, RedisResult, RedisWrite, ToRedisArgs, ToSingleRedisArg};
use tokio::{runtime::Handle, sync::Notify};

#[cfg(feature = "tls")]
pub(crate) use self::tls::Certificates;
pub(crate) use self::{address::Address, connection::Limits};
use self::{
    connection::{Common, Link, store_error},
    large::{LargeValues, Way},
    route::Route,
    scripts::Verb,
    trial::Trial,
};
use super::{Acquired, Answer, LARGE, Put, StoreError, Watched, Watches};
use crate::{
    engine::{self, Clock},
    health::Owed,
    telemetry::Node,
};

#[derive(Debug)]
pub(crate) struct RedisStore {
    namespace: String,
    route: Route,
    watches: Watches,
    /// Told when a connection is there again.
    back: Arc<Notify>,
    /// The keys whose invalidations could not be delivered, counted.
    owed: Arc<Owed>,
    /// The keys whose values travel apart from the others.
    large: LargeValues,
    /// Maximum length of a value.
    max_value: usize,
    /// The server is older than 7.0 and does not know `SET … NX GET`.
    no_nx_get: AtomicBool,
}

impl RedisStore {
    pub(crate) async fn connect(address: Address, namespace: String, limits: Limits) -> RedisStore {
        let (watches, back, owed) = (Watches::default(), Arc::default(), Arc::<Owed>::default());
        // Where time is paused, a connection that is driven there would be taken for silent.
        let home = Handle::try_current().ok().filter(|_| !Clock::Callers.is_paused()).map(|home| home.id());
        let trial = Trial::new(&namespace);
        let common = Common {
            limits,
            watches: Watches::clone(&watches),
            back: Arc::clone(&back),
            owed: Arc::clone(&owed),
            trial,
            home,
        };
        let route = Route::connect(address.tuned(), common).await;
        join_all(route.links().iter().map(Link::connect_own)).await;
        let (large, max_value, no_nx_get) = (LargeValues::default(), limits.value, AtomicBool::new(false));
        RedisStore { namespace, route, watches, back, owed, large, max_value, no_nx_get }
    }

    /// Maximum length of a value.
    pub(crate) fn max_value(&self) -> usize {
        self.max_value
    }

    pub(crate) fn place(&self) -> String {
        self.route.place()
    }

    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.route.links().iter().map(Link::node).collect()
    }

    pub(crate) fn back(&self) -> &Arc<Notify> {
        &self.back
    }

    pub(crate) fn owed(&self) -> &Arc<Owed> {
        &self.owed
    }

    /// Whether a server is known not to be there.
    pub(crate) fn is_away(&self) -> bool {
        self.route.links().iter().any(|link| !link.is_up())
    }

    async fn read_timed_at(&self, link: &Link, full: FullKey<'_>) -> Answer<(Option<Bytes>, Duration)> {
        let mut pipeline = redis::pipe();
        // Asked afterwards, the time makes an entry rather older than younger than it is.
        pipeline.cmd("GET").arg(full).cmd("TIME");
        let (there, now): (RedisResult<Option<Bytes>>, RedisResult<Time>) =
            link.call_all(&mut pipeline).await?;
        match (there, now) {
            (Ok(there), Ok(now)) => Ok((there, now.since_the_epoch())),
            (Err(error), _) if error.redirect_node().is_some() => {
                self.route.refused(link, &error);
                let there = self.route.call(full, redis::cmd("GET").arg(full)).await?;
                Ok((there, self.time(full).await?))
            }
            (Err(error), _) | (_, Err(error)) => {
                self.route.refused(link, &error);
                Err(store_error(&error))
            }
        }
    }

    /// The time of the server that has this key.
    async fn time(&self, full: FullKey<'_>) -> Answer<Duration> {
        let now: Time = self.route.owner(full)?.call(&redis::cmd("TIME")).await?;
        Ok(now.since_the_epoch())
    }

    pub(crate) async fn acquire(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        lease: Duration,
    ) -> Answer<Acquired> {
        let mine = entry::lease(token);
        // `GET` would bring a large value along that another process has just stored.
        let short = || self.large.way(key, Instant::now) == Way::Usual;
        if seen.is_empty() && !self.no_nx_get.load(Relaxed) && short() {
            let full = self.full(key);
            let mut set = redis::cmd("SET");
            set.arg(full).arg(&mine).arg("NX").arg("GET").arg("PX").arg(millis(lease));
            match self.route.call_here::<Option<Bytes>>(full, &set).await {
                Ok(None) => return Ok(Acquired::Yes),
                Ok(Some(there)) => return Ok(Acquired::No(there)),
                Err(StoreError::Server(reason)) if reason.contains("syntax error") => {
                    self.no_nx_get.store(true, Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        let acquired = self.run_here(&scripts::ACQUIRE, key, (seen, &mine[..], millis(lease)), false).await?;
        Ok(if acquired { Acquired::Yes } else { Acquired::Changed })
    }

    pub(crate) async fn renew(&self, key: &str, token: Token, lease: Duration) -> Answer<bool> {
        self.run(&scripts::RENEW, key, (&entry::lease(token)[..], millis(lease))).await
    }

    pub(crate) async fn fill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        let arguments = (&entry::lease(token)[..], value, millis(ttl));
        self.run_with(&scripts::FILL, key, value, arguments).await
    }

    pub(crate) async fn abandon(&self, key: &str, token: Token) -> Answer<bool> {
        self.run_here(&scripts::ABANDON, key, &entry::lease(token)[..], true).await
    }

    pub(crate) async fn elect(&self, key: &str, seen: &[u8], token: Token, hold: Duration) -> Answer<bool> {
        self.run_here(&scripts::ELECT, key, (seen, &token.as_bytes()[..], millis(hold)), false).await
    }

    pub(crate) async fn take_over(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        hold: Duration,
    ) -> Answer<bool> {
        self.run_here(&scripts::TAKE_OVER, key, (seen, &token.as_bytes()[..], millis(hold)), false).await
    }

    pub(crate) async fn renew_refresh(&self, key: &str, token: Token, hold: Duration) -> Answer<bool> {
        self.run(&scripts::RENEW_REFRESH, key, (&token.as_bytes()[..], millis(hold))).await
    }

    pub(crate) async fn refill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        self.run_with(&scripts::REFILL, key, value, (&token.as_bytes()[..], value, millis(ttl))).await
    }

    pub(crate) async fn rest(&self, key: &str, token: Token, failures: u8, pause: Duration) -> Answer<bool> {
        let failures = entry::failures(failures);
        let arguments = (&token.as_bytes()[..], &failures[..], settle_millis(pause));
        self.run_here(&scripts::REST, key, arguments, true).await
    }

    pub(crate) async fn discard(&self, key: &str, token: Token) -> Answer<bool> {
        self.run_here(&scripts::DISCARD, key, &token.as_bytes()[..], true).await
    }

    pub(crate) async fn guard(&self, keys: &[&str], token: Token, hold: Duration) -> Answer<Vec<Answer<()>>> {
        Ok(done(self.run_all(&scripts::GUARD, keys, (&token.as_bytes()[..], millis(hold))).await?))
    }

    pub(crate) async fn renew_guard(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
    ) -> Answer<Vec<Answer<bool>>> {
        self.run_all(&scripts::RENEW_GUARD, keys, (&token.as_bytes()[..], millis(hold))).await
    }

    pub(crate) async fn release(
        &self,
        keys: &[&str],
        token: Token,
        settle: Duration,
    ) -> Answer<Vec<Answer<()>>> {
        Ok(done(self.run_all(&scripts::RELEASE, keys, (&token.as_bytes()[..], settle_millis(settle))).await?))
    }

    pub(crate) async fn release_with(&self, puts: &[Put<'_>], token: Token) -> Answer<Vec<Answer<bool>>> {
        let keys: Vec<&str> = puts.iter().map(|put| put.key).collect();
        if !keys.iter().all(|key| self.route.owner(self.full(key)).is_ok_and(|owner| owner.is_open())) {
            // Right after an outage nothing is stored.
            let released = self.release(&keys, token, Duration::ZERO).await?;
            return Ok(released.into_iter().map(|answer| answer.map(|()| false)).collect());
        }
        let arguments = |place: usize| {
            let Put { value, ttl, .. } = puts[place];
            (&token.as_bytes()[..], value, millis(ttl))
        };
        if puts.iter().all(|put| put.value.len() <= LARGE) {
            return self.run_each(&scripts::RELEASE_WITH, &keys, arguments).await;
        }
        let arguments = &arguments;
        let each = keys.iter().enumerate().map(|(place, key)| async move {
            let (verb, value) = (&scripts::RELEASE_WITH, puts[place].value);
            if value.len() > LARGE {
                return self.run_with(verb, key, value, arguments(place)).await;
            }
            let owner = self.route.owner(self.full(key))?;
            self.run_of_write(&owner, verb, key, arguments(place)).await
        });
        Ok(join_all(each).await)
    }

    pub(crate) async fn remove(&self, keys: &[&str]) -> Answer<Vec<Answer<()>>> {
        Ok(done(self.run_all(&scripts::REMOVE, keys, "").await?))
    }

    /// Places guards that count only once so many replicas have confirmed them.
    ///
    /// `WAIT` holds up whatever else is sent over its connection, and speaks only of what was: so it has one of its own.
    pub(crate) async fn guard_on_replicas(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
        replicas: u8,
        within: Duration,
    ) -> Answer<Vec<Answer<()>>> {
        let each = self.by_owner(keys).into_iter().map(|(owner, places)| async move {
            let outcome = async {
                let begun = Instant::now();
                let link = owner?.second().await;
                let mut pipeline = redis::Pipeline::with_capacity(places.len() + 1);
                for place in &places {
                    let mut command = scripts::GUARD.by_source();
                    command.arg(self.full(keys[*place])).arg(&token.as_bytes()[..]).arg(millis(hold));
                    pipeline.add_command(command);
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
                    Ok(answer) if answer < 0 => Err(StoreError::Foreign),
                    Ok(_) => missing.clone().map_or(Ok(()), |reason| Err(StoreError::Server(reason))),
                };
            }
        }
        Ok(all)
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let full = self.full(key);
        let (link, reading) = self.way(key).await?;
        let told = link.tracking();
        let mut watch = self.watches.watch(&full.to_string(), told);
        let mut pipeline = redis::pipe();
        if told {
            // The server remembers that this connection reads the key next, and says so once when it changes.
            pipeline.cmd("CLIENT").arg("CACHING").arg("YES").ignore();
        }
        pipeline.cmd("GET").arg(full).cmd("PTTL").arg(full).cmd("TIME");
        let (there, left, now): (RedisResult<Option<Bytes>>, RedisResult<i64>, RedisResult<Time>) =
            link.call_all(&mut pipeline).await?;
        let (there, left, now) = match there {
            Ok(there) => {
                let now = now.map_err(|error| store_error(&error))?.since_the_epoch();
                (there, left.unwrap_or_default(), now)
            }
            Err(error) => {
                self.route.refused(&link, &error);
                if error.redirect_node().is_none() {
                    return Err(store_error(&error));
                }
                // The key is moving to another node: nobody will announce its change here.
                watch = self.watches.watch(&full.to_string(), false);
                let there = self.route.call(full, redis::cmd("GET").arg(full)).await?;
                let left = self.route.call(full, redis::cmd("PTTL").arg(full)).await?;
                (there, left, self.time(full).await?)
            }
        };
        // Negative where the key has no expiry, or is gone.
        let left = u64::try_from(left).map(Duration::from_millis).unwrap_or_default();
        reading.end(there.as_ref());
        Ok(Watched { watch, there, left, now })
    }

    /// Asks every server.
    pub(crate) async fn ping(&self) -> Answer<()> {
        let links = self.route.links();
        if links.is_empty() {
            return Err(StoreError::Unreachable("no node of the cluster is known".to_owned()));
        }
        // What this caller has sent is behind it, over whichever connection it was.
        let ways = links.iter().flat_map(|link| {
            let here = link.here_if_up();
            iter::once(link).chain((!here.is(link)).then_some(here))
        });
        for answer in join_all(ways.map(Link::ping)).await {
            answer?;
        }
        Ok(())
    }

    fn full<'a>(&'a self, key: &'a str) -> FullKey<'a> {
        FullKey { namespace: &self.namespace, key }
    }

    /// Runs a script on one key, teaching it to the server where it does not know it.
    async fn run(&self, verb: &Verb, key: &str, arguments: impl ToRedisArgs) -> Answer<bool> {
        let full = self.full(key);
        let owner = self.route.owner(full)?;
        self.run_at(&owner, verb, full, arguments).await
    }

    /// The same over the connection of the caller's runtime. Where that broke, or stands still for half of the time that calls
    /// have, what may be sent `again` is sent over the lasting one; and if that finds it done, the first may have done it.
    async fn run_here(
        &self,
        verb: &Verb,
        key: &str,
        arguments: impl ToRedisArgs,
        again: bool,
    ) -> Answer<bool> {
        let full = self.full(key);
        let owner = self.route.owner(full)?;
        let link = owner.here_if_up();
        let run = self.run_at(link, verb, full, &arguments);
        if !link.is_own() || !again {
            return run.await;
        }
        let (half, mut run) = (link.limits().call / 2, pin!(run));
        match engine::timeout(half, run.as_mut()).await {
            Ok(Err(StoreError::Unreachable(_))) => self.run_at(&owner, verb, full, &arguments).await,
            Ok(answer) => answer,
            Err(_) => match self.run_at(&owner, verb, full, &arguments).await {
                Ok(false) => engine::timeout(half, run).await.unwrap_or(Ok(false)),
                answer => answer,
            },
        }
    }

    async fn run_at(
        &self,
        link: &Link,
        verb: &Verb,
        full: FullKey<'_>,
        arguments: impl ToRedisArgs,
    ) -> Answer<bool> {
        let known = self.route.call_at(link, verb.by_hash().arg(full).arg(&arguments)).await;
        let answer: i64 = match known {
            Err(StoreError::Server(reason)) if is_unknown(&reason) => {
                self.route.call_at(link, verb.by_source().arg(full).arg(&arguments)).await?
            }
            answer => answer?,
        };
        verdict(answer)
    }

    /// Runs a script that stores a value.
    async fn run_with(
        &self,
        verb: &Verb,
        key: &str,
        value: &[u8],
        arguments: impl ToRedisArgs,
    ) -> Answer<bool> {
        self.large.stored(key, value.len());
        if value.len() <= LARGE {
            return self.run_here(verb, key, arguments, true).await;
        }
        let full = self.full(key);
        let link = self.route.owner(full)?.for_large_values().await?;
        // With its source: beside such a value that is nothing, and it is not sent twice.
        let answer: i64 = self.route.call_at(&link, verb.by_source().arg(full).arg(&arguments)).await?;
        verdict(answer)
    }

    /// The same for a step of a write.
    async fn run_of_write(
        &self,
        link: &Link,
        verb: &Verb,
        key: &str,
        arguments: impl ToRedisArgs,
    ) -> Answer<bool> {
        let full = self.full(key);
        let known = self.route.call_of_write(link, verb.by_hash().arg(full).arg(&arguments)).await;
        let answer: i64 = match known {
            Err(StoreError::Server(reason)) if is_unknown(&reason) => {
                self.route.call_of_write(link, verb.by_source().arg(full).arg(&arguments)).await?
            }
            answer => answer?,
        };
        verdict(answer)
    }

    /// Runs a script of a write on each of several keys, in one round trip to each server.
    async fn run_all(
        &self,
        verb: &Verb,
        keys: &[&str],
        arguments: impl ToRedisArgs,
    ) -> Answer<Vec<Answer<bool>>> {
        self.run_each(verb, keys, |_| &arguments).await
    }

    /// The same, with arguments for each key: for the one with this number.
    async fn run_each<A: ToRedisArgs>(
        &self,
        verb: &Verb,
        keys: &[&str],
        arguments: impl Fn(usize) -> A,
    ) -> Answer<Vec<Answer<bool>>> {
        let each = self.by_owner(keys).into_iter().map(|(owner, places)| {
            let mut pipeline = redis::Pipeline::with_capacity(places.len());
            // A server that does not know the script would refuse them all: the first of many teaches it.
            let mut teaches = places.len() >= MANY;
            for place in &places {
                let mut command = if mem::take(&mut teaches) { verb.by_source() } else { verb.by_hash() };
                command.arg(self.full(keys[*place])).arg(arguments(*place));
                pipeline.add_command(command);
            }
            async move {
                let answers = match &owner {
                    Ok(link) => link.call_all_of_write(pipeline).await.map_err(StoreError::from),
                    Err(error) => Err(error.clone()),
                };
                (owner, answers, places)
            }
        });
        let mut all = vec![Ok(false); keys.len()];
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
                    Ok(answer) => verdict(answer),
                    Err(error) => {
                        if let Ok(link) = &owner {
                            self.route.refused(link, &error);
                        }
                        let not_done =
                            is_unknown(error.code().unwrap_or_default()) || error.redirect_node().is_some();
                        match &owner {
                            // The server has forgotten the script, or the key is on another: it was not carried out.
                            Ok(link) if not_done => {
                                self.run_of_write(link, verb, keys[place], arguments(place)).await
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

/// Number of keys from which on a packet carries its script's source.
const MANY: usize = 16;

/// What `TIME` answers: seconds and microseconds.
struct Time(u64, u64);

impl FromRedisValue for Time {
    fn from_redis_value(value: redis::Value) -> Result<Time, redis::ParsingError> {
        let (seconds, micros) = FromRedisValue::from_redis_value(value)?;
        Ok(Time(seconds, micros))
    }
}

impl Time {
    /// Rounded down to milliseconds, as the scripts do.
    fn since_the_epoch(&self) -> Duration {
        Duration::from_millis(self.0 * 1000 + self.1 / 1000)
    }
}

fn verdict(answer: i64) -> Answer<bool> {
    if answer < 0 { Err(StoreError::Foreign) } else { Ok(answer > 0) }
}

/// Guards and releases of keys that are somebody else's are no failures of the write: there is nothing of ours to
/// guard. Everything else that was answered was done.
fn done(answers: Vec<Answer<bool>>) -> Vec<Answer<()>> {
    answers.into_iter().map(|answer| answer.map(drop)).collect()
}

fn is_unknown(reason: &str) -> bool {
    reason.starts_with("NOSCRIPT")
}

/// Redis counts in milliseconds, and knows no expiry of none.
fn millis(duration: Duration) -> u64 {
    settle_millis(duration).max(1)
}

fn settle_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A key with its namespace, written straight into the command.
#[derive(Clone, Copy)]
struct FullKey<'a> {
    namespace: &'a str,
    key: &'a str,
}

impl<'a> FullKey<'a> {
    /// One after the other they are the key.
    fn parts(self) -> [&'a [u8]; 3] {
        [self.namespace.as_bytes(), b":", self.key.as_bytes()]
    }

    fn len(self) -> usize {
        self.namespace.len() + 1 + self.key.len()
    }
}

impl ToRedisArgs for FullKey<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let mut out = out.writer_for_next_arg();
        // Writing into the command's buffer can't fail.
        for part in self.parts() {
            let _ = out.write_all(part);
        }
    }
}

impl ToSingleRedisArg for FullKey<'_> {}

impl std::fmt::Display for FullKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.namespace, self.key)
    }
}
