//! A reader that misses becomes the one who loads.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, SetIfAbsent, Step, done, script::script, ttl};
use crate::{Slot, Token, entry};

/// Becomes the loader of a key under which `seen` stands.
#[derive(Debug, Clone)]
pub struct Acquire {
    /// Nothing (empty), or the [head](entry::head) of an unusable entry.
    pub seen: Bytes,
    /// Who acquires it.
    pub token: Token,
    /// How long the lease stands unrenewed.
    pub lease: Duration,
}

/// The outcome of an attempt to become the loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The lease is ours.
    Yes,
    /// This is there instead.
    No(Bytes),
    /// Something else was there, or is gone again: look once more.
    Changed,
}

impl Step for Acquire {
    type Answer = Acquired;

    const NAME: &'static str = "acquire";
    const REPEATABLE: bool = false;

    script!("acquire.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(&self.seen);
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.lease));
    }

    fn answer(reply: i64) -> Result<Acquired, Foreign> {
        Ok(if done(reply)? { Acquired::Yes } else { Acquired::Changed })
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Acquired, Foreign> {
        match slot.bytes() {
            Some(there) if self.seen.is_empty() || entry::head(there) != self.seen => {
                return Ok(Acquired::No(Bytes::copy_from_slice(there)));
            }
            None if !self.seen.is_empty() => return Ok(Acquired::Changed),
            _ => {}
        }
        slot.put(entry::lease(self.token).to_vec(), Duration::from_millis(ttl(self.lease)));
        Ok(Acquired::Yes)
    }

    fn set_if_absent(&self) -> Option<SetIfAbsent<Acquired>> {
        self.seen.is_empty().then(|| SetIfAbsent {
            value: entry::lease(self.token).to_vec(),
            ttl: ttl(self.lease),
            answer: |there| there.map_or(Acquired::Yes, Acquired::No),
        })
    }
}
