use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    thread,
};

use serde::Serialize;

use super::*;
use crate::{
    Bincode, Codec, Json, MessagePack, Postcard,
    codec::{
        coding::coding,
        faithful,
        walk::{Options, walk},
    },
};

#[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
struct Node(Option<Box<Node>>);

#[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
enum Tree {
    Leaf,
    List(Vec<Tree>),
    Map(BTreeMap<u8, Tree>),
    Struct { inner: Box<Tree>, name: Option<String>, numbers: [u64; 16] },
}

#[derive(Debug, PartialEq, PartialOrd, Eq, Ord, Serialize, serde::Deserialize)]
struct Unit;

#[derive(Debug, Serialize, serde::Deserialize)]
struct Marked {
    tags: Vec<Unit>,
    number: u8,
}

#[derive(Debug, Serialize, serde::Deserialize)]
struct Sets {
    set: BTreeSet<()>,
    number: u8,
}

/// As much as a worker of tokio has.
fn on_a_workers_stack(run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn planted_bytes_that_nest_without_end_are_refused() {
    on_a_workers_stack(|| {
        let some = [vec![1; 1_000_000], vec![0]].concat();
        Bincode::decode::<Node>(&some).unwrap_err();
        Postcard::decode::<Node>(&some).unwrap_err();
        for error in [faithful::decode::<Node, Bincode>(&some), faithful::decode::<Node, Postcard>(&some)] {
            let error = error.unwrap_err();
            assert!(error.to_string().contains("more than 128 levels"), "{error}");
        }
        // Lists in lists: variant, length one.
        let lists = [1_u8, 1].repeat(1_000_000);
        Bincode::decode::<Tree>(&lists).unwrap_err();
        Postcard::decode::<Tree>(&lists).unwrap_err();
        let structs = vec![3; 1_000_000];
        Bincode::decode::<Tree>(&structs).unwrap_err();
        Postcard::decode::<Tree>(&structs).unwrap_err();
        let json = r#"{"List":["#.repeat(1_000_000);
        Json::decode::<Tree>(json.as_bytes()).unwrap_err();
        Json::decode::<serde_json::Value>("[".repeat(1_000_000).as_bytes()).unwrap_err();
        let messagepack = [&b"\x81\xa4List\x91"[..]].concat().repeat(1_000_000);
        MessagePack::decode::<Tree>(&messagepack).unwrap_err();
        MessagePack::decode::<serde_json::Value>(&vec![0x91; 1_000_000]).unwrap_err();
        // What no field takes.
        let ignored = [&b"\x81\xa1x"[..], &vec![0x91; 1_000_000]].concat();
        MessagePack::decode::<Marked>(&ignored).unwrap_err();
    });
}

/// A value that nests so deep, and notes how deep it was asked for its parts.
struct Deep<'a> {
    left: u32,
    asked: &'a Cell<u32>,
}

impl Serialize for Deep<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.asked.set(self.asked.get() + 1);
        match self.left.checked_sub(1) {
            Some(left) => to.serialize_some(&Deep { left, asked: self.asked }),
            None => to.serialize_none(),
        }
    }
}

#[test]
fn a_value_that_nests_too_deep_is_left_alone_before_it_is_written() {
    let asked = Cell::default();
    let refused = walk(&Deep { left: 1_000, asked: &asked }, Options::default()).unwrap_err();
    assert!(refused.to_string().contains("more than 128 levels"), "{refused}");
    assert_eq!(asked.get(), MAX_DEPTH + 1, "no codec would stop there");
    asked.set(0);
    walk(&Deep { left: MAX_DEPTH, asked: &asked }, Options::default()).unwrap();
}

/// The deepest that there is fits on the stack of a worker, also where nothing is optimised.
#[test]
fn the_deepest_value_is_written_and_read() {
    fn round_trip<C: Codec>(tree: &Tree) {
        let mut bytes = Vec::new();
        let coding = coding::<Tree, C>(0);
        let type_info = crate::fingerprint::of(&coding.kind).unwrap();
        (coding.encode)(tree, type_info.counts, &mut bytes).unwrap();
        assert_eq!((coding.decode)(&bytes).unwrap(), *tree, "{}", C::NAME);
    }
    on_a_workers_stack(|| {
        let grow = |levels, wrap: fn(Tree) -> Tree| (0..levels).fold(Tree::Leaf, |tree, _| wrap(tree));
        let structs = |inner| Tree::Struct { inner: Box::new(inner), name: None, numbers: [7; 16] };
        let lists = grow(42, |tree| Tree::List(vec![tree]));
        let maps = grow(42, |tree| Tree::Map([(1, tree)].into()));
        for tree in [lists, maps, grow(62, structs)] {
            round_trip::<Bincode>(&tree);
            round_trip::<Postcard>(&tree);
            round_trip::<MessagePack>(&tree);
            round_trip::<Json>(&tree);
        }
    });
}

#[test]
fn a_claim_of_elements_without_bytes_is_refused() {
    for claimed in [70_000_u64, 1 << 32, u64::MAX] {
        let mut bincode = vec![253];
        bincode.extend(claimed.to_le_bytes());
        bincode.push(1);
        let mut postcard = Vec::new();
        let mut rest = claimed;
        while rest >= 128 {
            postcard.push(u8::try_from(rest & 127).unwrap() | 128);
            rest >>= 7;
        }
        postcard.extend([u8::try_from(rest).unwrap(), 1]);
        Bincode::decode::<Marked>(&bincode).unwrap_err();
        Postcard::decode::<Marked>(&postcard).unwrap_err();
        for error in [
            faithful::decode::<Marked, Bincode>(&bincode).unwrap_err(),
            faithful::decode::<Sets, Bincode>(&bincode).unwrap_err(),
            faithful::decode::<Marked, Postcard>(&postcard).unwrap_err(),
            faithful::decode::<Sets, Postcard>(&postcard).unwrap_err(),
        ] {
            assert!(error.to_string().contains("more than 65,536 elements"), "{error}");
        }
    }
    let marked = Marked { tags: (0..60_000).map(|_| Unit).collect(), number: 1 };
    let mut bytes = Vec::new();
    Bincode::encode(&marked, &mut bytes).unwrap();
    assert_eq!(Bincode::decode::<Marked>(&bytes).unwrap().tags.len(), 60_000);
}

/// Fields that take no bytes are no elements.
#[test]
fn a_long_list_of_structs_with_empty_fields_is_read() {
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Row {
        number: u8,
        empty: (),
        also: [(); 3],
    }
    let rows: Vec<Row> = (0..300_000).map(|_| Row { number: 1, empty: (), also: [(); 3] }).collect();
    let mut bytes = Vec::new();
    Bincode::encode(&rows, &mut bytes).unwrap();
    assert!(Bincode::decode::<Vec<Row>>(&bytes).unwrap() == rows);
}
