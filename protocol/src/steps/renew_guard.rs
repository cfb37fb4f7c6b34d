//! A long write renews its guard.

use std::time::Duration;

use super::{Arguments, Foreign, Reply, Step, done, script::script, ttl};
use crate::{Slot, Token};

/// Renews a guard; `false` if the token is no longer in one.
#[derive(Debug, Clone)]
pub struct RenewGuard {
    /// The token of the writer.
    pub token: Token,
    /// Its lifetime from now on.
    pub hold: Duration,
}

impl Step for RenewGuard {
    type Answer = bool;

    const NAME: &'static str = "renew_guard";
    const RENEWAL: bool = true;

    script!("writers.lua", "renew_guard.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.hold));
    }

    fn answer(reply: Reply<'_>) -> Result<bool, Foreign> {
        done(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<bool, Foreign> {
        let Some((mut writers, Some(_))) = slot.others(self.token)? else { return Ok(false) };
        writers.stay(self.token, slot.now() + Duration::from_millis(ttl(self.hold)));
        slot.put_guard(&writers);
        Ok(true)
    }
}
