//! A load stores its result.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Reply, Step, done, script::script, ttl};
use crate::{Slot, Token};

/// Stores a value in the place of the lease, or of the value that is refreshed; `false` if the token no longer holds either.
#[derive(Debug, Clone)]
pub struct Fill {
    /// The token of the holder.
    pub token: Token,
    /// The entry; the store stamps it with its time.
    pub value: Bytes,
    /// When it expires.
    pub ttl: Duration,
}

impl Step for Fill {
    type Answer = bool;

    const NAME: &'static str = "fill";

    script!("held.lua", "fill.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        out.bytes(&self.value);
        out.number(ttl(self.ttl));
    }

    fn answer(reply: Reply<'_>) -> Result<bool, Foreign> {
        done(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<bool, Foreign> {
        let held = slot.held_by(self.token).is_some();
        if held {
            slot.store(&self.value, Duration::from_millis(ttl(self.ttl)));
        }
        Ok(held)
    }

    fn value(&self) -> Option<&Bytes> {
        Some(&self.value)
    }
}
