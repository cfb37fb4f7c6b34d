//! `cargo xtask bench`: cached-aside beside the ways to do the same without it.

mod batches;
mod compile;
mod cost;
mod near;
mod plots;
mod processes;
mod report;
mod results;
mod sections;
mod tags;
mod worker;

use std::{env, error::Error, path::PathBuf, time::Duration};

use cached_aside_benches::{
    cell::Access,
    subject::{BASE, NAMES, Ours, Subject},
};

use crate::{
    plots::{Line, Plot},
    report::Report,
    results::{Metric, Results},
    sections::{CALLERS, Effort},
    worker::Threads,
};

const USAGE: &str = "\
cargo xtask bench [--short] [--only TITLE] [--folder FOLDER] [--machine TEXT]
    --short    two minutes: fewer and shorter rounds, fewer keys, no compile times
    --only     nothing but the side-by-side tables, and that of allocations and instructions, in whose titles this is, printed and not
               written
    --folder   where speed.md and its pictures are written (benches/report; target/bench-short with --short)
    --machine  what the machine is, for the report";

struct Options {
    short: bool,
    only: Option<String>,
    folder: PathBuf,
    machine: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Some(("worker", args)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        worker::run(args);
        return Ok(());
    }
    let options = options(args)?;
    let effort = if options.short {
        Effort { time: Duration::from_millis(60), rounds: 3, quiet: 1.0, tries: 1 }
    } else {
        Effort { time: Duration::from_millis(200), rounds: 7, quiet: 0.1, tries: 2 }
    };
    let mut report = Report::default();
    let counted: &[&str] = match (cost::counts_instructions(), options.short) {
        (false, _) => &[],
        (true, true) => &[Ours::NAME, BASE],
        (true, false) => &NAMES,
    };
    if let Some(only) = &options.only {
        sections::run(effort, only, &mut report);
        if batches::TITLE.contains(only.as_str()) {
            batches::run(effort, &mut report);
        }
        if tags::TITLE.contains(only.as_str()) {
            tags::run(effort, !counted.is_empty(), options.short, &mut report);
        }
        if near::TITLE.contains(only.as_str()) {
            near::run(effort, &mut report);
        }
        if cost::HITS.contains(only.as_str()) {
            cost::hits(counted, &mut report);
        }
        if report.is_empty() {
            return Err(format!("no table that `--only` prints has `{only}` in its title").into());
        }
        return Ok(());
    }
    let results = sections::run(effort, "", &mut report);
    batches::run(effort, &mut report);
    tags::run(effort, !counted.is_empty(), options.short, &mut report);
    near::run(effort, &mut report);
    std::fs::create_dir_all(&options.folder)?;
    for (name, title, access) in [
        ("uniform", "Hits of 200 B, each key as often as the others, best round", Access::Uniform),
        ("hot-key", "Hits of 200 B, all callers ask for the same key, best round", Access::One),
    ] {
        let file = format!("{name}.svg");
        let lines = lines(&results, access);
        let plot = Plot { title, across: "callers", up: "thousand hits a second", lines };
        plot.draw(&options.folder.join(&file))?;
        report.picture(title, &file);
    }
    let title = "Hits of 200 B of all processes together";
    let lines = processes::run(effort, &mut report);
    let plot = Plot { title, across: "processes of 64 callers", up: "thousand hits a second", lines };
    plot.draw(&options.folder.join("processes.svg"))?;
    report.picture(title, "processes.svg");
    cost::commands(&mut report);
    cost::hits(counted, &mut report);
    cost::keys(
        if options.short { &[1_000, 10_000] } else { &[1_000, 10_000, 100_000, 1_000_000, 10_000_000] },
        &mut report,
    );
    if !options.short {
        compile::run(&mut report)?;
    }
    report.write(&options.folder, &options.machine)?;
    println!("\n{}", options.folder.join("speed.md").display());
    Ok(())
}

fn options(args: Vec<String>) -> Result<Options, String> {
    let (mut short, mut only, mut folder, mut machine) = (false, None, None, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--short" => short = true,
            "--only" => only = args.next(),
            "--folder" => folder = args.next().map(PathBuf::from),
            "--machine" => machine = args.next(),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let benches = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let usual = if short { benches.join("target/bench-short") } else { benches.join("report") };
    let machine = machine.unwrap_or_else(report::machine);
    let folder = folder.unwrap_or(usual);
    Ok(Options { short, only, folder, machine: format!("Machine: {machine}.") })
}

fn lines(results: &Results, access: Access) -> Vec<Line> {
    let callers = CALLERS.iter().filter(|&&callers| access == Access::Uniform || callers > 1);
    NAMES
        .iter()
        .map(|subject| {
            let point = |&callers: &usize| {
                let cell = sections::access(access, callers);
                let rate = results.of(Threads::Several, cell, subject, Metric::Rate)?;
                // Whatever else the machine does makes it less, never more.
                Some((callers as f64, rate.most))
            };
            Line { name: (*subject).to_owned(), points: callers.clone().filter_map(point).collect() }
        })
        .collect()
}
