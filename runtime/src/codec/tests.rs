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

#[cfg(feature = "bincode")]
mod borrowed {
    use std::{collections::BTreeMap, fmt};

    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{DeserializeOwned, Visitor},
    };

    use super::{super::*, encoded};

    /// A string, and whether it was read without a buffer between.
    #[derive(Debug, PartialEq)]
    struct Read<const BYTES: bool>(Vec<u8>, bool);

    impl<const BYTES: bool> Serialize for Read<BYTES> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            if BYTES {
                to.serialize_bytes(&self.0)
            } else {
                to.serialize_str(str::from_utf8(&self.0).unwrap())
            }
        }
    }

    impl<'de, const BYTES: bool> Deserialize<'de> for Read<BYTES> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Reads<const BYTES: bool>;
            impl<'de, const BYTES: bool> Visitor<'de> for Reads<BYTES> {
                type Value = Read<BYTES>;

                fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                    f.write_str("a string")
                }

                fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                    Ok(Read(text.as_bytes().to_vec(), true))
                }

                fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                    Ok(Read(bytes.to_vec(), true))
                }

                fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                    Ok(Read(text.into(), false))
                }

                fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                    Ok(Read(bytes, false))
                }
            }
            if BYTES { from.deserialize_byte_buf(Reads) } else { from.deserialize_string(Reads) }
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Holds {
        One(Text),
        Two(Text, Data),
        Named { text: Text },
    }

    type Text = Read<false>;
    type Data = Read<true>;

    #[test]
    fn bincode_copies_a_string_once_wherever_it_is() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Newtype(Text);
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Pair(Text, Data);

        fn read<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T) {
            assert_eq!(Bincode::decode::<T>(&encoded::<Bincode>(value)).unwrap(), *value);
        }
        let (text, data) = (|| Read::<false>("Zoë".into(), true), || Read::<true>(vec![0, 255], true));
        read(&text());
        read(&data());
        read(&Newtype(text()));
        read(&Pair(text(), data()));
        read(&(text(), Some(data()), Some(Box::new(text()))));
        read(&vec![[text(), text()], [text(), text()]]);
        read(&vec![
            (1, Holds::One(text())),
            (2, Holds::Two(text(), data())),
            (3, Holds::Named { text: text() }),
        ]);
        let named = Holds::Named { text: text() };
        read(&BTreeMap::from([(String::from("a"), named), (String::from("b"), Holds::One(text()))]));
    }
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

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Skipping {
    #[serde(default, skip_serializing_if = "is_zero")]
    level: u8,
    role: u8,
    name: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(level: &u8) -> bool {
    *level == 0
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NeverWritten {
    #[serde(default, skip_serializing)]
    secret: u8,
    role: u8,
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Variants {
    NeverRead {
        #[serde(skip_deserializing)]
        cache: u8,
        name: String,
    },
    Tuple(u8, #[serde(skip_serializing_if = "is_zero", default)] u8),
    Fine(#[serde(skip)] u8, u8, u8),
}

/// Encodes as the read path does.
fn checked<V: Cacheable, C: Codec>(value: &V) -> Result<Vec<u8>, CodecError> {
    let coding = coding::<V, C>(0);
    let mut bytes = Vec::new();
    (coding.encode)(value, &(coding.kind.structure)().counts, &mut bytes)?;
    Ok(bytes)
}

#[cfg(feature = "bincode")]
#[test]
fn a_positional_codec_refuses_what_it_would_read_back_as_something_else() {
    let skipping = |level| Skipping { level, role: 7, name: "\0".to_owned() };
    // Without the check this is what would be served: a value, and the wrong one.
    let wrong: Skipping = Bincode::decode(&encoded::<Bincode>(&skipping(0))).unwrap();
    assert_eq!(wrong, Skipping { level: 7, role: 1, name: String::new() });

    let error = checked::<_, Bincode>(&skipping(0)).unwrap_err().to_string();
    assert!(
        error.contains("`Skipping` is written with 2 fields") && error.contains("codec = Json"),
        "{error}"
    );
    assert_eq!(
        Bincode::decode::<Skipping>(&checked::<_, Bincode>(&skipping(1)).unwrap()).unwrap(),
        skipping(1)
    );
    let nested = vec![Some(skipping(1)), None, Some(skipping(0))];
    checked::<_, Bincode>(&nested).unwrap_err();

    let error =
        checked::<_, Bincode>(&NeverWritten { secret: 0, role: 1, name: "\0".to_owned() }).unwrap_err();
    assert!(error.to_string().contains("`NeverWritten` is written with 2 fields"), "{error}");
    let error = checked::<_, Bincode>(&Variants::NeverRead { cache: 1, name: String::new() }).unwrap_err();
    assert!(error.to_string().contains("`Variants::NeverRead`"), "{error}");
    for value in [Variants::Tuple(1, 2), Variants::Fine(0, 1, 2)] {
        assert_eq!(Bincode::decode::<Variants>(&checked::<_, Bincode>(&value).unwrap()).unwrap(), value);
    }
    checked::<_, Bincode>(&Variants::Tuple(1, 0)).unwrap_err();
    checked::<_, Bincode>(&sample()).unwrap();
}

#[cfg(feature = "json")]
#[test]
fn a_self_describing_codec_takes_them() {
    let value = Skipping { level: 0, role: 7, name: "\0".to_owned() };
    assert_eq!(Json::decode::<Skipping>(&checked::<_, Json>(&value).unwrap()).unwrap(), value);
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
