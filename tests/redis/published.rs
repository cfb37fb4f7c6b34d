//! Counts that several programs publish, whatever becomes of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use cached_aside::{Cache, inspect::Servers};
use cached_aside_tests::{RedisServer, Worker};
use redis::cmd;
use serde_json::Value;

const NAMESPACE: &str = "published";

async fn program(url: &str) -> Worker {
    let mut program = crate::worker("published", &[url, NAMESPACE]);
    program.expect("ready").await;
    program
}

/// Reads until it has a hit: what was loaded is stored a little later.
async fn hit(program: &mut Worker) {
    let begun = Instant::now();
    loop {
        program.send("read 1");
        if program.line().await == "1 hit" {
            return;
        }
        assert!(begun.elapsed() < SOON, "there is no hit");
    }
}

/// Who looks: a tool.
async fn looking(url: &str) -> Servers {
    let cache = Cache::builder().url(url).namespace(NAMESPACE).timeout(SOON).build().await.unwrap();
    Servers::of(&cache).unwrap()
}

/// The hits that each program has published, by its process id.
async fn published(servers: &Servers) -> BTreeMap<u64, u64> {
    let all = servers.published().await.unwrap();
    let of_one = |text: &Vec<u8>| {
        let text: Value = serde_json::from_slice(text).unwrap();
        let functions = text["functions"].as_object().unwrap();
        let hits = functions.iter().find(|(name, _)| name.ends_with("published::counted"));
        (text["pid"].as_u64().unwrap(), hits.and_then(|(_, counts)| counts["hits"].as_u64()).unwrap_or(0))
    };
    all.iter().map(of_one).collect()
}

/// Waits until exactly this is published.
async fn shows(servers: &Servers, expected: &[(u32, u64)], within: Duration) {
    let expected: BTreeMap<u64, u64> = expected.iter().map(|(pid, hits)| (u64::from(*pid), *hits)).collect();
    let begun = Instant::now();
    loop {
        let now = published(servers).await;
        if now == expected {
            return;
        }
        assert!(begun.elapsed() < within, "{now:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_counts_of_a_program_that_was_killed_expire_and_those_of_others_go_on() {
    let server = RedisServer::start();
    let servers = looking(&server.url()).await;
    let (mut killed, mut other) = (program(&server.url()).await, program(&server.url()).await);
    hit(&mut killed).await;
    hit(&mut other).await;
    hit(&mut other).await;
    shows(&servers, &[(killed.pid(), 1), (other.pid(), 2)], SOON).await;

    killed.kill9();
    let of_killed = format!("\"pid\":{},", killed.pid());
    let keys: Vec<String> = server.run(cmd("KEYS").arg(format!("{NAMESPACE}:#{{stats}} *")));
    let key = keys.iter().find(|key| server.run::<String>(cmd("GET").arg(key)).contains(&of_killed)).unwrap();
    let left: u64 = server.run(cmd("PTTL").arg(key));
    assert!((1..=30_000).contains(&left), "{left}");
    hit(&mut other).await;
    shows(&servers, &[(killed.pid(), 1), (other.pid(), 3)], SOON).await;
    // Nobody goes on writing it, so it expires in the time that it had.
    shows(&servers, &[(other.pid(), 3)], Duration::from_millis(left) + SOON).await;
    other.send("shutdown");
    other.expect("over").await;
    shows(&servers, &[], SOON).await;
}

/// The rights that the documentation lists, in a namespace of their own.
fn documented_rights() -> String {
    let page = include_str!("../../docs/production.md");
    let (_, after) = page.split_once("A user needs\n\n```text\n").unwrap();
    let (rights, _) = after.split_once("```").unwrap();
    rights.replace("<namespace>", NAMESPACE)
}

#[tokio::test]
async fn publishing_and_reading_what_is_published_needs_the_documented_rights_and_no_more() {
    let server = RedisServer::builder().user("app", "pass", &documented_rights()).start();
    let url = server.url_as("app", "pass");
    let servers = looking(&url).await;
    let mut program = program(&url).await;
    hit(&mut program).await;
    shows(&servers, &[(program.pid(), 1)], SOON).await;
    program.send("shutdown");
    program.expect("over").await;
    shows(&servers, &[], SOON).await;
    // What is asked at every connection, and can be done without.
    let optional = ["info", "role"].map(str::to_owned);
    let refused: Vec<HashMap<String, redis::Value>> = server.run(cmd("ACL").arg("LOG"));
    let refused = refused.iter().map(|entry| match &entry["object"] {
        redis::Value::BulkString(object) => String::from_utf8_lossy(object).into_owned(),
        other => panic!("{other:?}"),
    });
    let refused: BTreeSet<String> = refused.filter(|object| !optional.contains(object)).collect();
    assert_eq!(refused, BTreeSet::new());
}
