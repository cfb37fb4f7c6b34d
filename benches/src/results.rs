//! Medians, spreads, and ratios to what is written by hand.

use std::collections::BTreeMap;

use cached_aside_benches::{
    cell::{Cell, Sample},
    subject::BASE,
};

use crate::worker::Threads;

/// Samples by what was measured, one a round, in the order of the rounds.
#[derive(Default)]
pub struct Results(BTreeMap<(Threads, Cell, &'static str), Vec<Sample>>);

/// One column of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Rate,
    P50,
    P99,
    P999,
    ClientCpu,
    ServerCpu,
    Loads,
}

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Metric::Rate => "thousand/s",
            Metric::P50 => "p50 µs",
            Metric::P99 => "p99 µs",
            Metric::P999 => "p99.9 µs",
            Metric::ClientCpu => "client CPU µs",
            Metric::ServerCpu => "server CPU µs",
            Metric::Loads => "loads",
        }
    }

    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Metric::Rate => Some(sample.rate / 1e3),
            Metric::P50 => Some(sample.p50),
            Metric::P99 => Some(sample.p99),
            Metric::P999 => Some(sample.p999),
            Metric::ClientCpu => Some(sample.client_cpu),
            Metric::ServerCpu => sample.server_cpu,
            Metric::Loads => Some(sample.loads),
        }
    }
}

/// A median with its spread, and the median of the ratios to the base of the same round.
#[derive(Clone, Copy)]
pub struct Measured {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub ratio: f64,
}

impl Results {
    pub fn add(&mut self, threads: Threads, cell: Cell, subject: &'static str, sample: Sample) {
        self.0.entry((threads, cell, subject)).or_default().push(sample);
    }

    pub fn of(
        &self,
        threads: Threads,
        cell: Cell,
        subject: &'static str,
        metric: Metric,
    ) -> Option<Measured> {
        let samples = |subject| -> Option<Vec<f64>> {
            self.0.get(&(threads, cell, subject))?.iter().map(|sample| metric.of(sample)).collect()
        };
        let (own, base) = (samples(subject)?, samples(BASE)?);
        let ratios = own.iter().zip(&base).map(|(own, base)| own / base).collect();
        Some(Measured {
            median: median(own.clone()),
            least: own.iter().copied().fold(f64::INFINITY, f64::min),
            most: own.iter().copied().fold(0.0, f64::max),
            ratio: median(ratios),
        })
    }

    /// The part of the machine that others used, over all samples.
    pub fn others(&self) -> Option<f64> {
        self.0.values().flatten().map(|sample| sample.others).collect::<Option<Vec<f64>>>().map(median)
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}
