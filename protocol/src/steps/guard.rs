//! A write announces itself before its body.

use std::time::Duration;

use super::{Arguments, Foreign, Reply, Step, left, script::script, ttl};
use crate::{Slot, Token};

/// Places a guard in the place of the entry, or joins the current guard. Answers what is left of the local copies of what it has
/// replaced: the writer waits that long before its body.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The token of the writer.
    pub token: Token,
    /// Lifetime of the guard unless it is renewed.
    pub hold: Duration,
}

impl Step for Guard {
    type Answer = Duration;

    const NAME: &'static str = "guard";

    script!("writers.lua", "guard.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.hold));
    }

    fn answer(reply: Reply<'_>) -> Result<Duration, Foreign> {
        left(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Duration, Foreign> {
        let (mut writers, inside) = match slot.others(self.token)? {
            Some((mut writers, inside)) => {
                // Whoever left a guard without writers behind has written.
                writers.overlapped |= inside.is_none() && writers.local_until.is_some();
                (writers, inside)
            }
            None => (slot.no_writers(), None),
        };
        // A guard that comes late does not cut one that settles.
        let ends = slot.now() + Duration::from_millis(ttl(self.hold));
        writers.enter(self.token, ends.max(inside.unwrap_or_default()));
        slot.put_guard(&writers);
        Ok(slot.left(writers.local_until))
    }
}
