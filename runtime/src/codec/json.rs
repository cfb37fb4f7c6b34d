use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{Codec, CodecError, bounded::Limits};

/// JSON: self-describing, and readable in `redis-cli`. Needs the feature `json`.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Codec for Json {
    const NAME: &'static str = "json";
    const SELF_DESCRIBING: bool = true;
    const HUMAN_READABLE: bool = true;

    fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(into, value).map_err(CodecError::new)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        Self::decode_bounded(bytes, &Limits::of(bytes))
    }

    fn decode_bounded<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, CodecError> {
        let mut from = serde_json::Deserializer::from_slice(bytes);
        let value = limits.seed::<T>().deserialize(&mut from).map_err(CodecError::new)?;
        from.end().map_err(CodecError::new)?;
        Ok(value)
    }
}
