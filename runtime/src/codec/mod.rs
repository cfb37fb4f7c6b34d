//! How values become bytes and bytes become values again.

#[cfg(feature = "bincode")]
pub(crate) mod bincode;
pub(crate) mod bounded;
pub(crate) mod coding;
mod error;
pub(crate) mod faithful;
#[cfg(feature = "json")]
pub(crate) mod json;
#[cfg(feature = "messagepack")]
pub(crate) mod messagepack;
#[cfg(feature = "postcard")]
pub(crate) mod postcard;
mod walk;

use serde::{Serialize, de::DeserializeOwned};

use self::bounded::Limits;
pub use self::error::CodecError;

/// What the codec of this name is called in an attribute. The name is part of what entries are known by, and has a version in it.
pub(crate) fn option_of(name: &str) -> &str {
    match name {
        "bincode2" => "Bincode",
        "postcard1" => "Postcard",
        "json" => "Json",
        "messagepack-named" => "MessagePack",
        other => other,
    }
}

/// How values of a cached function become bytes: the attribute's `codec = …`.
///
/// Entries carry a checksum of their bytes, so [`decode`](Codec::decode) sees what [`encode`](Codec::encode) wrote, or what an
/// attacker with access to Redis put there: it must return an error, not panic, on anything else.
///
/// ```
/// use cached_aside::{Codec, CodecError};
/// use serde::{Serialize, de::DeserializeOwned};
///
/// struct PrettyJson;
///
/// impl Codec for PrettyJson {
///     const NAME: &'static str = "pretty-json";
///     const SELF_DESCRIBING: bool = true;
///     const HUMAN_READABLE: bool = true;
///
///     fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
///         serde_json::to_writer_pretty(into, value).map_err(CodecError::new)
///     }
///
///     fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
///         serde_json::from_slice(bytes).map_err(CodecError::new)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec",
    note = "without the features `bincode` and `postcard` there is no default codec; enable one, or write `codec = …`"
)]
pub trait Codec {
    /// A name that no other codec has; part of the type fingerprint, so that entries of one codec are never read by another.
    const NAME: &'static str;
    /// Whether the bytes say themselves what they are, so that `#[serde(flatten)]`, `untagged` and `serde_json::Value` can
    /// be read back. Functions with such types run uncached when this is `false`.
    const SELF_DESCRIBING: bool;
    /// What the codec's (de)serializers answer to serde's `is_human_readable`.
    const HUMAN_READABLE: bool;

    /// Appends the encoded value.
    ///
    /// # Errors
    ///
    /// When the codec can't write this value. It is then not stored.
    fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads a value; all of `bytes` must be used.
    ///
    /// # Errors
    ///
    /// When the bytes are not those of a `T`. It is then a miss.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError>;

    /// The same within limits; not for users.
    ///
    /// # Errors
    ///
    /// As [`decode`](Codec::decode), and when the bytes nest too deep or claim too many elements.
    #[doc(hidden)]
    fn decode_bounded<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, CodecError>
    where
        Self: Sized,
    {
        bounded::decode_by(bytes, limits, Self::decode)
    }
}

/// A value that can be cached: written and read by serde.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` can't be cached",
    label = "a cached value must implement `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to the type, without borrowed fields",
    note = "of a type that is about an answer and not a value, such as `Json<User>`, return what is inside, and wrap it where \
            the function is called; what stands inside of another type needs the two as well"
)]
pub trait Cacheable: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Cacheable for T {}

/// A pointer that can be cached.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` can't be cached",
    label = "serde writes and reads what is behind an `Arc` or `Rc` only with its feature `rc`",
    note = "return what is inside, which each caller is given one of; it needs `#[derive(serde::Serialize, serde::Deserialize)]`",
    note = "to return the pointer itself, write in Cargo.toml `serde = {{ version = \"1\", features = [\"derive\", \"rc\"] }}`"
)]
pub trait CacheablePointer: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> CacheablePointer for T {}

/// A time that can be cached.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` can't be cached",
    label = "a `std::time::Instant` means nothing outside of the process that made it",
    note = "return a `std::time::SystemTime`, or the `std::time::Duration` since something that every process knows",
    note = "a type of your own needs `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait CacheableTime: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> CacheableTime for T {}

/// A tuple or a container that can be cached. Here the compiler is to say which part can't.
pub trait CacheableParts: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> CacheableParts for T {}

/// An error that can be cached: written and read by serde.
#[diagnostic::on_unimplemented(
    message = "errors of type `{Self}` can't be cached",
    label = "`error_ttl` needs an error that implements `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to the error, without borrowed fields, or remove `error_ttl`"
)]
pub trait CacheableError: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> CacheableError for E {}

#[cfg(test)]
mod tests;
