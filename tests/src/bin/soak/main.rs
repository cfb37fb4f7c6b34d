//! `soak --seconds N --seed S`: fault after fault for `N` seconds while callers read and write, then a Redis that hangs
//! under 2,000 callers a second for a tenth of that. Ends with status 1 unless no call failed, none gave an old value, and the memory stayed
//! flat. `soak faults …` is the first part alone, `soak hang …` the second, in a process whose memory is its own.

use cached_aside_tests::faults::{hang, soak};
use std::{
    env,
    process::{Command, ExitCode},
    time::Duration,
};

const USAGE: &str = "soak [faults|hang] [--seconds N] [--seed S] [--callers C]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let mut args: Vec<String> = env::args().skip(1).collect();
    let part = args.first().filter(|arg| !arg.starts_with("--")).cloned();
    if part.is_some() {
        args.remove(0);
    }
    let (mut seconds, mut seed, mut callers) = (60, 1, 2_000);
    for pair in args.chunks(2) {
        let value = pair.get(1).and_then(|value| value.parse().ok());
        let value: u64 = value.ok_or_else(|| format!("`{}` needs a number; {USAGE}", pair[0]))?;
        match pair[0].as_str() {
            "--seconds" if value > 0 => seconds = value,
            "--seed" => seed = value,
            "--callers" => callers = value,
            arg => return Err(format!("unknown argument `{arg} {value}`; {USAGE}")),
        }
    }
    let time = Duration::from_secs(seconds);
    match part.as_deref() {
        Some("faults") => {
            let report = soak::run(time, seed);
            println!("{report}");
            Ok(report.is_well())
        }
        Some("hang") => {
            let report = hang::run(time, callers);
            println!("{report}");
            Ok(report.is_well())
        }
        Some(other) => Err(format!("unknown part `{other}`; {USAGE}")),
        None => {
            let program = env::current_exe().map_err(|error| error.to_string())?;
            let run = |part: &str, seconds: u64| {
                let arguments = [part, "--seconds", &seconds.to_string(), "--seed", &seed.to_string()];
                let status = Command::new(&program).args(arguments).status();
                status.map(|status| status.success()).map_err(|error| error.to_string())
            };
            Ok(run("faults", seconds)? & run("hang", seconds.div_ceil(10))?)
        }
    }
}
