//! `chaos --seconds N --seed S [--class NAME]`: the naive cache-aside and the annotated functions, each in the same chaos for
//! `N` seconds. Ends with status 1 unless the naive one breaks the promises and ours keeps them.
//!
//! `chaos work …` is one of the processes that it starts.

mod work;

use cached_aside_tests::chaos::{class::Class, report, run};
use std::{env, process::ExitCode, time::Duration};

const USAGE: &str = "chaos [--seconds N] [--seed S] [--class NAME]";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("work") => work::run(&args[1..]).map(|()| true),
        _ => Options::parse(&args).and_then(|options| options.run()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    seconds: u64,
    seed: u64,
    class: Option<Class>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { seconds: 60, seed: 1, class: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--class" {
                options.class = Some(args.next().ok_or(USAGE)?.parse()?);
                continue;
            }
            let value = args.next().and_then(|value| value.parse().ok());
            let value: u64 = value.ok_or_else(|| format!("`{arg}` needs a number; {USAGE}"))?;
            match arg.as_str() {
                "--seconds" if value > 0 => options.seconds = value,
                "--seed" => options.seed = value,
                _ => return Err(format!("unknown argument `{arg} {value}`; {USAGE}")),
            }
        }
        Ok(options)
    }

    fn run(&self) -> Result<bool, String> {
        let program = env::current_exe().map_err(|error| error.to_string())?;
        let time = Duration::from_secs(self.seconds);
        let [naive, ours] = run::both(&program, self.seed, time, self.class, |line| println!("{line}"));
        println!("{}", report::last_line(&naive));
        println!("{}", report::last_line(&ours));
        Ok(naive.violations > 0 && ours.violations == 0 && ours.tells())
    }
}
