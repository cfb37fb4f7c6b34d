use bincode::config::{Config, standard};
use cached_aside_protocol::format::MAX_PAYLOAD;
use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError, bounded::Limits};

/// [bincode 2](https://docs.rs/bincode/2.0.1) in its standard configuration: small, fast, positional. The default.
///
/// bincode is no longer maintained (RUSTSEC-2025-0141). A program that must not depend on it takes
/// `default-features = false` and the feature `postcard`, whose codec is then the default.
#[derive(Debug, Clone, Copy)]
pub struct Bincode;

/// bincode charges each number with its size in memory, which for small numbers is up to sixteen times the
/// bytes read, and believes a claimed length until it comes to the input's end. So the limit follows the input.
fn decode_within<T: DeserializeOwned, const LIMIT: usize>(
    bytes: &[u8],
    limits: &Limits,
) -> Result<T, CodecError> {
    decode_with(bytes, limits, standard().with_limit::<LIMIT>())
}

fn decode_with<T: DeserializeOwned>(
    bytes: &[u8],
    limits: &Limits,
    config: impl Config,
) -> Result<T, CodecError> {
    let decoded = bincode::serde::seed_decode_from_slice(limits.seed::<T>(), bytes, config);
    let (value, read) = decoded.map_err(CodecError::new)?;
    if read == bytes.len() { Ok(value) } else { Err(CodecError::new("bytes are left over")) }
}

impl Codec for Bincode {
    const NAME: &'static str = "bincode2";
    const SELF_DESCRIBING: bool = false;
    const HUMAN_READABLE: bool = false;

    fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        bincode::serde::encode_into_std_write(value, into, standard()).map_err(CodecError::new)?;
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        Self::decode_bounded(bytes, &Limits::of(bytes))
    }

    fn decode_bounded<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, CodecError> {
        match bytes.len() {
            0..0x1000 => decode_within::<T, { 16 * 0x1000 }>(bytes, limits),
            0x1000..0x1_0000 => decode_within::<T, { 16 * 0x1_0000 }>(bytes, limits),
            0x1_0000..0x10_0000 => decode_within::<T, { 16 * 0x10_0000 }>(bytes, limits),
            _ => decode_within::<T, { 16 * MAX_PAYLOAD }>(bytes, limits),
        }
    }
}
