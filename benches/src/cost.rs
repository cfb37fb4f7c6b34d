//! What can be counted: commands, allocations, instructions, bytes on the server.

use std::{
    env,
    process::{Command, Stdio},
};

use cached_aside_benches::{
    cell::{Access, Cell, Load},
    origin::Size,
    subject::{BASE, NAMES, Ours, Subject, TTL},
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

pub const HITS: &str = "Allocations and instructions of a hit";

/// Allocations and instructions of a hit, instructions of a miss. Instructions only where valgrind is installed.
pub fn hits(instructions_of: &[&str], report: &mut Report) {
    report.heading(
        HITS,
        "Single-threaded runtime, the whole program counted, with the driver of the connection. Allocations are those of one \
         caller; instructions are counted by callgrind, of 200 B. A miss asks an origin that answers at once.",
    );
    let server = RedisServer::start();
    let url = server.url();
    let counted = |size, callers, access| Cell { keys: 100, ..Cell::of(size, callers, access, Load::Hits) };
    let mut head = vec![String::new()];
    for size in Size::ALL {
        head.extend([format!("{}, allocations", size.name()), "bytes".to_owned()]);
    }
    let crowds = [(1, Access::Uniform), (64, Access::Uniform), (64, Access::One)];
    for (callers, access) in crowds {
        head.push(match callers {
            1 => "1 caller, instructions".to_owned(),
            _ => format!("{callers} callers, {}", access.name()),
        });
    }
    head.push("1 caller, a miss, instructions".to_owned());
    let mut rows = Vec::new();
    for subject in NAMES {
        let mut row = vec![subject.to_owned()];
        for size in Size::ALL {
            let cell = counted(size, 1, Access::Uniform);
            let told = output(&mut hits_program(&[subject, &url], cell, 10_000));
            let counts: Vec<f64> = told.split_whitespace().filter_map(|count| count.parse().ok()).collect();
            let [allocations, _, bytes] = counts[..] else { panic!("`hits` printed {told}") };
            row.push(number(allocations / 10_000.0));
            row.push(format!("{:.0}", bytes / 10_000.0));
        }
        let mut cells: Vec<Cell> =
            crowds.iter().map(|&(callers, access)| counted(Size::Small, callers, access)).collect();
        cells.push(Cell { keys: 1, ..Cell::of(Size::Small, 1, Access::One, Load::Misses) });
        for cell in cells {
            let instructions = instructions_of.contains(&subject).then(|| instructions(subject, cell));
            row.push(instructions.map_or_else(|| "–".to_owned(), |count| format!("{count:.0}")));
        }
        rows.push(row);
    }
    report.table(&head, &rows);
}

/// Allocations of a hit of one hot key that is in this process.
pub fn allocations_near(subject: &str) -> f64 {
    let server = RedisServer::start();
    let cell = Cell { keys: 1, ..Cell::of(Size::Small, 1, Access::One, Load::Hits) };
    let told = output(&mut hits_program(&[subject, &server.url()], cell, 10_000));
    let count = told.split_whitespace().next().and_then(|count| count.parse::<f64>().ok());
    count.expect("`hits` prints it first") / 10_000.0
}

/// Whether callgrind is there.
pub fn counts_instructions() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The difference between two runs is all hits, or all misses: each run has a server of its own.
pub fn instructions(subject: &str, cell: Cell) -> f64 {
    let run = |count: usize| -> f64 {
        let server = RedisServer::start();
        let program = hits_program(&[subject, &server.url()], cell, count);
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program.get_program())
            .args(program.get_args());
        let told = output(&mut command);
        let collected = told.lines().find_map(|line| line.split_once("Collected : "));
        collected.and_then(|(_, count)| count.trim().parse().ok()).expect("callgrind says what it collected")
    };
    let (few, many) = (10 * cell.callers, 1_000 + 40 * cell.callers);
    (run(many) - run(few)) / (many - few) as f64
}

/// What a program said, on both ways.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The program that does nothing but hits, beside this one.
fn hits_program(of: &[&str], cell: Cell, count: usize) -> Command {
    let name = format!("hits{}", env::consts::EXE_SUFFIX);
    let program = env::current_exe().expect("this program is a file").with_file_name(name);
    assert!(program.exists(), "{} is not built", program.display());
    let cell = serde_json::to_string(&cell).expect("it can be written");
    let mut command = Command::new(program);
    command.args(of).arg(cell).arg(count.to_string());
    command
}

/// Bytes on the server, and what the number of keys changes.
pub fn keys(counts: &[u64], report: &mut Report) {
    report.heading(
        "Number of keys",
        "Memory of the server for each entry of 200 B, and hits of 64 callers over all of them.",
    );
    let mut rows = Vec::new();
    for &keys in counts {
        eprintln!("{keys} keys");
        let cell = Cell { keys, ..Cell::hits(64) };
        let mut row = vec![keys.to_string()];
        let bytes = [BASE, Ours::NAME].map(|subject| {
            let server = RedisServer::start();
            let mut worker = Worker::start(&server, Threads::Several, 0);
            // Connections, and scripts.
            worker.read(subject, Size::Medium.id(0));
            let before = used_memory(&server);
            worker.prepare(subject, Size::Small, keys.min(LOADED));
            copy(&server, keys);
            let bytes = (used_memory(&server) - before) / keys as f64;
            let time = std::time::Duration::from_millis(300);
            let rate =
                crate::results::median((0..3).map(|_| worker.measure(subject, cell, time).rate).collect());
            row.push(format!("{bytes:.0}"));
            row.push(number(rate / 1e3));
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

/// Number of entries that are loaded one after the other.
const LOADED: u64 = 10_000;

/// Puts copies of the first entry under the keys of all that were not loaded.
fn copy(server: &RedisServer, keys: u64) {
    let first = Size::Small.id(0).to_string();
    let names: Vec<String> = server.run(redis::cmd("KEYS").arg(format!("*{first}")));
    let [name] = &names[..] else { panic!("one entry for {first}, but there are {names:?}") };
    let value: Vec<u8> = server.run(redis::cmd("GET").arg(name));
    let mut connection =
        redis::Client::open(server.url()).and_then(|client| client.get_connection()).expect("it answers");
    let numbers: Vec<u64> = (LOADED..keys).collect();
    for numbers in numbers.chunks(10_000) {
        let mut sets = redis::pipe();
        for &number in numbers {
            let name = name.replace(&first, &Size::Small.id(number).to_string());
            sets.pset_ex(name, &value, TTL.as_millis() as u64).ignore();
        }
        sets.exec(&mut connection).expect("it answers");
    }
}

pub fn used_memory(server: &RedisServer) -> f64 {
    let memory: redis::InfoDict = server.run(redis::cmd("INFO").arg("memory"));
    memory.get("used_memory").expect("the server tells it")
}
