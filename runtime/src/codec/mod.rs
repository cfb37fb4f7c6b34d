//! How values become bytes and bytes become values again.

#[cfg(feature = "bincode")]
mod bincode;
mod bounded;
mod faithful;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "messagepack")]
mod messagepack;
#[cfg(feature = "postcard")]
mod postcard;
mod walk;

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use typeid::ConstTypeId;

#[cfg(feature = "bincode")]
pub use self::bincode::Bincode;
pub(crate) use self::bounded::Limits;
#[cfg(feature = "json")]
pub use self::json::Json;
#[cfg(feature = "messagepack")]
pub use self::messagepack::MessagePack;
#[cfg(feature = "postcard")]
pub use self::postcard::Postcard;
use crate::fingerprint::{self, Effort, FieldCounts, Structure};

/// The codec of functions that name none.
#[cfg(feature = "bincode")]
pub type DefaultCodec = Bincode;
/// The codec of functions that name none.
#[cfg(all(feature = "postcard", not(feature = "bincode")))]
pub type DefaultCodec = Postcard;
/// The codec of functions that name none: the crate was built without one.
#[cfg(not(any(feature = "bincode", feature = "postcard")))]
pub type DefaultCodec = NoDefaultCodec;

/// Stands where the default codec would, so that the compiler says what to do.
#[cfg(not(any(feature = "bincode", feature = "postcard")))]
#[derive(Debug)]
pub struct NoDefaultCodec;

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
        bounded::decode_by::<T, Self>(bytes, limits)
    }
}

/// A value could not be written, or not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    /// An error with the text of another.
    pub fn new(error: impl std::fmt::Display) -> CodecError {
        CodecError(error.to_string())
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

/// One type with one codec, and which of its values are stored for how long: everything the paths need to know of it.
pub struct Coding<V> {
    pub(crate) store_if: Option<fn(&V) -> bool>,
    pub(crate) ttl_for: Option<fn(&V) -> Duration>,
    pub(crate) encode: fn(&V, &FieldCounts, &mut Vec<u8>) -> Result<(), CodecError>,
    pub(crate) decode: fn(&[u8]) -> Result<V, CodecError>,
    pub(crate) kind: CodingKind,
}

/// The part of a coding that does not depend on the type's own functions.
#[derive(Clone, Copy)]
pub(crate) struct CodingKind {
    pub(crate) type_id: ConstTypeId,
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) structure: fn(Effort) -> Structure,
    pub(crate) codec: &'static str,
    pub(crate) self_describing: bool,
    pub(crate) version: u32,
    /// The version stands for the structure.
    pub(crate) by_version: bool,
}

impl std::fmt::Debug for CodingKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodingKind")
            .field("type", &(self.type_name)())
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

impl<V> Clone for Coding<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Coding<V> {}

impl<V> std::fmt::Debug for Coding<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coding").field("codec", &self.kind.codec).finish_non_exhaustive()
    }
}

impl<V> Coding<V> {
    /// `store_if = …`
    #[must_use]
    pub const fn store_if(mut self, store_if: fn(&V) -> bool) -> Self {
        self.store_if = Some(store_if);
        self
    }

    /// `version = only(…)`
    #[must_use]
    pub const fn by_version(mut self) -> Self {
        self.kind.by_version = true;
        self
    }

    /// `ttl_for = …`
    #[must_use]
    pub const fn ttl_for(mut self, ttl_for: fn(&V) -> Duration) -> Self {
        self.ttl_for = Some(ttl_for);
        self
    }
}

/// The coding of a function's errors.
#[must_use]
pub const fn error_coding<E: CacheableError, C: Codec>(version: u32) -> Coding<E> {
    coding::<E, C>(version)
}

/// The coding of a tuple or a container.
#[must_use]
pub const fn coding_of_parts<V: CacheableParts, C: Codec>(version: u32) -> Coding<V> {
    coding::<V, C>(version)
}

/// The coding of one type with one codec.
#[must_use]
pub const fn coding<V: Cacheable, C: Codec>(version: u32) -> Coding<V> {
    Coding {
        store_if: None,
        ttl_for: None,
        encode: faithful::encode::<V, C>,
        decode: faithful::decode::<V, C>,
        kind: CodingKind {
            type_id: ConstTypeId::of::<V>(),
            type_name: std::any::type_name::<V>,
            structure: fingerprint::trace::<V, C>,
            codec: C::NAME,
            self_describing: C::SELF_DESCRIBING,
            version,
            by_version: false,
        },
    }
}

#[cfg(test)]
mod tests;
