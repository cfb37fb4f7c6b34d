//! A reader of a value that is due becomes the one who reloads it.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Step, done, script::script, ttl};
use crate::{Slot, Token, format::LONGEST};

/// Wins the refresh of the value with this head; `false` if that is no longer there, or another runs or rests.
#[derive(Debug, Clone)]
pub struct Elect {
    /// The [head](crate::entry::head) of the value that was seen.
    pub seen: Bytes,
    /// Who is to refresh it.
    pub token: Token,
    /// How long the refresh stands unrenewed.
    pub hold: Duration,
    /// Takes the refresh from whoever has it, and does not wait for one that rests.
    pub force: bool,
}

impl Step for Elect {
    type Answer = bool;

    const NAME: &'static str = "elect";
    const REPEATABLE: bool = false;

    script!("elect.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(&self.seen);
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.hold));
        out.number(self.force.into());
    }

    fn answer(reply: i64) -> Result<bool, Foreign> {
        done(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<bool, Foreign> {
        let now = slot.now();
        let Some(until) = slot.refresh_of(&self.seen) else { return Ok(false) };
        // A refresh that is said to go on for longer than any does began before the clock went back.
        let goes_on = until > now && until <= now + LONGEST;
        let won = self.force || !goes_on;
        if won {
            slot.set_refresh(*self.token.as_bytes(), now + Duration::from_millis(ttl(self.hold)));
        }
        Ok(won)
    }
}
