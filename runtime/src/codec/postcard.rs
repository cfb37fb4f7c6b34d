use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{Codec, CodecError, bounded::Limits};

/// [postcard](https://docs.rs/postcard): small, fast, positional, maintained. Needs the feature `postcard`.
#[derive(Debug, Clone, Copy)]
pub struct Postcard;

impl Codec for Postcard {
    const NAME: &'static str = "postcard1";
    const SELF_DESCRIBING: bool = false;
    const HUMAN_READABLE: bool = false;

    fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        let written = postcard::to_extend(value, std::mem::take(into)).map_err(CodecError::new)?;
        *into = written;
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        Self::decode_bounded(bytes, &Limits::of(bytes))
    }

    fn decode_bounded<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, CodecError> {
        let mut from = postcard::Deserializer::from_bytes(bytes);
        let value = limits.seed::<T>().deserialize(&mut from).map_err(CodecError::new)?;
        let left_over = from.finalize().map_err(CodecError::new)?;
        if left_over.is_empty() { Ok(value) } else { Err(CodecError::new("bytes are left over")) }
    }
}
