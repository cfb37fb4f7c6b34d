//! A caller of a cached function, in a process of its own that may hold a copy.

use super::state::{Copy, Number, Numbers, Slot, State, Token, Value, Version};
use super::{ENTRY, KEYS, Key, Mechanism, Scene};

/// A reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reader {
    /// The calls that it has begun.
    pub(crate) calls: u8,
    /// What the call may not fall below.
    pub(crate) floor: u8,
    /// Whether the call loads anew.
    pub(crate) anew: bool,
    pub(crate) stage: Stage,
}

/// Where a reader is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    #[default]
    Idle,
    /// It has come.
    Comes,
    /// Its question is on the way; what was answered. With `keeps` it asks for a copy.
    Asks { keeps: bool, seen: [Option<Slot>; KEYS], numbers: Numbers },
    /// It has been given the value, and puts it where the process keeps its copy.
    Keeps(Copy),
    /// It has missed, by what it saw: creates the versions that are missing, and acquires.
    Acquires { seen: [Option<Slot>; KEYS] },
    /// Its body is about to read the row; it holds a lease.
    Loads { stamps: [Version; KEYS] },
    /// The same without storing.
    LoadsUnstored,
    /// The same for a refresh; the registration that its election has met.
    Refreshes { met: Number },
    /// Its body has read this version.
    Fills { version: u8, stamps: [Version; KEYS] },
    /// The same for a refresh.
    Refills { version: u8, met: Number },
    /// The same for a refresh whose value is not to be stored.
    Discards { version: u8 },
    /// What stands there is to end: it was loaded anew and not stored.
    Ends { version: u8 },
    /// Before it gives this version it waits for this registration.
    Waits { version: u8, until: Number },
    /// It gives this version.
    Gives { version: u8 },
}

impl Reader {
    /// The registrations of what is on its way to it.
    pub(crate) fn numbers(&self) -> Numbers {
        match &self.stage {
            Stage::Asks { numbers, .. } | Stage::Keeps(Copy { numbers, .. }) => *numbers,
            _ => [0; KEYS],
        }
    }

    /// Time passes, and what `over` says is over.
    pub(crate) fn pass(&mut self, scene: &Scene, over: impl Fn(&Numbers) -> bool) {
        match &mut self.stage {
            Stage::Keeps(copy) if scene.has(Mechanism::FromTheQuestion) && over(&copy.numbers) => self.end(),
            Stage::Asks { keeps, numbers, .. } if scene.has(Mechanism::FromTheQuestion) && over(numbers) => {
                *keeps = false;
                *numbers = [0; KEYS];
            }
            _ => {}
        }
    }

    pub(crate) fn rename(&mut self, renamed: impl Fn(Number) -> Number) {
        match &mut self.stage {
            Stage::Asks { numbers, seen, .. } => {
                *numbers = numbers.map(&renamed);
                forget(seen);
            }
            Stage::Keeps(copy) => copy.numbers = copy.numbers.map(renamed),
            Stage::Refreshes { met, .. } | Stage::Refills { met, .. } => *met = renamed(*met),
            Stage::Waits { until, .. } => *until = renamed(*until),
            _ => {}
        }
    }

    pub(crate) fn seen_mut(&mut self) -> &mut [Option<Slot>] {
        match &mut self.stage {
            Stage::Asks { seen, .. } | Stage::Acquires { seen } => seen,
            _ => &mut [],
        }
    }

    pub(crate) fn stamps_mut(&mut self) -> &mut [Version] {
        match &mut self.stage {
            Stage::Loads { stamps } | Stage::Fills { stamps, .. } => stamps,
            _ => &mut [],
        }
    }

    fn end(&mut self) {
        *self = Self { calls: self.calls, ..Self::default() };
    }

    fn token(&self, number: usize) -> Token {
        (u8::try_from(number).expect("few readers"), self.calls)
    }
}

/// What a reader has seen says nothing of registrations: it compares heads without them.
fn forget(seen: &mut [Option<Slot>]) {
    for slot in seen.iter_mut().flatten() {
        match slot {
            Slot::Value(value) => value.registered = 0,
            Slot::Guard(guard) => guard.registered = 0,
            Slot::Version(_, registered) => *registered = 0,
            _ => {}
        }
    }
}

impl State {
    /// A call begins.
    pub(crate) fn come(&mut self, reader: usize, anew: bool) {
        let calls = self.readers[reader].calls + 1;
        self.readers[reader] = Reader { calls, floor: self.floor, anew, stage: Stage::Comes };
    }

    /// It asks Redis.
    pub(crate) fn ask(&mut self, scene: &Scene, reader: usize, keeps: bool) {
        let mut seen = [None; KEYS];
        seen[1 + scene.tags..].fill(Some(Slot::Absent));
        self.readers[reader].stage = Stage::Asks { keeps, seen, numbers: [0; KEYS] };
    }

    /// It is given `version`.
    pub(crate) fn give(&mut self, scene: &Scene, reader: usize, version: u8) {
        self.given(scene, reader, version);
        self.readers[reader].end();
    }

    fn given(&mut self, scene: &Scene, reader: usize, version: u8) {
        let Reader { floor, anew, .. } = self.readers[reader];
        self.broken |= version < floor;
        if scene.monotonic || anew && scene.anew_is_newest {
            self.floor = self.floor.max(version);
        }
    }

    /// The copy of its process answers.
    pub(crate) fn use_copy(&mut self, scene: &Scene, reader: usize) {
        if let Some(Copy { version, .. }) = self.copies[reader] {
            self.give(scene, reader, version);
        }
    }

    /// Redis answers the part of the question that is about `key`.
    pub(crate) fn answer(&mut self, scene: &Scene, reader: usize, key: Key, elects: bool) {
        let Stage::Asks { keeps, mut seen, mut numbers } = self.readers[reader].stage.clone() else { return };
        let slot = self.slots[key];
        seen[key] = Some(slot);
        if keeps && self.registers(scene, reader, key) {
            numbers[key] = self.register(key);
        }
        self.readers[reader].stage = Stage::Asks { keeps, seen, numbers };
        if seen.iter().all(Option::is_some) {
            self.decide(scene, reader, elects);
        }
    }

    fn registers(&self, scene: &Scene, reader: usize, key: Key) -> bool {
        let quiet = self.slots[key].is_refreshed() && scene.has(Mechanism::QuietWhileRefreshed);
        match self.slots[key] {
            Slot::Value(value) => value.other_type == scene.other_type(reader) && !quiet,
            Slot::Version(..) => scene.has(Mechanism::RegistersTags),
            _ => false,
        }
    }

    fn decide(&mut self, scene: &Scene, reader: usize, elects: bool) {
        let Stage::Asks { keeps, seen, numbers } = self.readers[reader].stage.clone() else { return };
        let [Some(entry), tags @ ..] = seen else { return };
        let anew = self.readers[reader].anew;
        let token = self.readers[reader].token(reader);
        if seen.iter().flatten().any(|slot| matches!(slot, Slot::Guard(_))) {
            self.readers[reader].stage = Stage::LoadsUnstored;
            return;
        }
        match entry {
            Slot::Value(value) if value.other_type != scene.other_type(reader) => {
                self.replace_unusable(scene, reader, value);
            }
            Slot::Value(value) if anew || elects => {
                self.set_refresh(token);
                self.readers[reader].stage = Stage::Refreshes { met: value.registered };
            }
            Slot::Value(value) if agree(scene, &value, &tags) => {
                let copy = Copy { version: value.version, numbers };
                let registered = numbers.iter().any(|number| *number > 0);
                self.given(scene, reader, value.version);
                if keeps && registered || !keeps && !scene.has(Mechanism::RegisteredOnly) {
                    self.readers[reader].stage = Stage::Keeps(copy);
                } else {
                    self.readers[reader].end();
                }
            }
            Slot::Lease(_) if !anew => self.readers[reader].stage = Stage::LoadsUnstored,
            _ if scene.tags > 0 => {
                let mut seen = seen;
                forget(&mut seen);
                self.readers[reader].stage = Stage::Acquires { seen };
            }
            _ => self.lease(reader, [0; KEYS]),
        }
    }

    fn set_refresh(&mut self, token: Token) {
        if let Slot::Value(value) = &mut self.slots[ENTRY] {
            value.refresh = Some((token, true));
        }
    }

    fn lease(&mut self, reader: usize, stamps: [Version; KEYS]) {
        self.slots[ENTRY] = Slot::Lease(self.readers[reader].token(reader));
        self.readers[reader].stage = Stage::Loads { stamps };
    }

    fn replace_unusable(&mut self, scene: &Scene, reader: usize, value: Value) {
        if value.registered > 0 && scene.has(Mechanism::UnusableStays) {
            self.readers[reader].stage = Stage::LoadsUnstored;
        } else {
            self.lease(reader, [0; KEYS]);
        }
    }

    /// The next step of a reader that has missed a tagged entry: a missing tag is created, or the entry is acquired.
    pub(crate) fn acquire(&mut self, scene: &Scene, reader: usize) {
        let Stage::Acquires { mut seen } = self.readers[reader].stage.clone() else { return };
        if let Some(tag) = (1..=scene.tags).find(|tag| seen[*tag] == Some(Slot::Absent)) {
            if self.slots[tag] == Slot::Absent {
                self.slots[tag] = Slot::Version(self.versions, 0);
            }
            seen[tag] = Some(self.slots[tag]);
            forget(&mut seen);
            self.readers[reader].stage = match self.slots[tag] {
                Slot::Guard(_) => Stage::LoadsUnstored,
                _ => Stage::Acquires { seen },
            };
            return;
        }
        let stamps = seen.map(|slot| match slot {
            Some(Slot::Version(version, _)) => version,
            _ => 0,
        });
        let entry = self.slots[ENTRY];
        let mut head = [Some(entry)];
        forget(&mut head);
        match entry {
            Slot::Value(value) if head[0] == seen[ENTRY] => {
                if value.registered > 0 && scene.has(Mechanism::UnusableStays) {
                    self.readers[reader].stage = Stage::LoadsUnstored;
                } else {
                    self.lease(reader, stamps);
                }
            }
            Slot::Absent if head[0] == seen[ENTRY] => self.lease(reader, stamps),
            Slot::Value(value) if value.stamps == stamps => self.give(scene, reader, value.version),
            _ => self.readers[reader].stage = Stage::LoadsUnstored,
        }
    }

    /// Its body reads the row.
    pub(crate) fn load(&mut self, scene: &Scene, reader: usize, discards: bool) {
        let version = self.origin;
        let anew = self.readers[reader].anew;
        match self.readers[reader].stage {
            Stage::Loads { stamps } => self.readers[reader].stage = Stage::Fills { version, stamps },
            Stage::Refreshes { .. } if discards => self.readers[reader].stage = Stage::Discards { version },
            Stage::Refreshes { met } => self.readers[reader].stage = Stage::Refills { version, met },
            Stage::LoadsUnstored if anew => self.readers[reader].stage = Stage::Ends { version },
            Stage::LoadsUnstored => self.give(scene, reader, version),
            _ => {}
        }
    }

    /// What its body gave arrives at Redis; with `keeps` it registers a copy in the same step.
    pub(crate) fn fill(&mut self, scene: &Scene, reader: usize, keeps: bool) {
        let token = self.readers[reader].token(reader);
        match self.readers[reader].stage {
            Stage::Fills { version, mut stamps } => {
                if self.slots[ENTRY] != Slot::Lease(token) {
                    return self.refused(scene, reader, version);
                }
                for (stamp, slot) in stamps.iter_mut().zip(&self.slots) {
                    if let Slot::Version(now, _) = slot
                        && !scene.has(Mechanism::StampsBeforeLoad)
                    {
                        *stamp = *now;
                    }
                }
                self.slots[ENTRY] = Slot::Value(Value::new(version, stamps, scene.other_type(reader)));
                if keeps {
                    let mut numbers = [0; KEYS];
                    numbers[ENTRY] = self.register(ENTRY);
                    self.given(scene, reader, version);
                    self.readers[reader].stage = Stage::Keeps(Copy { version, numbers });
                } else {
                    self.give(scene, reader, version);
                }
            }
            Stage::Refills { version, met } => self.refill(scene, reader, version, met),
            _ => {}
        }
    }

    fn refill(&mut self, scene: &Scene, reader: usize, version: u8, met: Number) {
        let token = self.readers[reader].token(reader);
        let Slot::Value(value) = self.slots[ENTRY] else { return self.refused(scene, reader, version) };
        let mut until = [0; KEYS];
        until[ENTRY] = match value.registered {
            _ if !scene.has(Mechanism::RefillWaits) => 0,
            registered if scene.has(Mechanism::RefillAsks) => registered,
            _ => met,
        };
        let held = value.refresh.is_some_and(|(holder, _)| holder == token);
        if until[ENTRY] > 0 && (held || !scene.has(Mechanism::RefillAsks)) {
            // Refused, with what is left; it waits, and sends it again.
            self.readers[reader].stage = Stage::Refills { version, met: 0 };
            return self.pass(scene, until);
        }
        if held {
            self.slots[ENTRY] = Slot::Value(Value::new(version, value.stamps, value.other_type));
            return self.give(scene, reader, version);
        }
        self.refused(scene, reader, version);
    }

    fn refused(&mut self, scene: &Scene, reader: usize, version: u8) {
        if self.readers[reader].anew {
            self.readers[reader].stage = Stage::Ends { version };
        } else {
            self.give(scene, reader, version);
        }
    }

    /// What it replaces is removed, or left if somebody else's.
    pub(crate) fn remove(&mut self, scene: &Scene, reader: usize) {
        let registered = self.slots[ENTRY].registered();
        let version = match self.readers[reader].stage {
            Stage::Discards { version } => {
                let token = self.readers[reader].token(reader);
                if matches!(self.slots[ENTRY], Slot::Value(Value { refresh: Some((holder, _)), .. }) if holder == token)
                {
                    self.slots[ENTRY] = Self::nothing(scene, registered);
                }
                version
            }
            Stage::Ends { version } => {
                self.delete(scene, ENTRY);
                version
            }
            _ => return,
        };
        if registered > 0 && scene.has(Mechanism::ReleaseWaits) {
            self.readers[reader].stage = Stage::Waits { version, until: registered };
        } else {
            self.give(scene, reader, version);
        }
    }

    /// Who is no writer inside deletes a key: marks a guard, and ends anything else.
    pub(crate) fn delete(&mut self, scene: &Scene, key: Key) {
        match &mut self.slots[key] {
            Slot::Guard(guard) => guard.overlapped = true,
            slot => *slot = Self::nothing(scene, slot.registered()),
        }
    }

    /// It has waited.
    pub(crate) fn waited(&mut self, scene: &Scene, reader: usize) {
        if let Stage::Waits { version, until } = self.readers[reader].stage {
            let mut numbers = [0; KEYS];
            numbers[ENTRY] = until;
            self.readers[reader].stage = Stage::Gives { version };
            self.pass(scene, numbers);
        }
    }

    /// It puts its copy where its process keeps it.
    pub(crate) fn keep(&mut self, reader: usize) {
        if let Stage::Keeps(copy) = self.readers[reader].stage {
            self.copies[reader] = Some(copy);
            self.readers[reader].end();
        }
    }
}

/// Whether the tags have the versions that the value carries.
fn agree(scene: &Scene, value: &Value, tags: &[Option<Slot>]) -> bool {
    (0..scene.tags)
        .all(|tag| matches!(tags[tag], Some(Slot::Version(version, _)) if version == value.stamps[tag + 1]))
}
