//! What is measured side by side, and the tables it makes.

use std::{collections::BTreeSet, time::Duration};

use cached_aside_benches::{
    cell::{Access, Cell, Load},
    origin::Size,
    subject::NAMES,
};
use cached_aside_tests::RedisServer;

use crate::{
    report::Report,
    results::{Measured, Metric, Results},
    worker::{Threads, Worker},
};

/// How long, and how often.
#[derive(Clone, Copy)]
pub struct Effort {
    pub time: Duration,
    pub rounds: usize,
    /// A measurement during which others used a larger part of the machine is made again, a few times at the most.
    pub quiet: f64,
    pub tries: usize,
}

/// A table: a row for each subject, and columns for each cell.
struct Section {
    title: &'static str,
    note: &'static str,
    threads: Threads,
    cells: Vec<(String, Cell)>,
    metrics: &'static [Metric],
}

/// Everything side by side in whose title `only` is, over a server of its own.
pub fn run(effort: Effort, only: &str, report: &mut Report) -> Results {
    let server = RedisServer::start();
    let mut results = Results::default();
    let sections: Vec<Section> =
        sections().into_iter().filter(|section| section.title.contains(only)).collect();
    for threads in [Threads::Several, Threads::One] {
        let mut worker = Worker::start(&server, threads, threads as usize);
        let of_these = sections.iter().filter(|section| section.threads == threads);
        let cells: BTreeSet<Cell> =
            of_these.flat_map(|section| &section.cells).map(|(_, cell)| *cell).collect();
        if cells.is_empty() {
            continue;
        }
        for subject in NAMES {
            worker.check(subject);
            for size in Size::ALL {
                worker.prepare(subject, size, size.keys());
            }
        }
        for round in 0..effort.rounds {
            eprintln!("{}, round {} of {}", threads.name(), round + 1, effort.rounds);
            for &cell in &cells {
                // Nobody is always the first, or always after the same.
                for at in 0..NAMES.len() {
                    let subject = NAMES[(at + round) % NAMES.len()];
                    results.add(threads, cell, subject, measure(&mut worker, subject, cell, effort));
                }
            }
        }
    }
    for section in &sections {
        section.write(&results, report);
    }
    if let Some(others) = results.others() {
        report.others(others);
    }
    results
}

fn measure(
    worker: &mut Worker,
    subject: &str,
    cell: Cell,
    effort: Effort,
) -> cached_aside_benches::cell::Sample {
    let mut best = worker.measure(subject, cell, effort.time);
    for _ in 1..effort.tries {
        if best.others.is_none_or(|others| others <= effort.quiet) {
            break;
        }
        let again = worker.measure(subject, cell, effort.time);
        if again.others < best.others {
            best = again;
        }
    }
    if cell.load == Load::Hits {
        // A call that found the machine asleep for longer than its time is no hit.
        assert!(best.loads < 0.001, "{subject} loaded what was there, {cell:?}");
    }
    best
}

/// Callers of whom the throughput is drawn.
pub const CALLERS: [usize; 5] = [1, 8, 64, 256, 1024];

pub fn access(access: Access, callers: usize) -> Cell {
    Cell::of(Size::Small, callers, access, Load::Hits)
}

fn sections() -> Vec<Section> {
    let callers = |callers: usize| format!("{callers} callers");
    let sized = |callers: usize| {
        move |size: Size| (size.name().to_owned(), Cell::of(size, callers, Access::Uniform, Load::Hits))
    };
    let named = |name: &str, load: Load, callers: usize| {
        (name.to_owned(), Cell::of(Size::Small, callers, Access::Uniform, load))
    };
    let many = |of: Access| CALLERS[1..].iter().map(|&count| (callers(count), access(of, count))).collect();
    vec![
        Section {
            title: "One caller, hits",
            note: "One call after the other, each of another key.",
            threads: Threads::Several,
            cells: Size::ALL.map(sized(1)).into(),
            metrics: &[Metric::P50, Metric::P99, Metric::P999],
        },
        Section {
            title: "One caller, hits, single-threaded runtime",
            note: "The same on tokio's single-threaded runtime.",
            threads: Threads::One,
            cells: Size::ALL.map(sized(1)).into(),
            metrics: &[Metric::P50, Metric::P99],
        },
        Section {
            title: "Many callers, hits of 200 B",
            note: "Each key as often as the others.",
            threads: Threads::Several,
            cells: many(Access::Uniform),
            metrics: &[Metric::Rate],
        },
        Section {
            title: "Processor time of a hit",
            note: "Of the program and of the server, 200 B, each key as often as the others.",
            threads: Threads::Several,
            cells: [8, 64, 256].map(|count| (callers(count), Cell::hits(count))).into(),
            metrics: &[Metric::ClientCpu, Metric::ServerCpu],
        },
        Section {
            title: "Latency of hits, many callers",
            note: "Each key as often as the others, 200 B.",
            threads: Threads::Several,
            cells: [64, 256].map(|count| (callers(count), Cell::hits(count))).into(),
            metrics: &[Metric::P50, Metric::P99, Metric::P999],
        },
        Section {
            title: "Many callers, one hot key",
            note: "All callers ask for the same key.",
            threads: Threads::Several,
            cells: many(Access::One),
            metrics: &[Metric::Rate],
        },
        Section {
            title: "Many callers, some keys hotter than others",
            note: "By Zipf's law with exponent 1, 10,000 keys.",
            threads: Threads::Several,
            cells: many(Access::Zipf),
            metrics: &[Metric::Rate],
        },
        Section {
            title: "64 callers, larger values",
            note: "The last column: values of 200 B, and every fiftieth of 64 KiB; the latencies are those of the small ones.",
            threads: Threads::Several,
            cells: vec![sized(64)(Size::Medium), sized(64)(Size::Large), named("mixed", Load::Mixed, 64)],
            metrics: &[Metric::Rate, Metric::P99],
        },
        Section {
            title: "Many callers, single-threaded runtime",
            note: "Each key as often as the others, 200 B.",
            threads: Threads::One,
            cells: [64, 256].map(|count| (callers(count), Cell::hits(count))).into(),
            metrics: &[Metric::Rate, Metric::ClientCpu],
        },
        Section {
            title: "Misses",
            note: "Each call of a new key; the origin takes a millisecond.",
            threads: Threads::Several,
            cells: vec![named("1 caller", Load::Misses, 1), named("64 callers", Load::Misses, 64)],
            metrics: &[Metric::P50, Metric::P99, Metric::Rate],
        },
        Section {
            title: "One write in a hundred calls",
            note: "1,000 keys; reading the origin and writing to it take a millisecond.",
            threads: Threads::Several,
            cells: vec![(
                callers(64),
                Cell { keys: 1_000, ..Cell::of(Size::Small, 64, Access::Uniform, Load::Writes) },
            )],
            metrics: &[Metric::Rate, Metric::P99, Metric::Loads],
        },
    ]
}

impl Section {
    fn write(&self, results: &Results, report: &mut Report) {
        report.heading(self.title, self.note);
        let mut head = vec![String::new()];
        for (name, _) in &self.cells {
            for metric in self.metrics {
                head.push(format!("{name}, {}", metric.name()));
                head.push("×".to_owned());
            }
        }
        let rows = NAMES.map(|subject| {
            let mut row = vec![subject.to_owned()];
            for (_, cell) in &self.cells {
                for &metric in self.metrics {
                    match results.of(self.threads, *cell, subject, metric) {
                        Some(Measured { median, least, most, ratio }) => {
                            row.push(format!("{} [{}–{}]", number(median), number(least), number(most)));
                            row.push(format!("{ratio:.2}"));
                        }
                        None => row.extend(["–".to_owned(), String::new()]),
                    }
                }
            }
            row
        });
        report.table(&head, &rows);
    }
}

/// Three digits or so.
pub fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
