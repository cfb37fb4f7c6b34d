//! Several processes at once.

use cached_aside_benches::{
    cell::Cell,
    origin::Size,
    subject::{BASE, Ours, Subject},
};
use cached_aside_tests::RedisServer;

use crate::{
    plots::Line,
    report::Report,
    results::median,
    sections::{Effort, number},
    worker::{Threads, Worker},
};

const PROCESSES: [usize; 4] = [1, 2, 4, 8];

/// Hits of all processes together, by their number.
pub fn run(effort: Effort, report: &mut Report) -> Vec<Line> {
    report.heading(
        "Number of processes",
        "64 callers each, hits of 200 B, thousand/s of all processes together.",
    );
    let server = RedisServer::start();
    let mut workers: Vec<Worker> = Vec::new();
    let mut lines = [BASE, Ours::NAME].map(|name| Line { name: name.to_owned(), points: Vec::new() });
    let mut rows = Vec::new();
    for count in PROCESSES {
        while workers.len() < count {
            workers.push(Worker::start(&server, Threads::Several, workers.len()));
        }
        for line in &lines {
            workers.iter_mut().for_each(|worker| worker.prepare(&line.name, Size::Small, Size::Small.keys()));
        }
        let mut rates = lines.each_ref().map(|_| Vec::new());
        for _ in 0..effort.rounds {
            for (line, rates) in lines.iter().zip(&mut rates) {
                for worker in &mut workers {
                    worker.begin_measuring(&line.name, Cell::hits(64), effort.time * 2);
                }
                rates.push(workers.iter_mut().map(|worker| worker.end_measuring().rate / 1e3).sum::<f64>());
            }
        }
        let ratio = median(rates[1].iter().zip(&rates[0]).map(|(ours, base)| ours / base).collect());
        let rates = rates.map(median);
        rows.push(vec![count.to_string(), number(rates[0]), number(rates[1]), format!("{ratio:.2}")]);
        for (line, rate) in lines.iter_mut().zip(rates) {
            line.points.push((count as f64, rate));
        }
    }
    report.table(&["processes", BASE, Ours::NAME, "×"].map(str::to_owned), &rows);
    lines.into()
}
