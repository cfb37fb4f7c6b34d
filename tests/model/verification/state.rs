//! One moment of the whole system, and what the verifier, the readers and the writers do next.

use super::{Mechanism, Scene, Trouble, Write};

/// What a body gives: what the row says, and what else it makes of it.
pub(crate) type Output = (u8, u8);
/// Who wrote an entry or holds its lease.
pub(crate) type Token = u8;
/// The version of the tag.
pub(crate) type Version = u8;

/// An entry that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Value {
    pub(crate) output: Output,
    pub(crate) token: Token,
    /// The version of its tag from before its load.
    pub(crate) stamp: Version,
}

/// Writes in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Guard {
    writers: [bool; 2],
    overlapped: bool,
}

/// What is stored under the key, or under that of the tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    #[default]
    Absent,
    Lease(Token),
    Value(Value),
    /// Of the tag.
    Version(Version),
    Guard(Guard),
}

/// Where the verifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verifier {
    /// It waits for a hit.
    Idle,
    /// Its body has run before its look.
    Early(Output),
    /// It has a hit, and runs the body.
    Runs(Value),
    /// The body gave something else; so it did the time before, if there was one.
    Pauses { hit: Value, gave: Output, before: Option<Output> },
    /// The pause is over.
    Looks { hit: Value, gave: Output, before: Option<Output> },
    /// It removes what it has told.
    Removes(Token),
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reader {
    Idle,
    Loads {
        token: Token,
        stamp: Version,
    },
    Fills {
        value: Value,
    },
    /// It refreshes the entry that this token has written.
    Refreshes {
        of: Token,
        token: Token,
        stamp: Version,
    },
    Refills {
        of: Token,
        value: Value,
    },
}

/// Where a writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Idle,
    Writes,
    /// The database has committed this version.
    Releases(u8),
    Done,
}

/// One moment of the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is what has happened")]
pub(crate) struct State {
    pub(crate) entry: Slot,
    pub(crate) tag: Slot,
    /// How many versions the tag has had.
    versions: Version,
    pub(crate) origin: u8,
    pub(crate) replica: u8,
    pub(crate) verifier: Verifier,
    /// An entry of which the next hit decides: who wrote it, and what its body gave.
    pub(crate) suspect: Option<(Token, Output)>,
    pub(crate) readers: Vec<(Reader, u8)>,
    pub(crate) writers: Vec<Writer>,
    pub(crate) trouble: Trouble,
    /// Whether somebody has changed the row without a word.
    changed: bool,
    pub(crate) alarm: bool,
    pub(crate) unverifiable: bool,
    pub(crate) false_alarm: bool,
    pub(crate) false_doubt: bool,
    pub(crate) removed_another: bool,
}

impl Scene {
    /// What the row says in this version.
    fn said(&self, version: u8) -> u8 {
        if self.repeats { version % 2 } else { version }
    }
}

impl State {
    /// The first version is stored.
    pub(crate) fn new(scene: &Scene) -> Self {
        let stamp = u8::from(scene.tagged);
        Self {
            entry: Slot::Value(Value { output: (0, 0), token: 0, stamp }),
            tag: if scene.tagged { Slot::Version(stamp) } else { Slot::Absent },
            versions: stamp,
            origin: 0,
            replica: 0,
            verifier: Verifier::Idle,
            suspect: None,
            readers: vec![(Reader::Idle, 0); scene.readers],
            writers: vec![Writer::Idle; scene.writers.len()],
            trouble: scene.trouble,
            changed: false,
            alarm: false,
            unverifiable: false,
            false_alarm: false,
            false_doubt: false,
            removed_another: false,
        }
    }

    /// The entry, if it can be given: no tag of it has moved.
    pub(crate) fn usable(&self, scene: &Scene) -> Option<Value> {
        match self.entry {
            Slot::Value(value) if !scene.tagged || self.tag == Slot::Version(value.stamp) => Some(value),
            _ => None,
        }
    }

    /// What a body can give now.
    pub(crate) fn outputs(&self, scene: &Scene) -> Vec<Output> {
        let lags = scene.lags && self.replica < self.origin;
        let versions = lags.then_some(self.replica).into_iter().chain([self.origin]);
        let own = if scene.changing { self.unused() } else { 0 };
        versions.map(|version| (scene.said(version), own)).collect()
    }

    /// What no body has given of what is still known.
    fn unused(&self) -> u8 {
        let of_slot =
            |slot: Slot| if let Slot::Value(value) = slot { vec![value.output] } else { Vec::new() };
        let mut known = of_slot(self.entry);
        known.extend(self.suspect.map(|(_, gave)| gave));
        match self.verifier {
            Verifier::Runs(hit) => known.push(hit.output),
            Verifier::Early(gave) => known.push(gave),
            Verifier::Pauses { hit, gave, before } | Verifier::Looks { hit, gave, before } => {
                known.extend([hit.output, gave].into_iter().chain(before));
            }
            Verifier::Idle | Verifier::Removes(_) => {}
        }
        known.extend(self.readers.iter().filter_map(|(reader, _)| match reader {
            Reader::Fills { value } | Reader::Refills { value, .. } => Some(value.output),
            _ => None,
        }));
        (0..=u8::MAX).find(|own| known.iter().all(|(_, known)| known != own)).expect("few are known")
    }

    /// Whether everything that was on its way has arrived.
    pub(crate) fn is_quiet(&self, scene: &Scene) -> bool {
        let committed = |writer: &Writer| matches!(writer, Writer::Releases(_));
        !self.writers.iter().any(committed) && (!scene.lags || self.replica == self.origin)
    }

    /// The verifier has its hit, and what the body gave.
    pub(crate) fn compare(&mut self, scene: &Scene, hit: Value, gave: Output) {
        let suspect = self.suspect.take();
        let is_same = |token: Token| token == hit.token || !scene.has(Mechanism::ComparesTokens);
        let before = suspect.filter(|(token, _)| is_same(*token)).map(|(_, gave)| gave);
        if gave == hit.output {
            self.doubts(scene, before.is_some());
            self.verifier = Verifier::Idle;
        } else {
            self.verifier = Verifier::Pauses { hit, gave, before };
        }
    }

    /// The verifier looks whether the entry still stands there.
    pub(crate) fn look_again(&mut self, scene: &Scene, hit: Value, gave: Output, before: Option<Output>) {
        self.verifier = Verifier::Idle;
        if scene.has(Mechanism::LooksAgain) && !self.still_stands(scene, hit) {
            return;
        }
        match before {
            None if scene.has(Mechanism::SecondBody) => self.suspect = Some((hit.token, gave)),
            Some(before) if before != gave && scene.has(Mechanism::BodiesAgree) => self.doubts(scene, true),
            _ => {
                self.alarm = true;
                let is_old = hit.output.0 != scene.said(self.origin) && self.is_quiet(scene);
                self.false_alarm |= !is_old || !scene.alarms;
                self.verifier = Verifier::Removes(hit.token);
            }
        }
    }

    /// A body has given what it had not given before, or the other way round.
    fn doubts(&mut self, scene: &Scene, doubts: bool) {
        self.unverifiable |= doubts;
        self.false_doubt |= doubts && !scene.changing && !scene.lags && !self.changed;
    }

    fn still_stands(&self, scene: &Scene, hit: Value) -> bool {
        let Slot::Value(value) = self.entry else { return false };
        let same = if scene.has(Mechanism::ComparesTokens) {
            value.token == hit.token
        } else {
            value.output == hit.output
        };
        let tag_stands = !scene.tagged || self.tag == Slot::Version(value.stamp);
        same && (tag_stands || !scene.has(Mechanism::ComparesTags))
    }

    /// The verifier removes what this token has written.
    pub(crate) fn remove(&mut self, scene: &Scene, token: Token) {
        self.verifier = Verifier::Idle;
        if let Slot::Value(value) = self.entry {
            let is_accused = value.token == token;
            if is_accused || !scene.has(Mechanism::RemovesTheAccused) {
                self.removed_another |= !is_accused;
                self.entry = Slot::Absent;
            }
        }
    }

    /// A reader comes: it has a hit, refreshes what it finds, or loads what is missing.
    pub(crate) fn read(&mut self, scene: &Scene, reader: usize) {
        let call = self.readers[reader].1;
        let token = 1 + u8::try_from(reader).expect("few readers") * scene.calls + call;
        if scene.tagged && self.tag == Slot::Absent {
            self.versions += 1;
            self.tag = Slot::Version(self.versions);
            return;
        }
        let stamp = match self.tag {
            Slot::Version(version) => version,
            // Nothing is stored while the tag is written.
            Slot::Guard(_) => return,
            _ => 0,
        };
        let stage = match (self.usable(scene), self.entry) {
            (Some(value), _) => Reader::Refreshes { of: value.token, token, stamp },
            (None, Slot::Absent | Slot::Value(_)) => {
                self.entry = Slot::Lease(token);
                Reader::Loads { token, stamp }
            }
            (None, _) => return,
        };
        self.readers[reader] = (stage, call + 1);
    }

    /// The body of a reader gives this.
    pub(crate) fn load(&mut self, reader: usize, output: Output) {
        let stage = match self.readers[reader].0 {
            Reader::Loads { token, stamp } => Reader::Fills { value: Value { output, token, stamp } },
            Reader::Refreshes { of, token, stamp } => {
                Reader::Refills { of, value: Value { output, token, stamp } }
            }
            other => other,
        };
        self.readers[reader].0 = stage;
    }

    /// What a reader has loaded arrives.
    pub(crate) fn fill(&mut self, reader: usize) {
        match (self.readers[reader].0, self.entry) {
            (Reader::Fills { value }, Slot::Lease(token)) if token == value.token => {
                self.entry = Slot::Value(value);
            }
            (Reader::Refills { of, value }, Slot::Value(there)) if there.token == of => {
                self.entry = Slot::Value(value);
            }
            _ => {}
        }
        self.readers[reader].0 = Reader::Idle;
    }

    /// The next step of a writer.
    pub(crate) fn write(&mut self, scene: &Scene, writer: usize) {
        let kind = scene.writers[writer];
        self.writers[writer] = match self.writers[writer] {
            Writer::Idle => {
                if kind != Write::Off {
                    let slot = self.slot(kind);
                    let mut guard = match *slot {
                        Slot::Guard(guard) => Guard { overlapped: true, ..guard },
                        _ => Guard::default(),
                    };
                    guard.writers[writer] = true;
                    *slot = Slot::Guard(guard);
                }
                Writer::Writes
            }
            Writer::Writes => {
                self.origin += 1;
                Writer::Releases(self.origin)
            }
            Writer::Releases(version) => {
                self.release(scene, writer, version);
                Writer::Done
            }
            Writer::Done => Writer::Done,
        };
    }

    fn slot(&mut self, kind: Write) -> &mut Slot {
        if kind == Write::OfTag { &mut self.tag } else { &mut self.entry }
    }

    fn release(&mut self, scene: &Scene, writer: usize, version: u8) {
        let kind = scene.writers[writer];
        let stamp = self.versions;
        let token = 100 + u8::try_from(writer).expect("few writers");
        let slot = self.slot(kind);
        *slot = match *slot {
            Slot::Guard(mut guard) => {
                guard.writers[writer] = false;
                if guard.writers != [false; 2] {
                    Slot::Guard(guard)
                } else if kind == Write::Stores && !guard.overlapped {
                    Slot::Value(Value { output: (scene.said(version), 0), token, stamp })
                } else {
                    Slot::Absent
                }
            }
            // Whatever else stands there: what was loaded without the guard.
            _ => Slot::Absent,
        };
    }

    /// Somebody changes the row without a word.
    pub(crate) fn change(&mut self) {
        self.trouble.changes -= 1;
        self.origin += 1;
        self.changed = true;
    }

    /// A guard of the entry is lost.
    pub(crate) fn lose_guard(&mut self) {
        self.trouble.losses -= 1;
        self.entry = Slot::Absent;
    }
}
