//! A process that keeps a decoded copy of a value registers it on the entry, and on each tag that the entry carries.

use std::time::Duration;

use bytes::Bytes;

use super::{Arguments, Foreign, Reply, Step, left, millis, script::script};
use crate::{Slot, entry, field::number, format::TIME_LEN};

/// Registers a local copy of the value with the expected header, or of what carries the expected version of a tag: no writer, refresher or
/// remover is over before the copy is. `None` if what stands there has changed, or can't have copies, or is being refreshed: a refill waits
/// for all copies, so no more are registered then. A copy is used for the least that was granted for its entry and its tags.
#[derive(Debug, Clone)]
pub struct Register {
    /// The [header](crate::entry::header) of the value that was read, or the [version](crate::entry::tag) of the tag.
    pub expected: Bytes,
    /// For how long the copy is asked for.
    pub local: Duration,
}

/// A local copy that was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// For how long it may be used, counted from when the step was sent.
    pub granted: Duration,
    /// The time of the store.
    pub now: Duration,
}

impl Step for Register {
    type Answer = Option<Registered>;

    const NAME: &'static str = "register";

    script!("register.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(&self.expected);
        out.number(millis(self.local));
    }

    fn answer(reply: Reply<'_>) -> Result<Option<Registered>, Foreign> {
        match reply {
            Reply::Bytes(times) if times.len() == 2 * TIME_LEN => {
                let (granted, now) = times.split_at(TIME_LEN);
                let time = |bytes| Duration::from_millis(number(bytes));
                Ok(Some(Registered { granted: time(granted), now: time(now) }))
            }
            Reply::Bytes(_) => Err(Foreign),
            Reply::Number(_) => left(reply).map(|_| None),
        }
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Option<Registered>, Foreign> {
        let now = slot.now();
        let Some(current) = slot.bytes() else { return Ok(None) };
        let Some(fresh_until) = entry::registrable(current, &self.expected, now) else {
            return Ok(None);
        };
        let asked = now + Duration::from_millis(millis(self.local));
        let ends = now + Duration::from_millis(millis(slot.expires_in()));
        let until = asked.min(fresh_until).min(ends);
        if until <= now {
            return Ok(None);
        }
        if slot.local_until().is_none_or(|registered| registered < until) {
            slot.register(until);
        }
        Ok(Some(Registered { granted: until.saturating_sub(now), now }))
    }
}
