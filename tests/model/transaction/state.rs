//! One moment of a transaction, and what was returned so far.

use super::reader::{Phase, Reader};
use super::writer::{Outside, Stage, Transaction};
use super::{KEYS, Key, Promise, Scene, Trouble};
use crate::store::{Guard, Slot};

/// What is stored under one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// What it is.
    pub(crate) slot: Slot,
    /// The last registration of a local copy of it; zero when none is held.
    pub(crate) copies: u8,
}

/// One moment of the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) entries: [Entry; 2],
    /// The versions that the database has committed.
    pub(crate) committed: [u8; 2],
    pub(crate) transaction: Transaction,
    pub(crate) outside: Vec<Outside>,
    pub(crate) readers: Vec<Reader>,
    /// What later reads may not fall below.
    pub(crate) floors: Floors,
    /// How many registrations matter still: they are numbered in their order.
    pub(crate) registrations: u8,
    /// What may still go wrong.
    pub(crate) trouble: Trouble,
    /// Whether a process has died.
    pub(crate) crashed: bool,
    /// The first broken promise, and whether a process had died by then.
    pub(crate) broken: Option<(Promise, bool)>,
}

/// All that was returned so far, as far as a later read depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Floors {
    /// By P1.
    pub(crate) written: [u8; 2],
    /// By P2.
    pub(crate) returned: [u8; 2],
    /// Whether somebody was given what the transaction wrote, or it has returned.
    pub(crate) whole: bool,
}

impl State {
    /// Before anything happened.
    pub(crate) fn new(scene: &Scene) -> Self {
        let entry = || Entry { slot: Slot::Absent, copies: 0 };
        Self {
            entries: [entry(), entry()],
            committed: [0; 2],
            transaction: Transaction::default(),
            outside: vec![Outside::Idle; scene.outside.len()],
            readers: vec![Reader::default(); scene.reads.len()],
            floors: Floors::default(),
            registrations: 0,
            trouble: scene.trouble,
            crashed: false,
            broken: None,
        }
    }

    /// A read of `key` that began with these floors gives `version`.
    pub(crate) fn give(&mut self, scene: &Scene, key: Key, floors: Floors, version: u8) {
        let whole = self.transaction.committed.filter(|_| floors.whole).map_or(0, |written| written[key]);
        let least = [
            (Promise::ReadsSeeWrites, floors.written[key]),
            (Promise::Monotonic, floors.returned[key]),
            (Promise::Whole, whole),
        ];
        let fallen = least.into_iter().filter(|(_, least)| version < *least).map(|(promise, _)| promise);
        let early = (version > self.committed[key]).then_some(Promise::Committed);
        let mut broken = fallen.chain(early).filter(|promise| scene.promises(*promise));
        self.broken = self.broken.or_else(|| broken.next().map(|promise| (promise, self.crashed)));
        if scene.promises(Promise::Monotonic) {
            self.floors.returned[key] = self.floors.returned[key].max(version);
        }
        let written = self.transaction.committed.map_or(0, |written| written[key]);
        if scene.promises(Promise::Whole) && written > 0 && version >= written {
            self.floors.whole = true;
        }
    }

    /// A write of `key` returns `version`.
    pub(crate) fn wrote(&mut self, scene: &Scene, key: Key, version: u8) {
        self.floors.written[key] = self.floors.written[key].max(version);
        if scene.promises(Promise::Monotonic) {
            self.floors.returned[key] = self.floors.returned[key].max(version);
        }
    }

    /// The local copies up to this registration have been waited for: they are over.
    pub(crate) fn waited_for(&mut self, registration: u8) {
        for reader in &mut self.readers {
            for copy in &mut reader.copies {
                *copy = copy.take_if(|copy| copy.until > registration);
            }
            if matches!(reader.phase, Phase::Keep { until, .. } if until <= registration) {
                reader.phase = Phase::Idle;
            }
        }
    }

    /// Numbers the registrations that matter still, and forgets those that are over.
    pub(crate) fn renumber(&mut self) {
        let copies = self.readers.iter().flat_map(|reader| reader.copies.iter().flatten());
        let mut live: Vec<u8> = copies.map(|copy| copy.until).collect();
        live.extend(self.readers.iter().filter_map(|reader| match reader.phase {
            Phase::Keep { until, .. } => Some(until),
            _ => None,
        }));
        live.sort_unstable();
        live.dedup();
        // The rank of the last that is held still, not after this one.
        let rank =
            |until: u8| u8::try_from(live.iter().filter(|other| **other <= until).count()).unwrap_or(u8::MAX);
        for entry in &mut self.entries {
            entry.copies = rank(entry.copies);
            entry.end_where_empty();
        }
        for reader in &mut self.readers {
            for copy in reader.copies.iter_mut().flatten() {
                copy.until = rank(copy.until);
            }
            if let Phase::Keep { until, .. } = &mut reader.phase {
                *until = rank(*until);
            }
        }
        if let Stage::Waits { until, .. } = &mut self.transaction.stage {
            *until = rank(*until);
        }
        for outside in &mut self.outside {
            if let Outside::Waits { until } = outside {
                *until = rank(*until);
            }
        }
        self.registrations = rank(u8::MAX);
    }

    /// The keys with what is stored under them.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Key, &Entry)> {
        KEYS.into_iter().map(|key| (key, &self.entries[key]))
    }
}

impl Entry {
    /// A step of the server. What holds copies is not taken away: a guard without writers is left in its place.
    pub(crate) fn change(&mut self, step: impl FnOnce(&mut Slot)) {
        step(&mut self.slot);
        if self.copies > 0 && self.slot == Slot::Absent {
            self.slot = Slot::Guard(Guard { writers: Vec::new(), overlapped: false, settling: false });
        }
        self.end_where_empty();
    }

    fn end_where_empty(&mut self) {
        if self.copies == 0 && matches!(&self.slot, Slot::Guard(guard) if guard.writers.is_empty()) {
            self.slot = Slot::Absent;
        }
    }
}
