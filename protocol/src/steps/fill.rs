//! A load stores its result.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Reply, Step, left, script::script, ttl};
use crate::{Slot, Token, slot::Held};

/// Stores a value in the place of the lease, or of the value that is refreshed. To those who hold local copies a refill is a write: it
/// is refused while they may be used.
#[derive(Debug, Clone)]
pub struct Fill {
    /// The token of the holder.
    pub token: Token,
    /// The entry; the store stamps it with its time.
    pub value: Bytes,
    /// When it expires.
    pub ttl: Duration,
}

/// What became of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The value was stored.
    Yes,
    /// The token no longer holds the lease or the refresh.
    No,
    /// The token holds the refresh, and local copies of the value may be used for this long: it is to be sent again after that.
    Copied(Duration),
}

impl Step for Fill {
    type Answer = Filled;

    const NAME: &'static str = "fill";

    script!("held.lua", "fill.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        out.bytes(&self.value);
        out.number(ttl(self.ttl));
    }

    fn answer(reply: Reply<'_>) -> Result<Filled, Foreign> {
        match reply {
            Reply::Number(0) => Ok(Filled::No),
            Reply::Number(1) => Ok(Filled::Yes),
            reply => left(reply).map(|more| Filled::Copied(more.saturating_sub(Duration::from_millis(1)))),
        }
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Filled, Foreign> {
        let Some(held) = slot.held_by(self.token) else { return Ok(Filled::No) };
        if held == Held::Refresh
            && let Some(until) = slot.wait_for_copies()
        {
            return Ok(Filled::Copied(slot.left(Some(until))));
        }
        slot.store(&self.value, Duration::from_millis(ttl(self.ttl)));
        Ok(Filled::Yes)
    }

    fn value(&self) -> Option<&Bytes> {
        Some(&self.value)
    }
}
