//! The in-process store, one step at a time: each verb is a command on the stage.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::Token;

use super::stage::Stage;
use crate::store::{Acquired, Answer, Put, Watched, memory::MemoryStore};

/// One process's way to the store that it shares with others.
pub(crate) struct SteppedStore {
    pub(super) inside: Arc<MemoryStore>,
    pub(super) stage: Arc<Stage>,
    pub(super) process: usize,
}

impl fmt::Debug for SteppedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteppedStore").field("process", &self.process).finish_non_exhaustive()
    }
}

/// Sends a verb with arguments of its own: it goes on without its caller.
macro_rules! send {
    ($self:ident, $verb:ident, $($own:ident = $value:expr,)* => ($($argument:expr),*)) => {{
        let inside = $self.inside.clone();
        $(let $own = $value;)*
        $self.stage.send($self.process, stringify!($verb), async move { inside.$verb($($argument),*).await }).await
    }};
}

impl SteppedStore {
    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Bytes>> {
        send!(self, read, key = key.to_owned(), => (&key))
    }

    pub(crate) async fn read_timed(&self, key: &str) -> Answer<(Option<Bytes>, Duration)> {
        send!(self, read_timed, key = key.to_owned(), => (&key))
    }

    pub(crate) async fn acquire(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        lease: Duration,
    ) -> Answer<Acquired> {
        send!(self, acquire, key = key.to_owned(), seen = seen.to_vec(), => (&key, &seen, token, lease))
    }

    pub(crate) async fn renew(&self, key: &str, token: Token, lease: Duration) -> Answer<bool> {
        send!(self, renew, key = key.to_owned(), => (&key, token, lease))
    }

    pub(crate) async fn fill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        send!(self, fill, key = key.to_owned(), value = value.to_vec(), => (&key, token, &value, ttl))
    }

    pub(crate) async fn abandon(&self, key: &str, token: Token) -> Answer<bool> {
        send!(self, abandon, key = key.to_owned(), => (&key, token))
    }

    pub(crate) async fn elect(&self, key: &str, seen: &[u8], token: Token, hold: Duration) -> Answer<bool> {
        send!(self, elect, key = key.to_owned(), seen = seen.to_vec(), => (&key, &seen, token, hold))
    }

    pub(crate) async fn take_over(
        &self,
        key: &str,
        seen: &[u8],
        token: Token,
        hold: Duration,
    ) -> Answer<bool> {
        send!(self, take_over, key = key.to_owned(), seen = seen.to_vec(), => (&key, &seen, token, hold))
    }

    pub(crate) async fn renew_refresh(&self, key: &str, token: Token, hold: Duration) -> Answer<bool> {
        send!(self, renew_refresh, key = key.to_owned(), => (&key, token, hold))
    }

    pub(crate) async fn refill(&self, key: &str, token: Token, value: &[u8], ttl: Duration) -> Answer<bool> {
        send!(self, refill, key = key.to_owned(), value = value.to_vec(), => (&key, token, &value, ttl))
    }

    pub(crate) async fn rest(&self, key: &str, token: Token, failures: u8, pause: Duration) -> Answer<bool> {
        send!(self, rest, key = key.to_owned(), => (&key, token, failures, pause))
    }

    pub(crate) async fn discard(&self, key: &str, token: Token) -> Answer<bool> {
        send!(self, discard, key = key.to_owned(), => (&key, token))
    }

    pub(crate) async fn guard(&self, keys: &[&str], token: Token, hold: Duration) -> Answer<Vec<Answer<()>>> {
        send!(self, guard, keys = owned(keys), => (&names(&keys), token, hold))
    }

    pub(crate) async fn renew_guard(
        &self,
        keys: &[&str],
        token: Token,
        hold: Duration,
    ) -> Answer<Vec<Answer<bool>>> {
        send!(self, renew_guard, keys = owned(keys), => (&names(&keys), token, hold))
    }

    pub(crate) async fn release(
        &self,
        keys: &[&str],
        token: Token,
        settle: Duration,
    ) -> Answer<Vec<Answer<()>>> {
        send!(self, release, keys = owned(keys), => (&names(&keys), token, settle))
    }

    pub(crate) async fn release_with(&self, puts: &[Put<'_>], token: Token) -> Answer<Vec<Answer<bool>>> {
        let owned = puts.iter().map(|put| (put.key.to_owned(), put.value.to_vec(), put.ttl));
        let (inside, puts) = (self.inside.clone(), owned.collect::<Vec<_>>());
        let release = async move {
            let puts = puts.iter().map(|(key, value, ttl)| Put { key, value, ttl: *ttl });
            inside.release_with(&puts.collect::<Vec<_>>(), token).await
        };
        self.stage.send(self.process, "release_with", release).await
    }

    pub(crate) async fn remove(&self, keys: &[&str]) -> Answer<Vec<Answer<()>>> {
        send!(self, remove, keys = owned(keys), => (&names(&keys)))
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        send!(self, watch, key = key.to_owned(), => (&key))
    }

    pub(crate) async fn ping(&self) -> Answer<()> {
        self.inside.ping().await
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

fn names(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}
