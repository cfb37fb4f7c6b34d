//! The project's own commands: `cargo xtask test`, `cargo xtask chaos`, `cargo xtask soak`,
//! `cargo xtask bench`.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    iter,
    num::NonZero,
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

#[cfg(test)]
mod layers;
mod package;
mod redis;
#[cfg(test)]
mod sizes;

const USAGE: &str = "\
cargo xtask test [--sudo] [-- ARGUMENTS]
    Runs all tests, against a real Redis: installs `redis-server` if it is missing (as root, or with `--sudo`; else
    it says how), or takes the server that CACHED_ASIDE_TEST_SERVER names. With CACHED_ASIDE_TEST_SERVERS=PATH,PATH what depends on the server
    is run with each of them. Postgres is installed in the same way, or CACHED_ASIDE_TEST_POSTGRES names the folder of
    its programs; and Chromium for the tests of the page, or CACHED_ASIDE_TEST_BROWSER names it. rust-analyzer is added
    to the toolchain, or CACHED_ASIDE_TEST_EDITOR names it; where that fails its test is left out. Arguments go to `cargo test`, and only that is run then:
    `cargo xtask test -- --test redis support`.
cargo xtask chaos [--seconds N] [--seed S] [--class NAME]
    Several processes read and write through the cache while everything around them fails, first with a
    naive cache-aside, then with the annotated functions, each for N seconds (60), by the seed S (1).
    Fails unless the naive one breaks the promises and the annotated functions keep them.
cargo xtask soak [--seconds N] [--seed S]
    Fault after fault for N seconds (60), by the seed S (1), while callers read and write; then a Redis that hangs
    under 2,000 callers a second for a tenth of that. Fails unless no call fails, none gives an old value, and the
    memory stays flat.
cargo xtask bench [--short] [--only TITLE] [--folder FOLDER] [--machine TEXT]
    Measures the annotated functions beside the same by hand and with other libraries, over a server of its
    own, and writes `speed.md` with its pictures to FOLDER (`benches/report`). `--short` takes two minutes once
    it is built, and writes to `benches/target/bench-short`; `--only` prints the tables of these titles.";

/// Sets of features that must compile without the default ones.
const FEATURES: [&str; 11] = [
    "",
    "redis",
    "bincode",
    "postcard",
    "redis postcard",
    "json",
    "messagepack",
    "metrics",
    "tls",
    "indexmap",
    "testing",
];

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1).peekable();
    let command = args.next();
    let sudo = args.next_if(|arg| arg == "--sudo").is_some();
    let rest: Vec<_> = args.skip_while(|arg| arg == "--").collect();
    let result = match command.as_deref().and_then(|name| name.to_str()) {
        Some("test") => {
            let others = redis::database(sudo).and_then(|()| redis::browser(sudo));
            others
                .and_then(|()| redis::servers(sudo))
                .and_then(|servers| test(&rest, servers, redis::editor()))
        }
        Some("chaos") => redis::servers(sudo).and_then(|servers| long("chaos", &rest, servers)),
        Some("soak") => redis::servers(sudo).and_then(|servers| long("soak", &rest, servers)),
        Some("bench") => redis::servers(sudo).and_then(|servers| bench(&rest, servers)),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The tests of the libraries, in the profile in which they search fastest.
const LIBRARIES: &str = "test --package cached-aside --package cached-aside-inspector --package cached-aside-macros \
                         --package cached-aside-protocol --all-features --no-fail-fast --profile search --lib";

/// All other tests but those of the documentation and of the compiler's messages.
const PROGRAMS: &str = "test --workspace --all-features --no-fail-fast --bins --test accepted --test command_line --test editor \
                        --test model --test page --test redis --test service";

/// What the compiler says. It runs beside the others, most of which wait for servers.
const MESSAGES: &str = "test --workspace --all-features --no-fail-fast --test ui";

fn test(
    args: &[OsString],
    servers: Vec<Option<OsString>>,
    editor: Option<(&str, &str)>,
) -> Result<(), String> {
    let steps = if args.is_empty() { all_steps(servers) } else { chosen(args, servers) };
    let (number, begun) = (steps.len(), Instant::now());
    if args.is_empty() {
        println!(
            "xtask: {number} steps, {} tests at a time ({TEST_THREADS} takes another number). {HOW_LONG}",
            test_threads().display()
        );
    }
    let mut outcomes = Vec::with_capacity(number);
    thread::scope(|scope| {
        let mut beside = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            println!("xtask: step {} of {number}: {}", at + 1, step.name);
            if step.beside {
                println!("xtask: {} runs beside the others, and is shown when they are over", step.name);
                beside.push(scope.spawn(move || step.run_with(editor)));
            } else {
                outcomes.push(step.run_with(editor).said());
            }
        }
        let over = beside.into_iter().filter_map(|step| step.join().ok());
        outcomes.extend(over.map(Outcome::said));
    });
    report(number, &outcomes, begun.elapsed())
}

/// What it takes on a machine with two cores.
const HOW_LONG: &str = "On two cores all of them take about a quarter of an hour once they are built, and building them the first time about as long again.";

/// Only what the arguments name.
fn chosen(args: &[OsString], servers: Vec<Option<OsString>>) -> Vec<Step> {
    let step = || Step::new("tests, every feature", "test --workspace --all-features --no-fail-fast");
    servers.into_iter().map(|server| step().with(args).on(server)).collect()
}

fn all_steps(servers: Vec<Option<OsString>>) -> Vec<Step> {
    // By themselves, so that the time they take is not taken for a test's.
    let mut steps = vec![
        Step { work: Work::Packages, ..Step::new("what the packages hold", "") },
        Step::new("build of the libraries' tests", LIBRARIES).with(["--no-run"]),
        Step::new("build of the other tests", PROGRAMS).with(["--test", "ui", "--no-run"]),
        Step { beside: true, ..Step::new("messages", MESSAGES) },
    ];
    for (number, server) in servers.into_iter().enumerate() {
        let of_libraries = Step::new("the libraries, every feature", LIBRARIES);
        if number == 0 {
            steps.push(of_libraries.on(server.clone()));
            steps.push(Step::new("programs", PROGRAMS).on(server));
        } else {
            // What was built for the first is not built again.
            let on_redis = "test --workspace --all-features --no-fail-fast --test redis";
            steps.push(Step::new("tests on Redis", on_redis).on(server.clone()));
            steps.push(of_libraries.with(["store::"]).on(server));
        }
    }
    steps.push(Step::new("documentation", "test --workspace --all-features --no-fail-fast --doc"));
    // Features add nothing to what the interleavings and the tests of the stores call, and those take longer than all others.
    let default = Step::new("tests, default features", "test --package cached-aside --no-fail-fast");
    steps.push(default.with(["--", "--skip", "interleavings", "--skip", "store::suite"]));
    for features in FEATURES {
        let name = if features.is_empty() { "no feature" } else { features };
        let build = "rustc --package cached-aside --lib --profile check --no-default-features --features";
        let build = Step::new(&format!("build, {name}"), build);
        steps.push(build.with([features, "--", "--deny", "warnings"]));
    }
    steps
}

/// What libtest takes the number of its threads from.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// How many tests are run at a time: two a core, since most tests of servers wait for time to pass.
fn test_threads() -> OsString {
    let cores = thread::available_parallelism().map_or(2, NonZero::get);
    env::var_os(TEST_THREADS).unwrap_or_else(|| (2 * cores).to_string().into())
}

/// How often a step that goes on says so.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// Runs something, and says now and then that it goes on.
fn with_signs_of_life<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let (over, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(SIGN_OF_LIFE) == Err(RecvTimeoutError::Timeout) {
                eprintln!("xtask: {name}: going on, {} s so far", start.elapsed().as_secs());
            }
        });
        let result = run();
        drop(over);
        result
    })
}

/// A program of the tests that runs for long. Its last lines are for programs, so that nothing is said after them.
fn long(program: &str, args: &[OsString], servers: Vec<Option<OsString>>) -> Result<(), String> {
    let run = format!("run --quiet --release --package cached-aside-tests --bin {program} --");
    for server in servers {
        if !Step::new(program, &run).with(args).on(server).run().passed {
            return Err(format!("xtask {program}: failed"));
        }
    }
    Ok(())
}

/// A package outside the workspace, with what it compares with.
fn bench(args: &[OsString], servers: Vec<Option<OsString>>) -> Result<(), String> {
    let valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if !valgrind.is_ok_and(|status| status.success()) {
        println!(
            "xtask: `valgrind` is missing: instructions are not counted; the system's package manager has it"
        );
    }
    let package = "--release --manifest-path benches/Cargo.toml";
    let built = Step::new("build", &format!("build {package}")).run();
    let run = Step::new("bench", &format!("run --quiet {package} --bin bench --")).with(args);
    // Servers are compared by hand: the report is of one.
    let server = servers.into_iter().next().flatten();
    if built.passed && run.on(server).run().passed { Ok(()) } else { Err("xtask bench: failed".to_owned()) }
}

/// One run of cargo, mostly.
struct Step {
    name: String,
    work: Work,
    /// Whether it runs beside the others, and what it says is shown when they are over.
    beside: bool,
    args: Vec<OsString>,
    server: Option<OsString>,
}

enum Work {
    Cargo,
    /// The packages are put together and looked at.
    Packages,
}

struct Outcome {
    name: String,
    passed: bool,
    took: Duration,
    /// What it said, where that was not shown at once.
    output: Vec<u8>,
}

impl Outcome {
    /// Says how it went.
    fn said(self) -> Self {
        let result = if self.passed { "passed" } else { "FAILED" };
        let _ = io::stdout().write_all(&self.output);
        println!("xtask: {}: {result} after {:.0} s", self.name, self.took.as_secs_f32());
        self
    }
}

impl Step {
    fn new(name: &str, args: &str) -> Self {
        let args = args.split(' ').map(OsString::from).collect();
        Self { name: name.to_owned(), work: Work::Cargo, beside: false, args, server: None }
    }

    fn with(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With this server instead of the one in `PATH`.
    fn on(mut self, server: Option<OsString>) -> Self {
        if let Some(server) = &server {
            let file = Path::new(server).file_name().unwrap_or_default();
            self.name = format!("{} ({})", self.name, file.display());
        }
        self.server = server;
        self
    }

    fn run(self) -> Outcome {
        self.run_with(None)
    }

    /// With another variable.
    fn run_with(self, variable: Option<(&str, &str)>) -> Outcome {
        let start = Instant::now();
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(&self.args).envs(self.server.map(|server| (redis::CHOSEN, server))).stdin(Stdio::null());
        command.env(TEST_THREADS, test_threads()).envs(variable);
        let mut output = Vec::new();
        let passed = with_signs_of_life(&self.name, || match self.work {
            Work::Cargo if self.beside => succeeds_quietly(&mut command, &mut output),
            Work::Cargo => succeeds(&mut command),
            Work::Packages => package::check().inspect_err(|wrong| eprintln!("{wrong}")).is_ok(),
        });
        Outcome { passed, name: self.name, took: start.elapsed(), output }
    }
}

/// Says what happened, in a table and one line.
fn report(number: usize, outcomes: &[Outcome], took: Duration) -> Result<(), String> {
    println!();
    for Outcome { name, passed, took, .. } in outcomes {
        println!("{:<8}{name:<40}{:>7.1} s", if *passed { "ok" } else { "FAILED" }, took.as_secs_f32());
    }
    let passed = outcomes.iter().filter(|outcome| outcome.passed).count();
    let minutes = took.as_secs_f32() / 60.0;
    let summary = format!("xtask test: {passed} of {number} steps passed, in {minutes:.1} minutes");
    if passed < number {
        return Err(summary);
    }
    println!("{summary}");
    Ok(())
}

/// Shows the command, runs it, and tells whether it succeeded.
fn succeeds(command: &mut Command) -> bool {
    eprintln!("$ {}", written(command));
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("{}: {error}", written(command));
            false
        }
    }
}

/// The same with what it says added to `output`.
fn succeeds_quietly(command: &mut Command, output: &mut Vec<u8>) -> bool {
    eprintln!("$ {}", written(command));
    match command.output() {
        Ok(over) => {
            output.extend([over.stdout, over.stderr].concat());
            over.status.success()
        }
        Err(error) => {
            eprintln!("{}: {error}", written(command));
            false
        }
    }
}

fn written(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{LIBRARIES, MESSAGES, PROGRAMS};

    #[test]
    fn every_other_test_is_run() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let folders = [
            "cli",
            "inspector",
            "macros",
            "protocol",
            "runtime",
            "tests",
            "tests/facade",
            "tests/model",
            "xtask",
        ];
        let examples = fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path());
        let mut names = Vec::new();
        for folder in folders.iter().map(|folder| root.join(folder)).chain(examples) {
            let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
            let declared = manifest.split("[[test]]\n").skip(1);
            let name =
                |test: &str| test.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().to_owned();
            names.extend(declared.map(|test| name(test).trim_matches('"').to_owned()));
            // Those that cargo finds by itself.
            let found =
                fs::read_dir(folder.join("tests")).into_iter().flatten().map(|entry| entry.unwrap().path());
            let found = found.filter(|file| {
                !manifest.contains("autotests = false")
                    && (file.extension().is_some_and(|end| end == "rs") || file.join("main.rs").exists())
            });
            names.extend(found.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()));
        }
        names.sort_unstable();
        names.dedup();
        for name in &names {
            let is_run = |step: &&str| format!("{step} ").contains(&format!("--test {name} "));
            assert!([PROGRAMS, MESSAGES].iter().any(is_run), "`{name}` is in no step");
        }
        assert!(names.len() >= 8, "{names:?}");
    }

    #[test]
    fn the_tests_of_every_library_are_run() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let manifests = fs::read_dir(root).unwrap().chain(fs::read_dir(root.join("examples")).unwrap());
        let mut found = 0;
        for folder in manifests.map(|entry| entry.unwrap().path()) {
            let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
            // `benches` and `fuzz` are workspaces of their own.
            let is_member = !manifest.contains("[workspace]");
            if !is_member || !folder.join("src/lib.rs").exists() || manifest.contains("\n[lib]\ntest = false")
            {
                continue;
            }
            let name =
                manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"');
            assert!(LIBRARIES.split(' ').any(|word| word == name), "the tests of `{name}` are in no step");
            found += 1;
        }
        assert!(found >= 3);
    }
}
