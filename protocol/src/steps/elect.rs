//! A reader of a stale value becomes the one that refreshes it.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Reply, Step, done, script::script, ttl};
use crate::{Slot, Token, format::LONGEST};

/// Acquires the refresh of the value with the expected header; `false` if that has changed, or another refresh runs or backs off.
#[derive(Debug, Clone)]
pub struct Elect {
    /// The [header](crate::entry::header) of the value that was read.
    pub expected: Bytes,
    /// The token of the loader.
    pub token: Token,
    /// Lifetime of the refresh unless it is renewed.
    pub hold: Duration,
    /// Takes the refresh from its holder, and ignores a pause.
    pub force: bool,
}

impl Step for Elect {
    type Answer = bool;

    const NAME: &'static str = "elect";
    const REPEATABLE: bool = false;

    script!("elect.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(&self.expected);
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.hold));
        out.number(self.force.into());
    }

    fn answer(reply: Reply<'_>) -> Result<bool, Foreign> {
        done(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<bool, Foreign> {
        let now = slot.now();
        let Some(until) = slot.refresh_of(&self.expected) else { return Ok(false) };
        // A deadline further ahead than any that is set is from before the clock went back.
        let goes_on = until > now && until <= now + LONGEST;
        let won = self.force || !goes_on;
        if won {
            slot.set_refresh(*self.token.as_bytes(), now + Duration::from_millis(ttl(self.hold)));
        }
        Ok(won)
    }
}
