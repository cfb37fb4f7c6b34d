use std::io::Cursor;

use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{Codec, CodecError, bounded::Limits};

/// `MessagePack` with field names: self-describing, and smaller than JSON. Needs the feature `messagepack`.
#[derive(Debug, Clone, Copy)]
pub struct MessagePack;

impl Codec for MessagePack {
    const NAME: &'static str = "messagepack-named";
    const SELF_DESCRIBING: bool = true;
    const HUMAN_READABLE: bool = false;

    fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        rmp_serde::encode::write_named(into, value).map_err(CodecError::new)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        Self::decode_bounded(bytes, &Limits::of(bytes))
    }

    fn decode_bounded<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, CodecError> {
        let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes));
        let value = limits.seed::<T>().deserialize(&mut deserializer).map_err(CodecError::new)?;
        if deserializer.position() == bytes.len() as u64 {
            Ok(value)
        } else {
            Err(CodecError::new("bytes are left over"))
        }
    }
}
