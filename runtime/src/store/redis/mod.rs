//! The verbs over one Redis server.

mod address;
mod connection;
mod scripts;

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use redis::{ConnectionInfo, RedisResult, RedisWrite, ToRedisArgs, ToSingleRedisArg};

pub(crate) use self::address::address;
use self::{connection::Link, scripts::Verb};
use super::{Acquired, Answer, StoreError, Watched, Watches};
use crate::entry::{self, Token};

#[derive(Debug)]
pub(crate) struct RedisStore {
    namespace: String,
    link: Link,
    watches: Watches,
    /// The server is older than 7.0 and does not know `SET … NX GET`.
    no_nx_get: AtomicBool,
}

impl RedisStore {
    pub(crate) async fn connect(
        info: ConnectionInfo,
        namespace: String,
        connect_timeout: Duration,
    ) -> RedisStore {
        let watches = Watches::default();
        let link = Link::new(info, connect_timeout, watches.clone()).await;
        RedisStore { namespace, link, watches, no_nx_get: AtomicBool::new(false) }
    }

    pub(crate) fn place(&self) -> String {
        self.link.place()
    }

    pub(crate) fn unanswered(&self) {
        self.link.unanswered();
    }

    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        self.link.call(redis::cmd("GET").arg(self.full(key))).await
    }

    pub(crate) async fn acquire(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        lease: Duration,
    ) -> Answer<Acquired> {
        let mine = entry::lease(token);
        if seen.is_empty() && !self.no_nx_get.load(Relaxed) {
            let mut set = redis::cmd("SET");
            set.arg(self.full(key)).arg(&mine).arg("NX").arg("GET").arg("PX").arg(millis(lease));
            match self.link.call::<Option<Vec<u8>>>(&set).await {
                Ok(None) => return Ok(Acquired::Yes),
                Ok(Some(there)) => return Ok(Acquired::No(there)),
                Err(StoreError::Server(reason)) if reason.contains("syntax error") => {
                    self.no_nx_get.store(true, Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        let acquired = self.run(&scripts::ACQUIRE, key, (seen, &mine[..], millis(lease))).await?;
        Ok(if acquired { Acquired::Yes } else { Acquired::Changed })
    }

    pub(crate) async fn renew(&self, key: &str, token: Token, lease: Duration) -> Answer<bool> {
        self.run(&scripts::RENEW, key, (&entry::lease(token)[..], millis(lease))).await
    }

    pub(crate) async fn fill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        self.run(&scripts::FILL, key, (&entry::lease(token)[..], value, millis(ttl))).await
    }

    pub(crate) async fn abandon(&self, key: &str, token: Token) -> Answer<bool> {
        self.run(&scripts::ABANDON, key, &entry::lease(token)[..]).await
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

    pub(crate) async fn remove(&self, keys: &[&str]) -> Answer<Vec<Answer<()>>> {
        Ok(done(self.run_all(&scripts::REMOVE, keys, "").await?))
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let full = self.full(key);
        let told = self.link.tracking();
        let watch = self.watches.watch(&full.to_string(), told);
        let mut pipeline = redis::pipe();
        if told {
            // The server remembers that this connection reads the key next, and says so once when it changes.
            pipeline.cmd("CLIENT").arg("CACHING").arg("YES").ignore();
        }
        pipeline.cmd("GET").arg(full).cmd("PTTL").arg(full);
        let (there, left): (RedisResult<Option<Vec<u8>>>, RedisResult<i64>) =
            self.link.call_all(&mut pipeline).await?;
        let there = there.map_err(|error| connection::store_error(&error))?;
        // Negative where the key has no expiry, or is gone.
        let left = u64::try_from(left.unwrap_or_default()).map(Duration::from_millis).unwrap_or_default();
        Ok(Watched { watch, there, left })
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        self.link.call(&redis::cmd("PING")).await
    }

    fn full<'a>(&'a self, key: &'a str) -> FullKey<'a> {
        FullKey { namespace: &self.namespace, key }
    }

    /// Runs a script on one key, teaching it to the server where it does not know it.
    async fn run(&self, verb: &Verb, key: &str, arguments: impl ToRedisArgs) -> Answer<bool> {
        let full = self.full(key);
        let known = self.link.call(verb.by_hash().arg(full).arg(&arguments)).await;
        let answer: i64 = match known {
            Err(StoreError::Server(reason)) if is_unknown(&reason) => {
                self.link.call(verb.by_source().arg(full).arg(&arguments)).await?
            }
            answer => answer?,
        };
        verdict(answer)
    }

    /// Runs a script on each of several keys, in one round trip.
    async fn run_all(
        &self,
        verb: &Verb,
        keys: &[&str],
        arguments: impl ToRedisArgs,
    ) -> Answer<Vec<Answer<bool>>> {
        let mut pipeline = redis::Pipeline::with_capacity(keys.len());
        for key in keys {
            let mut command = verb.by_hash();
            command.arg(self.full(key)).arg(&arguments);
            pipeline.add_command(command);
        }
        let answers: Vec<RedisResult<i64>> = self.link.call_all(&mut pipeline).await?;
        let mut all = Vec::with_capacity(keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            all.push(match answer.map_err(|error| connection::store_error(&error)) {
                Ok(answer) => verdict(answer),
                // The first to find that the server has forgotten the script teaches it to it.
                Err(StoreError::Server(reason)) if is_unknown(&reason) => {
                    self.run(verb, key, &arguments).await
                }
                Err(error) => Err(error),
            });
        }
        Ok(all)
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

impl ToRedisArgs for FullKey<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let mut out = out.writer_for_next_arg();
        // Writing into the command's buffer can't fail.
        let _ = out.write_all(self.namespace.as_bytes());
        let _ = out.write_all(b":");
        let _ = out.write_all(self.key.as_bytes());
    }
}

impl ToSingleRedisArg for FullKey<'_> {}

impl std::fmt::Display for FullKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.namespace, self.key)
    }
}
