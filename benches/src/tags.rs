//! Entries that carry a tag beside entries that don't, and what it costs to invalidate a tag.

use std::time::{Duration, Instant};

use cached_aside::Cache;
use cached_aside_benches::{
    cell::{Access, Cell, Load},
    origin::Size,
    subject::{Ours, OursTagged, Subject, all_tagged},
};
use cached_aside_tests::RedisServer;
use tokio::runtime::Runtime;

use crate::{
    cost::{instructions, used_memory},
    report::Report,
    results::median,
    sections::{Effort, number},
    worker::{Threads, Worker},
};

pub const TITLE: &str = "Tags";
const SUBJECTS: [&str; 2] = [Ours::NAME, OursTagged::NAME];
/// Number of keys of a batch that loads entries.
const LOADED: u64 = 1_000;
/// How often a tag is invalidated.
const TIMES: usize = 101;

pub fn run(effort: Effort, counts: bool, short: bool, report: &mut Report) {
    report.heading(
        TITLE,
        "Hits of 200 B whose entries carry a tag, beside those that carry none: instructions as above, and hits of 64 callers.",
    );
    hits(effort, counts, report);
    report.heading(
        "Invalidating a tag",
        "That so many entries carry: µs (median), the commands that the server counts, and by how many bytes its memory grows.",
    );
    invalidations(if short { &[1, 1_000] } else { &[1, 1_000, 1_000_000] }, report);
}

fn hits(effort: Effort, counts: bool, report: &mut Report) {
    let mut head = vec![String::new()];
    let mut rows = SUBJECTS.map(|subject| vec![subject.to_owned()]);
    for callers in [1, 64] {
        head.extend([format!("{callers} callers, instructions"), "×".to_owned()]);
        let cell = Cell { keys: 100, ..Cell::of(Size::Small, callers, Access::Uniform, Load::Hits) };
        let counted = SUBJECTS.map(|subject| counts.then(|| instructions(subject, cell)));
        for (row, count) in rows.iter_mut().zip(counted) {
            let ratio = count.zip(counted[0]).map(|(count, base)| number(count / base));
            row.push(count.map_or_else(|| "–".to_owned(), |count| format!("{count:.0}")));
            row.push(ratio.unwrap_or_else(|| "–".to_owned()));
        }
    }
    head.extend(["64 callers, thousand/s".to_owned(), "×".to_owned()]);
    let server = RedisServer::start();
    let mut worker = Worker::start(&server, Threads::Several, 0);
    for subject in SUBJECTS {
        worker.prepare(subject, Size::Small, Size::Small.keys());
    }
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..effort.rounds * 3 {
        for turn in 0..2 {
            let which = (round + turn) % 2;
            rates[which].push(worker.measure(SUBJECTS[which], Cell::hits(64), effort.time).rate);
        }
    }
    let ratios: Vec<f64> = rates[0].iter().zip(&rates[1]).map(|(without, with)| with / without).collect();
    for ((row, rates), ratio) in rows.iter_mut().zip(rates).zip([1.0, median(ratios)]) {
        row.extend([number(median(rates) / 1e3), number(ratio)]);
    }
    report.table(&head, &rows);
}

fn invalidations(entries: &[u64], report: &mut Report) {
    let runtime = Runtime::new().expect("a runtime");
    let mut rows = Vec::new();
    for &entries in entries {
        let server = RedisServer::start();
        let cost = runtime.block_on(async {
            let cache = Cache::builder().url(&server.url()).namespace("ours").timeout(Duration::from_secs(10));
            let cache = cache.build().await.expect("the URL is right");
            cache.scope(invalidation(&cache, &server, entries)).await
        });
        let mut row = vec![entries.to_string()];
        row.extend(cost);
        rows.push(row);
    }
    report.table(&["entries", "µs", "commands", "bytes"].map(str::to_owned), &rows);
}

/// Time, commands and memory.
async fn invalidation(cache: &Cache, server: &RedisServer, entries: u64) -> [String; 3] {
    let invalidate = async || cache.invalidate_tag("records").await.expect("the server answers");
    // From then on the server knows the scripts.
    all_tagged(&[Size::Small.id(0)]).await;
    invalidate().await;
    for first in (0..entries).step_by(LOADED as usize) {
        let ids: Vec<u64> = (first..entries.min(first + LOADED)).map(|number| Size::Small.id(number)).collect();
        all_tagged(&ids).await;
    }
    cache.ping().await.expect("the server answers");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let there: u64 = server.run(&redis::cmd("DBSIZE"));
    assert_eq!(there, entries + 1, "the entries and the tag");
    let before = used_memory(server);
    server.reset_stats();
    invalidate().await;
    let commands = server.commands();
    let commands = commands.iter().filter(|(name, _)| !["ping", "info"].contains(&name.as_str()));
    let commands = commands.map(|(name, count)| format!("{count} {}", name.to_uppercase()));
    let commands = commands.collect::<Vec<_>>().join(" ");
    let grown = used_memory(server) - before;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        // There is a version to be ended.
        all_tagged(&[Size::Small.id(0)]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let begun = Instant::now();
        invalidate().await;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    [number(median(times)), commands, format!("{grown:.0}")]
}
