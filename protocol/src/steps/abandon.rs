//! A load that stores nothing gives up its right.

use std::time::Duration;

use super::{Arguments, Foreign, Reply, Step, left, millis, script::script};
use crate::{Slot, Token, entry, slot::Held};

/// Gives up a lease or a refresh; `None` if the token no longer holds one. A lease is deleted in any case. Answers what is left of the
/// local copies of a value that is deleted, in whose place a guard without writers is left until then.
#[derive(Debug, Clone)]
pub struct Abandon {
    /// The token of the holder.
    pub token: Token,
    /// What happens to a value that was being refreshed.
    pub ending: Ending,
}

/// How a refresh ends that stores nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The value stays, and no other refresh begins before the end of a pause.
    BackOff {
        /// Number of failures in a row.
        failures: u8,
        /// Length of the pause.
        pause: Duration,
    },
    /// The value is deleted.
    Discard,
}

impl Step for Abandon {
    type Answer = Option<Duration>;

    const NAME: &'static str = "abandon";
    const SHARES_SCRIPT: bool = false;

    script!("held.lua", "abandon.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.token.as_bytes());
        if let Ending::BackOff { failures, pause } = self.ending {
            out.bytes(&entry::failures(failures));
            out.number(millis(pause));
        }
    }

    fn answer(reply: Reply<'_>) -> Result<Option<Duration>, Foreign> {
        // One more, to be told from nothing done.
        left(reply).map(|more| more.checked_sub(Duration::from_millis(1)))
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Option<Duration>, Foreign> {
        match (slot.held_by(self.token), self.ending) {
            (None, _) => return Ok(None),
            (Some(Held::Refresh), Ending::BackOff { failures, pause }) => {
                let until = slot.now() + Duration::from_millis(millis(pause));
                slot.set_refresh(entry::failures(failures), until);
            }
            (Some(Held::Lease), _) => slot.delete(),
            (Some(Held::Refresh), Ending::Discard) => {
                let nobody = slot.no_writers();
                slot.put_guard(&nobody);
                return Ok(Some(slot.left(nobody.local_until)));
            }
        }
        Ok(Some(Duration::ZERO))
    }
}
