//! What a call does next: decided from what was found and from the clocks, without taking a step.
//!
//! `tests.rs` has these functions as a table of all that can be found, for every caller.

use bytes::Bytes;
use tokio::time::Instant;

use super::found::{Hit, Lookup, Missing, StaleEntry};

/// What a caller does after its first look.
pub(super) enum CallerStep<V, E> {
    Give(Hit<V, E>),
    GiveStale(StaleEntry<V>),
    /// Give the entry, and see that somebody reloads it.
    Revalidate(StaleEntry<V>),
    /// Join the flight of the key.
    Join(AtHand<V>),
}

/// What a caller of a flight has at hand.
pub(super) enum AtHand<V> {
    /// An entry that may only be given if its reload fails.
    Stale(StaleEntry<V>),
    Nothing(Missing),
}

impl<V, E> From<AtHand<V>> for Lookup<V, E> {
    fn from(at_hand: AtHand<V>) -> Self {
        match at_hand {
            AtHand::Stale(stale) => Lookup::Stale(stale),
            AtHand::Nothing(missing) => Lookup::Missing(missing),
        }
    }
}

/// See [`CallerStep`].
pub(super) fn after_first_look<V, E>(found: Lookup<V, E>) -> CallerStep<V, E> {
    match found {
        Lookup::Hit(hit) => CallerStep::Give(hit),
        Lookup::Stale(stale) if stale.is_given_at_once() => CallerStep::GiveStale(stale),
        Lookup::Stale(stale) if !stale.is_only_for_errors() => CallerStep::Revalidate(stale),
        Lookup::Stale(stale) => CallerStep::Join(AtHand::Stale(stale)),
        Lookup::Missing(missing) => CallerStep::Join(AtHand::Nothing(missing)),
    }
}

/// What is given of what was found by a call that runs no body.
pub(super) enum Cached<V, E> {
    Hit(Hit<V, E>),
    Stale(StaleEntry<V>),
    Absent,
}

/// See [`Cached`].
pub(super) fn only_cached<V, E>(found: Lookup<V, E>) -> Cached<V, E> {
    match found {
        Lookup::Hit(hit) => Cached::Hit(hit),
        Lookup::Stale(stale) if !stale.is_only_for_errors() => Cached::Stale(stale),
        Lookup::Stale(_) | Lookup::Missing(_) => Cached::Absent,
    }
}

/// What a leader does next.
pub(super) enum LeaderStep<V, E> {
    Give(Hit<V, E>),
    GiveStale(StaleEntry<V>),
    /// End the flight with the entry, and see that somebody reloads it.
    Revalidate(StaleEntry<V>),
    /// Wait for another process's load, with this at hand, until then at the latest.
    WaitForChange(AtHand<V>, Instant),
    /// Ask for the right to reload the entry.
    Elect(StaleEntry<V>),
    /// Ask for the lease, in the place of what has this header.
    Acquire(Bytes),
    LookWithTime,
    /// Run the body without storing; if it fails, give the entry.
    LoadUnstored(Option<StaleEntry<V>>),
}

/// What bounds a leader's waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    pub(super) now: Instant,
    /// When it waits no longer.
    pub(super) patience: Instant,
    /// When it waits no longer with an entry at hand.
    pub(super) soft: Option<Instant>,
}

/// See [`LeaderStep`].
pub(super) fn of_leader<V, E>(found: Lookup<V, E>, clocks: Clocks) -> LeaderStep<V, E> {
    let Clocks { now, patience, soft } = clocks;
    let at_hand = match after_first_look(found) {
        CallerStep::Give(hit) => return LeaderStep::Give(hit),
        CallerStep::GiveStale(stale) => return LeaderStep::GiveStale(stale),
        CallerStep::Revalidate(stale) => return LeaderStep::Revalidate(stale),
        CallerStep::Join(at_hand) => at_hand,
    };
    match at_hand {
        AtHand::Stale(stale) if !stale.refresh_runs() => LeaderStep::Elect(stale),
        AtHand::Stale(stale) if soft.is_some_and(|soft| now >= soft) => LeaderStep::GiveStale(stale),
        AtHand::Stale(stale) if now >= patience => LeaderStep::LoadUnstored(Some(stale)),
        stale @ AtHand::Stale(_) => {
            LeaderStep::WaitForChange(stale, soft.map_or(patience, |soft| soft.min(patience)))
        }
        AtHand::Nothing(Missing::Vacant(header)) => LeaderStep::Acquire(header),
        AtHand::Nothing(Missing::NeedsServerTime) => LeaderStep::LookWithTime,
        lease @ AtHand::Nothing(Missing::Lease) if now < patience => {
            LeaderStep::WaitForChange(lease, patience)
        }
        AtHand::Nothing(Missing::Lease | Missing::Bypass) => LeaderStep::LoadUnstored(None),
    }
}

/// With what a follower begins whose turn it is to lead: what it saw when it came is no longer there, except for what is not asked.
pub(super) fn of_new_leader<V>(at_hand: &AtHand<V>) -> Missing {
    match at_hand {
        AtHand::Stale(_) => Missing::NeedsServerTime,
        // Acquiring tells what is there.
        AtHand::Nothing(Missing::Lease) => Missing::Vacant(Bytes::new()),
        AtHand::Nothing(missing) => missing.clone(),
    }
}

/// What a follower does that is given nothing.
pub(super) enum FollowerStep<V> {
    GiveStale(StaleEntry<V>),
    /// Run the body without storing; if it fails, give the entry.
    LoadUnstored(Option<StaleEntry<V>>),
}

/// See [`FollowerStep`]. With an entry at hand and a `load_timeout(soft = …)` it does not run the body.
pub(super) fn of_follower_without_result<V>(at_hand: AtHand<V>, has_soft_limit: bool) -> FollowerStep<V> {
    match at_hand {
        AtHand::Stale(stale) if has_soft_limit => FollowerStep::GiveStale(stale),
        AtHand::Stale(stale) => FollowerStep::LoadUnstored(Some(stale)),
        AtHand::Nothing(_) => FollowerStep::LoadUnstored(None),
    }
}

#[cfg(test)]
mod tests;
