//! A hit gives what the body gave, whatever the type and the codec; and whatever stands in Redis.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use cached_aside::{Cache, cached_aside};
use cached_aside_tests::{RedisServer, log::Log};
use redis::cmd;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{carried_out, filled, on_both_stores, patient};

/// Three calls give `value`, with so many hits among them.
async fn calls_give<V: Debug + PartialEq>(
    cache: &Cache,
    function: &str,
    value: V,
    hits: u64,
    call: impl AsyncFn() -> V,
) {
    for _ in 0..3 {
        assert_eq!(call().await, value, "{function}");
        carried_out(cache).await;
    }
    let counts = cache.stats().function(function);
    assert_eq!((counts.hits, counts.loads), (hits, 3 - hits), "{function}");
    assert_eq!(counts.unencodable, 3 - counts.stored - hits, "{function}");
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(dead_code, reason = "the variants are there to have indexes")]
enum State {
    Active,
    #[serde(skip)]
    Internal,
    Suspended,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    name: String,
    #[serde(skip_serializing, default)]
    role: String,
    #[serde(skip_deserializing)]
    token: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
struct Range {
    start: u32,
    end: u32,
}

#[derive(Deserialize)]
struct Raw {
    end: u32,
    start: u32,
}

impl TryFrom<Raw> for Range {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Range, String> {
        Ok(Range { start: raw.start, end: raw.end })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    #[serde(alias = "userName")]
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::option_option, reason = "that is what is tested")]
struct Patch {
    nick: Option<Option<String>>,
    seen: Option<()>,
    score: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    name: String,
    #[serde(skip_serializing, default)]
    password_hash: String,
}

macro_rules! functions {
    ($($name:ident: $type:ty = $value:expr, $codec:ident;)*) => {
        $(#[cached_aside(ttl = "5m", codec = $codec)]
        async fn $name() -> $type {
            $value
        })*
    };
}

functions! {
    suspended: State = State::Suspended, Bincode;
    suspended_postcard: State = State::Suspended, Postcard;
    active: State = State::Active, Bincode;
    account: Account = Account { name: "ada".into(), role: String::new(), token: "secret".into() }, Bincode;
    range: Range = Range { start: 1, end: 9 }, Postcard;
    user: User = User { id: 1, name: "ada".into() }, Bincode;
    user_json: User = User { id: 1, name: "ada".into() }, Json;
    patch: Patch = Patch { nick: Some(None), seen: Some(()), score: Some(f64::INFINITY) }, Bincode;
    patch_json: Patch = Patch { nick: Some(None), seen: None, score: None }, Json;
    patch_messagepack: Patch = Patch { nick: None, seen: Some(()), score: None }, MessagePack;
    infinite_json: Patch = Patch { nick: None, seen: None, score: Some(f64::INFINITY) }, Json;
    rate_json: f64 = 1.577_777_777_777_000_1, Json;
    login_json: Login = Login { name: "ada".into(), password_hash: "argon2".into() }, Json;
}

#[tokio::test]
async fn a_hit_gives_what_the_body_gave_or_there_is_none() {
    on_both_stores("codecs", async |cache| {
        calls_give(&cache, "suspended", State::Suspended, 0, suspended).await;
        calls_give(&cache, "suspended_postcard", State::Suspended, 0, suspended_postcard).await;
        calls_give(&cache, "active", State::Active, 2, active).await;
        calls_give(&cache, "account", account::uncached().await, 0, account).await;
        calls_give(&cache, "range", Range { start: 1, end: 9 }, 0, range).await;
        calls_give(&cache, "user", user::uncached().await, 2, user).await;
        calls_give(&cache, "user_json", user::uncached().await, 2, user_json).await;
        calls_give(&cache, "patch", patch::uncached().await, 2, patch).await;
        calls_give(&cache, "patch_json", patch_json::uncached().await, 0, patch_json).await;
        calls_give(&cache, "patch_messagepack", patch_messagepack::uncached().await, 0, patch_messagepack)
            .await;
        calls_give(&cache, "infinite_json", infinite_json::uncached().await, 0, infinite_json).await;
        calls_give(&cache, "rate_json", 1.577_777_777_777_000_1, 2, rate_json).await;
        calls_give(&cache, "login_json", login_json::uncached().await, 0, login_json).await;
    })
    .await;
}

/// Fails to be written, or to be read once it is time.
#[derive(Debug, PartialEq)]
struct Row(u64);

static READING_PANICS: AtomicBool = AtomicBool::new(false);

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, 0, "a bug of somebody else's");
        to.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        assert!(!READING_PANICS.load(SeqCst), "another bug of somebody else's");
        u64::deserialize(from).map(Row)
    }
}

#[cached_aside(ttl = "5m", key = "panicking:{id}")]
async fn row(id: u64) -> Row {
    Row(id)
}

#[tokio::test]
async fn a_panic_of_serialize_or_deserialize_does_not_reach_the_caller() {
    let log = Log::listen();
    let cache = Cache::in_process();
    cache
        .scope(async {
            for _ in 0..3 {
                assert_eq!(row(0).await, Row(0));
            }
            assert_eq!((row(1).await, row(1).await), (Row(1), Row(1)));
            READING_PANICS.store(true, SeqCst);
            for _ in 0..3 {
                assert_eq!(row(1).await, Row(1));
            }
            READING_PANICS.store(false, SeqCst);
        })
        .await;
    let counts = cache.stats().function("row");
    assert_eq!((counts.hits, counts.stored, counts.unusable), (1, 1, 1));
    let log = log.take();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    let [write, read] = lines[..] else { panic!("{log}") };
    assert!(write.contains("panicked: assertion") && write.contains("can't be stored"), "{write}");
    assert!(read.contains("another bug of somebody else's"), "{read}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Node(Option<Box<Node>>);

impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut node) = next {
            next = node.0.take();
        }
    }
}

fn nested(levels: usize) -> Node {
    (0..levels).fold(Node(None), |node, _| Node(Some(Box::new(node))))
}

#[cached_aside(ttl = "5m", key = "nested:{levels}")]
async fn nested_bincode(levels: usize) -> Node {
    nested(levels)
}

#[cached_aside(ttl = "5m", key = "nested-postcard:{levels}", codec = Postcard)]
async fn nested_postcard(levels: usize) -> Node {
    nested(levels)
}

#[cached_aside(ttl = "5m", key = "nested-messagepack:{levels}", codec = MessagePack)]
async fn nested_messagepack(levels: usize) -> Node {
    nested(levels)
}

#[cached_aside(ttl = "5m", key = "nested-json:{levels}", codec = Json)]
async fn nested_json(levels: usize) -> Node {
    nested(levels)
}

/// A value of 40,000 levels is not stored; it would end every process that reads it.
#[tokio::test]
async fn a_value_that_is_too_deep_is_not_stored() {
    on_both_stores("codecs-deep", async |cache| {
        for _ in 0..2 {
            for levels in [50, 40_000] {
                drop(nested_bincode(levels).await);
                drop(nested_postcard(levels).await);
                drop(nested_messagepack(levels).await);
                drop(nested_json(levels).await);
            }
            carried_out(&cache).await;
        }
        for function in ["nested_bincode", "nested_postcard"] {
            let counts = cache.stats().function(function);
            assert_eq!((counts.stored, counts.hits, counts.unencodable), (1, 1, 2), "{function}");
        }
        // These two write `Some(Node(None))` as they write `None`.
        for function in ["nested_messagepack", "nested_json"] {
            assert_eq!(cache.stats().function(function).unencodable, 4, "{function}");
        }
    })
    .await;
}

/// Somebody who can write to Redis stores what nests without end, or claims to be endless, with a checksum that fits.
#[tokio::test]
async fn planted_values_are_misses() {
    #[cached_aside(ttl = "5m", key = "units")]
    async fn units() -> Vec<()> {
        vec![(); 3]
    }

    let server = RedisServer::start();
    let cache = patient(server.url()).namespace("planted").build().await.unwrap();
    let deep = || [vec![1; 1_000_000], vec![0]].concat();
    let claim = [&[253][..], &u64::MAX.to_le_bytes()].concat();
    cache
        .scope(async {
            drop((nested_bincode(1).await, nested_postcard(1).await, units().await));
            filled(&cache, 3).await;
            for (key, payload) in [("nested:1", deep()), ("nested-postcard:1", deep()), ("units", claim)] {
                let key = format!("planted:{key}");
                let stored: Vec<u8> = server.run(cmd("GET").arg(&key));
                let checksum = crc32(&[&stored[39..48], &payload].concat()).to_be_bytes();
                let planted = [&stored[..48], &checksum, &payload].concat();
                server.run::<()>(cmd("SET").arg(&key).arg(planted).arg("PX").arg(60_000));
            }
            assert_eq!((nested_bincode(1).await, nested_postcard(1).await), (nested(1), nested(1)));
            assert_eq!(units().await.len(), 3);
        })
        .await;
    let total = cache.stats().total;
    assert_eq!((total.hits, total.unusable, total.loads), (0, 3, 6));
}

/// CRC-32, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    User { name: String },
}

#[cached_aside(ttl = "5m", key = "tagged:{id}", codec = Json)]
async fn tagged(id: u64) -> Tagged {
    Tagged::User { name: id.to_string() }
}

#[cached_aside(ttl = "5m", key = "tagged-by-version:{id}", codec = Json, version = only(1))]
async fn tagged_by_version(id: u64) -> Tagged {
    Tagged::User { name: id.to_string() }
}

/// What can't be compared is cached, and one line says with whom it is shared.
#[tokio::test]
async fn a_type_that_cannot_be_compared_is_shared_by_one_build_and_says_so() {
    let log = Log::listen();
    let cache = Cache::in_process();
    let user = |id: u64| Tagged::User { name: id.to_string() };
    cache
        .scope(async {
            for id in [1, 2, 1, 2] {
                assert_eq!((tagged(id).await, tagged_by_version(id).await), (user(id), user(id)));
            }
        })
        .await;
    assert_eq!(cache.stats().total.hits, 4);
    let log = log.take();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    let [line] = lines[..] else { panic!("{log}") };
    for sign in ["function=\"tagged\"", "same build", "`version = only(1)`", "`flatten`, `tag`, `untagged`"] {
        assert!(line.contains(sign), "{line}");
    }
}

/// Takes its time to be read.
#[derive(Debug, PartialEq, Serialize)]
struct Slow(u8);

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::thread::sleep(std::time::Duration::from_millis(1));
        u8::deserialize(from).map(Slow)
    }
}

#[cached_aside(ttl = "5m", key = "slow")]
async fn slow() -> [[Slow; 12]; 12] {
    std::array::from_fn(|_| std::array::from_fn(|_| Slow(1)))
}

/// Until a large type has been seen through its function runs uncached, and then it does not.
#[tokio::test]
async fn a_type_that_takes_long_to_see_through_is_cached_afterwards() {
    let cache = Cache::in_process();
    cache
        .scope(async {
            slow().await;
            assert_eq!((cache.stats().total.bypassed, cache.stats().total.loads), (1, 0));
            let begun = std::time::Instant::now();
            while cache.stats().total.hits == 0 {
                slow().await;
                assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", cache.stats().total);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
}
