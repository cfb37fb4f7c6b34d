//! A process that publishes its counts.

use std::{
    io::{self, BufRead},
    time::Duration,
};

use cached_aside::{Cache, cached_aside, observe};

/// How long an answer may take on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[cached_aside(ttl = "10m", key = "counted:{id}")]
async fn counted(id: u64) -> u64 {
    id
}

/// `published CACHE NAMESPACE`: on each line `read ID`, says where the row came from; on `shutdown` it shuts its cache down.
#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(args: &[String]) -> io::Result<()> {
    let [url, namespace] = args else { return Err(io::Error::other("published CACHE NAMESPACE")) };
    let builder = Cache::builder().url(url).namespace(namespace).timeout(SOON).publish_stats(true);
    let cache = builder.build().await.map_err(io::Error::other)?;
    cache.clone().install().map_err(io::Error::other)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.strip_prefix("read ").map(str::parse) {
            Some(Ok(id)) => {
                let (row, observed) = observe(counted(id)).await;
                let source = observed.source().map(|source| source.to_string());
                println!("{row} {}", source.unwrap_or_default());
            }
            _ if line == "shutdown" => {
                cache.shutdown(SOON).await.map_err(io::Error::other)?;
                println!("over");
            }
            _ => return Err(io::Error::other(format!("unknown command `{line}`"))),
        }
    }
    Ok(())
}
