//! What a look at the store finds.

use std::time::Duration;

use bytes::Bytes;
use cached_aside_protocol::entry::Refresh;

use crate::{engine::lease::Held, function::staleness::Due};

/// What a look at the store found.
pub(super) enum Seen<R> {
    /// An entry: what the caller is given for it; its bytes, for followers; and its age, if the store's time was asked for.
    Entry(R, Bytes, Option<Duration>),
    /// An entry that is stale, or soon will be.
    Old(Old<R>),
    /// An entry whose age matters, read without the store's time.
    Timeless,
    /// Nothing (an empty head), or an entry that can't be used, with its head.
    Free(Bytes),
    /// Somebody else is loading.
    Lease,
    /// A write is in progress, the data is somebody else's, or the store does not answer: run the body without storing.
    Closed,
}

/// Maximum of `lease`, and more than the longest pause between refreshes that fail.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

/// An entry that is due for a refresh.
pub(super) struct Old<T> {
    /// What it holds; in the end, what a caller is given.
    pub(super) value: T,
    pub(super) bytes: Bytes,
    pub(super) due: Due,
    pub(super) refresh: Refresh,
    /// The store's time when it was read.
    pub(super) now: Duration,
    /// How long it has been there.
    pub(super) age: Duration,
}

impl<R> Old<R> {
    /// Without the value, which need not be `Sync`: an election may not refer to it.
    pub(super) fn without_value(&self) -> Old<()> {
        let Old { due, refresh, now, age, .. } = *self;
        Old { value: (), bytes: self.bytes.clone(), due, refresh, now, age }
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

    /// Whether it is given without more ado: nobody is to be elected now, and nobody is waited for.
    pub(super) fn is_given(&self) -> bool {
        !self.taken_for().is_zero() && !self.is_awaited()
    }

    /// Whether the refresh that runs must be waited for.
    pub(super) fn is_awaited(&self) -> bool {
        self.due == Due::Reload && self.refresh_runs()
    }
}

/// The outcome of an election.
pub(super) enum Election {
    Won(Held),
    /// Somebody else has won, or the entry is no longer there.
    Lost,
    /// The store did not answer.
    Unknown,
}
