//! The table in `docs/codecs.md`, row by row.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Debug,
};

use serde::{Deserialize, Serialize, Serializer};

use super::*;
use crate::{Bincode, Json, MessagePack, Postcard, codec::coding::coding, fingerprint};

/// What becomes of a value, in the words of the table.
fn becomes<V: Cacheable + PartialEq + Debug, C: Codec>(value: &V) -> &'static str {
    let coding = coding::<V, C>(0);
    let Ok(type_info) = fingerprint::of(&coding.kind) else { return "uncached" };
    let mut bytes = Vec::new();
    match (coding.encode)(value, type_info.counts, &mut bytes) {
        Err(_) => "not stored",
        Ok(()) if (coding.decode)(&bytes).unwrap() == *value => "kept",
        Ok(()) => "**lost**",
    }
}

/// What an error says.
fn refusal<V: Cacheable, C: Codec>(value: &V) -> String {
    let coding = coding::<V, C>(0);
    let type_info = fingerprint::of(&coding.kind).unwrap();
    (coding.encode)(value, type_info.counts, &mut Vec::new()).unwrap_err().to_string()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::option_option, reason = "that is what is tested")]
struct Patch {
    nick: Option<Option<String>>,
    seen: Option<()>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Score {
    score: Option<f64>,
}

/// By its bits: no NaN is equal to itself.
impl PartialEq for Score {
    fn eq(&self, other: &Score) -> bool {
        self.score.map(f64::to_bits) == other.score.map(f64::to_bits)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(level: &u8) -> bool {
    *level == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn always(_: &u8) -> bool {
    true
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SkippedIf {
    #[serde(default, skip_serializing_if = "is_zero")]
    level: u8,
    role: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SkippedAlways {
    #[serde(default, skip_serializing_if = "always")]
    level: u8,
    role: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NeverWritten {
    name: String,
    #[serde(default, skip_serializing)]
    password_hash: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NeverRead {
    name: String,
    #[serde(skip_deserializing)]
    cached: u8,
}

/// As many fields are read as are written.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    name: String,
    #[serde(skip_serializing, default)]
    role: String,
    #[serde(skip_deserializing)]
    token: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, #[serde(skip_serializing, default)] u8);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Variants {
    NeverWritten {
        name: String,
        #[serde(skip_serializing, default)]
        cache: u8,
    },
    Pair(u8, #[serde(skip_serializing, default)] u8),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Skipped {
    id: u64,
    #[serde(skip)]
    password_hash: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Aliased {
    id: u64,
    #[serde(alias = "userName", alias = "user_name")]
    name: String,
    at: Place,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Place {
    Known {
        #[serde(alias = "post_code")]
        zip: u32,
        town: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(dead_code, reason = "the variant is there to be skipped")]
enum State {
    Active,
    #[serde(skip)]
    Internal,
    Suspended,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Raw")]
struct Range {
    start: u32,
    end: u32,
}

#[derive(Deserialize)]
struct Raw {
    end: u32,
    start: u32,
}

impl From<Raw> for Range {
    fn from(Raw { end, start }: Raw) -> Range {
        Range { start, end }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Renamed {
    id: u8,
    #[serde(rename(serialize = "userName", deserialize = "user_name"), default)]
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    User {
        name: String,
        #[serde(skip_serializing, default)]
        secret: u8,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Small(u8),
    Large(u64),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Redacted {
    #[serde(serialize_with = "stars")]
    password: String,
}

fn stars<S: Serializer>(_: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str("***")
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Collections {
    map: HashMap<String, u8>,
    set: HashSet<u16>,
    nested: Vec<HashSet<String>>,
    sorted: BTreeSet<u8>,
}

fn collections() -> Collections {
    Collections {
        map: (0..50).map(|number| (number.to_string(), number)).collect(),
        set: (0..50).collect(),
        nested: (0..9).map(|set| (0..set).map(|number| number.to_string()).collect()).collect(),
        sorted: (0..50).collect(),
    }
}

/// What panics where it is met.
#[derive(Debug, PartialEq)]
struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("a bug of somebody else's")
    }
}

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a bug of somebody else's")
    }
}

fn deep(levels: u32) -> Node {
    (0..levels).fold(Node(None), |node, _| Node(Some(Box::new(node))))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Node(Option<Box<Node>>);

/// One row: what it is, and what becomes of each of these values.
macro_rules! rows {
    ($($what:literal: $($value:expr),+;)*) => {
        vec![$({
            let cells = [$([
                [becomes::<_, Bincode>(&$value), becomes::<_, Postcard>(&$value)],
                [becomes::<_, MessagePack>(&$value), becomes::<_, Json>(&$value)],
            ]),+];
            assert!(cells.iter().all(|cell| *cell == cells[0]), "{}: {cells:?}", $what);
            let [[bincode, postcard], [messagepack, json]] = cells[0];
            assert_eq!(bincode, postcard, "{}", $what);
            format!("| {} | {bincode} | {messagepack} | {json} |", $what)
        }),*]
    };
}

#[test]
fn the_table_of_what_codecs_keep_says_what_happens() {
    let none = || None::<Option<String>>;
    let token =
        |role: &str, token: &str| Account { name: "ada".into(), role: role.into(), token: token.into() };
    let rows = rows! {
        "the bits of `f32` and `f64`": 1.577_777_777_777_000_1_f64, 0.1_f32, -0.0_f64, f64::MIN_POSITIVE, vec![1e-310, 1e300];
        "NaN and the infinities": Score { score: Some(f64::NAN) }, Score { score: Some(f64::INFINITY) };
        "`Some(None)`, `Some(())` inside of a type":
            Patch { nick: Some(None), seen: None }, Patch { nick: none(), seen: Some(()) }, vec![Some(None), Some(Some(1_u8))];
        "maps and sets, hashed ones too": collections(), HashMap::from([(1_u8, 'a'), (2, 'b'), (3, 'c')]);
        "maps whose keys are not text or numbers": BTreeMap::from([((1_u8, 2_u8), 3_u8)]);
        "`alias`": Aliased { id: 1, name: "ada".into(), at: Place::Known { zip: 1, town: "Rome".into() } };
        "`skip_serializing_if` with `default`, a value that is skipped": SkippedIf { level: 0, role: 7 };
        "`skip_serializing`": NeverWritten { name: "ada".into(), password_hash: "argon2".into() },
            NeverWritten { name: "ada".into(), password_hash: String::new() }, Pair(1, 2),
            Variants::NeverWritten { name: "ada".into(), cache: 1 }, Variants::Pair(1, 2),
            token("", "secret"), token("admin", ""), token("", "");
        "`skip_deserializing`, a value other than the default": NeverRead { name: "ada".into(), cached: 1 };
        "`rename(serialize = …, deserialize = …)`": Renamed { id: 1, name: "ada".into() };
        "a variant after one with `skip`": State::Suspended, State::Closed;
        "fields that are read in another order (`from`, `try_from`)": Range { start: 1, end: 9 };
        "`flatten`, `tag`, `untagged`, `serde_json::Value`":
            Flat { name: "ada".into(), rest: BTreeMap::from([("a".into(), 1)]) }, Untagged::Large(1 << 40),
            serde_json::json!({"a": [1, -1, 0.5, null, {}], "b": true});
        "a variant of an `untagged` enum that an earlier one can be read from": Untagged::Large(5);
        "more than 128 levels, or more than 65,536 elements without content": vec![(); 70_000], vec![[(), ()]; 70_000], deep(64);
        "a `Serialize` or `Deserialize` that panics": Panics, vec![Panics];
        "`#[serde(skip)]` on a field": Skipped { id: 1, password_hash: "argon2".into() };
        "`skip_serializing` in a type with `flatten`, `tag` or `untagged`": Tagged::User { name: "ada".into(), secret: 1 };
        "`skip_serializing_if` that skips more than the default": SkippedAlways { level: 3, role: 7 };
        "`serialize_with` that hides a value": Redacted { password: "secret".into() };
    };
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/codecs.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table: Vec<&str> = page.lines().skip_while(|line| !line.starts_with("| what")).skip(2).collect();
    let table: Vec<&str> = table.into_iter().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.join("\n"), table.join("\n"), "docs/codecs.md");
}

#[test]
fn a_refusal_names_the_place_and_what_to_do() {
    for (refusal, signs) in [
        (refusal::<_, Json>(&Patch { nick: Some(None), seen: None }), ["`Patch.nick`", "codec = Bincode"]),
        (refusal::<_, Json>(&Score { score: Some(f64::NAN) }), ["`Score.score`", "codec = Postcard"]),
        (refusal::<_, Bincode>(&Range { start: 1, end: 9 }), ["`Range.start`", "same order"]),
        (refusal::<_, Bincode>(&vec![State::Suspended]), ["another value", "codec = Json"]),
        (
            refusal::<_, Json>(&NeverWritten { name: String::new(), password_hash: String::new() }),
            ["`NeverWritten` is read with a field `password_hash`", "return a type that writes it"],
        ),
        (
            refusal::<_, Bincode>(&Variants::NeverWritten { name: String::new(), cache: 0 }),
            ["`Variants::NeverWritten`", "`cache`"],
        ),
        (refusal::<_, Postcard>(&SkippedIf { level: 0, role: 1 }), ["`level` was skipped", "codec = Json"]),
        (refusal::<_, Json>(&deep(1)), ["another value", "codec = Bincode"]),
        (refusal::<_, Bincode>(&deep(64)), ["128 levels", ""]),
        (refusal::<_, Postcard>(&vec![(); 70_000]), ["65,536 elements", ""]),
    ] {
        for sign in signs {
            assert!(refusal.contains(sign), "{refusal}");
        }
    }
}

/// A set that no sign tells from a list: `serialize_seq`, element by element.
#[derive(Debug, PartialEq)]
struct OwnSet(HashSet<u8>);

impl Serialize for OwnSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = to.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|element| seq.serialize_element(element))?;
        seq.end()
    }
}

impl<'de> Deserialize<'de> for OwnSet {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        HashSet::deserialize(from).map(OwnSet)
    }
}

/// A list that is read the other way round.
#[derive(Debug, PartialEq, Serialize)]
struct Stack(Vec<u8>);

impl<'de> Deserialize<'de> for Stack {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Stack")]
        struct Read(Vec<u8>);
        Read::deserialize(from).map(|Read(list)| Stack(list.into_iter().rev().collect()))
    }
}

#[test]
fn an_order_of_chance_is_told_from_another_order() {
    assert_eq!(becomes::<_, Bincode>(&OwnSet((0..20).collect())), "kept");
    assert_eq!(becomes::<_, Json>(&OwnSet((0..20).collect())), "kept");
    assert_eq!(becomes::<_, Bincode>(&Stack(vec![1, 2, 3])), "not stored");
    assert_eq!(becomes::<_, Bincode>(&Stack(vec![1, 2, 1])), "kept");
}

/// A codec of a user's, that loses what JSON loses.
struct Pretty;

impl Codec for Pretty {
    const NAME: &'static str = "pretty";
    const SELF_DESCRIBING: bool = true;
    const HUMAN_READABLE: bool = true;

    fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer_pretty(into, value).map_err(CodecError::new)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(CodecError::new)
    }
}

#[test]
fn codecs_of_users_are_held_to_the_same() {
    assert_eq!(becomes::<_, Pretty>(&collections()), "kept");
    assert_eq!(becomes::<_, Pretty>(&Patch { nick: Some(None), seen: None }), "not stored");
    assert_eq!(becomes::<_, Pretty>(&token_of_ada()), "not stored");
    assert_eq!(becomes::<_, Pretty>(&Panics), "not stored");
}

fn token_of_ada() -> NeverWritten {
    NeverWritten { name: "ada".into(), password_hash: String::new() }
}

/// Reads what it wrote, until it is told not to.
#[derive(Debug, PartialEq, Serialize)]
struct Moody(u8);

thread_local! {
    static MOOD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        assert!(!MOOD.get(), "not today");
        u8::deserialize(from).map(Moody)
    }
}

#[test]
fn a_panic_while_reading_is_an_entry_that_cannot_be_read() {
    let mut bytes = Vec::new();
    Bincode::encode(&7_u8, &mut bytes).unwrap();
    assert_eq!(decode::<Moody, Bincode>(&bytes).unwrap(), Moody(7));
    MOOD.set(true);
    let error = decode::<Moody, Bincode>(&bytes).unwrap_err().to_string();
    assert!(error.contains("`Deserialize` panicked: not today"), "{error}");
}

/// With `version = only(…)` the type is not looked at before a value is stored.
#[test]
fn what_can_not_be_read_back_names_the_codec_and_those_that_can() {
    let coding = coding::<Untagged, Bincode>(1).by_version();
    let type_info = fingerprint::of(&coding.kind).unwrap();
    let error =
        (coding.encode)(&Untagged::Small(1), type_info.counts, &mut Vec::new()).unwrap_err().to_string();
    assert!(
        error.contains("`Bincode` can't read it back") && error.contains("take `codec = Json`"),
        "{error}"
    );
}
