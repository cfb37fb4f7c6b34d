//! What stands under a key, for people and for programs.

use std::time::Duration;

use cached_aside::inspect::Inspected;
use cached_aside_protocol::outline::{OUTLINE_LEN, Outline, Stored, StoredResult};
use serde_json::{Value, json};

use crate::text::{millis, shown, size, time};

/// Number of bytes of an entry that are asked for, where its value is not shown.
pub const START: usize = OUTLINE_LEN;

/// An entry.
#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub outline: Outline,
    pub size: u64,
    expires_in: Option<Duration>,
    now: Duration,
}

impl Entry {
    pub fn new(key: &str, inspected: &Inspected) -> Entry {
        Entry {
            key: key.to_owned(),
            outline: Outline::of(&inspected.bytes, inspected.length),
            size: inspected.length,
            expires_in: inspected.expires_in,
            now: inspected.now,
        }
    }

    /// One word.
    pub fn state(&self) -> &'static str {
        match &self.outline {
            Outline::Lease => "loading",
            Outline::Guard { .. } => "guarded",
            Outline::Tag => "tag",
            Outline::Stored(stored) => match stored.result {
                _ if stored.refresh.runs && stored.refresh.until > self.now => "reloading",
                _ if self.is_stale(stored) => "stale",
                StoredResult::Value => "value",
                StoredResult::None => "none",
                StoredResult::Error => "error",
            },
            Outline::Unusable => "unusable",
            Outline::Foreign => "foreign",
        }
    }

    fn is_stale(&self, stored: &Stored) -> bool {
        stored.outlives_freshness && age(stored, self.now) >= stored.fresh_for
    }

    /// How old the value is.
    pub fn age(&self) -> Option<Duration> {
        match &self.outline {
            Outline::Stored(stored) => Some(age(stored, self.now)),
            _ => None,
        }
    }

    /// One line of a list: its columns have a width of their own, and the key, which may be long, comes last.
    pub fn row(&self) -> String {
        let age = self.age().map_or_else(|| "-".to_owned(), time);
        let left = self.expires_in.map_or_else(|| "never".to_owned(), time);
        let size = size(self.size);
        format!("{:<9} {age:>14} {left:>14} {size:>12}  {}", self.state(), shown(&self.key))
    }

    /// The heads of the columns of [`row`](Entry::row).
    pub fn heads() -> String {
        format!("{:<9} {:>14} {:>14} {:>12}  KEY", "STATE", "AGE", "EXPIRES IN", "SIZE")
    }

    /// Everything that the entry says, one fact a line: a name and a value.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("state", self.meaning())];
        if let Outline::Stored(stored) = &self.outline {
            facts.push(("age", time(age(stored, self.now))));
            facts.push(("fresh for", format!("{} from when it was stored", time(stored.fresh_for))));
            facts.push(("load took", time(stored.load_time)));
            if stored.refresh.failures > 0 {
                facts.push(("reloads", format!("the last {} failed", stored.refresh.failures)));
            }
            if stored.tags > 0 {
                facts.push((
                    "tags",
                    format!("{}; it is valid while none of them is invalidated", stored.tags),
                ));
            }
            facts.push(("fingerprint", format!("{:016x}", stored.fingerprint)));
        }
        let left = self.expires_in.map_or_else(|| "never: it is not the library's".to_owned(), time);
        facts.push(("expires in", left));
        facts.push(("size", size(self.size)));
        facts
    }

    fn meaning(&self) -> String {
        match (self.state(), &self.outline) {
            ("loading", _) => "loading: somebody reads the origin, others wait for it".to_owned(),
            ("guarded", Outline::Guard { writers, overlapped }) => {
                let overlap = if *overlapped { ", and writes have overlapped" } else { "" };
                format!(
                    "guarded: {writers} write(s) under way or settling{overlap}; calls run their bodies and store nothing"
                )
            }
            ("tag", _) => "tag: its version, which the entries that carry it have too".to_owned(),
            ("reloading", _) => "reloading: a value that somebody loads again".to_owned(),
            ("stale", _) => "stale: past its TTL, inside of its stale window".to_owned(),
            ("none", _) => "none: the function returned `None`".to_owned(),
            ("error", _) => "error: the function failed, and its error is stored".to_owned(),
            ("unusable", _) => "unusable: broken off, or of a later version; a load replaces it".to_owned(),
            ("foreign", _) => "foreign: data of another program, which the library leaves alone".to_owned(),
            (state, _) => state.to_owned(),
        }
    }

    pub fn to_json(&self) -> Value {
        let mut entry = json!({
            "key": self.key,
            "state": self.state(),
            "size": self.size,
            "expires_in_ms": self.expires_in.map(millis),
        });
        match &self.outline {
            Outline::Stored(stored) => {
                let result = match stored.result {
                    StoredResult::Value => "value",
                    StoredResult::None => "none",
                    StoredResult::Error => "error",
                };
                entry["result"] = json!(result);
                entry["age_ms"] = json!(millis(age(stored, self.now)));
                entry["fresh_for_ms"] = json!(millis(stored.fresh_for));
                entry["load_ms"] = json!(millis(stored.load_time));
                entry["failed_reloads"] = json!(stored.refresh.failures);
                entry["tags"] = json!(stored.tags);
                entry["fingerprint"] = json!(format!("{:016x}", stored.fingerprint));
            }
            Outline::Guard { writers, overlapped } => {
                entry["writers"] = json!(writers);
                entry["overlapped"] = json!(overlapped);
            }
            _ => {}
        }
        entry
    }
}

fn age(stored: &Stored, now: Duration) -> Duration {
    now.saturating_sub(stored.stored_at)
}

#[cfg(test)]
mod tests {
    use cached_aside_protocol::{
        Token, Writers,
        entry::{self, Header},
    };

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn state(bytes: &[u8]) -> &'static str {
        let inspected = Inspected {
            bytes: bytes.to_vec().into(),
            length: bytes.len() as u64,
            expires_in: Some(Duration::from_secs(1)),
            now: NOW,
        };
        let entry = Entry::new("k", &inspected);
        assert_eq!(entry.to_json()["state"], entry.state());
        assert!(entry.row().starts_with(entry.state()) && !entry.facts().is_empty());
        entry.state()
    }

    /// What was stored this long ago, is fresh for a minute, and is kept for longer.
    fn stored(ago: Duration, finish: fn(&mut [u8], Token, Header)) -> Vec<u8> {
        let mut bytes = entry::begin();
        let (fresh_for, load_time) = (Duration::from_secs(60), Duration::ZERO);
        finish(
            &mut bytes,
            Token::fresh(),
            Header { fingerprint: 7, fresh_for, load_time, outlives_freshness: true },
        );
        entry::stamp(&mut bytes, NOW.saturating_sub(ago));
        bytes
    }

    #[test]
    fn every_state_has_its_word() {
        let second = Duration::from_secs(1);
        let fresh = stored(second, entry::finish);
        assert_eq!(state(&fresh), "value");
        assert_eq!(state(&stored(second, entry::finish_failure)), "error");
        assert_eq!(state(&stored(second * 61, entry::finish)), "stale");
        let reloading = |until: Duration| {
            let mut bytes = fresh.clone();
            entry::set_refresh(&mut bytes, *Token::numbered(1 << 40).as_bytes(), until);
            bytes
        };
        assert_eq!(state(&reloading(NOW + second)), "reloading");
        assert_eq!(state(&reloading(NOW.saturating_sub(second))), "value", "whoever reloaded it is gone");
        assert_eq!(state(&entry::lease(Token::fresh())), "loading");
        let mut writers = Writers::default();
        writers.enter(Token::fresh(), NOW + second);
        assert_eq!(state(&writers.write()), "guarded");
        assert_eq!(state(&entry::tag(Token::fresh())), "tag");
        assert_eq!(state(&fresh[..30]), "unusable");
        assert_eq!(state(b"other"), "foreign");
    }
}
