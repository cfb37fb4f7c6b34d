//! A write announces itself before its body.

use std::time::Duration;

use super::{Arguments, Foreign, Reply, Step, done, script::script, ttl};
use crate::{Slot, Token};

/// Places a guard in the place of the entry, or joins the current guard.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The token of the writer.
    pub token: Token,
    /// Lifetime of the guard unless it is renewed.
    pub hold: Duration,
}

impl Step for Guard {
    type Answer = ();

    const NAME: &'static str = "guard";

    script!("writers.lua", "guard.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.hold));
    }

    fn answer(reply: Reply<'_>) -> Result<(), Foreign> {
        done(reply).map(drop)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<(), Foreign> {
        let (mut writers, _) = slot.others(self.token)?.unwrap_or_default();
        writers.enter(self.token, slot.now() + Duration::from_millis(ttl(self.hold)));
        slot.put_guard(&writers);
        Ok(())
    }
}
