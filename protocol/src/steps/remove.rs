//! A write without a guard deletes the entry.

use std::time::Duration;

use super::{Arguments, Foreign, Reply, Step, left, script::script};
use crate::Slot;

/// Deletes the entry. A guard is left to its last writer, and marked: its writers were not alone. Answers what is left of the
/// local copies of what it has met, in whose place a guard without writers is left until then: it is over only after that.
#[derive(Debug, Clone)]
pub struct Remove;

impl Step for Remove {
    type Answer = Duration;

    const NAME: &'static str = "remove";

    script!("writers.lua", "remove.lua");

    fn arguments(&self, _: &mut impl Arguments) {}

    fn answer(reply: Reply<'_>) -> Result<Duration, Foreign> {
        left(reply)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Duration, Foreign> {
        let writers = match slot.writers()? {
            Some(mut writers) => {
                slot.mark();
                writers.expire(slot.now());
                writers
            }
            None => {
                let nobody = slot.no_writers();
                slot.put_guard(&nobody);
                nobody
            }
        };
        Ok(slot.left(writers.local_until))
    }
}
