//! Commands of tools that look at a cache from outside of its calls.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use redis::{Cmd, ConnectionInfo, Value, cmd};

use super::{RedisStore, connection::NodeConnection, published::is_published, route::Route, wire::Time};
use crate::store::answer::{Answer, StoreError};

/// A key as it stands in Redis.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The first bytes, or all.
    pub bytes: Bytes,
    /// The number of all bytes.
    pub length: u64,
    /// How long until it expires; `None` if it never does.
    pub expires_in: Option<Duration>,
    /// The server's clock right after it was read.
    pub now: Duration,
}

/// One step of a search for keys.
#[derive(Debug, Clone, Default)]
pub struct Scanned {
    /// What the next step begins at; zero if this was the last.
    pub cursor: u64,
    /// Keys, without the namespace. One may come more than once.
    pub keys: Vec<String>,
}

impl RedisStore {
    /// Reads the first bytes of a key's value, without any regard to what they are.
    async fn inspect_one(&self, key: &str, bytes: usize) -> Answer<Option<Inspected>> {
        let full = self.full(key);
        let (start, length) =
            (cmd("GETRANGE").arg(full).arg(0).arg(bytes - 1).clone(), cmd("STRLEN").arg(full).clone());
        let expiry = cmd("PTTL").arg(full).clone();
        let look = || async {
            let (start, length, expiry) = futures_util::join!(
                self.route.call::<Value>(full, &start),
                self.route.call::<Value>(full, &length),
                self.route.call::<i64>(full, &expiry),
            );
            Look::of(start, length, expiry?)
        };
        let Some(Look { bytes, length, expiry }) = agreed(look, bytes).await? else { return Ok(None) };
        let now: Time = self.route.call(full, &cmd("TIME")).await?;
        let expires_in = u64::try_from(expiry).ok().map(Duration::from_millis);
        Ok(Some(Inspected { bytes, length, expires_in, now: now.since_the_epoch() }))
    }

    /// One step of a search of one server, by its number, for keys of the namespace that match a pattern of `SCAN`.
    pub(crate) async fn scan(&self, node: usize, cursor: u64, pattern: &str) -> Answer<Scanned> {
        let prefix = self.prefix();
        let pattern = format!("{}{pattern}", escaped(&prefix));
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let (cursor, keys): (u64, Vec<Vec<u8>>) = self.ask(node, &scan).await?;
        let keys = keys.iter().filter_map(|key| {
            // What is not UTF-8 is not ours, and published counts are no entries.
            let key = std::str::from_utf8(key).ok()?.strip_prefix(&prefix)?;
            (!is_published(key)).then(|| key.to_owned())
        });
        Ok(Scanned { cursor, keys: keys.collect() })
    }

    /// What every key begins with in Redis.
    pub(crate) fn prefix(&self) -> String {
        format!("{}:", self.namespace)
    }

    /// Sends a command to one server, by its number.
    pub(crate) async fn ask<T>(&self, node: usize, command: &Cmd) -> Answer<T>
    where
        T: redis::FromRedisValue + Send + 'static,
    {
        let nodes = self.route.connections();
        let node = nodes.get(node).ok_or_else(|| StoreError::Unreachable("no server is known".to_owned()))?;
        self.route.call_at(node, command).await
    }

    /// The first bytes of what stands under each of these keys.
    pub(crate) async fn inspect(&self, keys: &[String], bytes: usize) -> Answer<Vec<Option<Inspected>>> {
        join_all(keys.iter().map(|key| self.inspect_one(key, bytes))).await.into_iter().collect()
    }

    /// The number of known servers that hold entries.
    pub(crate) fn servers(&self) -> usize {
        self.route.connections().len()
    }

    /// Whether it finds the server of each key in a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.route, Route::Cluster(_))
    }

    /// How to connect to each of them.
    pub(crate) async fn infos(&self) -> Vec<ConnectionInfo> {
        let nodes = self.route.connections();
        join_all(nodes.iter().map(NodeConnection::current_info)).await.into_iter().flatten().collect()
    }
}

/// Maximum number of looks at a key that is changed between the commands of one.
const LOOKS: usize = 4;

/// What the commands of one look at a key say, between which it can be changed.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    bytes: Bytes,
    length: u64,
    expiry: i64,
}

impl Look {
    /// `None` if there is no such key.
    fn of(start: Answer<Value>, length: Answer<Value>, expiry: i64) -> Answer<Option<Look>> {
        // −2: there is no such key, −1: it has no expiry.
        if expiry == -2 {
            return Ok(None);
        }
        // Another type of Redis, such as a list, answers with an error: data of another program.
        let bytes = match start {
            Ok(Value::BulkString(bytes)) => Bytes::from(bytes),
            Ok(_) | Err(StoreError::Foreign) => Bytes::new(),
            Err(error) => return Err(error),
        };
        let length = match length {
            Ok(Value::Int(length)) => u64::try_from(length).unwrap_or_default(),
            Ok(_) | Err(StoreError::Foreign) => 0,
            Err(error) => return Err(error),
        };
        Ok(Some(Look { bytes, length, expiry }))
    }

    /// Whether this can be of one value of which so many bytes were asked for. A key that comes after the first command seems to be
    /// empty, which no entry is.
    fn agrees(&self, bytes: usize) -> bool {
        self.length > 0 && self.bytes.len() as u64 == self.length.min(bytes as u64)
    }
}

/// Looks at a key until the answers are of one value, or stay as they are.
async fn agreed<F>(look: impl Fn() -> F, bytes: usize) -> Answer<Option<Look>>
where
    F: Future<Output = Answer<Option<Look>>>,
{
    let mut last = None;
    for _ in 0..LOOKS {
        last = look().await?;
        if last.as_ref().is_none_or(|look| look.agrees(bytes)) {
            break;
        }
    }
    Ok(last)
}

/// Number of keys that a server looks at in one step, in which it does nothing else.
pub const STEP: u64 = 500;

/// A text as a pattern that only itself matches.
pub(crate) fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What comes of looks that say this one after another, the last one again and again; and how many it took.
    async fn after(says: &[Option<Look>]) -> (Option<Look>, usize) {
        let looks = Cell::new(0);
        let look = || async {
            let at = looks.replace(looks.get() + 1);
            Ok(says[at.min(says.len() - 1)].clone())
        };
        let found = agreed(look, 8).await.unwrap();
        (found, looks.get())
    }

    #[tokio::test]
    async fn a_key_that_is_changed_between_the_commands_of_a_look_is_looked_at_again() {
        let look = |bytes: &'static [u8], length| {
            Some(Look { bytes: Bytes::from_static(bytes), length, expiry: 1_000 })
        };
        let (entry, lease) = (look(b"entry of", 20), look(b"lease", 5));
        for once in [&entry, &lease, &None] {
            assert_eq!(after(&[once.clone(), look(b"other", 5)]).await, (once.clone(), 1));
        }
        // It was created behind the first command, or behind the second.
        assert_eq!(after(&[look(b"", 5), lease.clone()]).await, (lease.clone(), 2));
        assert_eq!(after(&[look(b"", 0), lease.clone()]).await, (lease.clone(), 2));
        // A lease was filled, and then the entry was removed.
        assert_eq!(after(&[look(b"lease", 20), look(b"entry of", 0), None]).await, (None, 3));
        // An empty text of another program, or another type.
        assert_eq!(after(&[look(b"", 0)]).await, (look(b"", 0), LOOKS));
    }

    #[test]
    fn a_namespace_is_no_pattern() {
        assert_eq!(escaped("shop*[a]?\\:"), "shop\\*\\[a\\]\\?\\\\:");
    }
}
