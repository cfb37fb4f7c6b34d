//! One moment of the whole system, and how time passes in it.

use super::reader::Reader;
use super::writer::Writer;
use super::{KEYS, Key, Mechanism, Scene, Trouble};

/// A registration: how many there had been, of all keys, when it was made. None is 0.
pub(crate) type Number = u8;
/// One for each key.
pub(crate) type Numbers = [Number; KEYS];
/// The random version of a tag.
pub(crate) type Version = u8;
/// Who holds a lease or refreshes: the reader, and which of its calls.
pub(crate) type Token = (u8, u8);

/// What is stored under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    #[default]
    Absent,
    Lease(Token),
    Value(Value),
    Guard(Guard),
    /// The version of a tag, and the newest registration that it knows.
    Version(Version, Number),
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Value {
    pub(crate) version: u8,
    /// The versions of its tags from before its load.
    pub(crate) stamps: [Version; KEYS],
    /// The newest registration that it knows: `local_until`.
    pub(crate) registered: Number,
    /// Who refreshes it, and whether that is not past its deadline.
    pub(crate) refresh: Option<(Token, bool)>,
    /// Whether readers of the other type wrote it.
    pub(crate) other_type: bool,
}

impl Value {
    /// A value that nobody has registered a copy of.
    pub(crate) fn new(version: u8, stamps: [Version; KEYS], other_type: bool) -> Self {
        Self { version, stamps, registered: 0, refresh: None, other_type }
    }
}

/// A write in progress, or what is left of registrations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Guard {
    /// The writers inside.
    pub(crate) writers: [bool; 2],
    pub(crate) overlapped: bool,
    pub(crate) registered: Number,
}

impl Guard {
    pub(crate) fn is_empty(self) -> bool {
        self.writers == [false; 2]
    }
}

impl Slot {
    /// The newest registration that it knows.
    pub(crate) fn registered(&self) -> Number {
        match self {
            Self::Value(Value { registered, .. })
            | Self::Guard(Guard { registered, .. })
            | Self::Version(_, registered) => *registered,
            Self::Absent | Self::Lease(_) => 0,
        }
    }

    fn registered_mut(&mut self) -> Option<&mut Number> {
        match self {
            Self::Value(Value { registered, .. })
            | Self::Guard(Guard { registered, .. })
            | Self::Version(_, registered) => Some(registered),
            Self::Absent | Self::Lease(_) => None,
        }
    }

    /// Whether a refresh of it runs.
    pub(crate) fn is_refreshed(&self) -> bool {
        matches!(self, Self::Value(Value { refresh: Some((_, true)), .. }))
    }
}

/// A decoded value in a process, and its registration under each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Copy {
    pub(crate) version: u8,
    pub(crate) numbers: Numbers,
}

/// One moment of the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) slots: [Slot; KEYS],
    /// The version of the row.
    pub(crate) origin: u8,
    /// What a call that starts now may not fall below.
    pub(crate) floor: u8,
    pub(crate) readers: Vec<Reader>,
    pub(crate) copies: Vec<Option<Copy>>,
    pub(crate) writers: Vec<Writer>,
    pub(crate) trouble: Trouble,
    /// How many registrations there were, as far as anybody remembers them.
    pub(crate) clock: Number,
    /// How many versions of tags there were, as far as anybody remembers them.
    pub(crate) versions: Version,
    /// Whether somebody was given less than the floor of its call.
    pub(crate) broken: bool,
}

impl State {
    pub(crate) fn new(scene: &Scene) -> Self {
        let first = Slot::Value(Value::new(0, [0; KEYS], false));
        Self {
            slots: [if scene.cached { first } else { Slot::Absent }, Slot::Absent, Slot::Absent],
            origin: 0,
            floor: 0,
            readers: vec![Reader::default(); scene.readers],
            copies: vec![None; scene.readers],
            writers: vec![Writer::Idle; scene.writers.len()],
            trouble: scene.trouble,
            clock: 0,
            versions: 1,
            broken: false,
        }
    }

    /// Registers a copy under a key.
    pub(crate) fn register(&mut self, key: Key) -> Number {
        self.clock += 1;
        if let Some(registered) = self.slots[key].registered_mut() {
            *registered = self.clock;
        }
        self.clock
    }

    /// What stands where nothing is to stand: as long as copies may live, a guard without writers.
    pub(crate) fn nothing(scene: &Scene, registered: Number) -> Slot {
        if registered > 0 && scene.has(Mechanism::KeepsRegistration) {
            Slot::Guard(Guard { registered, ..Guard::default() })
        } else {
            Slot::Absent
        }
    }

    /// Time passes until these registrations are over.
    pub(crate) fn pass(&mut self, scene: &Scene, until: Numbers) {
        let over = |numbers: &Numbers| {
            numbers.iter().zip(&until).any(|(number, until)| *number > 0 && number <= until)
        };
        for copy in &mut self.copies {
            copy.take_if(|copy| over(&copy.numbers));
        }
        for reader in &mut self.readers {
            reader.pass(scene, over);
        }
    }

    /// Writes equal moments alike: registrations of which no copy is left are forgotten, and all are numbered anew.
    pub(crate) fn normalise(&mut self) {
        let copies = self.copies.iter().flatten().flat_map(|copy| copy.numbers);
        let mut live: Vec<Number> = copies
            .chain(self.readers.iter().flat_map(Reader::numbers))
            .filter(|number| *number > 0)
            .collect();
        live.sort_unstable();
        live.dedup();
        let place = |number: Number| live.iter().take_while(|live| **live <= number).count();
        let renamed = |number: Number| Number::try_from(place(number)).expect("few registrations");
        for slot in &mut self.slots {
            if let Some(registered) = slot.registered_mut() {
                *registered = renamed(*registered);
            }
            if matches!(slot, Slot::Guard(guard) if guard.is_empty() && guard.registered == 0) {
                *slot = Slot::Absent;
            }
        }
        for copy in self.copies.iter_mut().flatten() {
            copy.numbers = copy.numbers.map(renamed);
        }
        for reader in &mut self.readers {
            reader.rename(renamed);
        }
        for writer in &mut self.writers {
            writer.rename(renamed);
        }
        self.clock = renamed(self.clock);
        self.rename_versions();
    }

    /// Numbers the versions of tags by their first appearance.
    fn rename_versions(&mut self) {
        let mut known = vec![0];
        let mut rename = |version: &mut Version| {
            let place = known.iter().position(|known| known == version).unwrap_or_else(|| {
                known.push(*version);
                known.len() - 1
            });
            *version = Version::try_from(place).expect("few versions");
        };
        let mut rename_slot = |slot: &mut Slot| match slot {
            Slot::Version(version, _) => rename(version),
            Slot::Value(value) => value.stamps.iter_mut().for_each(&mut rename),
            _ => {}
        };
        self.slots.iter_mut().for_each(&mut rename_slot);
        for reader in &mut self.readers {
            reader.seen_mut().iter_mut().flatten().for_each(&mut rename_slot);
        }
        for reader in &mut self.readers {
            reader.stamps_mut().iter_mut().for_each(&mut rename);
        }
        self.versions = Version::try_from(known.len()).expect("few versions");
    }
}
