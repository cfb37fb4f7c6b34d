//! A process that keeps local copies of one row, which it reads when it is told to.

use std::{
    io::{self, BufRead},
    path::PathBuf,
};

use cached_aside::{Cache, cached_aside, observe};

/// How long a copy may be used.
const LOCAL: std::time::Duration = std::time::Duration::from_millis(500);

#[cached_aside(ttl = "30s", key = "row", skip(file), local = LOCAL)]
async fn row(file: PathBuf) -> io::Result<u64> {
    let text = tokio::fs::read_to_string(file).await?;
    text.trim().parse().map_err(io::Error::other)
}

/// `local CACHE NAMESPACE FILE`: on each line `read`, says the row and where it came from.
#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(args: &[String]) -> io::Result<()> {
    let [cache, namespace, file] = args else {
        return Err(io::Error::other("local CACHE NAMESPACE FILE"));
    };
    let cache = Cache::builder()
        .url(cache)
        .namespace(namespace)
        .timeout(std::time::Duration::from_secs(5))
        .build()
        .await
        .map_err(io::Error::other)?;
    cache.install().map_err(io::Error::other)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        if line? == "read" {
            let (row, observed) = observe(row(PathBuf::from(file))).await;
            let source = observed.source().map(|source| source.to_string());
            println!("{} {}", row?, source.unwrap_or_default());
        }
    }
    Ok(())
}
