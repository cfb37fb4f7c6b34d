//! Where the promise ends, by the protocol: which writes may be missed by a later read, and until when.
//!
//! A write that could be guarded, whose guard Redis did not lose, and whose keys its arguments named is never missed: from its
//! guard on there is no older entry, and no load that began before can store one. The others are exposed until their deletion
//! has been delivered; if their process died, until what may have been stored has outlived its TTL.

use super::{
    class::{Class, FIRST_SLOT, HOLD, LOCAL, TTL},
    clock::Timestamp,
    history::{History, Write},
    record::{Done, Ended},
};
use std::time::Duration;

/// A load that read the old value may take so long to store it: its pauses, and its process being stopped.
const LATE_FILL: Duration = Duration::from_secs(4);
/// How long after a failover by sentinels some clients of the old primary, which still runs, may not know of it: they ask once a
/// second.
const NOTICED: Duration = Duration::from_secs(2);
/// What a dropped write does in the background has succeeded or is on the recovery list after this.
const BACKGROUND: Duration = Duration::from_secs(1);

/// Until when a key may be served as it was before this write, if it may at all.
///
/// Never to the write's own process once it has returned: see [`returned_to_its_own`].
pub fn until(history: &History, class: Class, write: &Write, key: u64) -> Option<Timestamp> {
    let slot = key >= FIRST_SLOT;
    let died = || history.killed.get(&write.op.process).copied().unwrap_or(Timestamp(u64::MAX));
    let is_unguarded = || write.done.is_none_or(|done| done.unguarded);
    let ended = || ended(history, write);
    let lost_its_guard = || history.losses().any(|loss| loss.begin <= ended() && write.begin <= loss.end);
    let exposed = match class {
        // Nothing guards a key that is known after the body.
        _ if slot => true,
        Class::Crashes | Class::Outages | Class::Pauses | Class::Local | Class::Cluster => false,
        Class::Sentinels => {
            let end = ended();
            let mut replaced = history.losses().map(|loss| (loss.begin, loss.end.plus(NOTICED)));
            return replaced.find(|(from, to)| *from <= end && write.begin <= *to).map(|(_, to)| to);
        }
        Class::BestEffort => is_unguarded(),
        Class::Restarts => is_unguarded() || lost_its_guard(),
        Class::Loss | Class::LostCopies => lost_its_guard(),
    };
    if !exposed {
        return None;
    }
    let outlived = |from: Timestamp| from.plus(TTL + LATE_FILL);
    let delivered = |from: Timestamp| {
        let delivered = history.delivered(write.op.process, from);
        delivered.unwrap_or_else(|| outlived(died().max(from)))
    };
    Some(match write.done {
        None => outlived(died()),
        Some(Done { end, recovering: 0, .. }) if deletes(write, key) => end,
        Some(Done { end, .. }) if deletes(write, key) => delivered(end),
        // Without a result nobody knows the slot.
        Some(Done { end, .. }) if slot => outlived(end),
        Some(Done { end, .. }) => delivered(end.plus(BACKGROUND)),
    })
}

/// Whether a read that begins now may be given a copy of which this write was not told, by its own process too: the entry that the
/// copy was registered on was lost before the write was over, and the copy may still be used.
pub fn misses_copies(history: &History, class: Class, write: &Write, now: Timestamp) -> bool {
    let last = ended(history, write).min(now);
    let mut losses = history.losses().filter(|loss| loss.begin <= last);
    class == Class::LostCopies && losses.any(|loss| now <= loss.end.plus(LOCAL))
}

/// No guard of the write is left after this.
fn ended(history: &History, write: &Write) -> Timestamp {
    let died = || history.killed.get(&write.op.process).copied().unwrap_or(Timestamp(u64::MAX));
    write.done.map_or_else(|| died().plus(HOLD), |done| done.end)
}

/// Whether a write deleted this key, or put it on the recovery list, before it returned.
fn deletes(write: &Write, key: u64) -> bool {
    match write.done.map(|done| done.ended) {
        Some(Ended::Ok) => true,
        Some(Ended::Err) => key < FIRST_SLOT,
        _ => false,
    }
}

/// Whether this write returned to its caller, so that whatever else happened its own process sees it.
pub fn returned_to_its_own(write: &Write, key: u64, process: u32, before: Timestamp) -> bool {
    write.op.process == process && deletes(write, key) && write.done.is_some_and(|done| done.end < before)
}

/// Whether this write returned, so that P1 speaks of it.
pub fn returned(write: &Write, key: u64) -> Option<Timestamp> {
    write.done.filter(|_| deletes(write, key)).map(|done| done.end)
}
