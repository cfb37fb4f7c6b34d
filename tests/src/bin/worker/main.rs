//! A second process of a test: `worker ROLE ARGUMENTS…`. It reads what to do from standard input and
//! answers on standard output, a line each, and ends when its input does.
#![expect(clippy::unused_async, reason = "what is cached is asynchronous, also where the origin is not")]

mod app;
mod batches;
mod installed;
mod local;
mod pauses;
mod published;
mod verified;

use cached_aside_tests::RedisServer;
use std::{
    env,
    io::{self, BufRead},
    process::ExitCode,
};

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let role = args.next();
    let result = match role.as_deref() {
        Some("echo") => echo(&args.collect::<Vec<_>>().join(" ")),
        Some("nest") => nest(),
        Some("environment") => installed::environment(),
        Some("install") => installed::install(),
        Some("pauses") => pauses::run(&args.collect::<Vec<_>>()),
        Some("local") => local::run(&args.collect::<Vec<_>>()),
        Some("batches") => batches::run(&args.collect::<Vec<_>>()),
        Some("published") => published::run(&args.collect::<Vec<_>>()),
        Some("verified") => verified::run(&args.collect::<Vec<_>>()),
        Some("app") => app::run(&args.collect::<Vec<_>>()),
        _ => Err(io::Error::other(format!("unknown role {role:?}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says every line again, after its arguments.
fn echo(prefix: &str) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        println!("{prefix}{}", line?);
    }
    Ok(())
}

/// Starts a server, tells its address and folder, and waits.
fn nest() -> io::Result<()> {
    let server = RedisServer::start();
    println!("{} {}", server.url(), server.dir().display());
    io::stdin().lock().read_line(&mut String::new()).map(drop)
}
