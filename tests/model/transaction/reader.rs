//! Reads beside a transaction, and inside of it.

use super::state::{Floors, State};
use super::writer::Stage;
use super::{Key, Mechanism, Scene};
use crate::store::{NO_STAMPS, Slot, Value};
use crate::token::{Caller, Token};

/// Who reads outside of the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Reader {
    /// The reads that it has started.
    pub(crate) reads: u8,
    /// Where it is.
    pub(crate) phase: Phase,
    /// Its local copies.
    pub(crate) copies: [Option<LocalCopy>; 2],
}

/// A decoded value, held in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LocalCopy {
    pub(crate) version: u8,
    /// Its registration.
    pub(crate) until: u8,
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Phase {
    /// Between two reads.
    #[default]
    Idle,
    /// It has begun.
    Begun { key: Key, floors: Floors },
    /// It has registered a copy of what it was given, and is about to keep it.
    Keep { key: Key, version: u8, until: u8 },
    /// Its body is about to run; it may store where it holds a lease.
    Loads { key: Key, floors: Floors, lease: bool },
    /// Its body has read this version, and it is about to store it.
    Fills { key: Key, floors: Floors, version: u8 },
}

impl State {
    fn lease(&self, reader: usize) -> Token {
        Token::Fresh(Caller::Reader(reader), self.readers[reader].reads, 0)
    }

    /// A read starts; with a local copy it is over.
    pub(crate) fn start(&mut self, scene: &Scene, reader: usize, key: Key) {
        self.readers[reader].reads += 1;
        let floors = self.floors;
        match self.readers[reader].copies[key] {
            Some(copy) => self.give(scene, key, floors, copy.version),
            None => self.readers[reader].phase = Phase::Begun { key, floors },
        }
    }

    /// A read looks at what is there, and becomes the lease's holder where nothing is. It registers a copy of a value that it
    /// finds, or does not.
    pub(crate) fn look(&mut self, scene: &Scene, reader: usize, registers: bool) {
        let Phase::Begun { key, floors } = self.readers[reader].phase else { return };
        let lease = self.lease(reader);
        let phase = match self.entries[key].slot.clone() {
            Slot::Absent => {
                self.entries[key].change(|slot| *slot = Slot::Lease(lease));
                Phase::Loads { key, floors, lease: true }
            }
            Slot::Value(Value { version, .. }) => {
                self.give(scene, key, floors, version);
                if registers {
                    self.registrations += 1;
                    self.entries[key].copies = self.registrations;
                    Phase::Keep { key, version, until: self.registrations }
                } else {
                    Phase::Idle
                }
            }
            _ => Phase::Loads { key, floors, lease: false },
        };
        self.readers[reader].phase = phase;
    }

    /// A read keeps the copy that it has registered.
    pub(crate) fn keep(&mut self, reader: usize) {
        if let Phase::Keep { key, version, until } = self.readers[reader].phase {
            self.readers[reader].copies[key] = Some(LocalCopy { version, until });
            self.readers[reader].phase = Phase::Idle;
        }
    }

    /// A body reads the database.
    pub(crate) fn body(&mut self, scene: &Scene, reader: usize) {
        let Phase::Loads { key, floors, lease } = self.readers[reader].phase else { return };
        let version = self.committed[key];
        if lease {
            self.readers[reader].phase = Phase::Fills { key, floors, version };
        } else {
            self.readers[reader].phase = Phase::Idle;
            self.give(scene, key, floors, version);
        }
    }

    /// A read stores what its body gave, if it still holds the lease, and returns.
    pub(crate) fn fill(&mut self, scene: &Scene, reader: usize) {
        let Phase::Fills { key, floors, version } = self.readers[reader].phase else { return };
        let lease = self.lease(reader);
        self.entries[key].change(|slot| {
            slot.fill(lease, Value { version, stamps: NO_STAMPS, refresh: None }, true);
        });
        self.readers[reader].phase = Phase::Idle;
        self.give(scene, key, floors, version);
    }

    /// What a body inside of the transaction reads now: what it wrote itself, and else its snapshot. None where it isn't open.
    pub(crate) fn seen_inside(&self, key: Key) -> Option<u8> {
        let snapshot = self.transaction.snapshot?;
        let open = matches!(self.transaction.stage, Stage::Begin(_) | Stage::Late(_) | Stage::Statement(_));
        let version = if self.transaction.wrote[key] { self.committed[key] + 1 } else { snapshot[key] };
        open.then_some(version)
    }

    /// What [`Mechanism::ReadsStoreNothing`] forbids: a read inside stores what it gives, under a lease of its own.
    pub(crate) fn read_inside(&mut self, scene: &Scene, key: Key) {
        let Some(version) = self.seen_inside(key) else { return };
        let entry = &mut self.entries[key];
        if entry.slot == Slot::Absent && !scene.has(Mechanism::ReadsStoreNothing) {
            entry.change(|slot| *slot = Slot::Value(Value { version, stamps: NO_STAMPS, refresh: None }));
        }
    }

    /// What [`Mechanism::ReadsShareNothing`] forbids: a read outside is given what a body inside gives that began after it.
    pub(crate) fn share(&mut self, scene: &Scene, reader: usize) {
        let Phase::Begun { key, floors } = self.readers[reader].phase else { return };
        if let Some(version) = self.seen_inside(key) {
            self.readers[reader].phase = Phase::Idle;
            self.give(scene, key, floors, version);
        }
    }
}
