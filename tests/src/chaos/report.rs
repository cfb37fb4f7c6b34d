//! What is told about a run.

use super::{
    check::Verdict, class::Class, history::History, record::Ended, subject::Subject, timeline::timeline,
    violation::Violation,
};
use std::{collections::HashSet, fmt::Display};

/// Maximum number of violations that are told after the first, each in a line: what they are says where to look.
const LISTED: usize = 10;

/// The numbers of a run, and how the first promise was broken.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Who, if it is one.
    pub subject: Option<Subject>,
    /// Reads through the cache that gave a value.
    pub reads: usize,
    /// Writes that were begun and not refused.
    pub writes: usize,
    /// Writes that were refused.
    pub refused: usize,
    /// Bodies of those reads.
    pub loads: usize,
    /// Reads that ran no body of their own.
    pub hits: usize,
    /// Fills that were refused.
    pub refused_fills: u64,
    /// Disturbances.
    pub disturbances: usize,
    /// Processes that were killed.
    pub kills: usize,
    /// Reads that gave an older version than was known, allowed ones included.
    pub stale: usize,
    /// Those that a named limit of the promise allows.
    pub allowed: usize,
    /// Promises broken.
    pub violations: usize,
    /// Operations that ended.
    pub operations: usize,
    /// How many operations had ended when the first promise was broken.
    pub found_after: Option<usize>,
    /// How that looks, as a timeline.
    pub first: Option<String>,
}

impl Report {
    /// Of one run.
    pub fn new(class: Class, history: &History, verdict: &Verdict) -> Self {
        let loads: HashSet<_> = history.loads.iter().map(|load| load.op).collect();
        let reads = || history.reads.iter().filter(|read| !read.direct && read.ended == Ended::Ok);
        let is_refused = |ended: Option<Ended>| ended == Some(Ended::Refused);
        let refused =
            history.writes.values().filter(|write| is_refused(write.done.map(|done| done.ended))).count();
        let is_stale = |violation: &&Violation| {
            matches!(
                violation,
                Violation::MissesWrite(_) | Violation::GoesBack(_) | Violation::SeesHalf { .. }
            )
        };
        let ends = || {
            let writes = history.writes.values().filter_map(|write| write.done.map(|done| done.end));
            history.reads.iter().map(|read| read.end).chain(writes)
        };
        let ended_before =
            |violation: &Violation| ends().filter(|end| violation.at().is_none_or(|at| *end <= at)).count();
        let last_counted = history.counted.values().filter_map(|counted| counted.last());
        Self {
            subject: None,
            reads: reads().count(),
            writes: history.writes.len() - refused,
            refused,
            loads: history.loads.iter().filter(|load| !load.direct).count(),
            hits: reads().filter(|read| !loads.contains(&read.op)).count(),
            refused_fills: last_counted.map(|counted| counted.refused_fills).sum(),
            disturbances: history.events.len(),
            kills: history.killed.len(),
            stale: verdict.violations.iter().filter(is_stale).count() + verdict.allowed.len(),
            allowed: verdict.allowed.len(),
            violations: verdict.violations.len(),
            operations: ends().count(),
            found_after: verdict.violations.first().map(ended_before),
            first: verdict.violations.split_first().map(|(first, others)| {
                let others: Vec<String> =
                    others.iter().take(LISTED).map(|other| format!("\nthen {other}")).collect();
                let others = others.concat();
                let timeline = timeline(history, first);
                format!("\nthe first violation, under {class}:\n{first}\n\n{timeline}{others}")
            }),
        }
    }

    /// Takes another one in.
    pub fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.refused += other.refused;
        self.loads += other.loads;
        self.hits += other.hits;
        self.refused_fills += other.refused_fills;
        self.disturbances += other.disturbances;
        self.kills += other.kills;
        self.stale += other.stale;
        self.allowed += other.allowed;
        self.violations += other.violations;
        self.found_after = self.found_after.or(other.found_after.map(|after| self.operations + after));
        self.operations += other.operations;
        if self.first.is_none() {
            self.first = other.first;
        }
    }

    /// Whether the run says anything: the cache was read, written and used.
    pub fn tells(&self) -> bool {
        self.reads > 0 && self.writes > 0 && self.hits > 0
    }

    /// The share of reads that were stale.
    pub fn stale_rate(&self) -> f64 {
        rate(self.stale, self.reads)
    }

    /// The numbers in a line of the table.
    pub fn row(&self, name: impl Display) -> String {
        format!(
            "{name:<12}{:>9}{:>8}{:>8}{:>9}{:>9}{:>8}{:>9}{:>7}{:>8} ({:>5.2} %){:>9}{:>11}",
            self.reads,
            self.writes,
            self.refused,
            self.loads,
            self.hits,
            self.refused_fills,
            self.disturbances,
            self.kills,
            self.stale,
            self.stale_rate() * 100.0,
            self.allowed,
            self.violations,
        )
    }
}

/// What stands above the table.
pub fn head(subject: Subject) -> String {
    format!(
        "\n{subject:<12}{:>9}{:>8}{:>8}{:>9}{:>9}{:>8}{:>9}{:>7}{:>18}{:>9}{:>11}",
        "reads",
        "writes",
        "refused",
        "loads",
        "hits",
        "fills",
        "disturb-",
        "kills",
        "stale",
        "allowed",
        "violations"
    )
}

/// The line that programs read.
pub fn last_line(report: &Report) -> String {
    let Report { reads, writes, loads, violations, .. } = report;
    let subject = report.subject.map_or_else(String::new, |subject| subject.to_string());
    format!("{subject}: reads={reads} writes={writes} loads={loads} violations={violations}")
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
