#![allow(dead_code, reason = "the types stand for their structure")]

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{
    Deserialize, Serialize,
    de::{self, DeserializeOwned, Deserializer},
};

use super::{structure::*, trace::trace, *};
use crate::{Bincode, codec::coding::coding};

fn structure<T: DeserializeOwned>() -> Structure {
    trace::<T, Bincode>(effort(AT_ONCE.0))
}

/// An effort of this many questions, and enough time for them.
fn effort(questions: usize) -> Effort {
    Effort { questions, until: Instant::now() + Duration::from_secs(60) }
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
    for structure in
        [structure::<Tree>(), structure::<ConsFirst>(), structure::<Employee>(), structure::<Term>()]
    {
        assert_eq!(structure.incomplete, None, "{}", structure.text);
    }
    assert!(structure::<Term>().text.contains("enum Factor[\"Term\", \"Number\", \"Name\"]"));
}

/// Two enums that are inside each other, and not only at their ends.
#[derive(Serialize, Deserialize)]
enum Term {
    Sum(Box<Term>, Box<Factor>),
    Factor(Factor),
}

#[derive(Serialize, Deserialize)]
enum Factor {
    Term(u8, Box<Term>),
    Number(one::Address),
    Name { name: String, of: Option<Box<Factor>> },
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
        assert_eq!(structure.asks_the_format.is_some(), asks, "{}", structure.text);
    }
    let error = of(&coding::<Flat, Bincode>(0).kind).unwrap_err().to_string();
    assert!(error.contains("Flat") && error.contains("codec = Json"), "{error}");
}

#[derive(Serialize, Deserialize)]
struct Line {
    amount: u32,
    price: Untagged,
}

#[derive(Serialize, Deserialize)]
struct Aliased {
    #[serde(alias = "userName", alias = "user_name")]
    name: String,
    rest: Untagged,
}

#[derive(Serialize, Deserialize)]
struct Pair(u8, Untagged);

#[derive(Serialize, Deserialize)]
struct Wrapped(Untagged);

#[derive(Serialize, Deserialize)]
struct HoldsFlat {
    id: u64,
    flat: Option<Flat>,
}

#[derive(Serialize, Deserialize)]
enum Event {
    Left,
    Paid(Untagged),
}

#[derive(Serialize, Deserialize)]
enum Change {
    Made { id: u64, by: Untagged },
}

#[derive(Serialize, Deserialize)]
struct Outer {
    lines: Vec<Line>,
    id: u64,
}

#[test]
fn the_field_that_asks_the_format_is_named() {
    let part = |structure: Structure| structure.asks_the_format.unwrap();
    for (expected, part) in [
        ("the field `price` of `Line`", part(structure::<Line>())),
        ("the field `price` of `Line`", part(structure::<Vec<Outer>>())),
        ("field 2 of `Aliased`", part(structure::<Aliased>())),
        ("the field `1` of `Pair`", part(structure::<Pair>())),
        ("the field `0` of `Wrapped`", part(structure::<Wrapped>())),
        ("field 2 of `HoldsFlat` (probably `flat`)", part(structure::<HoldsFlat>())),
        ("the variant `Paid` of `Event`", part(structure::<Event>())),
        ("the field `by` of `Change`", part(structure::<Change>())),
        ("the type", part(structure::<Flat>())),
        ("the type", part(structure::<Option<Vec<Untagged>>>())),
    ] {
        assert_eq!(part, expected);
    }
    let error = of(&coding::<Outer, Bincode>(0).kind).unwrap_err().to_string();
    assert!(error.contains("Outer` but") && error.contains("the field `price` of `Line` asks"), "{error}");
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
    assert_eq!(structure::<Validated>().incomplete, None);
    assert_eq!(structure::<Guarded>().incomplete, Some(Incomplete::Refuses));
    assert_eq!(structure::<Panicking>().incomplete, Some(Incomplete::Panics));
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
    let fingerprint =
        |kind| judge(kind, (kind.structure)(effort(100)), || None).unwrap().unwrap().fingerprint;
    assert_eq!(fingerprint(&before), fingerprint(&before));
    assert_ne!(fingerprint(&before), fingerprint(&after));
}

/// A generic function has one `static` for all its types.
#[test]
fn a_cell_is_not_confused_by_a_second_type() {
    let cell = FingerprintCell::new();
    let (bytes, words) = (coding::<Vec<u8>, Bincode>(0).kind, coding::<Vec<u16>, Bincode>(0).kind);
    let fingerprint = |kind| cell.get(kind, 0, |_| ()).unwrap().fingerprint;
    let (first, second) = (fingerprint(&bytes), fingerprint(&words));
    assert_ne!(first, second);
    assert_eq!((fingerprint(&bytes), fingerprint(&words)), (first, second));
}

#[test]
fn a_result_behind_a_type_parameter_is_recognised() {
    let judge = |kind: &CodingKind, shape| FingerprintCell::new().get(kind, shape, |_| ()).map(drop);
    let hidden = coding::<Result<u8, String>, Bincode>(0).kind;
    let error = judge(&hidden, 0).unwrap_err();
    assert!(error.to_string().contains("Result<u8, alloc::string::String>"), "{error}");
    let option = coding::<Option<u8>, Bincode>(0).kind;
    assert!(judge(&option, 0).is_err() && judge(&option, 2).is_err());
    // Written out, an option inside an option is a value like any other.
    assert!(judge(&option, 1).is_ok() && judge(&option, 3).is_ok());
    assert!(judge(&coding::<Vec<Option<u8>>, Bincode>(0).kind, 0).is_ok());
}

macro_rules! family {
    ($($type:ident)*) => { family!(@ [$($type)*] $($type)*); };
    (@ $all:tt $($type:ident)*) => { $(family!(# $type $all);)* };
    (# $type:ident [$($other:ident)*]) => {
        #[derive(Serialize, Deserialize)]
        #[allow(non_snake_case, reason = "a field for each type")]
        struct $type { $($other: Vec<$other>),* }
    };
}
family!(A B C D E F G H I J K L);

/// Types that all contain one another: seen through in a moment, and not a path at a time.
#[test]
fn types_that_contain_one_another_cost_their_sum() {
    let structure = structure::<A>();
    assert_eq!((structure.incomplete, structure.gave_up), (None, false));
    for name in ["struct A[", "struct F[", "struct L["] {
        assert!(structure.text.contains(name), "{name}");
    }
}

/// An enum with many variants, inside of each variant of another.
macro_rules! releases {
    ($($module:ident: $from:ident $to:ident;)*) => {$(
        mod $module {
            use super::*;

            #[derive(Serialize, Deserialize)]
            pub(super) enum Event {
                One(Country), Two(Country), Three { country: Country }, Four(Country), Five { at: Country },
                Transfer { country: Country, $from: u32, $to: u32 },
            }
        }
    )*};
}
releases! { before: from to; after: to from; }

macro_rules! country {
    ($($tens:ident)*) => { country!(@ $($tens)*); };
    (@ $($name:ident)*) => {
        #[derive(Serialize, Deserialize)]
        #[allow(non_camel_case_types, reason = "they are many")]
        enum Country { $($name { code: u8, within: Region }),* }
    };
}
country! {
    AA AB AC AD AE AF AG AH AI AJ AK AL AM AN AO AP AQ AR AS AT AU AV AW AX AY AZ
    BA BB BC BD BE BF BG BH BI BJ BK BL BM BN BO BP BQ BR BS BT BU BV BW BX BY BZ
    CA CB CC CD CE CF CG CH CI CJ CK CL CM CN CO CP CQ CR CS CT CU CV CW CX CY CZ
    DA DB DC DD DE DF DG DH DI DJ DK DL DM DN DO DP DQ DR DS DT DU DV DW DX DY DZ
}

#[derive(Serialize, Deserialize)]
enum Region {
    North(Coast),
    South(Coast),
    East { coast: Coast, near: Option<Box<Country>> },
    Nowhere,
}

#[derive(Serialize, Deserialize)]
enum Coast {
    None,
    Sea(u8),
    Lake { name: String },
}

#[test]
fn every_variant_is_seen_however_many_there_are() {
    let (before, after) = (structure::<before::Event>(), structure::<after::Event>());
    for structure in [&before, &after] {
        assert_eq!((structure.incomplete, structure.gave_up), (None, false), "{}", structure.text);
        for sign in
            ["[\"country\", ", "#103=struct [\"code\", \"within\"]", "[\"coast\", \"near\"]", "[\"name\"]"]
        {
            assert!(structure.text.contains(sign), "{sign}");
        }
    }
    assert_ne!(before.text, after.text, "two fields of the last variant are swapped");
}

mod incomplete;
