//! The counts that processes publish, for tools. To the protocol they are data of another program.

use std::time::Duration;

use redis::{Value, cmd};

use super::RedisStore;
use crate::store::answer::{Answer, StoreError};

/// Maximum number of processes that publish, and the number of keys that are looked at for it.
pub(crate) const PUBLISHERS: u16 = 512;
/// What their keys begin with. No entry has such a key, since only keys of tags begin with `#`. In a cluster one node has all of them.
const START: &str = "#{stats} ";

/// What became of the counts of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    Written,
    /// Somebody else has the key.
    Taken,
}

/// Whether a key, without the namespace, is one of published counts.
pub(crate) fn is_published(key: &str) -> bool {
    key.strip_prefix(START).is_some_and(|number| number.parse::<u16>().is_ok())
}

fn key(number: u16) -> String {
    format!("{START}{number}")
}

impl RedisStore {
    /// Writes `text`, which begins with the `mark` of its process, unless somebody else's is there.
    pub(crate) async fn publish(
        &self,
        number: u16,
        mark: &str,
        text: &str,
        expiry: Duration,
    ) -> Answer<Published> {
        let key = key(number);
        let full = self.full(&key);
        if !self.is_free_for(&key, mark).await? {
            return Ok(Published::Taken);
        }
        let expiry = u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX);
        let set = cmd("SET").arg(full).arg(text).arg("PX").arg(expiry).clone();
        self.route.call::<()>(full, &set).await?;
        Ok(Published::Written)
    }

    /// Deletes what this process has published.
    pub(crate) async fn withdraw(&self, number: u16, mark: &str) -> Answer<()> {
        let key = key(number);
        if self.is_free_for(&key, mark).await? {
            let unlink = cmd("UNLINK").arg(self.full(&key)).clone();
            self.route.call::<()>(self.full(&key), &unlink).await?;
        }
        Ok(())
    }

    /// Everything that is published now.
    pub(crate) async fn published(&self) -> Answer<Vec<Vec<u8>>> {
        let keys: Vec<String> = (0..PUBLISHERS).map(key).collect();
        let mut all = cmd("MGET");
        for key in &keys {
            all.arg(self.full(key));
        }
        let there: Vec<Option<Vec<u8>>> = self.route.call(self.full(&keys[0]), &all).await?;
        Ok(there.into_iter().flatten().collect())
    }

    /// Whether nothing stands there, or what this process has written.
    async fn is_free_for(&self, key: &str, mark: &str) -> Answer<bool> {
        let full = self.full(key);
        let start = cmd("GETRANGE").arg(full).arg(0).arg(mark.len() - 1).clone();
        match self.route.call::<Value>(full, &start).await {
            Ok(Value::BulkString(start)) => Ok(start.is_empty() || start == mark.as_bytes()),
            Ok(_) | Err(StoreError::Foreign) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_counts_are_told_from_entries_and_tags() {
        assert!(is_published(&key(0)) && is_published(&key(PUBLISHERS - 1)));
        for other in ["user:1", "#{stats} ", "#{stats} x", "#stats", "{stats} 1"] {
            assert!(!is_published(other), "{other}");
        }
    }
}
