//! `top`, and what processes publish for it.

use std::time::{Duration, Instant};

use cached_aside::Cache;
use cached_aside_tests::RedisServer;
use redis::cmd;
use serde_json::Value;

use crate::support::{at, load_user, on, patient, rate, save_user};

const USER: &str = "command_line::support::load_user";

/// Makes a cache that publishes its counts: two of them are as two processes.
async fn publishing(server: &RedisServer) -> Cache {
    patient(server.url()).publish_stats(true).build().await.expect("a cache")
}

/// What `top` shows as soon as it is this.
fn shown(server: &RedisServer, is_it: impl Fn(&Value) -> bool) -> Value {
    shown_at(&server.url(), is_it)
}

/// The same of what a URL names.
pub(crate) fn shown_at(url: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let top = at(url, &["top", "--once", "--json"]).json();
        if is_it(&top) {
            return top;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{top}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The keys of published counts, and what stands under them.
fn published(server: &RedisServer) -> Vec<(String, String)> {
    let keys: Vec<String> = server.run(cmd("KEYS").arg("cached-aside:#{stats} *"));
    keys.into_iter().map(|key| (key.clone(), server.run(cmd("GET").arg(&key)))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counts_of_all_processes_are_added_up() {
    let server = RedisServer::start();
    let none = on(&server, &["top", "--once"]);
    assert!(none.code == Some(1) && none.out.contains("`.publish_stats(true)`"), "{none:?}");
    let (one, other) = (publishing(&server).await, publishing(&server).await);
    one.scope(async { (load_user(1).await, rate().await, save_user(9).await) }).await;
    crate::support::stored(&one, 2).await;
    one.scope(load_user(1)).await;
    other.scope(async { (load_user(1).await, load_user(1).await) }).await;
    let top = shown(&server, |top| top["processes"] == 2 && top["functions"][USER]["hits"] == 3);
    assert_eq!((&top["functions"][USER]["loads"], &top["writes"]["writes"]), (&1.into(), &1.into()), "{top}");
    assert!(top["functions"][USER]["load_us"].is_u64(), "{top}");

    let text = on(&server, &["top", "--once"]);
    let line = text.out.lines().find(|line| line.ends_with(USER)).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!((words[1], words[2], words[4]), ("3", "75.0", "1"), "{text:?}");
    assert!(text.out.starts_with("2 process(es), 1 write(s)\n"), "{text:?}");
    assert!(text.out.lines().any(|line| line.ends_with(" total") && line.contains(" 3 ")), "{text:?}");
    assert_eq!(on(&server, &["--namespace", "other", "top", "--once"]).code, Some(1));

    // They are no entries.
    let keys = on(&server, &["keys", "--json"]).json_lines();
    let keys: Vec<_> = keys.iter().map(|entry| entry["key"].as_str().unwrap()).collect();
    assert!(keys.contains(&"user:1") && keys.iter().all(|key| !key.contains("stats")), "{keys:?}");

    // Whoever is shut down is gone at once, and publishes no more.
    one.shutdown(Duration::from_secs(20)).await.unwrap();
    let top = on(&server, &["top", "--once", "--json"]).json();
    assert_eq!((&top["processes"], &top["functions"][USER]["hits"]), (&1.into(), &2.into()), "{top}");
}

#[tokio::test]
async fn counts_that_are_the_same_are_not_written_again_at_once_and_expire_with_their_process() {
    let server = RedisServer::start();
    let cache = publishing(&server).await;
    cache.scope(rate()).await;
    // What follows holds up the runtime on which the answer arrives.
    crate::support::stored(&cache, 1).await;
    shown(&server, |top| top["functions"]["command_line::support::rate"]["stored"] == 1);
    let (key, _) = published(&server).remove(0);
    server.reset_stats();
    // More than one interval.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let commands = server.commands();
    assert_eq!((commands.get("set"), commands.get("getrange")), (None, None), "{commands:?}");
    let left: u64 = server.run(cmd("PTTL").arg(&key));
    assert!((1..=30_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_process_that_finds_somebody_else_under_its_key_takes_another() {
    let server = RedisServer::start();
    let cache = publishing(&server).await;
    shown(&server, |top| top["processes"] == 1);
    let (key, own) = published(&server).remove(0);
    let theirs = own.replace("\"id\":\"", "\"id\":\"0123456789abcdef").replace("\"pid\"", "\"their_pid\"");
    let () = server.run(cmd("SET").arg(&key).arg(&theirs));
    cache.scope(rate()).await;
    let top = shown(&server, |top| top["processes"] == 2);
    assert_eq!(top["functions"]["command_line::support::rate"]["loads"], 1, "{top}");
    let there: Vec<_> = published(&server).into_iter().filter(|(of, _)| *of == key).collect();
    assert_eq!(there, [(key, theirs)], "what somebody else has published is left alone");
    cache.shutdown(Duration::from_secs(20)).await.unwrap();
    assert_eq!(published(&server).len(), 1, "and is not deleted");
}

#[tokio::test]
async fn nothing_is_published_unless_it_is_asked_for() {
    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    cache.scope(rate()).await;
    // In this process there is nobody to publish to.
    let alone = Cache::builder().in_process().publish_stats(true).build().await.unwrap();
    alone.scope(rate()).await;
    alone.shutdown(Duration::from_secs(20)).await.unwrap();
    cache.shutdown(Duration::from_secs(20)).await.unwrap();
    assert_eq!(published(&server), []);
}
