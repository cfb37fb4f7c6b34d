//! What a look at the store finds.

use std::time::Duration;

use bytes::Bytes;
use cached_aside_protocol::entry::Refresh;

use crate::{function::staleness::Freshness, outcome::Loaded};

/// What a look at the store found.
#[derive(Debug)]
pub(super) enum Lookup<V, E> {
    /// An entry that is given.
    Hit(Hit<V, E>),
    /// An entry that is stale, or soon will be.
    Stale(StaleEntry<V>),
    /// Nothing that could be given.
    Missing(Missing),
}

impl<V, E> From<Missing> for Lookup<V, E> {
    fn from(missing: Missing) -> Self {
        Lookup::Missing(missing)
    }
}

/// An entry that is given.
#[derive(Debug)]
pub(super) struct Hit<V, E> {
    pub(super) value: Loaded<V, E>,
    /// For followers.
    pub(super) bytes: Bytes,
    /// If the store's time was asked for.
    pub(super) age: Option<Duration>,
}

/// Why there is nothing to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// An entry whose age matters was read without the store's time.
    NeedsServerTime,
    /// Nothing is there (an empty header), or an entry that can't be used, with its header.
    Vacant(Bytes),
    /// Somebody else is loading.
    Lease,
    /// A write is in progress, the data is somebody else's, or the store does not answer: run the body without storing.
    Bypass,
}

/// Maximum of `lease`, and more than the longest pause between refreshes that fail.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

/// An entry that is due for a refresh.
#[derive(Debug)]
pub(super) struct StaleEntry<V> {
    /// What it holds; `None` for a stored `None`.
    pub(super) value: Option<V>,
    pub(super) bytes: Bytes,
    pub(super) freshness: Freshness,
    pub(super) refresh: Refresh,
    /// The store's time when it was read.
    pub(super) now: Duration,
    /// How long it has been there.
    pub(super) age: Duration,
}

impl<V> StaleEntry<V> {
    /// Without the value, which need not be `Sync`: an election may not refer to it.
    pub(super) fn without_value(&self) -> StaleEntry<()> {
        let StaleEntry { freshness, refresh, now, age, .. } = *self;
        StaleEntry { value: None, bytes: self.bytes.clone(), freshness, refresh, now, age }
    }

    /// How long nobody may begin a refresh: another runs, or the last one has failed. No right to refresh is given for longer than
    /// an hour: one that seems to be was given before the server's clock went back, and is over.
    pub(super) fn taken_for(&self) -> Duration {
        let left = self.refresh.until.saturating_sub(self.now);
        if left > LONGEST_HOLD { Duration::ZERO } else { left }
    }

    /// Whether somebody refreshes it now.
    pub(super) fn refresh_runs(&self) -> bool {
        self.refresh.runs && !self.taken_for().is_zero()
    }

    /// Whether it may only be given if its reload fails.
    pub(super) fn is_only_for_errors(&self) -> bool {
        self.freshness == Freshness::StaleIfError
    }

    /// Whether the refresh that runs must be waited for.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_only_for_errors() && self.refresh_runs()
    }

    /// Whether it is given at once: nobody is to be elected now, and nobody is waited for.
    pub(super) fn is_given_at_once(&self) -> bool {
        !self.taken_for().is_zero() && !self.is_awaited()
    }
}

/// The outcome of an election.
pub(super) enum Election<Held = ()> {
    Won(Held),
    /// Somebody else has won, or the entry is no longer there.
    Lost,
    /// The store did not answer.
    Unknown,
}

impl Election {
    /// With the right that was asked for, where it was won.
    pub(super) fn with<Held>(self, held: Held) -> Election<Held> {
        match self {
            Election::Won(()) => Election::Won(held),
            Election::Lost => Election::Lost,
            Election::Unknown => Election::Unknown,
        }
    }
}
