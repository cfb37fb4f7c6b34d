//! The project's own commands: `cargo xtask test`, `cargo xtask torture`.

use std::{
    env,
    ffi::OsString,
    iter,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

mod redis;

const USAGE: &str = "\
cargo xtask test [-- ARGUMENTS]
    Runs all tests, against a real Redis: installs `redis-server` if it is missing, or takes the server
    that CACHED_ASIDE_TEST_SERVER names. Arguments go to `cargo test`, and only that is run then:
    `cargo xtask test -- --test redis support`.
cargo xtask torture [--seconds N] [--seed S]
    Several processes read and write through the cache while everything around them fails, first with a
    naive cache-aside, then with the annotated functions, each for N seconds (60), by the seed S (1).
    Fails unless the naive one breaks the promises and the annotated functions keep them.";

/// Sets of features that must compile without the default ones.
const FEATURES: [&str; 5] = ["", "redis", "bincode", "postcard", "redis postcard"];

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let command = args.next();
    let rest: Vec<_> = args.skip_while(|arg| arg == "--").collect();
    let result = match command.as_deref().and_then(|name| name.to_str()) {
        Some("test") => redis::ensure().and_then(|()| test(rest)),
        Some("torture") => redis::ensure().and_then(|()| torture(rest)),
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

fn test(args: Vec<OsString>) -> Result<(), String> {
    let all = Step::new("tests, every feature", "test --workspace --all-features --no-fail-fast");
    if !args.is_empty() {
        return report(&[all.with(args).run()]);
    }
    let mut steps =
        vec![all, Step::new("tests, default features", "test --package cached-aside --no-fail-fast")];
    for features in FEATURES {
        let name = if features.is_empty() { "no feature" } else { features };
        let build = "rustc --package cached-aside --lib --profile check --no-default-features --features";
        steps.push(Step::new(&format!("build, {name}"), build).with([features, "--", "--deny", "warnings"]));
    }
    report(&steps.into_iter().map(Step::run).collect::<Vec<_>>())
}

/// Its last two lines are for programs, so that nothing is said after them.
fn torture(args: Vec<OsString>) -> Result<(), String> {
    let run = "run --quiet --release --package cached-aside-tests --bin torture --";
    let outcome = Step::new("torture", run).with(args).run();
    if outcome.passed { Ok(()) } else { Err("xtask torture: failed".to_owned()) }
}

/// One run of cargo.
struct Step {
    name: String,
    args: Vec<OsString>,
}

struct Outcome {
    name: String,
    passed: bool,
    took: Duration,
}

impl Step {
    fn new(name: &str, args: &str) -> Self {
        Self { name: name.to_owned(), args: args.split(' ').map(OsString::from).collect() }
    }

    fn with(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    fn run(self) -> Outcome {
        let start = Instant::now();
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(&self.args).stdin(Stdio::null());
        Outcome { passed: succeeds(&mut command), name: self.name, took: start.elapsed() }
    }
}

/// Says what happened, in a table and one line.
fn report(outcomes: &[Outcome]) -> Result<(), String> {
    println!();
    for Outcome { name, passed, took } in outcomes {
        println!("{:<8}{name:<28}{:>7.1} s", if *passed { "ok" } else { "FAILED" }, took.as_secs_f32());
    }
    let passed = outcomes.iter().filter(|outcome| outcome.passed).count();
    let summary = format!("xtask test: {passed} of {} steps passed", outcomes.len());
    if passed < outcomes.len() {
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

fn written(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
