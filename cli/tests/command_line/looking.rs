//! `keys`, `get`, `explain`, `catalog` and `watch`.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use cached_aside_tests::RedisServer;
use redis::cmd;
use serde_json::{Value, json};

use crate::support::{catalog, filled, on, program, run, save_user};

#[tokio::test]
async fn keys_are_listed_with_state_age_expiry_and_size() {
    let server = RedisServer::start();
    filled(&server.url()).await;
    let all = on(&server, &["keys"]);
    assert_eq!(all.code, Some(0), "{all:?}");
    assert!(all.out.starts_with("STATE"), "{all:?}");
    for (state, key) in
        [("value", "user:1"), ("none", "user:2"), ("value", "price:7:1"), ("tag", "#tenant:7")]
    {
        let line = all.out.lines().find(|line| line.ends_with(&format!("  {key}")));
        assert!(line.is_some_and(|line| line.starts_with(state)), "{key}: {all:?}");
    }

    let users = on(&server, &["keys", "user:*", "--json"]).json_lines();
    let mut keys: Vec<_> = users.iter().map(|user| user["key"].as_str().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["user:1", "user:2", "user:3"]);
    for user in &users {
        let (ttl, left) = if user["result"] == "none" { (30_000, 40_000) } else { (300_000, 400_000) };
        // A TTL has its jitter.
        assert!(user["fresh_for_ms"].as_u64().is_some_and(|fresh| fresh > ttl / 2), "{user}");
        assert!(user["expires_in_ms"].as_u64().is_some_and(|time| time > ttl / 2 && time < left), "{user}");
        assert!(user["age_ms"].as_u64().is_some_and(|age| age < 60_000), "{user}");
        assert!(user["size"].as_u64().is_some_and(|size| (52..200).contains(&size)), "{user}");
    }
    assert_eq!(on(&server, &["keys", "--limit", "2", "--json"]).json_lines().len(), 2);
    let none = on(&server, &["keys", "nobody:*"]);
    assert_eq!((none.code, none.out.as_str()), (Some(1), "nothing matches\n"));
    assert_eq!(on(&server, &["--namespace", "other", "keys"]).code, Some(1));
}

#[tokio::test]
async fn a_key_is_shown_as_text_whatever_it_holds() {
    let server = RedisServer::start();
    let () = server.run(cmd("SET").arg("cached-aside:\u{1b}[2J\r\nuser\u{202e}").arg("x"));
    let said = on(&server, &["keys"]);
    assert!(said.out.contains("foreign") && said.out.contains("\\u{1b}[2J\\r\\nuser\\u{202e}"), "{said:?}");
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
}

#[tokio::test]
async fn an_entry_is_shown_with_its_value_where_that_can_be_read() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let path = path.to_str().unwrap();
    let cache = filled(&server.url()).await;
    let user = on(&server, &["get", "user:1", "--json"]).json();
    assert_eq!(user["value"], json!({ "id": 1, "name": "user 1" }), "JSON describes itself");
    assert_eq!((&user["state"], &user["fingerprint_fits"]), (&json!("value"), &Value::Null));

    let user = on(&server, &["get", "user:1", "--json", "--catalog", path]).json();
    assert_eq!(user["fingerprint_fits"], true);
    assert_eq!(user["function"]["function"], "command_line::support::load_user");
    let text = on(&server, &["get", "price:7:1", "--catalog", path]);
    assert!(text.line("tags").contains('1') && text.line("bytes").contains("only the program"), "{text:?}");
    assert!(text.out.contains("support::price") && text.out.contains("fingerprint is its own"), "{text:?}");

    // Of another release.
    let other = std::fs::read_to_string(path).unwrap();
    let fingerprint = user["fingerprint"].as_str().unwrap();
    let other_path = dir.path().join("other.json");
    std::fs::write(&other_path, other.replace(fingerprint, "00000000000000ff")).unwrap();
    let other_path = other_path.to_str().unwrap();
    assert_eq!(
        on(&server, &["get", "user:1", "--json", "--catalog", other_path]).json()["fingerprint_fits"],
        false
    );
    assert!(on(&server, &["get", "user:1", "--catalog", other_path]).out.contains("another release"));

    let nobody = on(&server, &["get", "user:99"]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.out.contains("nothing stands there"), "{nobody:?}");

    let _: u64 = server.run(cmd("SETRANGE").arg("cached-aside:user:1").arg(60).arg("?"));
    // A long key stands under its short name.
    let long = format!("named:{}", "n".repeat(300));
    cache.scope(async { crate::support::named(&"n".repeat(300)).await }).await;
    crate::support::stored(&cache, 11).await;
    let named = on(&server, &["get", &long, "--json"]).json();
    let short = cached_aside::AnyKey::new(&long).to_string();
    assert_eq!((&named["state"], &named["key"]), (&json!("value"), &json!(short)));

    let report = on(&server, &["get", "report:1", "--json", "--catalog", path]).json();
    assert_eq!(report["value"], json!({ "id": 1, "name": "report 1" }), "MessagePack by the catalog");
    assert_eq!(on(&server, &["get", "report:1", "--json"]).json()["value"], Value::Null, "and not without");

    let corrupt = on(&server, &["get", "user:1"]);
    assert_eq!(corrupt.code, Some(1));
    assert!(corrupt.out.contains("checksum is wrong"), "{corrupt:?}");
}

#[tokio::test]
async fn thousands_of_keys_are_listed_and_ended_step_by_step() {
    let server = RedisServer::start();
    filled(&server.url()).await;
    let copies = "for number = 1, 6000 do redis.call('COPY', KEYS[1], KEYS[1] .. number) end";
    let () = server.run(cmd("EVAL").arg(copies).arg(1).arg("cached-aside:user:3"));
    server.reset_stats();
    let list = on(&server, &["keys", "user:*", "--json"]).json_lines();
    let keys: Vec<_> = list.iter().map(|entry| entry["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 6_003);
    let commands = server.commands();
    assert!(commands.contains_key("scan") && !commands.contains_key("keys"), "{commands:?}");
    let ended = on(&server, &[&["invalidate"], &keys[..5_000]].concat());
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "ended 5000 entries\n"), "{}", ended.err);
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let rest = on(&server, &["invalidate", "--function", "load_user", "--catalog", path.to_str().unwrap()]);
    assert_eq!(rest.out, "ended 1003 entries\n", "{}", rest.err);
}

#[tokio::test]
async fn a_guard_says_how_many_write() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let guard = cache.guard([crate::support::load_user::key(1)]).await.unwrap();
    let entry = on(&server, &["get", "user:1", "--json"]).json();
    assert_eq!((&entry["state"], &entry["writers"]), (&json!("guarded"), &json!(1)));
    assert!(on(&server, &["get", "user:1"]).out.contains("1 write(s) under way"));
    guard.release().await.unwrap();
}

#[tokio::test]
async fn who_owns_a_key_and_who_ends_it_is_explained() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let path = path.to_str().unwrap();
    filled(&server.url()).await;
    let said = on(&server, &["explain", "user:1", "--catalog", path]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.line("owned").contains("support::load_user  ") && said.line("owned").contains("support.rs:")
    );
    assert!(said.line("ended").contains("support::save_user  ") && said.line("ended").contains("(by name)"));
    assert!(said.line("most").contains("5m") && said.line("age").contains("ms"), "{said:?}");

    let json = on(&server, &["explain", "price:7:1", "--catalog", path, "--json"]).json();
    assert_eq!(json["entry"]["state"], "value");
    assert_eq!(json["owners"][0]["template"], "price:{tenant}:{id}");
    assert_eq!(json["owners"][0]["invalidated_by"][0]["through"], "by the tag `tenant:{tenant}`");

    let long = format!("named:{}", "n".repeat(300));
    let key = cached_aside::AnyKey::new(&long).to_string();
    assert!(key.contains('~'), "{key}");
    let said = run(&["explain", &key, "--catalog", path]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.line("owned").contains("support::named"), "of a long key its start is compared: {said:?}");

    let without_server = run(&["explain", "rate", "--catalog", path]);
    assert_eq!(without_server.code, Some(0), "{without_server:?}");
    assert!(without_server.out.contains("nothing invalidates it") && without_server.out.contains("1h"));
    let in_process = run(&["--url", "in-process", "explain", "rate", "--catalog", path]);
    assert_eq!((in_process.code, &in_process.out), (Some(0), &without_server.out), "{in_process:?}");
    let url = server.url();
    server.kill();
    let away = run(&["--url", &url, "explain", "rate", "--catalog", path]);
    assert_eq!((away.code, &away.out), (Some(2), &without_server.out), "{away:?}");
    assert!(away.err.starts_with("error: "), "{away:?}");
    let unknown = run(&["explain", "user:1:2", "--catalog", path]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.out.contains("no cached function"), "{unknown:?}");
}

#[test]
fn the_catalog_is_listed_with_its_problems() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let path = path.to_str().unwrap();
    let said = run(&["catalog", "--catalog", path]);
    assert_eq!(said.code, Some(1), "`rate` is a problem: {said:?}");
    for part in
        ["support::load_user  ", "    key user:{id}", "    none_ttl 30s", "    invalidated by ", "by json"]
    {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
    assert!(said.line("problem:").contains("nothing invalidates"), "{said:?}");
    let by_hand =
        |line: &str| line.contains("support::withdraw_user ") && line.ends_with("(by hand, by name)");
    assert!(said.out.lines().any(by_hand), "{said:?}");
    assert_eq!(run(&["catalog", "--catalog", path, "--json"]).json()["schema"], 1);
}

#[tokio::test]
async fn changes_are_shown_as_they_come() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let mut child = program()
        .args(["--url", &server.url(), "watch", "user:*", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It listens from some time on.
    let (told, is_told) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            let entry: Value = serde_json::from_str(&line).unwrap();
            if told.send(entry).is_err() {
                return;
            }
        }
    });
    let begun = Instant::now();
    let seen = loop {
        assert!(begun.elapsed() < Duration::from_secs(30), "no change was shown");
        cache.scope(async { save_user(1).await }).await;
        let () = server.run(cmd("SET").arg("cached-aside:other:1").arg("x"));
        if let Ok(entry) = is_told.recv_timeout(Duration::from_millis(100)) {
            break entry;
        }
    };
    assert_eq!(seen["key"], "user:1", "{seen}");
    assert!(["guarded", "absent"].contains(&seen["state"].as_str().unwrap()), "{seen}");
    let () = server.run(&cmd("FLUSHALL"));
    let flushed = loop {
        let entry = is_told.recv_timeout(Duration::from_secs(30)).expect("the flush is shown");
        if entry["state"] == "flushed" {
            break entry;
        }
    };
    assert!(flushed["key"].is_null(), "{flushed}");
    child.kill().unwrap();
    child.wait().unwrap();
    let others = is_told.iter().find(|entry| entry["key"] != "user:1");
    assert_eq!(others, None, "the pattern is kept to");
    reader.join().unwrap();
}
