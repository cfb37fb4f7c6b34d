//! Writes of several keys at once: whoever has seen what one of them made of one key is not given an older version of another.

use super::{
    check::{Verdict, may_be_missed, raise},
    class::{Class, FIRST_SLOT},
    history::History,
    record::{Ended, Read},
    violation::{Known, Stale, Violation},
};
use std::collections::BTreeMap;

/// For each key and another one, by the versions of the first: the version of the second that was written with it, or before it.
type Pairs = BTreeMap<(u64, u64), BTreeMap<u64, u64>>;

/// Goes through the reads of all keys: what is known of one from what was read of another only grows with the reads that end.
pub(super) fn check(history: &History, class: Class, verdict: &mut Verdict) {
    let pairs = pairs(history);
    let ok = |key: u64| history.reads.iter().filter(move |read| read.key == key && read.ended == Ended::Ok);
    for (&(seen, key), versions) in &pairs {
        let implied = |read: &Read| {
            let (_, version) = versions.range(..=read.version).next_back()?;
            Some(Known { version: *version, by: read.op, end: read.end, write: false })
        };
        let mut known: Vec<Known> = ok(seen).filter_map(implied).collect();
        known.sort_by_key(|known| known.end);
        let mut reads: Vec<&Read> = ok(key).collect();
        reads.sort_by_key(|read| read.begin);
        let (mut ended, mut highest) = (known.into_iter().peekable(), None);
        for read in reads {
            while let Some(known) = ended.next_if(|known| known.end < read.begin) {
                raise(&mut highest, known);
            }
            let Some(known) = highest.filter(|known| known.version > read.version) else { continue };
            let stale = Stale { read: *read, known };
            if may_be_missed(history, class, read, known.version) {
                verdict.allowed_halves.push(stale);
            } else {
                verdict.violations.push(Violation::SeesHalf { stale, seen });
            }
        }
    }
}

fn pairs(history: &History) -> Pairs {
    let mut pairs = Pairs::new();
    for write in history.writes.values() {
        // Nothing guards a key that is known after the body.
        let rows = || write.versions.iter().filter(|(key, _)| **key < FIRST_SLOT);
        for (one, version) in rows() {
            for (other, made) in rows().filter(|(other, _)| *other != one) {
                pairs.entry((*one, *other)).or_default().insert(*version, *made);
            }
        }
    }
    pairs
}
