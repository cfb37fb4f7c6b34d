//! A write releases its guard.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Reply, Step, left, millis, script::script, ttl};
use crate::{Slot, Token};

/// Leaves a guard, which the last writer deletes; without a guard, deletes the entry. A guard that the token is not in stays, and is
/// marked: its writers were not alone. No value is stored, and no guard ends, before the local copies of what it has replaced are over.
#[derive(Debug, Clone)]
pub struct Release {
    /// The token of the writer.
    pub token: Token,
    /// What the writer leaves.
    pub left: Left,
}

/// What a release has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The value was stored.
    Stored,
    /// Nothing was stored, and this is left of the local copies of what it has met: the write is over only after that.
    Left(Duration),
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
    type Answer = Released;

    const NAME: &'static str = "release";
    const SHARES_SCRIPT: bool = false;

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

    fn answer(reply: Reply<'_>) -> Result<Released, Foreign> {
        match reply {
            Reply::Bytes(_) => Ok(Released::Stored),
            Reply::Number(_) => left(reply).map(Released::Left),
        }
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Released, Foreign> {
        let guard = slot.others(self.token)?;
        let guarded = guard.is_some();
        let (mut writers, inside) =
            guard.map_or_else(|| (slot.no_writers(), true), |(writers, inside)| (writers, inside.is_some()));
        match &self.left {
            Left::Settling(settle) if millis(*settle) > 0 => {
                writers.enter(self.token, slot.now() + Duration::from_millis(millis(*settle)));
                slot.put_guard(&writers);
            }
            // Only the writers inside may change the guard.
            _ if !inside => slot.mark(),
            Left::Value { value, ttl: time }
                if guarded && !writers.overlapped && writers.until().is_none() =>
            {
                slot.store(value, Duration::from_millis(ttl(*time)));
                return Ok(Released::Stored);
            }
            _ => slot.put_guard(&writers),
        }
        Ok(Released::Left(slot.left(writers.local_until)))
    }

    fn value(&self) -> Option<&Bytes> {
        match &self.left {
            Left::Value { value, .. } => Some(value),
            Left::Nothing | Left::Settling(_) => None,
        }
    }
}
