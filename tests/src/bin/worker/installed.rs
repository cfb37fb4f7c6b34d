//! What concerns a whole process: the installed cache and the environment.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use cached_aside::{Cache, cached_aside};
use tracing_subscriber::fmt;

static CALLS: AtomicU64 = AtomicU64::new(0);

#[cached_aside(ttl = "1m", key = "count")]
async fn count() -> u64 {
    CALLS.fetch_add(1, SeqCst) + 1
}

fn tell() {
    fmt().with_ansi(false).without_time().with_writer(io::stdout).init();
}

/// Says what cache the environment names.
#[tokio::main]
pub(crate) async fn environment() -> io::Result<()> {
    tell();
    match Cache::from_env().await {
        Ok(cache) => println!("{cache:?}"),
        Err(error) => println!("{error} {error:?}"),
    }
    Ok(())
}

/// Calls a cached function without a cache, with one, and with another in scope.
pub(crate) fn install() -> io::Result<()> {
    tell();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime()?.block_on(async {
        println!("without a cache: {}, {}", count().await, count().await);
        Cache::in_process().install().map_err(io::Error::other)?;
        println!("installed: {}, {}", count().await, count().await);
        if let Err(error) = Cache::in_process().install() {
            println!("{error}");
        }
        let scoped = Cache::in_process().scope(async { (count().await, count().await) }).await;
        println!("in scope: {}, {}; then {}", scoped.0, scoped.1, count().await);
        io::Result::Ok(())
    })?;
    runtime()?.block_on(async { println!("another runtime: {}", count().await) });
    Ok(())
}
