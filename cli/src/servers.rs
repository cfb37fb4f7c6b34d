//! The cache that is looked into.

use std::{env, fs, path::Path, time::Duration};

use cached_aside::{
    Cache,
    inspect::{Inspected, STEP, Scanned, Servers},
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    args::Server,
    entry::{Entry, START},
    failure::Failure,
};

/// Maximum number of keys that are looked at together.
const AT_ONCE: usize = 200;

/// A cache, and its servers.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) cache: Cache,
    pub(crate) servers: Servers,
}

impl Connected {
    /// Connects to what the arguments name, or the environment.
    pub(crate) async fn to(server: &Server, url: Option<&str>) -> Result<Connected, Failure> {
        let of_the_environment = || env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        let url = url.map(str::to_owned).or_else(|| server.url.clone()).or_else(of_the_environment);
        let url = url.ok_or(Failure::NoServer)?;
        if url == "in-process" {
            return Err(Failure::InProcess);
        }
        let mut builder = Cache::builder().url(url).namespace(&server.namespace).timeout(server.timeout);
        if let Some(authority) = &server.tls_ca {
            builder = builder.tls_ca(read(authority)?);
        }
        if let (Some(certificate), Some(key)) = (&server.tls_cert, &server.tls_key) {
            builder = builder.tls_client(read(certificate)?, read(key)?);
        }
        let cache = builder.build().await?;
        let servers = Servers::of(&cache).ok_or(Failure::NoServer)?;
        Ok(Connected { cache, servers })
    }

    /// The same, where a server that does not answer is an error.
    pub(crate) async fn reached(server: &Server) -> Result<Connected, Failure> {
        Connected::reached_at(server, None).await
    }

    /// The same, where the command itself may name the server.
    pub(crate) async fn reached_at(server: &Server, url: Option<&str>) -> Result<Connected, Failure> {
        let connected = Connected::to(server, url).await?;
        connected.cache.ping().await?;
        Ok(connected)
    }

    /// What stands under a key, with its first bytes.
    pub(crate) async fn inspect(&self, key: &str, bytes: usize) -> Result<Option<Inspected>, Failure> {
        Ok(self.servers.inspect(&[key.to_owned()], bytes).await?.pop().flatten())
    }

    /// The entries of these keys, without those that are gone.
    pub(crate) async fn entries(&self, keys: &[String]) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::with_capacity(keys.len());
        // All at once would be more commands than may be on their way.
        for some in keys.chunks(AT_ONCE) {
            let inspected = self.servers.inspect(some, START).await?;
            let there = some.iter().zip(&inspected);
            entries.extend(there.filter_map(|(key, inspected)| Some(Entry::new(key, inspected.as_ref()?))));
        }
        Ok(entries)
    }

    /// Goes through all keys that match, some at a time, until it is told to stop. A bar on a terminal shows how far it is.
    pub(crate) async fn search(
        &self,
        pattern: &str,
        bar: bool,
        mut each: impl AsyncFnMut(Vec<String>) -> Result<Go, Failure>,
    ) -> Result<(), Failure> {
        let size = cached_aside::redis::cmd("DBSIZE");
        for server in 0..self.servers.count() {
            let all: u64 = self.servers.ask(server, &size).await?;
            let progress = if bar { progress(all) } else { ProgressBar::hidden() };
            let mut cursor = 0;
            loop {
                let Scanned { cursor: next, mut keys } = self.servers.scan(server, cursor, pattern).await?;
                progress.inc(STEP.min(all.saturating_sub(progress.position())));
                keys.sort_unstable();
                keys.dedup();
                if !keys.is_empty() && each(keys).await? == Go::Stop {
                    return Ok(());
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
            progress.finish_and_clear();
        }
        Ok(())
    }
}

/// Whether a search goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    Stop,
}

/// A bar on a terminal; nothing elsewhere.
fn progress(all: u64) -> ProgressBar {
    let bar = ProgressBar::new(all);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} keys").expect("the template is right"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::File { path: path.to_owned(), error })
}
