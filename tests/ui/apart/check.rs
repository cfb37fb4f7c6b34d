//! A type that its codec never reads back is found before anybody calls its function.

#![forbid(unsafe_code)]
#![deny(warnings)]

use std::{
    io,
    sync::{Arc, Mutex},
    thread::sleep,
    time::{Duration, Instant},
};

use cached_aside::{Cache, Cached, Json, cached_aside};
use serde::{Deserialize, Serialize};

/// Asks the format what comes next, as `serde_json::Value` does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(u64),
    Text(String),
}

#[derive(Serialize, Deserialize)]
struct Line {
    amount: u32,
    price: Value,
}

#[derive(Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    rest: std::collections::HashMap<String, u64>,
}

/// Of other crates, and of serde.
#[cached_aside(ttl = "5m", key = "value-of-json:{id}")]
async fn value_of_json(id: u64) -> serde_json::Value {
    id.into()
}

#[cached_aside(ttl = "5m", key = "flat:{id}")]
async fn flat(id: u64) -> Flat {
    Flat { id, rest: std::collections::HashMap::new() }
}

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<Line>,
}

mod orders {
    /// Nobody ever calls or names it.
    #[allow(dead_code)]
    #[cached_aside::cached_aside(ttl = "5m", key = "order:{id}")]
    pub async fn load_order(id: u64) -> Result<Option<super::Order>, String> {
        Err(id.to_string())
    }
}

struct Repo<T>(T);

impl<T: Sync> Repo<T> {
    /// Of a generic type, and not generic itself.
    #[cached_aside(ttl = "5m", key = "value:{id}", skip(self, T))]
    async fn value(&self, id: u64) -> Value {
        let _ = &self.0;
        Value::Number(id)
    }
}

impl Order {
    /// Of `Self`.
    #[allow(dead_code)]
    #[cached_aside(ttl = "5m", key = "own:{id}")]
    async fn load(id: u64) -> Result<Option<Self>, String> {
        Err(id.to_string())
    }
}

trait Store {
    async fn get(&self, id: u64) -> Vec<Value>;
}

impl Store for () {
    #[cached_aside(ttl = "5m", key = "get:{id}", skip(self))]
    async fn get(&self, id: u64) -> Vec<Value> {
        vec![Value::Number(id)]
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Denied(Value);

#[cached_aside(ttl = "5m", key = "denied:{id}", error_ttl = "5s", error_if = |_| true)]
async fn stored_errors(id: u64) -> Result<u64, Denied> {
    Err(Denied(Value::Number(id)))
}

/// With a codec that reads it.
#[cached_aside(ttl = "5m", key = "json:{id}", codec = Json)]
async fn as_json(id: u64) -> Value {
    Value::Number(id)
}

#[cached_aside(ttl = "5m", key = "plain:{id}")]
async fn plain(id: u64) -> Vec<(u64, String)> {
    vec![(id, id.to_string())]
}

/// Nothing says that they exist, before their first use.
static FAMILY: Cached<Vec<Value>> = Cached::new("family", Duration::from_secs(60));
static JSON_FAMILY: Cached<Value, Json> = Cached::new("json-family", Duration::from_secs(60)).codec();
static ONE_NAME: Cached<u64> = Cached::new("one-name", Duration::from_secs(60));
static SAME_NAME: Cached<u64> = Cached::new("one-name", Duration::from_secs(60));

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let _ = Value::Text(String::new());
    let _ = (as_json, plain, value_of_json, flat, stored_errors, Repo::<u8>::value, <() as Store>::get);
    let uncached = cached_aside::check().unwrap_err();
    let expected = [
        ("orders::load_order`", "::Order`", "the field `price` of `Line` asks"),
        ("::Order::load`", "::Order`", "the field `price` of `Line` asks"),
        ("::()::get`", "::Value>`", "the type asks"),
        ("::Repo<T>::value`", "::Value`", "the type asks"),
        ("::value_of_json`", "::Value`", "the type asks"),
        ("::flat`", "::Flat`", "the type asks"),
        ("::stored_errors`", "::Denied`", "the field `0` of `Denied` asks"),
    ];
    assert_eq!(uncached.problems().len(), expected.len(), "{uncached}");
    for (function, ty, part) in expected {
        let found = uncached.problems().iter().find(|problem| problem.contains(function));
        let problem = found.unwrap_or_else(|| panic!("{function} is missing: {uncached}"));
        assert!(problem.contains(ty) && problem.contains(part) && problem.contains("`codec = Json`"), "{problem}");
        assert!(problem.contains("check.rs:"), "{problem}");
    }

    // The key is a use of it.
    let _ = (FAMILY.key(1), JSON_FAMILY.key(1), ONE_NAME.key(1), SAME_NAME.key(1));
    let uncached = cached_aside::check().unwrap_err();
    let problems = uncached.problems();
    assert_eq!(problems.len(), expected.len() + 2, "{uncached}");
    let has = |words: [&str; 3]| problems.iter().any(|problem| words.iter().all(|word| problem.contains(word)));
    assert!(has(["`Cached::family` (", "check.rs:", "::Value>` but never read it back"]), "{uncached}");
    assert!(has(["`Cached::one-name` (", "check.rs:", "would be given what `Cached::one-name` ("]), "{uncached}");

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || Cache::in_process().install().unwrap());
    // It also logs, at level `INFO`, that the cache is made.
    let text = || {
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| !line.contains(" INFO ")).map(|line| format!("{line}\n")).collect::<String>()
    };
    let started = Instant::now();
    while text().lines().count() < 4 && started.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(10));
    }
    let text = text();
    assert!(text.contains("load_order") && text.contains("the field `price` of `Line` asks"), "{text}");
    assert!(text.lines().all(|line| line.contains("ERROR") && line.contains("the function")), "{text}");
}
