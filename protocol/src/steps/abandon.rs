//! A load that stores nothing gives its right up.

use std::time::Duration;

use super::{Arguments, Foreign, Step, done, millis, script::script};
use crate::{Slot, Token, entry, slot::Held};

/// Gives a lease or a refresh up; `false` if it was no longer ours. A lease is deleted in any case.
#[derive(Debug, Clone)]
pub struct Abandon {
    /// Whose it is.
    pub token: Token,
    /// What becomes of a value that was being refreshed.
    pub ending: Ending,
}

/// How a refresh ends that stores nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The value stays, and nobody begins another refresh before a pause is over.
    Rest {
        /// How many refreshes have failed in a row.
        failures: u8,
        /// The pause.
        pause: Duration,
    },
    /// The value is deleted.
    Discard,
}

impl Step for Abandon {
    type Answer = bool;

    const NAME: &'static str = "abandon";

    script!("held.lua", "abandon.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        if let Ending::Rest { failures, pause } = self.ending {
            out.bytes(&entry::failures(failures));
            out.number(millis(pause));
        }
    }

    fn answer(reply: i64) -> Result<bool, Foreign> {
        done(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<bool, Foreign> {
        match (slot.held_by(self.token), self.ending) {
            (None, _) => return Ok(false),
            (Some(Held::Refresh), Ending::Rest { failures, pause }) => {
                let until = slot.now() + Duration::from_millis(millis(pause));
                slot.set_refresh(entry::failures(failures), until);
            }
            (Some(Held::Lease), _) | (_, Ending::Discard) => slot.delete(),
        }
        Ok(true)
    }
}
