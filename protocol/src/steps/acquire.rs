//! A reader that misses becomes the loader.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Reply, SetIfAbsent, Step, script::script, ttl};
use crate::{Slot, Token, entry};

/// Becomes the loader of a key whose entry is still the expected one.
#[derive(Debug, Clone)]
pub struct Acquire {
    /// Nothing (empty), or the [header](entry::header) of an unusable entry.
    pub expected: Bytes,
    /// The token of the loader.
    pub token: Token,
    /// Lifetime of the lease unless it is renewed.
    pub lease: Duration,
}

/// The outcome of an attempt to become the loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The lease was acquired.
    Yes,
    /// This entry is there instead.
    No(Bytes),
    /// The entry has changed, or is gone: look it up again.
    Changed,
    /// The entry can't be replaced yet: local copies of it may be used, by programs that can read it.
    Copied,
}

impl Step for Acquire {
    type Answer = Acquired;

    const NAME: &'static str = "acquire";
    const REPEATABLE: bool = false;

    script!("acquire.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(&self.expected);
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.lease));
    }

    fn answer(reply: Reply<'_>) -> Result<Acquired, Foreign> {
        match reply {
            Reply::Number(0) => Ok(Acquired::Changed),
            Reply::Number(1) => Ok(Acquired::Yes),
            Reply::Number(2) => Ok(Acquired::Copied),
            Reply::Number(_) | Reply::Bytes(_) => Err(Foreign),
        }
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Acquired, Foreign> {
        match slot.bytes() {
            Some(current) if self.expected.is_empty() || entry::header(current) != self.expected => {
                return Ok(Acquired::No(Bytes::copy_from_slice(current)));
            }
            None if !self.expected.is_empty() => return Ok(Acquired::Changed),
            _ if slot.wait_for_copies().is_some() => return Ok(Acquired::Copied),
            _ => {}
        }
        slot.put(entry::lease(self.token).to_vec(), Duration::from_millis(ttl(self.lease)));
        Ok(Acquired::Yes)
    }

    fn set_if_absent(&self) -> Option<SetIfAbsent<Acquired>> {
        self.expected.is_empty().then(|| SetIfAbsent {
            value: entry::lease(self.token).to_vec(),
            ttl: ttl(self.lease),
            answer: |current| current.map_or(Acquired::Yes, Acquired::No),
        })
    }
}
