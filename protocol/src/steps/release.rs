//! A write releases its guard.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Reply, Step, done, millis, script::script, ttl};
use crate::{Slot, Token};

/// Leaves a guard, which the last writer deletes; without a guard, deletes the entry. A guard that the token is not in stays, and is
/// marked: its writers were not alone. `true` if a value was stored.
#[derive(Debug, Clone)]
pub struct Release {
    /// The token of the writer.
    pub token: Token,
    /// What the writer leaves.
    pub left: Left,
}

/// What a writer leaves.
#[derive(Debug, Clone)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// The token, in a guard, for this much longer.
    Settling(Duration),
    /// A value, if nobody else was ever in the guard.
    Value {
        /// The entry; the store stamps it with its time.
        value: Bytes,
        /// When it expires.
        ttl: Duration,
    },
}

impl Step for Release {
    type Answer = bool;

    const NAME: &'static str = "release";

    script!("writers.lua", "release.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        match &self.left {
            Left::Nothing => out.number(0),
            Left::Settling(settle) => out.number(millis(*settle)),
            Left::Value { value, ttl: time } => {
                out.number(0);
                out.bytes(value);
                out.number(ttl(*time));
            }
        }
    }

    fn answer(reply: Reply<'_>) -> Result<bool, Foreign> {
        done(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<bool, Foreign> {
        let guard = slot.others(self.token)?;
        let guarded = guard.is_some();
        let (mut writers, inside) = guard.unwrap_or_default();
        match &self.left {
            Left::Settling(settle) if millis(*settle) > 0 => {
                writers.enter(self.token, slot.now() + Duration::from_millis(millis(*settle)));
                slot.put_guard(&writers);
            }
            // Only the writers inside may change the guard.
            _ if guarded && !inside => slot.mark(),
            Left::Value { value, ttl: time }
                if guarded && !writers.overlapped && writers.until().is_none() =>
            {
                slot.store(value, Duration::from_millis(ttl(*time)));
                return Ok(true);
            }
            _ => slot.put_guard(&writers),
        }
        Ok(false)
    }

    fn value(&self) -> Option<&Bytes> {
        match &self.left {
            Left::Value { value, .. } => Some(value),
            Left::Nothing | Left::Settling(_) => None,
        }
    }
}
