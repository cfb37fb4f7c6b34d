use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError};

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
        match postcard::take_from_bytes(bytes).map_err(CodecError::new)? {
            (value, []) => Ok(value),
            _ => Err(CodecError::new("bytes are left over")),
        }
    }
}
