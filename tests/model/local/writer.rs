//! A caller of a write.

use super::state::{Guard, Number, Numbers, Slot, State, Value};
use super::{KEYS, Key, Mechanism, Scene, Write};

/// Where a writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Idle,
    /// It guards its keys, one after the other; the registrations that it has met.
    Guards {
        next: usize,
        met: Numbers,
    },
    /// It waits for the local copies.
    Waits(Numbers),
    /// Its statement is about to run.
    Writes,
    /// The database has committed this version (none: it gives up), and it releases its keys one after the other.
    Releases {
        version: u8,
        next: usize,
        met: Numbers,
    },
    /// It waits for the local copies that its releases have met.
    Released {
        version: u8,
        met: Numbers,
    },
    /// Its guard could not be placed: its statement is about to run.
    Unguarded,
    /// It has returned, and owes the deletion.
    Owes,
    /// Its deletion was delivered; its key stays on the list until this registration is over.
    Delivered(Number),
    Done,
    /// Its process is dead.
    Dead,
}

impl Writer {
    /// Whether its process does not use the cache for the entry.
    pub(crate) fn is_listed(&self) -> bool {
        matches!(self, Self::Unguarded | Self::Owes | Self::Delivered(_))
    }

    pub(crate) fn rename(&mut self, renamed: impl Fn(Number) -> Number) {
        match self {
            Self::Guards { met, .. }
            | Self::Waits(met)
            | Self::Releases { met, .. }
            | Self::Released { met, .. } => *met = met.map(renamed),
            Self::Delivered(until) => *until = renamed(*until),
            _ => {}
        }
    }
}

fn is_any(numbers: Numbers) -> bool {
    numbers.iter().any(|number| *number > 0)
}

impl State {
    /// The next step of a writer.
    pub(crate) fn write(&mut self, scene: &Scene, writer: usize) {
        let Write { keys, kind } = scene.writers[writer];
        self.writers[writer] = match self.writers[writer] {
            Writer::Idle => match kind {
                super::Kind::Off => Writer::Writes,
                super::Kind::Undeliverable => Writer::Unguarded,
                _ => self.guard(scene, writer, 0, [0; KEYS]),
            },
            Writer::Guards { next, met } => self.guard(scene, writer, next, met),
            Writer::Waits(until) => {
                self.pass(scene, until);
                Writer::Writes
            }
            Writer::Writes => {
                self.origin += 1;
                Writer::Releases { version: self.origin, next: 0, met: [0; KEYS] }
            }
            Writer::Releases { version, next, mut met } => {
                met[keys[next]] = self.release(scene, writer, keys[next], version);
                if next + 1 < keys.len() {
                    Writer::Releases { version, next: next + 1, met }
                } else if is_any(met) && scene.has(Mechanism::ReleaseWaits) {
                    Writer::Released { version, met }
                } else {
                    self.returns(version)
                }
            }
            Writer::Released { version, met } => {
                self.pass(scene, met);
                self.returns(version)
            }
            Writer::Unguarded => {
                self.origin += 1;
                self.returns(self.origin);
                Writer::Owes
            }
            Writer::Owes => {
                let registered = self.slots[keys[0]].registered();
                self.delete(scene, keys[0]);
                if registered > 0 && scene.has(Mechanism::ReleaseWaits) {
                    Writer::Delivered(registered)
                } else {
                    Writer::Done
                }
            }
            Writer::Delivered(until) => {
                let mut numbers = [0; KEYS];
                numbers[keys[0]] = until;
                self.pass(scene, numbers);
                Writer::Done
            }
            over @ (Writer::Done | Writer::Dead) => over,
        };
    }

    fn returns(&mut self, version: u8) -> Writer {
        self.floor = self.floor.max(version);
        Writer::Done
    }

    fn guard(&mut self, scene: &Scene, writer: usize, next: usize, mut met: Numbers) -> Writer {
        let keys = scene.writers[writer].keys;
        let key = keys[next];
        let (registered, there) = (self.slots[key].registered(), self.slots[key]);
        let mut guard = Guard { registered, ..Guard::default() };
        met[key] = registered;
        if let Slot::Guard(joined) = there {
            guard = Guard { overlapped: true, ..joined };
            if !scene.has(Mechanism::JoinerIsTold) {
                met[key] = 0;
            }
        }
        guard.writers[writer] = true;
        self.slots[key] = Slot::Guard(guard);
        if next + 1 < keys.len() {
            Writer::Guards { next: next + 1, met }
        } else if is_any(met) && scene.has(Mechanism::WaitsBeforeBody) {
            Writer::Waits(met)
        } else {
            Writer::Writes
        }
    }

    /// A writer takes itself out of the guard of a key; answers the registration that it has met.
    fn release(&mut self, scene: &Scene, writer: usize, key: Key, version: u8) -> Number {
        let registered = self.slots[key].registered();
        let Slot::Guard(mut guard) = self.slots[key] else {
            self.slots[key] = Self::nothing(scene, registered);
            return registered;
        };
        let stores = scene.writers[writer].kind == super::Kind::Stores && version > 0;
        guard.writers[writer] = false;
        self.slots[key] = if !guard.is_empty() {
            Slot::Guard(guard)
        } else if stores && !guard.overlapped {
            Slot::Value(Value::new(version, [0; KEYS], false))
        } else {
            Self::nothing(scene, registered)
        };
        registered
    }

    /// A writer is dropped while it waits, or its process dies.
    pub(crate) fn drop_writer(&mut self, writer: usize, dies: bool) {
        self.writers[writer] =
            if dies { Writer::Dead } else { Writer::Releases { version: 0, next: 0, met: [0; KEYS] } };
    }
}
