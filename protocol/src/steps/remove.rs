//! A write without a guard deletes the entry.

use super::{Arguments, Foreign, Reply, Step, done, script::script};
use crate::Slot;

/// Deletes the entry. A guard is left to its last writer, and marked: its writers were not alone.
#[derive(Debug, Clone)]
pub struct Remove;

impl Step for Remove {
    type Answer = ();

    const NAME: &'static str = "remove";

    script!("writers.lua", "remove.lua");

    fn arguments(&self, _: &mut impl Arguments) {}

    fn answer(reply: Reply<'_>) -> Result<(), Foreign> {
        done(reply).map(drop)
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<(), Foreign> {
        match slot.writers()? {
            Some(_) => slot.mark(),
            None => slot.delete(),
        }
        Ok(())
    }
}
