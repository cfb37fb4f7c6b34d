use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    id: u64,
    name: String,
    tags: Vec<String>,
    nested: Option<Box<Everything>>,
    shape: Shape,
    big: u128,
    negative: i64,
    map: BTreeMap<String, (u8, bool)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Square { side: f32 },
}

fn sample() -> Everything {
    let inner = Everything {
        id: u64::MAX,
        name: "Zoë 🦀".to_owned(),
        tags: vec![String::new(), "a".to_owned()],
        nested: None,
        shape: Shape::Square { side: 1.5 },
        big: u128::MAX,
        negative: i64::MIN,
        map: BTreeMap::from([("k".to_owned(), (7, true))]),
    };
    Everything { nested: Some(Box::new(inner.clone())), shape: Shape::Circle(-0.0), ..inner }
}

fn encoded<C: Codec>(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    C::encode(value, &mut bytes).unwrap();
    bytes
}

fn round_trip<C: Codec>() {
    let bytes = encoded::<C>(&sample());
    assert_eq!(C::decode::<Everything>(&bytes).unwrap(), sample(), "{}", C::NAME);
    for value in [Shape::Point, Shape::Circle(1.0), Shape::Square { side: 2.0 }] {
        assert_eq!(C::decode::<Shape>(&encoded::<C>(&value)).unwrap(), value, "{}", C::NAME);
    }
    let long: Vec<u64> = (0..200_000).collect();
    assert_eq!(C::decode::<Vec<u64>>(&encoded::<C>(&long)).unwrap(), long, "{}", C::NAME);
    let small = vec![1_u128; 3_000];
    assert_eq!(C::decode::<Vec<u128>>(&encoded::<C>(&small)).unwrap(), small, "{}", C::NAME);

    // What is written is appended to what is there: the entry's header.
    let mut appended = b"header".to_vec();
    C::encode(&sample(), &mut appended).unwrap();
    assert_eq!(appended, [b"header", &bytes[..]].concat(), "{}", C::NAME);

    let left_over = [&bytes[..], b"\x01"].concat();
    assert!(C::decode::<Everything>(&left_over).is_err(), "{}: bytes left over", C::NAME);
    for cut in 0..bytes.len() {
        assert!(C::decode::<Everything>(&bytes[..cut]).is_err(), "{}: cut at {cut}", C::NAME);
    }
}

#[test]
fn every_codec_reads_what_it_wrote_and_nothing_else() {
    #[cfg(feature = "bincode")]
    round_trip::<Bincode>();
    #[cfg(feature = "json")]
    round_trip::<Json>();
    #[cfg(feature = "messagepack")]
    round_trip::<MessagePack>();
    #[cfg(feature = "postcard")]
    round_trip::<Postcard>();
}

/// A string that claims to be as long as memory: refused before anything is allocated for it.
#[cfg(feature = "bincode")]
#[test]
fn bincode_allocates_no_more_than_the_input_allows() {
    for len in [1_u64 << 20, 1 << 30, 1 << 40, u64::MAX] {
        let mut claim = vec![253];
        claim.extend_from_slice(&len.to_le_bytes());
        claim.extend_from_slice(b"abc");
        let error = Bincode::decode::<String>(&claim).unwrap_err().to_string();
        assert!(error.contains("Limit"), "{error}");
        assert!(Bincode::decode::<Vec<u8>>(&claim).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        #[cfg(feature = "bincode")]
        drop(Bincode::decode::<Everything>(&bytes));
        #[cfg(feature = "json")]
        drop(Json::decode::<Everything>(&bytes));
        #[cfg(feature = "messagepack")]
        drop(MessagePack::decode::<Everything>(&bytes));
        #[cfg(feature = "postcard")]
        drop(Postcard::decode::<Everything>(&bytes));
    }
}
