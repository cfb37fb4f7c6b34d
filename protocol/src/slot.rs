//! What a step sees of its key, and what it makes of it.

use std::time::Duration;

use crate::{
    Token, Writers,
    entry::{self, is_ours},
    field,
    format::{HEADER_LEN, LONGEST, MARKS_AT, OVERLAPPED, REFRESH_AT, REFRESH_UNTIL_AT},
    steps::Foreign,
};

/// One key while a step is taken: what stands there, and the changes to be made, in order.
#[derive(Debug)]
pub struct Slot<'a> {
    bytes: Option<&'a [u8]>,
    left: Duration,
    now: Duration,
    changes: Vec<Change>,
}

/// A change of one key, as one command of Redis makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `SET … PX`
    Put {
        /// What stands there from now on.
        bytes: Vec<u8>,
        /// For how long.
        ttl: Duration,
    },
    /// `SETRANGE`: it stands as long as before.
    Patch {
        /// Where these bytes go. Up to there, what is missing becomes zeros.
        at: usize,
        /// The new bytes.
        bytes: Vec<u8>,
    },
    /// `PEXPIRE`
    Expire {
        /// How long it stands from now on.
        ttl: Duration,
    },
    /// `UNLINK`
    Delete,
}

/// What a token gives a right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// The lease that stands there.
    Lease,
    /// The refresh of the value that stands there.
    Refresh,
}

impl<'a> Slot<'a> {
    /// A key under which `bytes` stand for the time `left`, at the time `now` of the store.
    pub fn new(bytes: Option<&'a [u8]>, left: Duration, now: Duration) -> Slot<'a> {
        // The scripts count in milliseconds.
        let now = Duration::from_millis(field::millis(now));
        Slot { bytes, left, now, changes: Vec::new() }
    }

    /// The changes to be made, in order.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        self.bytes
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// What this token holds here.
    pub(crate) fn held_by(&self, token: Token) -> Option<Held> {
        let bytes = self.bytes?;
        if bytes == entry::lease(token) {
            Some(Held::Lease)
        } else {
            entry::refreshed_by(bytes, token).then_some(Held::Refresh)
        }
    }

    /// The head of a value that stands there as it was `seen`, with the deadline of its refresh.
    pub(crate) fn refresh_of(&self, seen: &[u8]) -> Option<Duration> {
        let until = entry::refresh_until(seen)?;
        let there = self.bytes?;
        (seen.len() == HEADER_LEN && entry::head(there) == seen).then_some(until)
    }

    /// The writers of the guard that stands there, if one does.
    pub(crate) fn writers(&self) -> Result<Option<Writers>, Foreign> {
        match self.bytes {
            Some(bytes) if !is_ours(bytes) => Err(Foreign),
            bytes => Ok(bytes.and_then(Writers::read)),
        }
    }

    /// The writers but this one who are still in time, and whether this one is inside; `None` without a guard.
    pub(crate) fn others(&self, token: Token) -> Result<Option<(Writers, bool)>, Foreign> {
        let others = |mut writers: Writers| {
            let inside = writers.leave(token);
            writers.expire(self.now);
            (writers, inside)
        };
        Ok(self.writers()?.map(others))
    }

    pub(crate) fn put(&mut self, bytes: Vec<u8>, ttl: Duration) {
        self.changes.push(Change::Put { bytes, ttl });
    }

    /// Stores a value, stamped with the store's clock.
    pub(crate) fn store(&mut self, value: &[u8], ttl: Duration) {
        let mut bytes = value.to_vec();
        entry::stamp(&mut bytes, self.now);
        self.put(bytes, ttl);
    }

    /// Puts a guard until its last deadline, or deletes the key where nobody is inside.
    pub(crate) fn put_guard(&mut self, writers: &Writers) {
        match writers.until() {
            Some(until) => self.put(writers.write(), until.saturating_sub(self.now)),
            None => self.delete(),
        }
    }

    /// Somebody who is not inside has written all the same: the writers inside are not alone.
    pub(crate) fn mark(&mut self) {
        self.changes.push(Change::Patch { at: MARKS_AT, bytes: vec![OVERLAPPED] });
        if self.left > LONGEST {
            self.expire(LONGEST);
        }
    }

    /// Writes who refreshes the value, or how often that failed, and until when nobody else does.
    pub(crate) fn set_refresh(&mut self, holder: [u8; Token::LEN], until: Duration) {
        let bytes = [&holder[..], &field::time(until)].concat();
        self.changes.push(Change::Patch { at: REFRESH_AT, bytes });
    }

    /// Writes how long the refresh runs that runs.
    pub(crate) fn extend_refresh(&mut self, until: Duration) {
        self.changes.push(Change::Patch { at: REFRESH_UNTIL_AT, bytes: field::time(until).to_vec() });
    }

    pub(crate) fn expire(&mut self, ttl: Duration) {
        self.changes.push(Change::Expire { ttl });
    }

    pub(crate) fn delete(&mut self) {
        self.changes.push(Change::Delete);
    }
}
