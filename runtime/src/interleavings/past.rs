//! What has happened before what.
//!
//! Two orders of the same steps that differ only where neighbours have nothing to do with each other lead to the same
//! state. So a state is named by a hash of what happened before what: each step mixes the names of what it touches, and
//! what it changes takes the step's name.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
};

use super::scenario::KEYS;

/// What steps touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Thing {
    Call(usize),
    Command(usize),
    /// What stands under the key of this number.
    Store(usize),
    Origin,
    /// The flights of a process.
    Flights(usize),
    /// The recovery list of a process.
    Recovery(usize),
    /// Which calls are over: those that begin later must not be given anything older.
    Ends,
    /// Which calls and bodies have begun, where others wait for that.
    Beginnings,
    /// What may still go wrong.
    Trouble,
}

/// What a step has done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Changed(Thing, u64),
    /// A call was woken by it.
    Woken(Thing, u64),
    /// A call ended with it. In which order calls end does not matter to those that begin later.
    Ended(u64),
    /// A command is over.
    Gone(Thing),
    /// A command was sent.
    Sent(usize, u64),
}

/// A step that was taken.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The same for the same step after others that have nothing to do with it.
    pub(super) id: u64,
    pub(super) touched: Vec<Thing>,
    pub(super) marks: Vec<Mark>,
    /// It has to do with everything.
    pub(super) with_all: bool,
}

impl Mark {
    fn thing(self) -> Option<Thing> {
        match self {
            Mark::Changed(thing, _) | Mark::Woken(thing, _) | Mark::Gone(thing) => Some(thing),
            Mark::Ended(_) => Some(Thing::Ends),
            Mark::Sent(..) => None,
        }
    }
}

impl Step {
    /// Whether it does not matter which of the two comes first.
    pub(super) fn is_apart_from(&self, other: &Step) -> bool {
        !self.with_all && !other.with_all && self.leaves_alone(other) && other.leaves_alone(self)
    }

    fn leaves_alone(&self, other: &Step) -> bool {
        let changed = |mark: &Mark| {
            let Some(thing) = mark.thing() else { return false };
            let also_ended = |other: &Mark| !matches!((mark, other), (Mark::Ended(_), Mark::Ended(_)));
            other.touched.contains(&thing)
                || other.marks.iter().any(|other| other.thing() == Some(thing) && also_ended(other))
        };
        !self.marks.iter().any(changed)
    }
}

/// The names of everything that steps touch.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    names: BTreeMap<Thing, u64>,
}

impl Past {
    pub(super) fn name(&self, thing: Thing) -> u64 {
        self.names.get(&thing).copied().unwrap_or_default()
    }

    /// The name of a step of this kind that touches these things.
    pub(super) fn step(&self, kind: impl Hash, touched: &[Thing]) -> u64 {
        let names: Vec<u64> = touched.iter().map(|thing| self.name(*thing)).collect();
        hash((kind, names))
    }

    /// What a step has done.
    pub(super) fn apply(&mut self, marks: &[Mark]) {
        for mark in marks {
            match *mark {
                Mark::Changed(thing, step) => {
                    self.names.insert(thing, step);
                }
                Mark::Woken(thing, step) => self.add(thing, step),
                Mark::Ended(step) => self.add(Thing::Ends, step),
                Mark::Gone(thing) => {
                    self.names.remove(&thing);
                }
                Mark::Sent(number, name) => {
                    self.names.insert(Thing::Command(number), name);
                }
            }
        }
    }

    fn add(&mut self, thing: Thing, step: u64) {
        let name = self.names.entry(thing).or_default();
        *name = name.wrapping_add(hash(step));
    }

    /// The step happened before everything that comes.
    pub(super) fn all_changed(&mut self, step: u64) {
        let all = hash((self.state(), step));
        self.names.values_mut().for_each(|name| *name = hash((*name, all)));
        for key in 0..KEYS {
            self.names.insert(Thing::Store(key), all);
        }
    }

    /// The name of the state to which a step leads that was taken elsewhere.
    pub(super) fn state_after(&self, step: &Step) -> u64 {
        let mut past = self.clone();
        let sent = |mark: &Mark| match *mark {
            // Its number is another one here.
            Mark::Sent(number, name) => Mark::Sent(usize::MAX - number, name),
            other => other,
        };
        past.apply(&step.marks.iter().map(sent).collect::<Vec<_>>());
        past.state()
    }

    /// The name of the state that all of this is. Commands that differ only in their numbers are the same.
    pub(super) fn state(&self) -> u64 {
        self.names.iter().fold(0, |sum, (thing, name)| {
            let thing = if matches!(thing, Thing::Command(_)) { Thing::Command(0) } else { *thing };
            sum.wrapping_add(hash((thing, name)))
        })
    }
}

pub(super) fn hash(value: impl Hash) -> u64 {
    let mut hasher = Mixer(0);
    value.hash(&mut hasher);
    hasher.finish()
}

/// A quick hash: most of the search is spent on it.
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ mixed >> 33
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(29) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }
}
