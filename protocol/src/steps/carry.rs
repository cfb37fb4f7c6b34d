//! A load whose entry will carry a tag reads the tag's version.

use std::time::Duration;

use super::{Arguments, Foreign, Reply, Step, millis, script::script, ttl};
use crate::{
    Slot, Token,
    entry::{TagSlot, tag, tag_slot},
};

/// Reads the version of a tag before a load whose entry will carry it, and keeps it for as long as that entry may live. A missing
/// one is created. `None` if a write is in progress.
///
/// It is not sent twice: executed once more after an invalidation, it would create the version again that this has ended.
#[derive(Debug, Clone)]
pub struct Carry {
    /// The version that is created where there is none.
    pub fresh: Token,
    /// Minimum lifetime of the version from now on.
    pub ttl: Duration,
}

impl Step for Carry {
    type Answer = Option<Token>;

    const NAME: &'static str = "carry";
    const REPEATABLE: bool = false;

    script!("carry.lua");

    fn arguments(&self, out: &mut impl Arguments) {
        out.bytes(self.fresh.as_bytes());
        out.number(ttl(self.ttl));
    }

    fn answer(reply: Reply<'_>) -> Result<Option<Token>, Foreign> {
        match reply {
            Reply::Number(0) => Ok(None),
            Reply::Number(_) => Err(Foreign),
            Reply::Bytes(version) => {
                version.try_into().map(|bytes| Some(Token::from_bytes(bytes))).or(Err(Foreign))
            }
        }
    }

    fn apply(&self, slot: &mut Slot<'_>) -> Result<Option<Token>, Foreign> {
        let keep = Duration::from_millis(ttl(self.ttl));
        match tag_slot(slot.bytes()) {
            TagSlot::Guarded => Ok(None),
            TagSlot::Foreign => Err(Foreign),
            TagSlot::Missing => {
                slot.put(tag(self.fresh).to_vec(), keep);
                Ok(Some(self.fresh))
            }
            TagSlot::Version(version) => {
                if millis(slot.expires_in()) < millis(keep) {
                    slot.expire(keep);
                }
                Ok(Some(version))
            }
        }
    }
}
