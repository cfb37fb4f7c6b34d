//! What happened: the records of all processes, put together.

use super::{
    clock::Timestamp,
    record::{Begun, Counted, Done, Event, Load, OpId, Read, Record},
};
use std::collections::{BTreeMap, HashMap};

/// A write, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which.
    pub op: OpId,
    /// No earlier than this.
    pub begin: Timestamp,
    /// How it ended, unless its process died before that.
    pub done: Option<Done>,
    /// The versions that it made, by key, as the origin says.
    pub versions: BTreeMap<u64, u64>,
}

/// A run.
#[derive(Debug, Default)]
pub struct History {
    /// The reads that ended.
    pub reads: Vec<Read>,
    /// The loads that the origin answered.
    pub loads: Vec<Load>,
    /// The writes that began.
    pub writes: BTreeMap<OpId, Write>,
    /// Who wrote each version of each key.
    pub writers: BTreeMap<u64, BTreeMap<u64, OpId>>,
    /// What the processes counted, by process, in order.
    pub counted: HashMap<u32, Vec<Counted>>,
    /// When processes were killed.
    pub killed: HashMap<u32, Timestamp>,
    /// What was done to them.
    pub events: Vec<Event>,
    /// Ends and versions of writes that nobody has begun.
    pub stray: Vec<OpId>,
}

impl History {
    /// Puts records together, whatever their order.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let mut history = Self::default();
        let (mut done, mut versions) = (Vec::new(), Vec::new());
        for record in records {
            match record {
                Record::Read(read) => history.reads.push(read),
                Record::Load(load) => history.loads.push(load),
                Record::Begun(Begun { op, begin }) => {
                    let write = Write { op, begin, done: None, versions: BTreeMap::new() };
                    history.writes.insert(op, write);
                }
                Record::Done(end) => done.push(end),
                Record::Version(key, version, op) => versions.push((key, version, op)),
                Record::Counted(counted) => {
                    history.counted.entry(counted.process).or_default().push(counted);
                }
                Record::Killed(process, at) => drop(history.killed.insert(process, at)),
                Record::Event(event) => history.events.push(event),
            }
        }
        for end in done {
            match history.writes.get_mut(&end.op) {
                Some(write) => write.done = Some(end),
                None => history.stray.push(end.op),
            }
        }
        for (key, version, op) in versions {
            history.writers.entry(key).or_default().insert(version, op);
            match history.writes.get_mut(&op) {
                Some(write) => drop(write.versions.insert(key, version)),
                None => history.stray.push(op),
            }
        }
        for counted in history.counted.values_mut() {
            counted.sort_by_key(|counted| counted.at);
        }
        history.events.sort_by_key(|event| event.begin);
        history
    }

    /// The write that made a version.
    pub fn writer(&self, key: u64, version: u64) -> Option<&Write> {
        self.writes.get(self.writers.get(&key)?.get(&version)?)
    }

    /// The first time after `from` at which a process had delivered all it owed.
    pub fn delivered(&self, process: u32, from: Timestamp) -> Option<Timestamp> {
        let counted = self.counted.get(&process)?;
        counted.iter().find(|counted| counted.at >= from && counted.recovering == 0).map(|counted| counted.at)
    }

    /// The times in which Redis may have lost its data.
    pub fn losses(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.loss)
    }
}
