#![allow(dead_code, reason = "the types stand for their structure")]

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{
    Deserialize, Serialize,
    de::{self, DeserializeOwned, Deserializer},
};

use super::*;
use crate::codec::{Bincode, coding};

fn structure<T: DeserializeOwned>() -> Structure {
    trace::<T, Bincode>()
}

/// The same type in two versions of a program has one name; here their names are the same up to the module.
fn same<A: DeserializeOwned, B: DeserializeOwned>() -> bool {
    structure::<A>().text == structure::<B>().text
}

macro_rules! version {
    ($module:ident { $($item:item)* }) => {
        mod $module {
            use super::*;
            $(#[derive(Serialize, Deserialize)] $item)*
        }
    };
}

version!(one {
    pub(super) struct User { id: u64, name: String, address: Address }
    pub(super) struct Address { street: String, zip: u32 }
    pub(super) enum Shape { Point, Circle(f64), Square { side: f64 } }
    pub(super) struct Page<T> { items: Vec<T>, next: Option<u64> }
});
version!(reordered {
    pub(super) struct User { name: String, id: u64, address: one::Address }
    pub(super) enum Shape { Circle(f64), Point, Square { side: f64 } }
});
version!(renamed {
    pub(super) struct User { id: u64, title: String, address: one::Address }
});
version!(nested {
    pub(super) struct User { id: u64, name: String, address: Address }
    pub(super) struct Address { street: String, zip: u64 }
});
version!(inserted {
    pub(super) enum Shape { Point, Line, Circle(f64), Square { side: f64 } }
});
version!(unchanged {
    pub(super) struct User { id: u64, name: String, address: Address }
    pub(super) struct Address { street: String, zip: u32 }
    pub(super) enum Shape { Point, Circle(f64), Square { side: f64 } }
});

#[test]
fn changes_that_positional_codecs_do_not_notice() {
    assert!(same::<one::User, unchanged::User>());
    assert!(same::<one::Shape, unchanged::Shape>());
    assert!(!same::<one::User, reordered::User>(), "fields swapped");
    assert!(!same::<one::User, renamed::User>(), "a field renamed");
    assert!(!same::<one::User, nested::User>(), "a type changed further down");
    assert!(!same::<one::Shape, reordered::Shape>(), "variants swapped");
    assert!(!same::<one::Shape, inserted::Shape>(), "a variant inserted");
    assert!(!same::<one::Page<u8>, one::Page<u16>>(), "another parameter");
    assert!(!same::<u64, i64>());
    assert!(!same::<Vec<one::Shape>, Vec<inserted::Shape>>(), "inside a container");
    assert!(!same::<HashMap<u8, one::User>, HashMap<u8, nested::User>>(), "inside a map");
    assert!(!same::<Option<Box<one::Shape>>, Option<Box<inserted::Shape>>>(), "inside an option");
}

#[derive(Serialize, Deserialize)]
enum Tree {
    Leaf(u8),
    Node(Box<Tree>, Box<Tree>),
}

#[derive(Serialize, Deserialize)]
enum ConsFirst {
    Cons(u8, Box<ConsFirst>),
    Nil,
}

#[derive(Serialize, Deserialize)]
struct Employee {
    name: String,
    reports: Vec<Employee>,
    chief: Option<Box<Employee>>,
}

#[test]
fn recursive_types_come_to_an_end() {
    assert!(structure::<Tree>().text.contains("Node"));
    assert!(structure::<ConsFirst>().text.contains("Nil"));
    assert!(structure::<Employee>().text.contains("reports"));
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    A { x: u8 },
}

#[derive(Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Serialize, Deserialize)]
struct Holder {
    at: one::Address,
    any: Vec<serde_json::Value>,
}

/// A type that does not mind.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Plain {
    #[serde(default)]
    some_list: Vec<(u8, String)>,
    #[serde(skip)]
    scratch: u8,
    set: HashSet<[u8; 4]>,
    result: Result<u8, String>,
    at: std::time::SystemTime,
    from: std::net::IpAddr,
    count: std::num::NonZeroU32,
    unit: (),
}

#[test]
fn types_that_ask_the_format_are_recognised() {
    for (asks, structure) in [
        (true, structure::<Untagged>()),
        (true, structure::<Tagged>()),
        (true, structure::<Flat>()),
        (true, structure::<Holder>()),
        (true, structure::<Vec<Option<Untagged>>>()),
        (false, structure::<Plain>()),
        (false, structure::<Tree>()),
        (false, structure::<Employee>()),
    ] {
        assert_eq!(structure.asks_the_format, asks, "{}", structure.text);
    }
    let error = of(&coding::<Flat, Bincode>(0).kind).unwrap_err().to_string();
    assert!(error.contains("Flat") && error.contains("codec = Json"), "{error}");
}

#[cfg(feature = "json")]
#[test]
fn a_self_describing_codec_reads_them() {
    assert!(of(&coding::<Flat, crate::Json>(0).kind).is_ok());
}

/// Accepts what looks like an e-mail address.
struct Email(String);

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('@') { Ok(Email(text)) } else { Err(de::Error::custom("no @")) }
    }
}

/// Accepts nothing that anybody would guess.
struct Secret;

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "open sesame" => Ok(Secret),
            _ => Err(de::Error::custom("no")),
        }
    }
}

/// Panics at what it does not expect.
struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        assert_eq!(number, 200, "unexpected");
        Ok(Panics)
    }
}

#[derive(Deserialize)]
struct Validated {
    before: u8,
    email: Email,
    after: u8,
}

#[derive(Deserialize)]
struct Guarded {
    before: u8,
    secret: Secret,
}

#[derive(Deserialize)]
struct Panicking {
    before: u8,
    inner: Panics,
}

#[test]
fn leaves_that_validate_are_given_samples_and_never_do_harm() {
    assert!(structure::<Validated>().text.contains(".2=u8"), "all three fields were reached");
    assert!(structure::<Guarded>().text.contains("struct Guarded[\"before\", \"secret\"]"));
    assert!(structure::<Panicking>().text.contains("struct Panicking[\"before\", \"inner\"]"));
    for _ in 0..3 {
        assert_eq!(structure::<Guarded>(), structure::<Guarded>(), "the same each time");
    }
}

#[test]
fn name_codec_and_version_count() {
    let fingerprint = |version| of(&coding::<one::User, Bincode>(version).kind).unwrap().fingerprint;
    assert_eq!(fingerprint(0), fingerprint(0));
    assert_ne!(fingerprint(0), fingerprint(1));
    let other_name = of(&coding::<unchanged::User, Bincode>(0).kind).unwrap().fingerprint;
    assert_ne!(fingerprint(0), other_name);
    #[cfg(feature = "postcard")]
    assert_ne!(fingerprint(0), of(&coding::<one::User, crate::Postcard>(0).kind).unwrap().fingerprint);
}

/// Two releases give a type the same name; its structure alone tells them apart.
#[test]
fn structure_counts() {
    let before = coding::<one::User, Bincode>(0).kind;
    let after = CodingKind { structure: trace::<reordered::User, Bincode>, ..before };
    let fingerprint = |kind| work_out(kind).unwrap().fingerprint;
    assert_eq!(fingerprint(&before), fingerprint(&before));
    assert_ne!(fingerprint(&before), fingerprint(&after));
}

/// A generic function has one `static` for all its types.
#[test]
fn a_cell_is_not_confused_by_a_second_type() {
    let cell = FingerprintCell::new();
    let (bytes, words) = (coding::<Vec<u8>, Bincode>(0).kind, coding::<Vec<u16>, Bincode>(0).kind);
    let fingerprint = |kind| cell.get(kind, 0).unwrap().fingerprint;
    let (first, second) = (fingerprint(&bytes), fingerprint(&words));
    assert_ne!(first, second);
    assert_eq!((fingerprint(&bytes), fingerprint(&words)), (first, second));
}

#[test]
fn a_result_behind_a_type_parameter_is_recognised() {
    let judge = |kind: &CodingKind, shape| FingerprintCell::new().get(kind, shape).map(drop);
    let hidden = coding::<Result<u8, String>, Bincode>(0).kind;
    let error = judge(&hidden, 0).unwrap_err();
    assert!(error.to_string().contains("Result<u8, alloc::string::String>"), "{error}");
    let option = coding::<Option<u8>, Bincode>(0).kind;
    assert!(judge(&option, 0).is_err() && judge(&option, 2).is_err());
    // Written out, an option inside an option is a value like any other.
    assert!(judge(&option, 1).is_ok() && judge(&option, 3).is_ok());
    assert!(judge(&coding::<Vec<Option<u8>>, Bincode>(0).kind, 0).is_ok());
}
