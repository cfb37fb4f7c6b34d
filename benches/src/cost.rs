//! What can be counted: commands, allocations, instructions, bytes on the server.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use cached_aside_benches::{
    origin::Size,
    subject::{BASE, NAMES, Ours, Subject},
};
use cached_aside_tests::RedisServer;

use crate::{
    report::Report,
    sections::number,
    worker::{Threads, Worker},
};

/// Commands of a miss, a hit, and a write of an entry that is there.
pub fn commands(report: &mut Report) {
    report.heading(
        "Commands",
        "What the server counts for one call; what a script calls is counted beside it.",
    );
    let mut rows = Vec::new();
    for subject in NAMES {
        let server = RedisServer::start();
        let mut worker = Worker::start(&server, Threads::Several, 0);
        let id = |number| Size::Small.id(number);
        // Whatever is done once.
        worker.read(subject, id(0));
        worker.write(subject, id(0));
        let mut row = vec![subject.to_owned()];
        for call in [Worker::read, Worker::read, Worker::write] {
            server.reset_stats();
            call(&mut worker, subject, id(1));
            // Whoever stores in the background may take a moment.
            std::thread::sleep(std::time::Duration::from_millis(50));
            let commands = server.commands();
            let named = |(name, count): (&String, &u64)| match count {
                1 => name.to_uppercase(),
                count => format!("{count} {}", name.to_uppercase()),
            };
            row.push(commands.iter().map(named).collect::<Vec<_>>().join(" "));
        }
        rows.push(row);
    }
    report.table(&["", "a miss", "a hit", "a write"].map(str::to_owned), &rows);
}

/// Allocations and instructions of a hit. Instructions only where valgrind is installed.
pub fn hits(instructions_of: &[&str], report: &mut Report) {
    report.heading(
        "Allocations and instructions of a hit",
        "One caller, single-threaded runtime, the whole program counted, with the driver of the connection. Instructions are \
         counted by callgrind.",
    );
    let server = RedisServer::start();
    let mut worker = Worker::start(&server, Threads::One, 0);
    let url = server.url();
    let mut rows = Vec::new();
    for subject in NAMES {
        let mut row = vec![subject.to_owned()];
        for size in Size::ALL {
            worker.prepare(subject, size, 1);
            let counted =
                output(Command::new(hits_program()).args([subject, &url, &format!("{size:?}"), "1000"]));
            let counts: Vec<f64> =
                counted.split_whitespace().filter_map(|count| count.parse().ok()).collect();
            let [allocations, _, bytes] = counts[..] else { panic!("`hits` printed {counted}") };
            row.push(number(allocations / 1000.0));
            row.push(format!("{:.0}", bytes / 1000.0));
        }
        let instructions = instructions_of.contains(&subject).then(|| instructions(subject, &url));
        row.push(instructions.map_or_else(|| "–".to_owned(), |count| format!("{count:.0}")));
        rows.push(row);
    }
    let mut head = vec![String::new()];
    for size in Size::ALL {
        head.extend([format!("{}, allocations", size.name()), "bytes".to_owned()]);
    }
    head.push("200 B, instructions".to_owned());
    report.table(&head, &rows);
}

/// Whether callgrind is there.
pub fn counts_instructions() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The difference between two runs is all hits.
fn instructions(subject: &str, url: &str) -> f64 {
    let run = |count: u32| -> f64 {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(hits_program());
        let told = output(command.args([subject, url, "Small", &count.to_string()]).stderr(Stdio::piped()));
        let collected = told.lines().find_map(|line| line.split_once("Collected : "));
        collected.and_then(|(_, count)| count.trim().parse().ok()).expect("callgrind says what it collected")
    };
    (run(1200) - run(200)) / 1000.0
}

/// What a program said, on both ways.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Beside this program.
fn hits_program() -> PathBuf {
    let name = format!("hits{}", env::consts::EXE_SUFFIX);
    let program = env::current_exe().expect("this program is a file").with_file_name(name);
    assert!(program.exists(), "{} is not built", program.display());
    program
}

/// Bytes on the server, and what the number of keys changes.
pub fn keys(counts: &[u64], report: &mut Report) {
    report.heading(
        "Number of keys",
        "Memory of the server for each entry of 200 B, and hits of 64 callers over all of them.",
    );
    let mut rows = Vec::new();
    for &keys in counts {
        let server = RedisServer::start();
        let mut worker = Worker::start(&server, Threads::Several, 0);
        let cell = cached_aside_benches::cell::Cell { keys, ..cached_aside_benches::cell::Cell::hits(64) };
        let mut row = vec![keys.to_string()];
        let bytes = [BASE, Ours::NAME].map(|subject| {
            // Connections, and scripts.
            worker.read(subject, Size::Medium.id(0));
            let before = used_memory(&server);
            worker.prepare(subject, Size::Small, keys);
            let bytes = (used_memory(&server) - before) / keys as f64;
            let time = std::time::Duration::from_millis(300);
            let rate =
                crate::results::median((0..3).map(|_| worker.measure(subject, cell, time).rate).collect());
            row.push(format!("{bytes:.0}"));
            row.push(number(rate / 1e3));
            server.run::<()>(&redis::cmd("FLUSHALL"));
            bytes
        });
        row.push(format!("{:.0}", bytes[1] - bytes[0]));
        rows.push(row);
    }
    let head = [
        "keys".to_owned(),
        format!("{BASE}, bytes"),
        "thousand/s".to_owned(),
        format!("{}, bytes", Ours::NAME),
        "thousand/s".to_owned(),
        "more bytes".to_owned(),
    ];
    report.table(&head, &rows);
}

fn used_memory(server: &RedisServer) -> f64 {
    let memory: redis::InfoDict = server.run(redis::cmd("INFO").arg("memory"));
    memory.get("used_memory").expect("the server tells it")
}
