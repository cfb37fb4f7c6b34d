//! `trouble --seconds N --seed S`: fault after fault for `N` seconds while callers read and write, then a Redis that hangs
//! under load for a tenth of that. Ends with status 1 unless no call failed, none gave an old value, and the memory stayed
//! flat. `trouble hang --seconds N` is the second part alone, in a process whose memory is its own.

use cached_aside_tests::faults::{hang, marathon};
use std::{
    env,
    process::{Command, ExitCode},
    time::Duration,
};

const USAGE: &str = "trouble [hang] [--seconds N] [--seed S]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("trouble: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let mut args: Vec<String> = env::args().skip(1).collect();
    let hangs = args.first().is_some_and(|arg| arg == "hang");
    if hangs {
        args.remove(0);
    }
    let (mut seconds, mut seed) = (60, 1);
    for pair in args.chunks(2) {
        let value = pair.get(1).and_then(|value| value.parse().ok());
        let value: u64 = value.ok_or_else(|| format!("`{}` needs a number; {USAGE}", pair[0]))?;
        match pair[0].as_str() {
            "--seconds" if value > 0 => seconds = value,
            "--seed" => seed = value,
            arg => return Err(format!("unknown argument `{arg} {value}`; {USAGE}")),
        }
    }
    if hangs {
        let report = hang::run(Duration::from_secs(seconds));
        println!("{report}");
        return Ok(report.is_well());
    }
    let report = marathon::run(Duration::from_secs(seconds), seed);
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let seconds = seconds.div_ceil(10).to_string();
    let hang = Command::new(program).args(["hang", "--seconds", &seconds]).status();
    println!("{report}");
    Ok(report.is_well() && hang.map_err(|error| error.to_string())?.success())
}
