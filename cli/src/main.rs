#![doc = include_str!("../README.md")]

mod args;
mod catalog;
mod doctor;
mod failure;
mod inspect;
mod invalidate;
mod look;
mod output;
mod servers;
mod top;
mod watch;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use cached_aside_inspector::entry;
use clap::{CommandFactory, Parser};

use crate::{
    args::{Cli, Command},
    failure::Failure,
    invalidate::Named,
    servers::Connected,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(&cli)),
        Err(error) => Err(Failure::Output(error)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever reads has read enough: `cached-aside keys | head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well.
async fn run(cli: &Cli) -> Result<bool, Failure> {
    let Cli { server, json, catalog: path, command } = cli;
    let (json, path) = (*json, path.as_deref());
    match command {
        Command::Doctor { url } => doctor::doctor(server, url.as_deref(), json).await,
        Command::Keys { pattern, limit } => {
            look::keys(&Connected::reached(server).await?, pattern, *limit, json).await
        }
        Command::Get { key } => {
            let catalog = catalog::read_if_named(path)?;
            look::get(&Connected::reached(server).await?, key, catalog.as_ref(), json).await
        }
        Command::Explain { key } => {
            let catalog = catalog::read(path)?;
            // Who owns a key is known without a server, and above all asked for while it is away.
            let (at, away) = match Connected::reached(server).await {
                Ok(at) => (Some(at), None),
                Err(Failure::NoServer | Failure::InProcess) => (None, None),
                Err(error) => (None, Some(error)),
            };
            let is_owned = look::explain(at.as_ref(), key, &catalog, json).await?;
            away.map_or(Ok(is_owned), Err)
        }
        Command::Inspect { url, port, allow_invalidation } => {
            let catalog = catalog::read_if_named(path)?;
            let at = Connected::to(server, url.as_deref()).await?;
            inspect::serve(&at, catalog, *port, *allow_invalidation).await
        }
        Command::Top { url, once, interval } => {
            let at = Connected::reached_at(server, url.as_deref()).await?;
            top::top(&at, top::Shown { once: *once, interval: *interval, as_json: json }).await
        }
        Command::Watch { pattern } => watch::watch(&Connected::reached(server).await?, pattern, json).await,
        Command::Invalidate { keys, tag, function, dry_run } => {
            let catalog = if function.is_empty() { None } else { Some(catalog::read(path)?) };
            let mut functions = Vec::new();
            if let Some(catalog) = &catalog {
                for name in function {
                    functions.push(catalog.function(name)?);
                }
            }
            let named = Named { keys, tags: tag, functions, dry_run: *dry_run };
            invalidate::invalidate(&Connected::reached(server).await?, &named, json).await
        }
        Command::Catalog => catalog::print(&catalog::read(path)?, json),
        Command::Completions { shell } => {
            // By itself it would panic where nobody reads to the end.
            let mut completions = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "cached-aside", &mut completions);
            io::stdout().lock().write_all(&completions)?;
            Ok(true)
        }
    }
}
