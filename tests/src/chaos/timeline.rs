//! A violation as it can be read: everything that happened to its key around it.

use super::{check::disturbances, clock::Timestamp, history::History, violation::Violation};
use std::{fmt::Write, time::Duration};

/// Maximum number of lines; those nearest to the violation are shown.
const LINES: usize = 60;
/// How long before the newer version was known the timeline begins.
const BEFORE: Duration = Duration::from_millis(150);

/// The operations on the violation's key around it, each with its begin and end in milliseconds before or after the
/// begin of the read that broke the promise.
pub fn timeline(history: &History, violation: &Violation) -> String {
    let Some(read) = violation.read() else { return String::new() };
    let (key, zero) = (read.key, read.begin);
    let (known, from) = match violation {
        Violation::MissesWrite(stale) | Violation::GoesBack(stale) | Violation::SeesHalf { stale, .. } => {
            let missed =
                (read.version + 1..=stale.known.version).filter_map(|version| history.writer(key, version));
            let first = missed.map(|write| write.begin).min().unwrap_or(stale.known.end);
            (Some(stale.known.by), first.max(zero.minus(Duration::from_secs(8))))
        }
        _ => (None, zero),
    };
    let (from, to) = (from.minus(BEFORE), read.end);
    let mut lines: Vec<(Timestamp, Timestamp, String)> = Vec::new();
    for read in history.reads.iter().filter(|read| read.key == key) {
        let way = if read.direct { "read past the cache" } else { "read" };
        lines.push((
            read.begin,
            read.end,
            format!("{:<10}{way}: {} version {}", read.op, read.ended, read.version),
        ));
    }
    for load in history.loads.iter().filter(|load| load.key == key && !load.direct) {
        lines.push((
            load.begin,
            load.end,
            format!("{:<10}  its body asked the origin: version {}", load.op, load.version),
        ));
    }
    for write in history.writes.values() {
        let Some(version) = write.versions.get(&key) else { continue };
        let died = history.killed.get(&write.op.process);
        let (end, ended) = match (&write.done, died) {
            (Some(done), _) => (done.end, done.ended.to_string()),
            (None, Some(died)) => (*died, "killed in it".to_owned()),
            (None, None) => (to, "never ended".to_owned()),
        };
        let unguarded = if write.done.is_some_and(|done| done.unguarded) { ", not guarded" } else { "" };
        lines.push((
            write.begin,
            end,
            format!("{:<10}write: {ended}, version {version}{unguarded}", write.op),
        ));
    }
    lines.retain(|(begin, end, _)| from <= *end && *begin <= to);
    lines.extend(
        disturbances(history, from, to)
            .map(|event| (event.begin, event.end, format!("          * {}", event.what))),
    );
    lines.sort();
    let mut text = String::new();
    let left_out = lines.len().saturating_sub(LINES);
    if left_out > 0 {
        let _ = writeln!(text, "    … {left_out} earlier");
    }
    let of = |op: super::record::OpId| op.to_string();
    for (begin, end, what) in lines.into_iter().skip(left_out) {
        let who = what.split_whitespace().next().unwrap_or_default();
        let mark = if who == of(read.op) {
            '>'
        } else if known.is_some_and(|known| who == of(known)) {
            '!'
        } else {
            ' '
        };
        let _ =
            writeln!(text, "  {mark} {:>10.3} {:>10.3} ms  {what}", millis(begin, zero), millis(end, zero));
    }
    text
}

fn millis(moment: Timestamp, zero: Timestamp) -> f64 {
    let (sign, distance) = if moment < zero { (-1.0, zero.since(moment)) } else { (1.0, moment.since(zero)) };
    sign * distance.as_secs_f64() * 1_000.0
}
