//! The program, and what an application would have stored and written.

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use cached_aside::{Cache, CacheBuilder, cached_aside, invalidate, invalidates, keys};
use cached_aside_tests::RedisServer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
}

/// Has a user for each odd number.
#[cached_aside(ttl = "5m", none_ttl = "30s", key = "user:{id}", codec = Json)]
pub(crate) async fn load_user(id: u64) -> Option<User> {
    (id % 2 == 1).then(|| User { id, name: format!("user {id}") })
}

#[cached_aside(ttl = "1m", key = "price:{tenant}:{id}", tags("tenant:{tenant}"))]
pub(crate) async fn price(tenant: u64, id: u64) -> u64 {
    tenant * 100 + id
}

#[cached_aside(ttl = "1h", key = "rate")]
pub(crate) async fn rate() -> u64 {
    7
}

#[cached_aside(ttl = "1h", key = "report:{id}", codec = MessagePack)]
pub(crate) async fn report(id: u64) -> User {
    User { id, name: format!("report {id}") }
}

#[cached_aside(ttl = "1h", key = "named:{name}")]
pub(crate) async fn named(name: &str) -> usize {
    name.len()
}

#[invalidates(load_user(id))]
pub(crate) async fn save_user(id: u64) {
    let _ = id;
}

/// By hand.
pub(crate) async fn withdraw_user(id: u64) {
    invalidate(keys![load_user(id)]).await;
}

#[invalidates(tags("tenant:{tenant}"))]
pub(crate) async fn close(tenant: u64) {
    let _ = tenant;
}

/// A cache whose commands may take as long as a busy machine lets them.
pub(crate) fn patient(url: impl Into<String>) -> CacheBuilder {
    Cache::builder().url(url).timeout(Duration::from_secs(20))
}

/// A cache in which some have been called.
pub(crate) async fn filled(url: &str) -> Cache {
    let cache = patient(url).build().await.expect("a cache");
    cache
        .scope(async {
            for id in 1..=3 {
                load_user(id).await;
                price(7, id).await;
            }
            price(8, 1).await;
            rate().await;
            named("ada").await;
            report(1).await;
            save_user(4).await;
            withdraw_user(6).await;
            close(9).await;
        })
        .await;
    stored(&cache, 10).await;
    cache
}

/// Waits until so many values have been stored.
pub(crate) async fn stored(cache: &Cache, values: u64) {
    let begun = std::time::Instant::now();
    while cache.stats().total.stored < values {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", cache.stats().total);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The catalog of this program, in a file.
pub(crate) fn catalog(dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("catalog.json");
    std::fs::write(&path, cached_aside::catalog().to_json()).expect("a file");
    path
}

/// What the program wrote.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parsed = self.out.lines().map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The line that begins with this word, or has it as its second.
    pub(crate) fn line(&self, word: &str) -> &str {
        let mut lines = self.out.lines();
        let found = lines.find(|line| line.split_whitespace().take(2).any(|first| first == word));
        found.unwrap_or_else(|| panic!("no `{word}`: {self:?}"))
    }
}

/// The program, without anything of this one's environment.
pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cached-aside"));
    for name in ["CACHED_ASIDE_URL", "CACHED_ASIDE_NAMESPACE", "CACHED_ASIDE_CATALOG", "REDIS_URL"] {
        program.env_remove(name);
    }
    program
}

/// Runs the program.
pub(crate) fn run(args: &[&str]) -> Said {
    let Output { status, stdout, stderr } = program().args(args).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// Runs the program on a server.
pub(crate) fn on(server: &RedisServer, args: &[&str]) -> Said {
    at(&server.url(), args)
}

/// Runs the program with a URL.
pub(crate) fn at(url: &str, args: &[&str]) -> Said {
    run(&[&["--url", url], args].concat())
}
