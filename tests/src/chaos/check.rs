//! The judge.

use super::{
    class::Class,
    clock::Timestamp,
    exposure,
    history::{History, Write},
    record::{Ended, Event, Load, OpId, Read},
    together,
    violation::{Known, Stale, Violation},
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Maximum percentage of stale reads that a limit of the promise may excuse, if Redis keeps its data.
const MOST_ALLOWED: usize = 25;
/// Number of reads up to which a rate says nothing.
const FEW: usize = 100;

/// What the checker found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Broken promises, in the order in which they became visible.
    pub violations: Vec<Violation>,
    /// Stale reads that a named limit of the promise allows.
    pub allowed: Vec<Stale>,
    /// The same of those that are stale beside what was seen of another key.
    pub allowed_halves: Vec<Stale>,
}

/// Goes through a history.
pub fn check(history: &History, class: Class) -> Verdict {
    let mut verdict = Verdict::default();
    for &key in history.reads.iter().map(|read| &read.key).collect::<BTreeSet<_>>() {
        check_order(history, class, key, &mut verdict);
    }
    together::check(history, class, &mut verdict);
    verdict.violations.extend(unjustified(history));
    verdict.violations.extend(wrong_loads(history));
    verdict.violations.extend(history.stray.iter().map(|op| Violation::WroteAllTheSame(*op)));
    for write in history.writes.values() {
        let refused = write.done.is_some_and(|done| done.ended == Ended::Refused);
        if class.reaches() && write.done.is_some_and(|done| done.unguarded) {
            verdict.violations.push(Violation::Unguarded(write.op));
        }
        if refused && !write.versions.is_empty() {
            verdict.violations.push(Violation::WroteAllTheSame(write.op));
        }
    }
    for (process, counted) in &history.counted {
        if let Some(times) = counted.last().map(|last| last.unreadable).filter(|times| *times > 0) {
            verdict.violations.push(Violation::Unreadable { process: *process, times });
        }
    }
    verdict.violations.sort_by_key(|violation| violation.at().unwrap_or(Timestamp(u64::MAX)));
    let (allowed, reads) = (verdict.allowed.len(), history.reads.len());
    if !matches!(class, Class::Loss | Class::LostCopies) && allowed > FEW.max(reads * MOST_ALLOWED / 100) {
        verdict.violations.push(Violation::TooMany { allowed, reads });
    }
    verdict
}

/// P1 and P2 of one key: what is known only grows with the operations that end, and no read that begins gives less.
fn check_order(history: &History, class: Class, key: u64, verdict: &mut Verdict) {
    let mut reads: Vec<&Read> =
        history.reads.iter().filter(|read| read.key == key && read.ended == Ended::Ok).collect();
    let seen =
        reads.iter().map(|read| Known { version: read.version, by: read.op, end: read.end, write: false });
    let written = history.writes.values().filter_map(|write| {
        let end = exposure::returned(write, key)?;
        Some(Known { version: *write.versions.get(&key)?, by: write.op, end, write: true })
    });
    let mut known: Vec<Known> = seen.chain(written).collect();
    known.sort_by_key(|known| known.end);
    reads.sort_by_key(|read| read.begin);
    let mut ended = known.into_iter().peekable();
    let (mut highest, mut highest_written) = (None, None);
    for read in reads {
        while let Some(known) = ended.next_if(|known| known.end < read.begin) {
            raise(&mut highest, known);
            if known.write {
                raise(&mut highest_written, known);
            }
        }
        let newer = |known: &Option<Known>| known.filter(|known| known.version > read.version);
        let Some(known) = newer(&highest_written).or(newer(&highest)) else { continue };
        let newest = highest.map_or(known.version, |highest| highest.version);
        let stale = Stale { read: *read, known };
        if may_be_missed(history, class, read, newest) {
            verdict.allowed.push(stale);
        } else if known.write {
            verdict.violations.push(Violation::MissesWrite(stale));
        } else {
            verdict.violations.push(Violation::GoesBack(stale));
        }
    }
}

pub(super) fn raise(highest: &mut Option<Known>, known: Known) {
    if highest.is_none_or(|highest| highest.version < known.version) {
        *highest = Some(known);
    }
}

/// Whether every write that this read missed is one that it may.
pub(super) fn may_be_missed(history: &History, class: Class, read: &Read, newest: u64) -> bool {
    let exposed = |write: &Write| {
        let own = exposure::returned_to_its_own(write, read.key, read.op.process, read.begin);
        let until = exposure::until(history, class, write, read.key);
        let guarded_or_told = own || until.is_none_or(|until| until < read.begin);
        !guarded_or_told || exposure::misses_copies(history, class, write, read.begin)
    };
    let mut missed = read.version + 1..=newest;
    !read.direct && missed.all(|version| history.writer(read.key, version).is_some_and(exposed))
}

/// Reads that gave what nobody wrote, nobody loaded, or not yet.
fn unjustified(history: &History) -> impl Iterator<Item = Violation> {
    let mut loaded = BTreeMap::new();
    for load in &history.loads {
        let first = loaded.entry((load.key, load.version)).or_insert(load.begin);
        *first = load.begin.min(*first);
    }
    history.reads.iter().filter(|read| read.ended == Ended::Ok).filter_map(move |read| {
        let why = if read.about != read.key {
            "that is another key"
        } else if read.version > 0
            && history.writer(read.key, read.version).is_none_or(|write| write.begin > read.end)
        {
            "nobody had written it"
        } else if loaded.get(&(read.key, read.version)).is_none_or(|first| *first > read.end) {
            "nobody had loaded it"
        } else {
            return None;
        };
        Some(Violation::Unjustified(*read, why))
    })
}

/// Bodies that gave what the origin cannot have said, ran twice, or outside their reads.
fn wrong_loads(history: &History) -> Vec<Violation> {
    let reads: BTreeMap<OpId, &Read> = history.reads.iter().map(|read| (read.op, read)).collect();
    let mut returned: BTreeMap<u64, Vec<(Timestamp, u64)>> = BTreeMap::new();
    for write in history.writes.values() {
        for (key, version) in &write.versions {
            if let Some(end) = exposure::returned(write, *key) {
                returned.entry(*key).or_default().push((end, *version));
            }
        }
    }
    for ends in returned.values_mut() {
        ends.sort_unstable();
        let mut highest = 0;
        for (_, version) in ends {
            highest = highest.max(*version);
            *version = highest;
        }
    }
    let mut ran = HashSet::new();
    let wrong = |load: &Load| {
        let written = returned.get(&load.key).map_or(0, |ends| {
            let before = ends.partition_point(|(end, _)| *end < load.begin);
            before.checked_sub(1).map_or(0, |last| ends[last].1)
        });
        if load.version < written {
            return Some("the origin had a newer one");
        }
        if load.version > 0
            && history.writer(load.key, load.version).is_none_or(|write| write.begin > load.end)
        {
            return Some("nobody had written it");
        }
        // Reads of a process that was killed are not written down.
        let read = reads.get(&load.op)?;
        if load.key != read.key {
            return Some("that is another key");
        }
        (load.begin < read.begin || load.end > read.end).then_some("it ran outside its read")
    };
    let twice = |load: &Load, ran: &mut HashSet<OpId>| (!ran.insert(load.op)).then_some("it ran twice");
    let judged = history.loads.iter().filter_map(|load| {
        let why = wrong(load).or_else(|| twice(load, &mut ran))?;
        Some(Violation::WrongLoad(*load, why))
    });
    judged.collect()
}

/// What was done while this went on.
pub fn disturbances(history: &History, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Event> {
    history.events.iter().filter(move |event| event.begin <= to && from <= event.end)
}
