//! The counts that processes publish, added up.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// The version of what processes publish that this crate reads.
const SCHEMA: u64 = 1;

/// Counts by name, as in `cached_aside::Counts`. One that is zero is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Row(BTreeMap<String, u64>);

/// What all processes have counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Number of processes whose counts these are.
    pub processes: usize,
    /// Number of processes whose counts are of another version.
    pub unreadable: usize,
    /// By path and name of the function.
    pub functions: BTreeMap<String, Row>,
    /// Counts that belong to no function.
    pub writes: Row,
    /// Keys that are on recovery lists now.
    pub recovering: u64,
}

#[derive(Deserialize)]
struct Process {
    schema: u64,
    functions: BTreeMap<String, Row>,
    writes: Row,
    recovering: u64,
}

impl Totals {
    /// Adds up what each process has published.
    pub fn of(published: &[Vec<u8>]) -> Totals {
        let mut totals = Totals::default();
        for text in published {
            match serde_json::from_slice::<Process>(text) {
                Ok(process) if process.schema == SCHEMA => totals.add(&process),
                _ => totals.unreadable += 1,
            }
        }
        totals
    }

    fn add(&mut self, process: &Process) {
        self.processes += 1;
        for (name, row) in &process.functions {
            self.functions.entry(name.clone()).or_default().add(row);
        }
        self.writes.add(&process.writes);
        self.recovering = self.recovering.saturating_add(process.recovering);
    }

    /// All functions together.
    pub fn total(&self) -> Row {
        let mut total = Row::default();
        self.functions.values().for_each(|row| total.add(row));
        total
    }
}

impl Row {
    fn add(&mut self, other: &Row) {
        for (name, count) in &other.0 {
            let sum = self.0.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The count of this name.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn sum(&self, names: &[&str]) -> u64 {
        names.iter().map(|name| self.get(name)).fold(0, u64::saturating_add)
    }

    /// Calls answered by the cache, or a copy in the process, with a value inside its TTL.
    pub fn hits(&self) -> u64 {
        self.sum(&["hits", "local_hits"])
    }

    /// Calls that looked for an entry.
    pub fn calls(&self) -> u64 {
        self.sum(&["hits", "local_hits", "stale", "misses"])
    }

    /// Steps that failed, and entries and values that could not be read or written.
    pub fn errors(&self) -> u64 {
        self.sum(&["errors", "unusable", "foreign", "unencodable"])
    }

    /// The share of calls that were given a value at once, stale ones among them: from 0 to 1.
    pub fn hit_rate(&self) -> Option<f64> {
        let calls = self.calls();
        (calls > 0).then(|| ratio(self.sum(&["hits", "local_hits", "stale"]), calls))
    }

    /// How long a load took on average.
    pub fn load_time(&self) -> Option<Duration> {
        Some(Duration::from_micros(self.get("load_us").checked_div(self.get("loads"))?))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of more than 2^53 calls need not be exact")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(schema: u64, hits: u64) -> Vec<u8> {
        format!(
            r#"{{"schema":{schema},"id":"a","later":[],"functions":{{"app::load":{{"hits":{hits},"misses":1,"loads":2,"load_us":3000}},"app::{hits}":{{}}}},"writes":{{"writes":2}},"recovering":1}}"#
        )
        .into_bytes()
    }

    #[test]
    fn the_counts_of_processes_are_added_up() {
        let totals = Totals::of(&[process(1, 2), process(1, 3), process(2, 100), b"other".to_vec()]);
        assert_eq!((totals.processes, totals.unreadable, totals.recovering), (2, 2, 2));
        let load = &totals.functions["app::load"];
        assert_eq!((load.hits(), load.calls(), load.get("loads")), (5, 7, 4));
        assert_eq!(load.hit_rate(), Some(5.0 / 7.0));
        assert_eq!(load.load_time(), Some(Duration::from_micros(1_500)));
        assert_eq!((totals.functions.len(), totals.total().hits()), (3, 5), "a function of one process");
        assert_eq!(totals.functions["app::2"], Row::default());
        assert_eq!((Row::default().hit_rate(), Row::default().load_time()), (None, None));
    }
}
