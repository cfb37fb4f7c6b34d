//! `top`: the cached functions over all processes that publish their counts.

use std::{
    collections::BTreeMap,
    fmt::Write,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use cached_aside_inspector::published::{Row, Totals};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    output::{self, shown},
    servers::Connected,
};

mod screen;

/// What is shown, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) once: bool,
    pub(crate) interval: Duration,
    pub(crate) as_json: bool,
}

/// Shows the counts until it is interrupted. With `once`: whether some process publishes any.
pub(crate) async fn top(at: &Connected, how: Shown) -> Result<bool, Failure> {
    if !how.once && !how.as_json && io::stdout().is_terminal() && io::stdin().is_terminal() {
        return screen::run(at, how.interval).await;
    }
    let mut sample = Sample::take(at).await?;
    loop {
        if how.as_json {
            output::json_line(&sample.to_json())?;
        } else {
            sample.lines().iter().try_for_each(output::line)?;
        }
        if how.once {
            return Ok(sample.totals.processes > 0);
        }
        tokio::select! {
            () = tokio::time::sleep(how.interval) => {}
            _ = tokio::signal::ctrl_c() => return Ok(true),
        }
        sample = Sample::take(at).await?.after(&sample);
    }
}

/// The counts at one time.
#[derive(Debug)]
struct Sample {
    totals: Totals,
    taken: Instant,
    /// Calls a second since the sample before, by function.
    rates: BTreeMap<String, f64>,
}

impl Sample {
    async fn take(at: &Connected) -> Result<Sample, Failure> {
        let totals = Totals::of(&at.servers.published().await?);
        Ok(Sample { totals, taken: Instant::now(), rates: BTreeMap::new() })
    }

    /// The same, with how much was counted since another sample.
    fn after(mut self, before: &Sample) -> Sample {
        let passed = self.taken.saturating_duration_since(before.taken).as_secs_f64();
        for (name, row) in &self.totals.functions {
            let earlier = before.totals.functions.get(name).map_or(0, Row::calls);
            // A process that ended takes its counts with it.
            let calls = row.calls().saturating_sub(earlier);
            let calls = u32::try_from(calls).map_or(f64::INFINITY, f64::from);
            self.rates.insert(name.clone(), if passed > 0.0 { calls / passed } else { 0.0 });
        }
        self
    }

    fn to_json(&self) -> Value {
        let mut object = json!(self.totals);
        object["calls_per_second"] = json!(self.rates);
        object
    }

    /// What is over the table.
    fn title(&self) -> String {
        let Totals { processes, unreadable, recovering, writes, .. } = &self.totals;
        let mut title = format!("{processes} process(es), {} write(s)", writes.get("writes"));
        // Writing to a `String` can't fail.
        if *recovering > 0 {
            let _ = write!(title, ", {recovering} key(s) on recovery lists");
        }
        if *unreadable > 0 {
            let _ = write!(title, ", {unreadable} process(es) of another version left out");
        }
        if *processes == 0 {
            title += ": build the application's cache with `.publish_stats(true)`";
        }
        title
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.title()];
        if self.totals.functions.is_empty() {
            return lines;
        }
        let total = self.totals.total();
        let rate = self.rates.values().sum();
        lines.push(aligned(&HEADS.map(str::to_owned)));
        lines.extend(
            self.totals.functions.iter().map(|(name, row)| aligned(&cells(name, row, self.rate_of(name)))),
        );
        lines.push(aligned(&cells("total", &total, (!self.rates.is_empty()).then_some(rate))));
        lines
    }

    fn rate_of(&self, name: &str) -> Option<f64> {
        self.rates.get(name).copied()
    }
}

/// The columns, each with a width of its own; the last may be long.
const HEADS: [&str; 9] =
    ["CALLS/S", "HITS", "HIT RATE", "LOADS", "LOAD TIME", "STALE", "REFUSED", "ERRORS", "FUNCTION"];
const WIDTHS: [usize; 8] = [8, 11, 8, 10, 9, 9, 8, 8];

fn cells(name: &str, row: &Row, rate: Option<f64>) -> [String; 9] {
    let unknown = || "-".to_owned();
    [
        rate.map_or_else(unknown, |rate| format!("{rate:.1}")),
        row.hits().to_string(),
        row.hit_rate().map_or_else(unknown, |rate| format!("{:.1} %", rate * 100.0)),
        row.get("loads").to_string(),
        row.load_time().map_or_else(unknown, |time| format!("{:.1} ms", time.as_secs_f64() * 1_000.0)),
        row.get("stale").to_string(),
        row.get("fills_refused").to_string(),
        row.errors().to_string(),
        shown(name),
    ]
}

fn aligned(cells: &[String; 9]) -> String {
    let numbers = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:>width$}  "));
    numbers.collect::<String>() + &cells[8]
}
