use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize};

use super::*;
use crate::{Bincode, Json, MessagePack, Postcard};

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

    use super::{Bincode, encoded};
    use crate::Codec;

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
