use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError};

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
        serde_json::from_slice(bytes).map_err(CodecError::new)
    }
}
