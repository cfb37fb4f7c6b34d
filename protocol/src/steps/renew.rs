//! A long load renews its right.

use std::time::Duration;

use super::{Arguments, Foreign, Reply, Step, done, script::script, ttl};
use crate::{Slot, Token, slot::Held};

/// Renews a lease or a refresh; `false` if the token no longer holds one.
#[derive(Debug, Clone)]
pub struct Renew {
    /// The token of the holder.
    pub token: Token,
    /// Its lifetime from now on.
    pub hold: Duration,
}

impl Step for Renew {
    type Answer = bool;

    const NAME: &'static str = "renew";
    const RENEWAL: bool = true;

    script!("held.lua", "renew.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        out.number(ttl(self.hold));
    }

    fn answer(reply: Reply<'_>) -> Result<bool, Foreign> {
        done(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<bool, Foreign> {
        let hold = Duration::from_millis(ttl(self.hold));
        match slot.held_by(self.token) {
            None => return Ok(false),
            Some(Held::Lease) => slot.expire(hold),
            Some(Held::Refresh) => slot.extend_refresh(slot.now() + hold),
        }
        Ok(true)
    }
}
