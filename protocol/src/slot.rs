//! A key as a step sees it, and the changes that the step makes.

use std::time::Duration;

use crate::{
    Token, Writers,
    entry::{self, is_ours},
    field,
    format::{HEADER_LEN, LONGEST, LONGEST_LOCAL, MARKS_AT, OVERLAPPED, REFRESH_AT, REFRESH_UNTIL_AT},
    steps::Foreign,
};

/// One key during a step: the current bytes, and the changes to be made, in order.
#[derive(Debug)]
pub struct Slot<'a> {
    bytes: Option<&'a [u8]>,
    expires_in: Duration,
    now: Duration,
    changes: Vec<Change>,
}

/// A change of one key, as one command of Redis makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `SET … PX`
    Put {
        /// The new bytes.
        bytes: Vec<u8>,
        /// When they expire.
        ttl: Duration,
    },
    /// `SETRANGE`, which keeps the expiry.
    Patch {
        /// Offset of the new bytes. Missing bytes before it become zeros.
        at: usize,
        /// The new bytes.
        bytes: Vec<u8>,
    },
    /// `PEXPIRE`
    Expire {
        /// The new expiry, from now on.
        ttl: Duration,
    },
    /// `UNLINK`
    Delete,
}

/// What the holder of a token may store in the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// The current lease.
    Lease,
    /// The current value, which it refreshes.
    Refresh,
}

impl<'a> Slot<'a> {
    /// A key with these bytes, which expire after `expires_in`, at the time `now` of the store.
    pub fn new(bytes: Option<&'a [u8]>, expires_in: Duration, now: Duration) -> Slot<'a> {
        // The scripts count in milliseconds.
        let now = Duration::from_millis(field::millis(now));
        Slot { bytes, expires_in, now, changes: Vec::new() }
    }

    /// The changes to be made, in order.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        self.bytes
    }

    /// How long until the current bytes expire.
    pub(crate) fn expires_in(&self) -> Duration {
        self.expires_in
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// What the holder of this token holds here.
    pub(crate) fn held_by(&self, token: Token) -> Option<Held> {
        let bytes = self.bytes?;
        if bytes == entry::lease(token) {
            Some(Held::Lease)
        } else {
            entry::refreshed_by(bytes, token).then_some(Held::Refresh)
        }
    }

    /// The deadline of the refresh of the current value, if its header is the expected one.
    pub(crate) fn refresh_of(&self, expected: &[u8]) -> Option<Duration> {
        let until = entry::refresh_until(expected)?;
        let current = self.bytes?;
        (expected.len() == HEADER_LEN && entry::header(current) == expected).then_some(until)
    }

    /// The writers of the current guard, if there is one.
    pub(crate) fn writers(&self) -> Result<Option<Writers>, Foreign> {
        match self.bytes {
            Some(bytes) if !is_ours(bytes) => Err(Foreign),
            bytes => Ok(bytes.and_then(Writers::read)),
        }
    }

    /// The other writers whose deadlines have not passed, and the deadline of this one, if it is inside; `None` without a guard.
    pub(crate) fn others(&self, token: Token) -> Result<Option<(Writers, Option<Duration>)>, Foreign> {
        let others = |mut writers: Writers| {
            let inside = writers.leave(token).map(|deadline| deadline.min(self.now + LONGEST));
            writers.expire(self.now);
            (writers, inside)
        };
        Ok(self.writers()?.map(others))
    }

    /// Until when local copies of the current value, or of what carries the tag, may be used; `None` if there are none.
    pub(crate) fn local_until(&self) -> Option<Duration> {
        let until = entry::local_until(self.bytes?)?.min(self.now + LONGEST_LOCAL);
        (until > self.now).then_some(until)
    }

    /// The same of a value that may not be replaced until then. It is written, also if it was cut: so it ends.
    pub(crate) fn wait_for_copies(&mut self) -> Option<Duration> {
        let until = self.local_until()?;
        self.register(until);
        Some(until)
    }

    /// Writes until when local copies of the current value, or of what carries the tag, may be used.
    pub(crate) fn register(&mut self, until: Duration) {
        let at = self.bytes.and_then(entry::local_until_at);
        let patch = |at| Change::Patch { at, bytes: field::time(until).to_vec() };
        self.changes.extend(at.map(patch));
    }

    /// What is left of the local copies that may be used until then.
    pub(crate) fn left(&self, until: Option<Duration>) -> Duration {
        until.map(|until| until.saturating_sub(self.now)).unwrap_or_default()
    }

    /// The guard of nobody: what stands in the place of a value that is to be gone, while local copies of it may be used.
    pub(crate) fn no_writers(&self) -> Writers {
        let mut nobody = Writers::default();
        nobody.local_until = self.local_until();
        nobody
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

    /// Puts a guard until it ends, or deletes the key if no writer is inside and there are no local copies.
    pub(crate) fn put_guard(&mut self, writers: &Writers) {
        match writers.until() {
            Some(until) => self.put(writers.write(), until.saturating_sub(self.now)),
            None => self.delete(),
        }
    }

    /// Marks the guard: somebody who is not inside has written, so the writers inside were not alone.
    pub(crate) fn mark(&mut self) {
        self.changes.push(Change::Patch { at: MARKS_AT, bytes: vec![OVERLAPPED] });
        if self.expires_in > LONGEST {
            self.expire(LONGEST);
        }
    }

    /// Writes the holder of the refresh, or the number of failures, and the deadline.
    pub(crate) fn set_refresh(&mut self, holder: [u8; Token::LEN], until: Duration) {
        let bytes = [&holder[..], &field::time(until)].concat();
        self.changes.push(Change::Patch { at: REFRESH_AT, bytes });
    }

    /// Extends the deadline of the running refresh.
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
